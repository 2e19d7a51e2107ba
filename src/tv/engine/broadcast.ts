import { LIMITS } from "#base/limits.ts";
import type { CallEnd, CallId } from "#sip/engine/call-types.ts";
import type { SipRequest } from "#sip/wire/message.ts";
import type { ChannelRecord, Session } from "../types.ts";
import type { ChannelCall, ChannelInvite, ChannelPorts } from "./ports.ts";
import { type FinalAnswer, incompatibleMedia, refusalAnswer } from "./refusals.ts";
import { Renditions, type RenditionsUser } from "./renditions.ts";
import { type IngestOffer, ingestDescription, readIngestOffer } from "./session-sdp.ts";

const GONE = 'SIP;cause=408;text="No answer"';

/** One broadcaster on air: provisioned at his edge, then announced to every DS [B8] (PROTOCOL §2, §3 form 1). */
export class Broadcast implements ChannelCall, RenditionsUser {
  readonly channel: ChannelRecord;
  readonly #ports: ChannelPorts;
  readonly #call: CallId;
  readonly #joinId: string;
  readonly #renditions: Renditions;
  /** Of a call that began here. */
  #invite: ChannelInvite | undefined;
  #offer: IngestOffer | undefined;
  #isAnswered = false;
  #isUp = false;
  #isOver = false;

  constructor(ports: ChannelPorts, call: CallId, joinId: string, channel: ChannelRecord) {
    this.#ports = ports;
    this.#call = call;
    this.#joinId = joinId;
    this.channel = channel;
    this.#renditions = new Renditions(ports, channel, this);
    const of = { role: "broadcaster", joinId, user: channel.owner, channel: channel.name } as const;
    ports.calls.keep(call, this.#renditions.keeper(of));
  }

  /** Taken back: off air, though the far end may not have answered the BYE yet. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether he still is there: who does not say so by then is off air. */
  ask(answered: () => void): () => void {
    const { calls, alarm } = this.#ports;
    const heardAtMs = calls.heardAtMs(this.#call);
    const isUp = this.#isUp;
    if (isUp) calls.refresh(this.#call);
    return alarm(LIMITS.liveAnswerMs, () => {
      if (isUp && calls.heardAtMs(this.#call) === heardAtMs) this.#end(GONE);
      answered();
    });
  }

  start(invite: ChannelInvite): void {
    this.#invite = invite;
    this.#offer = readIngestOffer(invite.request);
    if (!this.#offer) return this.#reject(incompatibleMedia(this.#ports.here.hostName));
    const studio = { joinId: this.#joinId, user: this.channel.owner, sender: invite.flow.remote.host };
    this.#renditions.ask(
      studio,
      this.#offer.renditions.map(({ kbps }) => kbps),
    );
  }

  /** Goes on with what an earlier run had, whose dialog is up. */
  resume(reserved: Session["reserved"]): void {
    this.#isAnswered = true;
    this.#isUp = true;
    this.#renditions.resume(reserved, this.#ports.onAir.get(this.channel.name));
  }

  onProvisioned(): void {
    if (!this.#offer || !this.#invite) return;
    const body = ingestDescription(this.#offer, this.#renditions.grants, this.#ports.wallMs());
    this.#isAnswered = true;
    this.#ports.calls.accept(this.#call, { contact: this.#ports.contact(this.#invite.flow), body });
  }
  /** Off air at once: of a broadcaster who vanished nobody answers BYE. */
  onNoneLeft(reason: string): void {
    if (!this.#isAnswered) return this.#reject(refusalAnswer(reason, this.#ports.here.hostName));
    this.#end(`COPS;text="${reason}"`);
  }

  onEstablished(_ack: SipRequest): void {
    this.#isUp = true;
    this.#renditions.report();
  }
  onEnded(_end: CallEnd): void {
    this.#renditions.end();
  }

  #end(reason: string): void {
    this.#isOver = true;
    this.#ports.calls.end(this.#call, reason);
    this.#renditions.end();
  }
  #reject(answer: FinalAnswer): void {
    this.#ports.calls.reject(this.#call, answer.status, undefined, answer.headers);
  }
}
