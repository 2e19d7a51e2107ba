import type { Clock } from "#host/host.ts";
import type { CallEnd, CallId, CallPort, CallUser } from "#sip/engine/call-types.ts";
import type { SipRequest, SipResponse } from "#sip/wire/message.ts";
import { type Body, multicastAnswer, readStream, type StreamDescription } from "./descriptions.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";

export type ViewerState =
  | { readonly kind: "idle" }
  | { readonly kind: "calling"; readonly channel: string }
  /** `setupMs`: from the choice of the channel to its 2xx. */
  | { readonly kind: "watching"; readonly channel: string; readonly stream: StreamDescription; readonly setupMs: number }
  /** The call was answered no, found no answer, or ended later without our doing. */
  | ({ readonly kind: "ended"; readonly channel: string } & Outcome);

export interface ViewerPorts {
  /** INVITE to that channel. */
  readonly invite: (channel: string, body: Body | undefined) => CallId;
  readonly calls: Pick<CallPort, "ack" | "end">;
  readonly clock: Clock;
  /** The offer; `undefined` asks for the group (PROTOCOL §3 form 2). */
  readonly offer: () => Body | undefined;
  /** Our own address, for the answer to form 2. */
  readonly localHost: string;
  readonly onState: (state: ViewerState) => void;
}

/** What a viewer answers who is called: the same user may be a broadcaster on another device. */
export const NO_CALLS = 488;

/** A viewer [B9]: watches one channel at a time; another one is BYE first, then INVITE [B12]. */
export class Viewer implements Omit<CallUser, "onInvite"> {
  readonly #ports: ViewerPorts;
  #state: ViewerState = { kind: "idle" };
  #call: CallId | undefined;
  #wanted: string | undefined; // once the call before has ended
  #chosenAtMs = 0;

  constructor(ports: ViewerPorts) {
    this.#ports = ports;
  }

  get state(): ViewerState {
    return this.#state;
  }

  watch(channel: string): void {
    this.#chosenAtMs = this.#ports.clock.nowMs();
    this.#wanted = channel;
    if (this.#call === undefined) this.#invite();
    else this.#ports.calls.end(this.#call);
  }
  leave(): void {
    this.#wanted = undefined;
    if (this.#call !== undefined) this.#ports.calls.end(this.#call);
  }

  onProvisional(): void {
    // the state is `calling` already
  }
  onAnswered(call: CallId, response: SipResponse): void {
    if (call !== this.#call || this.#state.kind !== "calling") return;
    const stream = readStream(response.body);
    const answer =
      stream?.form === "multicast" ? multicastAnswer(this.#ports.clock, response.body, this.#ports.localHost) : undefined;
    this.#ports.calls.ack(call, answer);
    if (!stream) return this.#ports.calls.end(call);
    const setupMs = this.#ports.clock.nowMs() - this.#chosenAtMs;
    this.#become({ kind: "watching", channel: this.#state.channel, stream, setupMs });
  }
  onEstablished(_call: CallId, _ack: SipRequest): void {
    // only of calls taken
  }
  onEnded(call: CallId, end: CallEnd): void {
    if (call !== this.#call) return;
    this.#call = undefined;
    const channel = "channel" in this.#state ? this.#state.channel : "";
    if (this.#wanted !== undefined) return this.#invite();
    this.#become(end.kind === "local" ? { kind: "idle" } : { kind: "ended", channel, ...outcomeOf(end) });
  }

  #invite(): void {
    const channel = this.#wanted ?? "";
    this.#wanted = undefined;
    this.#call = this.#ports.invite(channel, this.#ports.offer());
    this.#become({ kind: "calling", channel });
  }
  #become(state: ViewerState): void {
    this.#state = state;
    this.#ports.onState(state);
  }
}
