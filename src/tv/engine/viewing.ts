import { joinGrant, joinRequestAttributes } from "#cops/engine/iptv.ts";
import { type Attributes, CLIENT_TYPE } from "#cops/engine/types.ts";
import type { CallEnd, CallId } from "#sip/engine/call-types.ts";
import type { SipRequest } from "#sip/wire/message.ts";
import type { OnAir } from "../types.ts";
import type { Reservation, ReservationUser } from "./admission.ts";
import type { ChannelCall, ChannelInvite, ChannelPorts } from "./ports.ts";
import { type FinalAnswer, incompatibleMedia, insufficientBandwidth, refusalAnswer } from "./refusals.ts";
import { declines, readViewerOffer, type ViewerOffer, viewerDescription } from "./session-sdp.ts";

/** Longer than any session: the row of a viewing goes when the viewing ends. */
const UNTIL_REMOVED_SEC = Infinity;

/**
 * One viewer of an `open` channel [B11]: answered by the viewer's own DS from the directory of channels on air, once his
 * edge has the bandwidth (PROTOCOL §1-§4). No message goes to the broadcaster.
 */
export class Viewing implements ChannelCall, ReservationUser {
  readonly channel: string;
  readonly #ports: ChannelPorts;
  readonly #call: CallId;
  readonly #invite: ChannelInvite;
  readonly #joinId: string;
  #offer: ViewerOffer | undefined;
  #reservation: Reservation | undefined;
  #answered = false;

  constructor(ports: ChannelPorts, call: CallId, invite: ChannelInvite) {
    this.#ports = ports;
    this.#call = call;
    this.#invite = invite;
    this.channel = invite.channel;
    this.#joinId = ports.joinId(invite.request);
  }

  start(): void {
    const onAir = this.#ports.onAir.get(this.channel)?.value;
    if (!onAir) return this.#reject({ status: this.#ports.directory.channel(this.channel) ? 480 : 404, headers: [] });
    const offer = readViewerOffer(this.#invite.request, this.#invite.flow);
    if (!offer) return this.#reject(incompatibleMedia(this.#ports.here.hostName));
    if (offer.kbps !== undefined && offer.kbps < onAir.kbps)
      return this.#reject(insufficientBandwidth("rate-wished", this.#ports.here.hostName));
    this.#offer = offer;
    const request = { kind: "admission-sink", attributes: this.#ask(onAir, offer) } as const;
    this.#reservation = this.#ports.admission.ask(CLIENT_TYPE.admission, request, this);
  }

  /** The channel went off air: so does this viewer. */
  offAir(): void {
    if (this.#answered) this.#ports.calls.end(this.#call, 'SIP;cause=480;text="Channel off air"');
    else this.#reject({ status: 480, headers: [] });
    this.#release();
  }

  onGranted(attributes: Attributes): void {
    const grant = joinGrant(attributes);
    const body = grant && this.#offer && viewerDescription(this.#offer, grant, this.#invite.flow, this.#ports.wallMs());
    if (!body) {
      this.#release();
      return this.#reject({ status: 500, headers: [] });
    }
    const { user, request, flow, channel } = this.#invite;
    const row = { joinId: this.#joinId, user, channel, kbps: grant.kbps, callId: request.headers.get("call-id") ?? "" };
    const ticket = this.#ports.sessions.put(this.#joinId, row, 1, UNTIL_REMOVED_SEC);
    this.#answered = true;
    this.#ports.calls.accept(this.#call, { contact: this.#ports.contact(flow), body }, ticket);
  }
  onRefused(reason: string): void {
    this.#reservation = undefined;
    this.#reject(refusalAnswer(reason, this.#ports.here.hostName));
  }
  onTakenBack(reason: string): void {
    this.#reservation = undefined;
    this.#ports.calls.end(this.#call, `COPS;text="${reason}"`);
  }

  onEstablished(ack: SipRequest): void {
    if (declines(ack))
      this.#ports.calls.end(this.#call); // port 0: the viewer does not take the group (PROTOCOL §3)
    else if (this.#reservation) this.#ports.admission.report(this.#reservation);
  }
  onEnded(_end: CallEnd): void {
    this.#release();
    if (this.#answered) this.#ports.sessions.remove(this.#joinId);
  }

  #ask(onAir: OnAir, offer: ViewerOffer): Attributes {
    return joinRequestAttributes({
      joinId: this.#joinId,
      channel: onAir.name,
      user: this.#invite.user,
      kbps: onAir.kbps,
      accessKbps: this.#ports.directory.subscriber(this.#invite.user)?.accessKbps ?? 0,
      sourceEdge: onAir.edge,
      coreGroup: onAir.group,
      coreSource: onAir.source,
      delivery: offer.form,
      ...(offer.form === "unicast" && { unicastTo: offer.to }),
    });
  }
  #reject(answer: FinalAnswer): void {
    this.#ports.calls.reject(this.#call, answer.status, undefined, answer.headers);
  }
  #release(): void {
    if (this.#reservation) this.#ports.admission.release(this.#reservation, "tear");
    this.#reservation = undefined;
  }
}
