import { LIMITS } from "#base/limits.ts";
import type { Ticket } from "#base/ticket.ts";
import type { CallId } from "#sip/engine/call-types.ts";
import type { Destination } from "#sip/engine/ports.ts";
import type { SipResponse } from "#sip/wire/message.ts";
import type { Reserved } from "../types.ts";
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

  constructor(ports: ChannelPorts, place: Place, guest: Guest, user: IngestUser) {
    this.#ports = ports;
    this.#guest = guest;
    this.#user = user;
    this.#summons = new Summons(ports, place, guest, this);
  }

  ask(contacts: readonly [Contact, ...Contact[]]): void {
    this.#summons.ask(contacts);
  }
  /** Goes on with what an earlier run had, whose dialog is up. */
  resume(call: CallId, reserved: readonly Reserved[]): void {
    const { channel } = this.#guest;
    this.#phase = "started";
    this.#summons.resume(call);
    this.#renditions = new Renditions(this.#ports, channel, this);
    this.#renditions.resume(reserved, this.#ports.onAir.get(channel.name));
    this.#keep(this.#renditions);
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
    this.#keep(this.#renditions);
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
    if (this.#studio !== contact) this.#provision(contact, [undefined]);
    this.#user.onRinging();
  }
  /** What he offers in truth may be more, or at another rate. */
  onTaken(response: SipResponse, contact: Contact): void {
    this.#answer = response;
    this.#offer = readIngestOffer(response);
    if (!this.#offer) return this.#fail(incompatibleMedia(this.#ports.here.hostName));
    const rates = this.#offer.renditions.map(({ kbps }) => kbps);
    this.#provision(contact, rates);
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

  #keep(renditions: Renditions): void {
    const { joinId, user, channel } = this.#guest;
    this.#summons.keep(renditions.keeper({ role: "ingest", joinId, user, channel: channel.name }));
  }
  /** Of whoever rings: he may be another than the last. */
  #provision(contact: Contact, rates: readonly (number | undefined)[]): void {
    const { channel, joinId } = this.#guest;
    if (!this.#renditions || this.#studio !== contact) {
      this.#renditions?.end("route-change");
      this.#renditions = new Renditions(this.#ports, channel, this);
    }
    this.#studio = contact;
    this.#renditions.ask({ joinId, user: channel.owner, sender: hostOf(contact.via) }, rates);
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
