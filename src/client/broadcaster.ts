import type { Address, Clock } from "#host/host.ts";
import type { CallEnd, CallId, CallPort, CallUser } from "#sip/engine/call-types.ts";
import type { NameAddr, SipRequest, SipResponse } from "#sip/wire/message.ts";
import { fromOf, toOf } from "#sip/wire/values.ts";
import { type Body, ingestOffer, noMedia, type Rates, readIngests } from "./descriptions.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";

export type BroadcasterState =
  | { readonly kind: "idle" }
  | { readonly kind: "calling" }
  /** To be called for a viewer. */
  | { readonly kind: "waiting" }
  /** `ingests`: where the RTP of each rendition goes; `undefined` for one that was refused. */
  | { readonly kind: "on air"; readonly ingests: readonly (Address | undefined)[] }
  | ({ readonly kind: "ended" } & Outcome);

export interface BroadcasterPorts {
  /** INVITE to that channel. */
  readonly invite: (channel: string, body: Body) => CallId;
  readonly calls: Pick<CallPort, "ack" | "end" | "ring" | "accept" | "reject">;
  /** Our Contact, for answering. */
  readonly contact: () => NameAddr;
  readonly clock: Clock;
  /** Our own address: where our RTP comes from. */
  readonly localHost: string;
  /** Of what there is to send, one to three. */
  readonly rates: Rates;
  readonly onState: (state: BroadcasterState) => void;
}
/** How a broadcaster is asked. */
export interface Asked {
  readonly channel: string;
  /** Users who may not watch. */
  readonly refused: ReadonlySet<string>;
}

/**
 * A broadcaster [B9] of one channel, which is on air until either side hangs up: by an INVITE of its owner (PROTOCOL §2, §3
 * form 1), or, where he waits to be asked, by the call for the first viewer; each later one is agreed to (PROTOCOL §5).
 */
export class Broadcaster implements CallUser {
  readonly #ports: BroadcasterPorts;
  #state: BroadcasterState = { kind: "idle" };
  /** The one that carries the stream. */
  #call: CallId | undefined;
  #asked: Asked | undefined;

  constructor(ports: BroadcasterPorts) {
    this.#ports = ports;
  }

  get state(): BroadcasterState {
    return this.#state;
  }

  goLive(channel: string): void {
    const { clock, localHost, rates } = this.#ports;
    this.#call = this.#ports.invite(channel, ingestOffer(clock, localHost, rates));
    this.#become({ kind: "calling" });
  }
  /** Once registered: goes on air whenever there are viewers. */
  wait(asked: Asked): void {
    this.#asked = asked;
    this.#become({ kind: "waiting" });
  }
  end(): void {
    this.#asked = undefined;
    if (this.#call !== undefined) this.#ports.calls.end(this.#call);
    else if (this.#state.kind === "waiting") this.#become({ kind: "idle" });
  }

  onInvite(call: CallId, invite: SipRequest): void {
    const { calls, clock, contact, localHost, rates } = this.#ports;
    if (!this.#asked || toOf(invite)?.uri.user !== this.#asked.channel) return calls.reject(call, 480);
    if (this.#asked.refused.has(fromOf(invite)?.uri.user ?? "")) return calls.reject(call, 603);
    const isFirst = invite.body.length === 0; // no offer: it is ours to make
    if (isFirst && this.#call !== undefined) return calls.reject(call, 486);
    if (isFirst) this.#call = call;
    calls.ring(call, 180);
    const body = isFirst ? ingestOffer(clock, localHost, rates) : noMedia(clock, localHost);
    calls.accept(call, { contact: contact(), body });
  }
  onProvisional(): void {
    // the state is `calling` already
  }
  onAnswered(call: CallId, response: SipResponse): void {
    if (call !== this.#call) return;
    this.#ports.calls.ack(call);
    if (!this.#begin(response.body)) this.#ports.calls.end(call);
  }
  /** Port 0 takes back what was asked for: a BYE follows. */
  onEstablished(call: CallId, ack: SipRequest): void {
    if (call === this.#call) this.#begin(ack.body);
  }
  onEnded(call: CallId, end: CallEnd): void {
    if (call !== this.#call) return;
    this.#call = undefined;
    if (this.#asked) return this.#become({ kind: "waiting" });
    this.#become(end.kind === "local" ? { kind: "idle" } : { kind: "ended", ...outcomeOf(end) });
  }

  #begin(answer: Uint8Array): boolean {
    const ingests = readIngests(answer);
    const isTaken = ingests.some((ingest) => ingest !== undefined);
    if (isTaken) this.#become({ kind: "on air", ingests });
    return isTaken;
  }
  #become(state: BroadcasterState): void {
    this.#state = state;
    this.#ports.onState(state);
  }
}
