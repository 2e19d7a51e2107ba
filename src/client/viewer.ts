import type { Clock } from "#host/host.ts";
import type { CallEnd, CallId, CallPort, CallUser } from "#sip/engine/call-types.ts";
import type { SipRequest, SipResponse } from "#sip/wire/message.ts";
import { type Body, multicastAnswer, readStream, type StreamDescription } from "./descriptions.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";

/** What a viewer wants. */
export interface Wish {
  readonly channel: string;
  /** At most, kbit/s; without, as much as his line and the network carry (PROTOCOL §3). */
  readonly kbps?: number | undefined;
}
/** A channel whose picture runs. */
export interface Watched {
  readonly channel: string;
  readonly stream: StreamDescription;
  /** From the choice of the channel to its 2xx. */
  readonly setupMs: number;
}
export type ViewerState =
  | { readonly kind: "idle" }
  /** `before`: the picture that goes on until the new channel is there. */
  | { readonly kind: "calling"; readonly channel: string; readonly before?: Watched }
  /** `refused`: the channel that was wanted instead, and why it could not be had. */
  | ({ readonly kind: "watching"; readonly refused?: { readonly channel: string } & Outcome } & Watched)
  /** The call was answered no, found no answer, or ended later without our doing: then of what was refused meanwhile, if any. */
  | ({ readonly kind: "ended"; readonly channel: string } & Outcome);

/** How one channel follows another (PROTOCOL §6): in its place (RFC 3891), or, as the paper has it, after its BYE. */
export type ChannelChange = "replace" | "hang-up-first";

export interface ViewerPorts {
  /** INVITE to that channel, in the place of that call where one is given. */
  readonly invite: (wish: Wish, body: Body | undefined, replaces?: CallId) => CallId;
  readonly calls: Pick<CallPort, "ack" | "end">;
  readonly clock: Clock;
  /** The offer; `undefined` asks for the group (PROTOCOL §3 form 2). */
  readonly offer: () => Body | undefined;
  /** Our own address, for the answer to form 2. */
  readonly localHost: string;
  readonly onState: (state: ViewerState) => void;
  /** Default `replace`. */
  readonly change?: ChannelChange;
}

/** What a viewer answers who is called: the same user may be a broadcaster on another device. */
export const NO_CALLS = 488;
/** The far end does not replace calls, or not this one: BYE, then INVITE. */
const CANNOT_REPLACE: ReadonlySet<number | undefined> = new Set([420, 481, 501]);

/** A viewer [B9]: watches one channel at a time, and changes to another [B12]. */
export class Viewer implements Omit<CallUser, "onInvite"> {
  readonly #ports: ViewerPorts;
  #state: ViewerState = { kind: "idle" };
  /** Calling, or watching. */
  #call: CallId | undefined;
  #watched: Watched | undefined;
  /** To take the place of `#call`. */
  #next: CallId | undefined;
  #wanted: Wish | undefined; // once a call that is in its way has ended
  #asked: Wish = { channel: "" };
  #chosenAtMs = 0;

  constructor(ports: ViewerPorts) {
    this.#ports = ports;
  }

  get state(): ViewerState {
    return this.#state;
  }

  watch(channel: string, kbps?: number): void {
    this.#chosenAtMs = this.#ports.clock.nowMs();
    this.#wanted = { channel, kbps };
    const inTheWay = this.#next ?? this.#call;
    if (inTheWay === undefined || this.#mayReplace) this.#invite();
    else this.#ports.calls.end(inTheWay);
  }
  leave(): void {
    this.#wanted = undefined;
    this.#watched = undefined; // nothing can take its place any more
    for (const call of [this.#next, this.#call]) if (call !== undefined) this.#ports.calls.end(call);
  }

  onProvisional(): void {
    // the state is `calling` already
  }
  onAnswered(call: CallId, response: SipResponse): void {
    if ((call !== this.#call && call !== this.#next) || this.#state.kind !== "calling") return;
    const stream = readStream(response.body);
    const answer =
      stream?.form === "multicast" ? multicastAnswer(this.#ports.clock, response.body, this.#ports.localHost) : undefined;
    this.#ports.calls.ack(call, answer);
    if (!stream) return this.#ports.calls.end(call);
    this.#call = call; // what it has replaced gets its BYE from the other side
    this.#next = undefined;
    this.#watched = { channel: this.#state.channel, stream, setupMs: this.#ports.clock.nowMs() - this.#chosenAtMs };
    this.#become({ kind: "watching", ...this.#watched });
  }
  onEstablished(_call: CallId, _ack: SipRequest): void {
    // only of calls taken
  }
  onEnded(call: CallId, end: CallEnd): void {
    if (call === this.#next) this.#onChangeEnded(end);
    else if (call === this.#call) this.#onCallEnded(end);
  }

  #onCallEnded(end: CallEnd): void {
    this.#call = undefined;
    this.#watched = undefined;
    const channel = "channel" in this.#state ? this.#state.channel : "";
    const refused = this.#state.kind === "watching" ? this.#state.refused : undefined;
    if (this.#next !== undefined) this.#become({ kind: "calling", channel });
    else if (this.#wanted !== undefined) this.#invite();
    else
      this.#become(end.kind === "local" ? { kind: "idle" } : { kind: "ended", ...(refused ?? { channel, ...outcomeOf(end) }) });
  }
  /** The old picture goes on, unless there is another way to the new one. */
  #onChangeEnded(end: CallEnd): void {
    this.#next = undefined;
    const channel = "channel" in this.#state ? this.#state.channel : "";
    const outcome = outcomeOf(end);
    if (this.#call === undefined || !this.#watched) {
      this.#onCallEnded(end);
    } else if (this.#wanted !== undefined) {
      this.#invite();
    } else if (CANNOT_REPLACE.has(outcome.status)) {
      this.#wanted = this.#asked;
      this.#ports.calls.end(this.#call);
    } else if (end.kind !== "local") {
      this.#become({ kind: "watching", ...this.#watched, refused: { channel, ...outcome } });
    }
  }

  get #mayReplace(): boolean {
    return this.#watched !== undefined && this.#next === undefined && this.#ports.change !== "hang-up-first";
  }
  #invite(): void {
    this.#asked = this.#wanted ?? this.#asked;
    this.#wanted = undefined;
    const { channel } = this.#asked;
    const before = this.#watched;
    if (before && this.#call !== undefined) {
      this.#next = this.#ports.invite(this.#asked, this.#ports.offer(), this.#call);
      this.#become({ kind: "calling", channel, before });
    } else {
      this.#call = this.#ports.invite(this.#asked, this.#ports.offer());
      this.#become({ kind: "calling", channel });
    }
  }
  #become(state: ViewerState): void {
    this.#state = state;
    this.#ports.onState(state);
  }
}
