import type { CallEnd, CallId } from "#sip/engine/call-types.ts";
import type { SipRequest } from "#sip/wire/message.ts";
import type { ChannelRecord } from "../types.ts";
import type { ChannelCall, ChannelInvite, ChannelPorts } from "./ports.ts";
import { type FinalAnswer, incompatibleMedia, refusalAnswer } from "./refusals.ts";
import { Renditions, type RenditionsUser } from "./renditions.ts";
import { type IngestOffer, ingestDescription, readIngestOffer } from "./session-sdp.ts";

/** One broadcaster on air: provisioned at his edge, then announced to every DS [B8] (PROTOCOL §2, §3 form 1). */
export class Broadcast implements ChannelCall, RenditionsUser {
  readonly channel: ChannelRecord;
  readonly #ports: ChannelPorts;
  readonly #call: CallId;
  readonly #invite: ChannelInvite;
  readonly #offer: IngestOffer | undefined;
  readonly #renditions: Renditions;
  #isAnswered = false;
  #isOver = false;

  constructor(ports: ChannelPorts, call: CallId, invite: ChannelInvite, channel: ChannelRecord) {
    this.#ports = ports;
    this.#call = call;
    this.#invite = invite;
    this.channel = channel;
    const { request, flow, user } = invite;
    this.#offer = readIngestOffer(request);
    const studio = { joinId: ports.joinId(request), user, sender: flow.remote.host };
    this.#renditions = new Renditions(ports, channel, studio, this);
  }

  /** Taken back: off air, though the far end may not have answered the BYE yet. */
  get isOver(): boolean {
    return this.#isOver;
  }

  start(): void {
    if (this.#offer) this.#renditions.ask(this.#offer.renditions.map(({ kbps }) => kbps));
    else this.#reject(incompatibleMedia(this.#ports.here.hostName));
  }

  onProvisioned(): void {
    if (!this.#offer) return;
    const body = ingestDescription(this.#offer, this.#renditions.grants, this.#ports.wallMs());
    this.#isAnswered = true;
    this.#ports.calls.accept(this.#call, { contact: this.#ports.contact(this.#invite.flow), body }, this.#renditions.announce());
  }
  /** Off air at once: of a broadcaster who vanished nobody answers BYE. */
  onNoneLeft(reason: string): void {
    if (!this.#isAnswered) return this.#reject(refusalAnswer(reason, this.#ports.here.hostName));
    this.#isOver = true;
    this.#ports.calls.end(this.#call, `COPS;text="${reason}"`);
  }

  onEstablished(_ack: SipRequest): void {
    this.#renditions.report();
  }
  onEnded(_end: CallEnd): void {
    this.#renditions.end();
  }

  #reject(answer: FinalAnswer): void {
    this.#ports.calls.reject(this.#call, answer.status, undefined, answer.headers);
  }
}
