import { LIMITS } from "#base/limits.ts";
import type { CallEnd, CallId } from "#sip/engine/call-types.ts";
import type { SipResponse } from "#sip/wire/message.ts";
import { sipUri } from "#sip/wire/uri.ts";
import { nameAddr } from "#sip/wire/values.ts";
import type { ChannelPorts, Contact, Guest, Place, PlacedCall } from "./ports.ts";
import { answerOf, type FinalAnswer, UNAVAILABLE } from "./refusals.ts";

type Body = { readonly type: string; readonly bytes: Uint8Array };

export interface SummonsUser {
  onRinging(contact: Contact): void;
  /** To be acknowledged by `ack`. */
  onTaken(response: SipResponse, contact: Contact): void;
  /** Nobody took it, or whoever did has hung up. Told once, unless `end` was called before. */
  onOver(answer: FinalAnswer): void;
}

/**
 * The INVITE that asks a broadcaster for one viewer, in the viewer's name: his contacts in turn until one takes it or
 * declines for all of them (6xx, RFC 3261 §21.6), 30 s in all (PROTOCOL §5).
 */
export class Summons implements PlacedCall {
  readonly #ports: ChannelPorts;
  readonly #place: Place;
  readonly #guest: Guest;
  readonly #user: SummonsUser;
  readonly #offer: Body | undefined;
  readonly #others: Contact[];
  readonly #silence: () => void;
  #contact: Contact;
  #call: CallId;
  #isTaken = false;
  #isOver = false;

  /** Without an offer the broadcaster makes it: he is to send. */
  constructor(
    ports: ChannelPorts,
    place: Place,
    guest: Guest,
    [first, ...others]: readonly [Contact, ...Contact[]],
    user: SummonsUser,
    offer?: Body,
  ) {
    this.#ports = ports;
    this.#place = place;
    this.#guest = guest;
    this.#user = user;
    this.#offer = offer;
    this.#others = others;
    this.#silence = ports.alarm(LIMITS.broadcasterAnswerMs, () => this.#onSilence());
    this.#contact = first;
    this.#call = this.#ask(first);
  }

  ack(body?: Body): void {
    this.#ports.calls.ack(this.#call, body);
  }
  /** CANCEL or BYE; the user is told nothing more. */
  end(reason?: string): void {
    this.#isOver = true;
    this.#silence();
    this.#ports.calls.end(this.#call, reason);
  }

  onProvisional({ status }: SipResponse): void {
    if (status > 100 && !this.#isOver) this.#user.onRinging(this.#contact);
  }
  onAnswered(response: SipResponse): void {
    this.#silence();
    this.#isTaken = true;
    this.#user.onTaken(response, this.#contact);
  }
  onEnded(end: CallEnd): void {
    if (this.#isOver) return;
    const next = this.#isTaken || (end.kind === "rejected" && end.response.status >= 600) ? undefined : this.#others.shift();
    if (next) {
      this.#contact = next;
      this.#call = this.#ask(next);
    } else this.#over(end.kind === "failed" ? UNAVAILABLE : answerOf(end));
  }

  #onSilence(): void {
    this.#ports.calls.end(this.#call);
    this.#over(UNAVAILABLE);
  }
  #over(answer: FinalAnswer): void {
    this.#isOver = true;
    this.#silence();
    this.#user.onOver(answer);
  }
  #ask(contact: Contact): CallId {
    const { channel, user, sessionId } = this.#guest;
    const { domain } = this.#ports.here;
    const call = {
      target: contact.target,
      from: nameAddr(sipUri({ user, host: domain })),
      to: nameAddr(sipUri({ user: channel.name, host: domain })),
      via: contact.via,
      contact: this.#ports.contact(contact.via),
      headers: [["Session-ID", sessionId]] as const,
      ...(this.#offer && { body: this.#offer }),
    };
    return this.#place(call, this);
  }
}
