import { LIMITS } from "#base/limits.ts";
import type { Ticket } from "#base/ticket.ts";
import { type ProvisionGrant, provisionGrant, provisionRequestAttributes } from "#cops/engine/iptv.ts";
import { type Attributes, CLIENT_TYPE } from "#cops/engine/types.ts";
import type { Destination } from "#sip/engine/ports.ts";
import type { SipResponse } from "#sip/wire/message.ts";
import type { Reservation, ReservationUser } from "./admission.ts";
import { onAirRow } from "./broadcast.ts";
import type { ChannelPorts, Contact, Guest, Place } from "./ports.ts";
import { type FinalAnswer, incompatibleMedia, reasonOf, refusalAnswer } from "./refusals.ts";
import { declinedDescription, ingestDescription, readIngestOffer } from "./session-sdp.ts";
import { Summons, type SummonsUser } from "./summons.ts";

const UNTIL_REMOVED_SEC = Infinity;

export interface IngestUser {
  onRinging(): void;
  /** On air: announced to every DS; the broadcaster sends once he is told whither, which `start` does. */
  onAir(ticket: Ticket, studio: Contact): void;
  /** Never, or no longer. Nothing is reserved any more. */
  onOver(answer: FinalAnswer): void;
}

/**
 * The paper's first join [B10]: the broadcaster of an idle channel is called without an offer, his side is provisioned
 * while he rings, and his 200 offers the stream. Its ACK, with the ingest address, starts it (PROTOCOL §5).
 */
export class Ingest implements SummonsUser, ReservationUser {
  readonly #ports: ChannelPorts;
  readonly #guest: Guest;
  readonly #user: IngestUser;
  readonly #summons: Summons;
  #studio: Contact | undefined;
  #reservation: Reservation | undefined;
  #grant: ProvisionGrant | undefined;
  #offer: SipResponse | undefined;
  #phase: "asking" | "ready" | "started" | "over" = "asking";
  #hurry = (): void => undefined;

  constructor(ports: ChannelPorts, place: Place, guest: Guest, contacts: readonly [Contact, ...Contact[]], user: IngestUser) {
    this.#ports = ports;
    this.#guest = guest;
    this.#user = user;
    this.#summons = new Summons(ports, place, guest, contacts, this);
  }

  /** On air, though the broadcaster may not have been told yet. */
  get isOnAir(): boolean {
    return this.#phase === "ready" || this.#phase === "started";
  }
  get hasStarted(): boolean {
    return this.#phase === "started";
  }

  /** Sends the ACK with the ingest address, once. */
  start(): void {
    if (this.#phase !== "ready" || !this.#offer || !this.#grant) return;
    this.#phase = "started";
    this.#hurry();
    this.#summons.ack(ingestDescription(this.#offer, this.#grant, this.#ports.wallMs()));
  }
  /** Off air; the user is told nothing more. */
  end(reason?: string): void {
    if (this.#phase === "over") return;
    if (this.#offer && this.#phase !== "started") this.#declineOffer(this.#offer);
    this.#summons.end(reason);
    this.#release();
  }

  onRinging(contact: Contact): void {
    this.#provision(contact);
    this.#user.onRinging();
  }
  onTaken(response: SipResponse, contact: Contact): void {
    this.#offer = response;
    if (!readIngestOffer(response)) return this.#fail(incompatibleMedia(this.#ports.here.hostName));
    this.#provision(contact);
    this.#settle();
  }
  onOver(answer: FinalAnswer): void {
    this.#release();
    this.#user.onOver(answer);
  }

  onGranted(attributes: Attributes): void {
    this.#grant = provisionGrant(attributes);
    if (this.#grant) this.#settle();
    else this.#fail({ status: 500, headers: [] });
  }
  onRefused(reason: string): void {
    this.#reservation = undefined;
    this.#fail(refusalAnswer(reason, this.#ports.here.hostName));
  }
  onTakenBack(reason: string): void {
    this.#reservation = undefined;
    this.#fail(refusalAnswer(reason, this.#ports.here.hostName));
  }

  /** PR-REQ with the rate stored at sign-up, for the stream of whoever rings (he may be another than the last). */
  #provision(contact: Contact): void {
    if (this.#studio === contact) return;
    if (this.#reservation) this.#ports.admission.release(this.#reservation, "route-change");
    this.#studio = contact;
    this.#grant = undefined;
    const { channel, joinId } = this.#guest;
    const { name, owner, kbps } = channel;
    const attributes = provisionRequestAttributes({ joinId, channel: name, user: owner, kbps, sender: hostOf(contact.via) });
    this.#reservation = this.#ports.admission.ask(CLIENT_TYPE.provisioning, { kind: "configuration", attributes }, this);
  }

  #settle(): void {
    if (!this.#grant || !this.#offer || !this.#reservation || !this.#studio) return;
    const { admission, onAir } = this.#ports;
    admission.report(this.#reservation);
    const row = onAirRow(this.#ports, this.#guest.channel, this.#grant);
    const ticket = onAir.put(row.name, row, 1, UNTIL_REMOVED_SEC);
    this.#phase = "ready";
    this.#hurry = this.#ports.alarm(LIMITS.ingestAckMs, () => this.start());
    this.#user.onAir(ticket, this.#studio);
  }
  #fail(answer: FinalAnswer): void {
    this.end(reasonOf(answer));
    this.#user.onOver(answer);
  }
  /** Port 0 in the ACK, then BYE (PROTOCOL §5). */
  #declineOffer(offer: SipResponse): void {
    this.#summons.ack(declinedDescription(offer, this.#ports.here.hostName, this.#ports.wallMs()));
  }
  #release(): void {
    if (this.isOnAir) this.#ports.onAir.remove(this.#guest.channel.name);
    this.#phase = "over";
    this.#hurry();
    if (this.#reservation) this.#ports.admission.release(this.#reservation, "tear");
    this.#reservation = undefined;
  }
}

const hostOf = (via: Destination): string => ("remote" in via ? via.remote.host : via.host);
