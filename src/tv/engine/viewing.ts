import { LIMITS } from "#base/limits.ts";
import { SAFE, type Ticket } from "#base/ticket.ts";
import { type JoinGrant, joinGrant, joinRequestAttributes } from "#cops/engine/iptv.ts";
import { type Attributes, CLIENT_TYPE } from "#cops/engine/types.ts";
import type { CallEnd, CallId } from "#sip/engine/call-types.ts";
import type { SipRequest } from "#sip/wire/message.ts";
import type { ChannelRecord, OnAir, Rendition, Session, SessionName } from "../types.ts";
import type { Reservation, ReservationUser } from "./admission.ts";
import type { ChannelCall, ChannelInvite, ChannelPorts, Guest, Seat, SeatUser } from "./ports.ts";
import {
  type FinalAnswer,
  incompatibleMedia,
  insufficientBandwidth,
  isForBandwidth,
  OFF_AIR,
  reasonOf,
  refusalAnswer,
  UNAVAILABLE,
} from "./refusals.ts";
import { type Also, keptIn, reservedBy } from "./session-rows.ts";
import { declines, readViewerOffer, type ViewerOffer, viewerDescription } from "./session-sdp.ts";

const REPLACED = 'SIP;cause=200;text="Replaced"';

/** Asks an `ask` channel's broadcaster; `undefined`: he is not registered. */
export type AskForSeat = (guest: Guest, user: SeatUser) => Seat | undefined;

/**
 * One viewer, at his own DS (PROTOCOL §1-§5). An `open` channel is answered from the directory of channels on air once his
 * edge has the bandwidth, with no message to the broadcaster; an `ask` channel once its broadcaster has agreed as well.
 * He gets the best rendition that fits his wish and what the network grants [B8].
 */
export class Viewing implements ChannelCall, ReservationUser, SeatUser {
  readonly channel: string;
  readonly user: string;
  readonly joinId: string;
  readonly #ports: ChannelPorts;
  readonly #call: CallId;
  /** Of a call that began here. */
  #invite: ChannelInvite | undefined;
  /** The viewing that gives way to this one (PROTOCOL §6). */
  #replaced: Viewing | undefined;
  #offer: ViewerOffer | undefined;
  #seat: Seat | undefined;
  /** From the broadcaster's side; an `open` channel needs none. */
  #permission: Ticket | undefined;
  #onAir: OnAir | undefined;
  /** Within his wish and not asked for yet, the best first. */
  #untried: Rendition[] = [];
  /** Asked for last. */
  #rendition: Rendition | undefined;
  #reservation: Reservation | undefined;
  #grant: JoinGrant | undefined;
  #isAnswered = false;
  #silence = (): void => undefined;

  constructor(ports: ChannelPorts, call: CallId, { joinId, user, channel }: SessionName) {
    this.#ports = ports;
    this.#call = call;
    this.channel = channel;
    this.user = user;
    this.joinId = joinId;
    const kept = keptIn(ports.sessions, { role: "viewer", joinId, user, channel }, () => this.#kept);
    ports.calls.keep(call, kept);
  }

  start(invite: ChannelInvite, replaced: Viewing | undefined, askForSeat: AskForSeat): void {
    this.#invite = invite;
    this.#replaced = replaced;
    const record = this.#ports.directory.channel(this.channel);
    const onAir = this.#ports.onAir.get(this.channel)?.value;
    const asks = record?.mode === "ask";
    if (!onAir && !asks) return this.#end(record ? UNAVAILABLE : { status: 404, headers: [] });
    const offer = readViewerOffer(invite.request, invite.flow);
    if (!offer) return this.#end(incompatibleMedia(this.#ports.here.hostName));
    this.#offer = offer;
    if (!asks) this.#permission = SAFE;
    else {
      this.#seat = askForSeat(this.#guest(record), this);
      if (!this.#seat) return this.#end(UNAVAILABLE);
    }
    if (onAir) this.onAir(onAir);
  }
  /** Goes on with what an earlier run had, whose dialog is up: what is reserved is asked for under its own name. */
  resume([held]: Session["reserved"]): void {
    this.#isAnswered = true;
    if (!held) return;
    const request = { kind: "admission-sink", attributes: held.request } as const;
    this.#reservation = this.#ports.admission.resume(CLIENT_TYPE.admission, request, held.grant, this);
    const { channel, coreGroup, coreSource } = held.request;
    const renditions = this.#ports.onAir.get(this.channel)?.value.renditions ?? [];
    this.#rendition = renditions.find(
      ({ stream, group, source }) => stream === channel && group === coreGroup && source === coreSource,
    );
  }
  /** Where an earlier run had seated him. */
  sit(seat: Seat): void {
    this.#seat = seat;
  }
  /** All that an earlier run had is here. */
  resumed({ isSeated }: Session): void {
    if (!this.#rendition) this.offAir();
    else if (isSeated && !this.#seat) this.#end(UNAVAILABLE);
  }

  /** The directory shows the channel on air. */
  onAir(onAir: OnAir): void {
    if (!this.#offer || this.#reservation || (!this.#permission && this.#ports.here.isSequential)) return;
    this.#silence();
    const wishedKbps = this.#offer.kbps ?? Infinity;
    this.#onAir = onAir;
    this.#untried = onAir.renditions.filter(({ kbps }) => kbps <= wishedKbps);
    this.#reserve(insufficientBandwidth("rate-wished", this.#ports.here.hostName));
  }
  /** The channel went off air: so does this viewer. */
  offAir(): void {
    this.#end(OFF_AIR);
  }
  /** Renditions are sent no more: whoever takes one of them is off air. */
  left({ renditions }: OnAir): void {
    if (this.#rendition && !renditions.some(({ stream }) => stream === this.#rendition?.stream)) this.offAir();
  }

  /** Another viewing of the same viewer has taken its place: BYE, and DRQ of its handle. */
  giveWay(): void {
    this.#ports.calls.end(this.#call, REPLACED);
    this.#release();
  }

  onRinging(): void {
    this.#ports.calls.ring(this.#call, 180);
  }
  /** The row of a channel that has just come on air may be later than its answer. */
  onSeated(ticket: Ticket): void {
    this.#permission = ticket;
    const onAir = this.#ports.onAir.get(this.channel)?.value;
    if (this.#reservation) this.#settle();
    else if (onAir) this.onAir(onAir);
    else this.#silence = this.#ports.alarm(LIMITS.onAirRowMs, () => this.#end({ status: 504, headers: [] }));
  }
  onUnseated(answer: FinalAnswer): void {
    this.#seat = undefined;
    this.#end(answer);
  }

  onGranted(attributes: Attributes): void {
    this.#grant = joinGrant(attributes);
    if (this.#grant) this.#settle();
    else this.#end({ status: 500, headers: [] });
  }
  onRefused(reason: string): void {
    const refusal = refusalAnswer(reason, this.#ports.here.hostName);
    this.#reservation = undefined;
    if (isForBandwidth(reason)) this.#reserve(refusal);
    else this.#end(refusal);
  }
  onTakenBack(reason: string): void {
    this.#reservation = undefined;
    this.#end(refusalAnswer(reason, this.#ports.here.hostName));
  }

  onEstablished(ack: SipRequest): void {
    if (declines(ack)) return this.#ports.calls.end(this.#call); // port 0: the viewer does not take the group (PROTOCOL §3)
    if (this.#reservation) this.#ports.admission.report(this.#reservation);
    this.#seat?.confirm();
  }
  onEnded(_end: CallEnd): void {
    this.#release();
  }

  /** The best of what is left; without any, `refusal` is the answer. */
  #reserve(refusal: FinalAnswer): void {
    const next = this.#untried.shift();
    if (!next || !this.#onAir || !this.#offer) return this.#end(refusal);
    this.#rendition = next;
    const request = { kind: "admission-sink", attributes: this.#ask(next, this.#onAir.edge, this.#offer) } as const;
    this.#reservation = this.#ports.admission.ask(CLIENT_TYPE.admission, request, this);
  }

  /** 2xx, once everybody who has a say has said yes. */
  #settle(): void {
    if (!this.#grant || !this.#permission || !this.#offer || !this.#invite) return;
    const { flow } = this.#invite;
    const body = viewerDescription(this.#offer, this.#grant, flow, this.#ports.wallMs());
    if (!body) return this.#end({ status: 500, headers: [] });
    this.#isAnswered = true;
    const headers = this.#seat ? ([["Session-ID", this.#sessionId]] as const) : [];
    const contact = this.#ports.contact(flow);
    const promise = this.#ports.calls.accept(this.#call, { contact, body, headers }, this.#permission);
    if (promise.safe) this.#replaced?.giveWay();
    else promise.onSafe(() => this.#replaced?.giveWay());
  }

  get #kept(): Also {
    return { reserved: reservedBy(this.#reservation), ...(this.#seat && { isSeated: true }) };
  }
  #guest(channel: ChannelRecord): Guest {
    return { channel, user: this.user, sessionId: this.#sessionId, joinId: this.joinId };
  }
  /** The viewer's own (RFC 7989), else one that the session has anyway. */
  get #sessionId(): string {
    return /^[0-9a-f]{32}\b/.exec(this.#invite?.request.headers.get("session-id") ?? "")?.[0] ?? this.joinId;
  }
  #ask({ stream, kbps, group, source }: Rendition, sourceEdge: string, offer: ViewerOffer): Attributes {
    return joinRequestAttributes({
      joinId: this.joinId,
      channel: stream,
      user: this.user,
      kbps,
      accessKbps: this.#ports.directory.subscriber(this.user)?.accessKbps ?? 0,
      sourceEdge,
      coreGroup: group,
      coreSource: source,
      delivery: offer.form,
      ...(this.#replaced && { replaces: this.#replaced.joinId }),
      ...(offer.form === "unicast" && { unicastTo: offer.to }),
      ...(offer.form === "multicast" && { viewerHost: this.#invite?.flow.remote.host }),
    });
  }
  /** A final answer, or a BYE that says why; nothing is held any more. */
  #end(answer: FinalAnswer): void {
    if (this.#isAnswered) this.#ports.calls.end(this.#call, reasonOf(answer));
    else this.#ports.calls.reject(this.#call, answer.status, undefined, answer.headers);
    this.#release();
  }
  #release(): void {
    this.#silence();
    this.#seat?.leave();
    this.#seat = undefined;
    if (this.#reservation) this.#ports.admission.release(this.#reservation, "tear");
    this.#reservation = undefined;
  }
}
