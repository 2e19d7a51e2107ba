/** The leg between two DSs, seen from both ends (PROTOCOL §1): zero m= lines, for COPS and the directory say where the stream is. */
import { SAFE, type Ticket } from "#base/ticket.ts";
import type { CallEnd, CallId } from "#sip/engine/call-types.ts";
import type { Destination } from "#sip/engine/ports.ts";
import type { SipRequest, SipResponse } from "#sip/wire/message.ts";
import { sipUri } from "#sip/wire/uri.ts";
import { nameAddr } from "#sip/wire/values.ts";
import type { ChannelCall, ChannelInvite, ChannelPorts, Guest, Place, PlacedCall, Seat, SeatUser } from "./ports.ts";
import { answerOf, type FinalAnswer, reasonOf, UNAVAILABLE } from "./refusals.ts";
import { noMedia } from "./session-sdp.ts";

const LEFT = 'SIP;cause=487;text="Viewer gone"';

/** At the viewer's DS: a seat at a broadcaster of another. */
export class PeerSeat implements Seat, PlacedCall {
  readonly #ports: ChannelPorts;
  readonly #user: SeatUser;
  readonly #waitsForViewer: boolean;
  readonly #call: CallId;

  /** `waitsForViewer`: of a first join, whose ACK tells the broadcaster's side that the viewer's ACK has come. */
  constructor(ports: ChannelPorts, place: Place, guest: Guest, peer: Destination, waitsForViewer: boolean, user: SeatUser) {
    this.#ports = ports;
    this.#user = user;
    this.#waitsForViewer = waitsForViewer;
    const { here, peers } = ports;
    const channel = sipUri({ user: guest.channel.name, host: here.domain });
    const call = {
      target: channel,
      from: nameAddr(sipUri({ user: guest.user, host: here.domain })),
      to: nameAddr(channel),
      via: peer,
      contact: ports.contact(peer),
      headers: [["Session-ID", guest.sessionId], peers.claim(guest.sessionId, guest.user, guest.channel.name)] as const,
      body: noMedia(here.hostName, ports.wallMs()),
    };
    this.#call = place(call, this);
  }

  confirm(): void {
    this.#ports.calls.ack(this.#call);
  }
  leave(): void {
    this.#ports.calls.end(this.#call, LEFT);
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
  readonly #invite: ChannelInvite;
  #seat: Seat | undefined;
  #isAnswered = false;

  constructor(ports: ChannelPorts, call: CallId, invite: ChannelInvite) {
    this.#ports = ports;
    this.#call = call;
    this.#invite = invite;
  }

  start(join: (guest: Guest, user: SeatUser) => Seat | undefined): void {
    const { request, user, channel } = this.#invite;
    const record = this.#ports.directory.channel(channel);
    if (!record) return this.onUnseated({ status: 404, headers: [] });
    const sessionId = request.headers.get("session-id") ?? "";
    this.#seat = join({ channel: record, user, sessionId, joinId: this.#ports.joinId(request) }, this);
    if (!this.#seat) this.onUnseated(UNAVAILABLE);
  }

  onRinging(): void {
    this.#ports.calls.ring(this.#call, 180);
  }
  onSeated(ticket: Ticket): void {
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
