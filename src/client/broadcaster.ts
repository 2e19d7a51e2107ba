import type { Address, Clock } from "#host/host.ts";
import type { CallEnd, CallId, CallPort, CallUser } from "#sip/engine/call-types.ts";
import type { SipResponse } from "#sip/wire/message.ts";
import { type Body, ingestOffer, readIngest } from "./descriptions.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";

export type BroadcasterState =
  | { readonly kind: "idle" }
  | { readonly kind: "calling" }
  /** `ingest`: where the RTP goes. */
  | { readonly kind: "on air"; readonly ingest: Address }
  | ({ readonly kind: "ended" } & Outcome);

export interface BroadcasterPorts {
  /** INVITE to that channel. */
  readonly invite: (channel: string, body: Body) => CallId;
  readonly calls: Pick<CallPort, "ack" | "end">;
  readonly clock: Clock;
  /** Where our RTP comes from. */
  readonly from: Address;
  readonly onState: (state: BroadcasterState) => void;
}

/** A broadcaster [B9]: one channel on air by an INVITE of its owner, until either side hangs up (PROTOCOL §2, §3 form 1). */
export class Broadcaster implements CallUser {
  readonly #ports: BroadcasterPorts;
  #state: BroadcasterState = { kind: "idle" };
  #call: CallId | undefined;

  constructor(ports: BroadcasterPorts) {
    this.#ports = ports;
  }

  get state(): BroadcasterState {
    return this.#state;
  }

  /** `kbps` to be reserved; without, the channel's own rate. */
  goLive(channel: string, kbps?: number): void {
    this.#call = this.#ports.invite(channel, ingestOffer(this.#ports.clock, this.#ports.from, kbps));
    this.#become({ kind: "calling" });
  }
  end(): void {
    if (this.#call !== undefined) this.#ports.calls.end(this.#call);
  }

  onInvite(): void {
    throw new Error("A broadcaster of an open channel takes no calls");
  }
  onProvisional(): void {
    // the state is `calling` already
  }
  onAnswered(call: CallId, response: SipResponse): void {
    if (call !== this.#call) return;
    const ingest = readIngest(response.body);
    this.#ports.calls.ack(call);
    if (ingest) this.#become({ kind: "on air", ingest });
    else this.#ports.calls.end(call);
  }
  onEstablished(): void {
    // only of calls taken
  }
  onEnded(call: CallId, end: CallEnd): void {
    if (call !== this.#call) return;
    this.#call = undefined;
    this.#become(end.kind === "local" ? { kind: "idle" } : { kind: "ended", ...outcomeOf(end) });
  }

  #become(state: BroadcasterState): void {
    this.#state = state;
    this.#ports.onState(state);
  }
}
