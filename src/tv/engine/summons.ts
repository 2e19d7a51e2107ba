import { LIMITS } from "#base/limits.ts";
import { SAFE, type Ticket } from "#base/ticket.ts";
import type { CallEnd, CallId, CallKeeper } from "#sip/engine/call-types.ts";
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
  #offer: Body | undefined;
  #others: readonly Contact[] = [];
  #silence = (): void => undefined;
  /** Of whoever is asked at present. */
  #contact: Contact | undefined;
  #call: CallId | undefined;
  #isTaken = false;
  #isOver = false;

  constructor(ports: ChannelPorts, place: Place, guest: Guest, user: SummonsUser) {
    this.#ports = ports;
    this.#place = place;
    this.#guest = guest;
    this.#user = user;
  }

  /** Without an offer the broadcaster makes it: he is to send. */
  ask([first, ...others]: readonly [Contact, ...Contact[]], offer?: Body): void {
    this.#offer = offer;
    this.#others = others;
    this.#silence = this.#ports.alarm(LIMITS.broadcasterAnswerMs, () => this.#onSilence());
    this.#ask(first);
  }
  /** Goes on with a call that an earlier run placed, and that was taken. */
  resume(call: CallId): void {
    this.#isTaken = true;
    this.#call = this.#place(call, this);
  }
  /** The call that was taken is to outlive the process. */
  keep(keeper: CallKeeper): void {
    if (this.#call !== undefined) this.#ports.calls.keep(this.#call, keeper);
  }
  keepAgain(): Ticket {
    return this.#call === undefined ? SAFE : this.#ports.calls.keepAgain(this.#call);
  }

  ack(body?: Body): void {
    if (this.#call !== undefined) this.#ports.calls.ack(this.#call, body);
  }
  /** CANCEL or BYE; the user is told nothing more. */
  end(reason?: string): void {
    this.#isOver = true;
    this.#hangUp(reason);
  }

  onProvisional({ status }: SipResponse): void {
    if (status > 100 && !this.#isOver && this.#contact) this.#user.onRinging(this.#contact);
  }
  onAnswered(response: SipResponse): void {
    this.#silence();
    this.#isTaken = true;
    if (this.#contact) this.#user.onTaken(response, this.#contact);
  }
  onEnded(end: CallEnd): void {
    if (this.#isOver) return;
    const [next, ...others] = this.#isTaken || (end.kind === "rejected" && end.response.status >= 600) ? [] : this.#others;
    this.#others = others;
    if (next) this.#ask(next);
    else this.#over(end.kind === "failed" ? UNAVAILABLE : answerOf(end));
  }

  #onSilence(): void {
    this.#hangUp();
    this.#over(UNAVAILABLE);
  }
  #hangUp(reason?: string): void {
    this.#silence();
    if (this.#call !== undefined) this.#ports.calls.end(this.#call, reason);
  }
  #over(answer: FinalAnswer): void {
    this.#isOver = true;
    this.#silence();
    this.#user.onOver(answer);
  }
  #ask(contact: Contact): void {
    this.#contact = contact;
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
    this.#call = this.#place(call, this);
  }
}
