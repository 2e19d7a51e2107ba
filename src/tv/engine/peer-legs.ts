/** The leg between two DSs, seen from both ends (PROTOCOL §1): zero m= lines, for COPS and the directory say where the stream is. */
import { SAFE, type Ticket } from "#base/ticket.ts";
import type { CallEnd, CallId } from "#sip/engine/call-types.ts";
import type { Destination } from "#sip/engine/ports.ts";
import type { SipRequest, SipResponse } from "#sip/wire/message.ts";
import { sipUri } from "#sip/wire/uri.ts";
import { nameAddr } from "#sip/wire/values.ts";
import type { SessionName } from "../types.ts";
import type { ChannelCall, ChannelInvite, ChannelPorts, Guest, Place, PlacedCall, Seat, SeatUser } from "./ports.ts";
import { answerOf, type FinalAnswer, reasonOf, UNAVAILABLE } from "./refusals.ts";
import { keptIn } from "./session-rows.ts";
import { noMedia } from "./session-sdp.ts";

const LEFT = 'SIP;cause=487;text="Viewer gone"';

/** At the viewer's DS: a seat at a broadcaster of another. */
export class PeerSeat implements Seat, PlacedCall {
  readonly #ports: ChannelPorts;
  readonly #place: Place;
  readonly #guest: Guest;
  readonly #user: SeatUser;
  #waitsForViewer = false;
  #call: CallId | undefined;

  constructor(ports: ChannelPorts, place: Place, guest: Guest, user: SeatUser) {
    this.#ports = ports;
    this.#place = place;
    this.#guest = guest;
    this.#user = user;
  }

  /** `waitsForViewer`: of a first join, whose ACK tells the broadcaster's side that the viewer's ACK has come. */
  ask(peer: Destination, waitsForViewer: boolean): void {
    this.#waitsForViewer = waitsForViewer;
    const { here, peers, contact, wallMs } = this.#ports;
    const { user, sessionId, channel } = this.#guest;
    const target = sipUri({ user: channel.name, host: here.domain });
    this.#hold({
      target,
      from: nameAddr(sipUri({ user, host: here.domain })),
      to: nameAddr(target),
      via: peer,
      contact: contact(peer),
      headers: [["Session-ID", sessionId], peers.claim(sessionId, user, channel.name)] as const,
      body: noMedia(here.hostName, wallMs()),
    });
  }
  /** Goes on with a leg of an earlier run. */
  resume(call: CallId): void {
    this.#hold(call);
  }
  #hold(call: Parameters<Place>[0]): void {
    const { joinId, user, channel } = this.#guest;
    const kept = keptIn(this.#ports.sessions, { role: "seat", joinId, user, channel: channel.name });
    this.#call = this.#place(call, this);
    this.#ports.calls.keep(this.#call, kept);
  }

  confirm(): void {
    if (this.#call !== undefined) this.#ports.calls.ack(this.#call);
  }
  leave(): void {
    if (this.#call !== undefined) this.#ports.calls.end(this.#call, LEFT);
  }

  onProvisional({ status }: SipResponse): void {
    if (status > 100) this.#user.onRinging();
  }
  onAnswered(_response: SipResponse): void {
    if (!this.#waitsForViewer) this.confirm();
    this.#user.onSeated(SAFE);
  }
  onEnded(end: CallEnd): void {
    if (end.kind !== "local") this.#user.onUnseated(answerOf(end));
  }
}

/** At the broadcaster's DS: another asks for its viewer. */
export class PeerGuest implements ChannelCall, SeatUser {
  readonly #ports: ChannelPorts;
  readonly #call: CallId;
  /** Of a call that began here. */
  #invite: ChannelInvite | undefined;
  #seat: Seat | undefined;
  #isAnswered = false;

  constructor(ports: ChannelPorts, call: CallId, { joinId, user, channel }: SessionName) {
    this.#ports = ports;
    this.#call = call;
    ports.calls.keep(call, keptIn(ports.sessions, { role: "guest", joinId, user, channel }));
  }

  start(invite: ChannelInvite, join: (guest: Guest, user: SeatUser) => Seat | undefined): void {
    this.#invite = invite;
    const { request, user, channel, joinId } = invite;
    const record = this.#ports.directory.channel(channel);
    if (!record) return this.onUnseated({ status: 404, headers: [] });
    const sessionId = request.headers.get("session-id") ?? "";
    this.#seat = join({ channel: record, user, sessionId, joinId }, this);
    if (!this.#seat) this.onUnseated(UNAVAILABLE);
  }
  /** Goes on with a leg of an earlier run. */
  resume(seat: Seat | undefined): void {
    this.#isAnswered = true;
    this.#seat = seat;
    if (!seat) this.onUnseated(UNAVAILABLE);
  }

  onRinging(): void {
    this.#ports.calls.ring(this.#call, 180);
  }
  onSeated(ticket: Ticket): void {
    if (!this.#invite) return;
    this.#isAnswered = true;
    const { here, calls, contact, wallMs } = this.#ports;
    calls.accept(this.#call, { contact: contact(this.#invite.flow), body: noMedia(here.hostName, wallMs()) }, ticket);
  }
  onUnseated(answer: FinalAnswer): void {
    this.#seat = undefined;
    if (this.#isAnswered) this.#ports.calls.end(this.#call, reasonOf(answer));
    else this.#ports.calls.reject(this.#call, answer.status, undefined, answer.headers);
  }

  /** An ACK with a Reason stands before a BYE: the viewer has acknowledged nothing. */
  onEstablished(ack: SipRequest): void {
    if (!ack.headers.has("reason")) this.#seat?.confirm();
  }
  onEnded(): void {
    this.#seat?.leave();
    this.#seat = undefined;
  }
}
