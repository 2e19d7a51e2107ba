import { type ProvisionGrant, provisionGrant, provisionRequestAttributes } from "#cops/engine/iptv.ts";
import { type Attributes, CLIENT_TYPE } from "#cops/engine/types.ts";
import type { CallEnd, CallId } from "#sip/engine/call-types.ts";
import type { SipRequest } from "#sip/wire/message.ts";
import type { ChannelRecord, OnAir } from "../types.ts";
import type { Reservation, ReservationUser } from "./admission.ts";
import type { ChannelCall, ChannelInvite, ChannelPorts } from "./ports.ts";
import { type FinalAnswer, incompatibleMedia, refusalAnswer } from "./refusals.ts";
import { ingestDescription, readIngestOffer } from "./session-sdp.ts";

const UNTIL_REMOVED_SEC = Infinity;

/** What every DS is told of a channel that goes on air here. */
export function onAirRow({ here, wallMs }: ChannelPorts, channel: ChannelRecord, grant: ProvisionGrant): OnAir {
  const { name, title, owner } = channel;
  const { kbps, group, source } = grant;
  return { name, title, owner, site: here.site, kbps, edge: here.edgeId, group, source, sinceWallMs: wallMs() };
}

/** One broadcaster on air: provisioned at his edge, then announced to every DS [B8] (PROTOCOL §2, §3 form 1). */
export class Broadcast implements ChannelCall, ReservationUser {
  readonly channel: ChannelRecord;
  readonly #ports: ChannelPorts;
  readonly #call: CallId;
  readonly #invite: ChannelInvite;
  #reservation: Reservation | undefined;
  #announced = false;
  #isOver = false;

  constructor(ports: ChannelPorts, call: CallId, invite: ChannelInvite, channel: ChannelRecord) {
    this.#ports = ports;
    this.#call = call;
    this.#invite = invite;
    this.channel = channel;
  }

  /** Taken back: off air, though the far end may not have answered the BYE yet. */
  get isOver(): boolean {
    return this.#isOver;
  }

  start(): void {
    const offer = readIngestOffer(this.#invite.request);
    if (!offer) return this.#reject(incompatibleMedia(this.#ports.here.hostName));
    const attributes = provisionRequestAttributes({
      joinId: this.#ports.joinId(this.#invite.request),
      channel: this.channel.name,
      user: this.#invite.user,
      kbps: offer.kbps ?? this.channel.kbps,
      sender: this.#invite.flow.remote.host,
    });
    this.#reservation = this.#ports.admission.ask(CLIENT_TYPE.provisioning, { kind: "configuration", attributes }, this);
  }

  onGranted(attributes: Attributes): void {
    const grant = provisionGrant(attributes);
    const { request, flow } = this.#invite;
    const body = grant && ingestDescription(request, grant, this.#ports.wallMs());
    if (!body) {
      this.#release();
      return this.#reject({ status: 500, headers: [] });
    }
    const ticket = this.#ports.onAir.put(this.channel.name, onAirRow(this.#ports, this.channel, grant), 1, UNTIL_REMOVED_SEC);
    this.#announced = true;
    this.#ports.calls.accept(this.#call, { contact: this.#ports.contact(flow), body }, ticket);
  }
  onRefused(reason: string): void {
    this.#reservation = undefined;
    this.#reject(refusalAnswer(reason, this.#ports.here.hostName));
  }
  /** Off air at once: of a broadcaster who vanished nobody answers BYE. */
  onTakenBack(reason: string): void {
    this.#isOver = true;
    this.#reservation = undefined;
    this.#offAir();
    this.#ports.calls.end(this.#call, `COPS;text="${reason}"`);
  }

  onEstablished(_ack: SipRequest): void {
    if (this.#reservation) this.#ports.admission.report(this.#reservation);
  }
  onEnded(_end: CallEnd): void {
    this.#offAir();
    this.#release();
  }

  #offAir(): void {
    if (this.#announced) this.#ports.onAir.remove(this.channel.name);
    this.#announced = false;
  }

  #reject(answer: FinalAnswer): void {
    this.#ports.calls.reject(this.#call, answer.status, undefined, answer.headers);
  }
  #release(): void {
    if (this.#reservation) this.#ports.admission.release(this.#reservation, "tear");
    this.#reservation = undefined;
  }
}
