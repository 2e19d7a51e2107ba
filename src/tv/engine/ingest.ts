import { LIMITS } from "#base/limits.ts";
import type { Ticket } from "#base/ticket.ts";
import type { Destination } from "#sip/engine/ports.ts";
import type { SipResponse } from "#sip/wire/message.ts";
import type { ChannelPorts, Contact, Guest, Place } from "./ports.ts";
import { type FinalAnswer, incompatibleMedia, reasonOf, refusalAnswer } from "./refusals.ts";
import { Renditions, type RenditionsUser } from "./renditions.ts";
import { declinedDescription, type IngestOffer, ingestDescription, readIngestOffer } from "./session-sdp.ts";
import { Summons, type SummonsUser } from "./summons.ts";

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
export class Ingest implements SummonsUser, RenditionsUser {
  readonly #ports: ChannelPorts;
  readonly #guest: Guest;
  readonly #user: IngestUser;
  readonly #summons: Summons;
  #studio: Contact | undefined;
  #renditions: Renditions | undefined;
  /** The broadcaster's 200, and what it offers. */
  #answer: SipResponse | undefined;
  #offer: IngestOffer | undefined;
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

  /** Sends the ACK with the ingest addresses, once. */
  start(): void {
    if (this.#phase !== "ready" || !this.#offer || !this.#renditions) return;
    this.#phase = "started";
    this.#hurry();
    this.#summons.ack(ingestDescription(this.#offer, this.#renditions.grants, this.#ports.wallMs()));
  }
  /** Off air; the user is told nothing more. */
  end(reason?: string): void {
    if (this.#phase === "over") return;
    if (this.#answer && this.#phase !== "started") this.#declineOffer(this.#answer);
    this.#summons.end(reason);
    this.#release();
  }

  /** PR-REQ with the rate stored at sign-up. */
  onRinging(contact: Contact): void {
    if (this.#studio !== contact) this.#renditionsOf(contact).ask([undefined]);
    this.#user.onRinging();
  }
  /** What he offers in truth may be more, or at another rate. */
  onTaken(response: SipResponse, contact: Contact): void {
    this.#answer = response;
    this.#offer = readIngestOffer(response);
    if (!this.#offer) return this.#fail(incompatibleMedia(this.#ports.here.hostName));
    this.#renditionsOf(contact).ask(this.#offer.renditions.map(({ kbps }) => kbps));
    this.onProvisioned();
  }
  onOver(answer: FinalAnswer): void {
    this.#release();
    this.#user.onOver(answer);
  }

  onProvisioned(): void {
    if (!this.#offer || !this.#studio || !this.#renditions?.isProvisioned) return;
    this.#renditions.report();
    const ticket = this.#renditions.announce();
    this.#phase = "ready";
    this.#hurry = this.#ports.alarm(LIMITS.ingestAckMs, () => this.start());
    this.#user.onAir(ticket, this.#studio);
  }
  onNoneLeft(reason: string): void {
    this.#fail(refusalAnswer(reason, this.#ports.here.hostName));
  }

  /** Of whoever rings: he may be another than the last. */
  #renditionsOf(contact: Contact): Renditions {
    if (this.#renditions && this.#studio === contact) return this.#renditions;
    this.#renditions?.end("route-change");
    this.#studio = contact;
    const { channel, joinId } = this.#guest;
    const studio = { joinId, user: channel.owner, sender: hostOf(contact.via) };
    this.#renditions = new Renditions(this.#ports, channel, studio, this);
    return this.#renditions;
  }
  #fail(answer: FinalAnswer): void {
    this.end(reasonOf(answer));
    this.#user.onOver(answer);
  }
  /** Port 0 in the ACK, then BYE (PROTOCOL §5). */
  #declineOffer(answer: SipResponse): void {
    this.#summons.ack(declinedDescription(answer, this.#ports.here.hostName, this.#ports.wallMs()));
  }
  #release(): void {
    this.#phase = "over";
    this.#hurry();
    this.#renditions?.end();
  }
}

const hostOf = (via: Destination): string => ("remote" in via ? via.remote.host : via.host);
