import { hex } from "#base/bytes.ts";
import { type Alarm, Alarms } from "#base/deadlines.ts";
import { LIMITS } from "#base/limits.ts";
import { SAFE, type Ticket } from "#base/ticket.ts";
import { response } from "../wire/builders.ts";
import type { NameAddr, SipMessage, SipRequest, SipResponse } from "../wire/message.ts";
import { cseqOf, numberOf } from "../wire/values.ts";
import { capabilities, type Fields, unsupported } from "./call-messages.ts";
import type { CallEnd, CallsConfig, CallsPorts } from "./call-types.ts";
import { type Dialog, withCSeq } from "./dialog.ts";
import { dialogRow } from "./dialog-row.ts";
import type { Asking, Body, Leg } from "./leg.ts";
import type { ClientTxId, ServerTxId } from "./ports.ts";
import { timerRequest } from "./session-timer.ts";
import { DEFAULT_TIMERS, patienceMs, type TransactionTimers } from "./timers.ts";
import { Unacked } from "./unacked.ts";

/** What a call answers to within its dialog. */
export const ALLOW = "INVITE, ACK, CANCEL, BYE, UPDATE, OPTIONS";

/** How calls send: requests and what repeats them, answers, ACKs and 2xx until they are acknowledged, and alarms. */
export class CallOutbox {
  /** Our requests without final response, and INVITEs whose 2xx may come again. */
  readonly asked = new Map<ClientTxId, Asking>();
  readonly #ports: Omit<CallsPorts, "user">;
  readonly #timers: TransactionTimers;
  readonly #supported: readonly string[];
  readonly #alarms: Alarms;

  constructor(ports: Omit<CallsPorts, "user">, { timers = DEFAULT_TIMERS, supported = [] }: CallsConfig) {
    this.#ports = ports;
    this.#timers = timers;
    this.#supported = ["timer", ...supported];
    this.#alarms = new Alarms(ports.host);
  }

  stop(): void {
    this.#alarms.clear();
  }

  // Requests

  ask(leg: Leg, kind: Asking["kind"], request: SipRequest, dialog: Dialog | undefined, end?: CallEnd): Asking {
    const asking: Asking = { leg, kind, tx: "", request, dialog, repeats: 0, made: new Map(), end };
    this.#send(asking);
    return asking;
  }

  /** What a refusal asks us to say otherwise; false = there is nothing more to be said. */
  askAgain(asking: Asking, response: SipResponse): boolean {
    const { leg, kind, dialog } = asking;
    const wanted = kind === "bye" || (!leg.leave && leg.phase === (kind === "invite" ? "calling" : "up"));
    if (!wanted || !(this.#withCredentials(asking, response) || this.#withLongerInterval(asking, response))) return false;
    const cseq = cseqOf(asking.request)?.number ?? 0;
    asking.request = dialog ? dialog.again(asking.request) : withCSeq(asking.request, cseq + 1);
    asking.repeats++;
    asking.made.clear();
    this.#send(asking);
    return true;
  }
  /** After 401 or 407 (RFC 3261 §22.2, §22.3). */
  #withCredentials({ leg, request, repeats }: Asking, response: SipResponse): boolean {
    return leg.digest?.challenged(request, response, repeats) === true;
  }
  /** After 422 (RFC 4028 §7.3). */
  #withLongerInterval(asking: Asking, response: SipResponse): boolean {
    const { leg, request, repeats } = asking;
    const minSec = response.status === 422 ? (numberOf(response, "min-se") ?? 0) : 0;
    if (minSec <= leg.minSec || minSec > LIMITS.sessionMaxMinSec || repeats >= LIMITS.sipDigestRepeats) return false;
    leg.minSec = minSec;
    const headers = request.headers.clone();
    for (const [name, value] of timerRequest(minSec, leg.session?.timer.agreed)) headers.set(name, value);
    asking.request = { ...request, headers };
    return true;
  }

  #send(asking: Asking): void {
    const { leg, dialog } = asking;
    asking.request = leg.digest?.sign(asking.request) ?? asking.request;
    asking.tx = this.#ports.transactions.request(asking.request, dialog ? this.#destination(dialog, leg) : leg.last);
    this.asked.set(asking.tx, asking);
    if (asking.kind !== "bye") this.keep(leg);
  }

  ack(asking: Asking, dialog: Dialog, body?: Body, fields: Fields = []): void {
    const ack = dialog.ack(asking.request, body ? [...fields, ["Content-Type", body.type]] : fields, body?.bytes);
    asking.made.set(dialog.remoteTag, { dialog, ack });
    this.ackAgain(asking.leg, dialog, ack);
  }
  ackAgain(leg: Leg, dialog: Dialog, ack: SipRequest): void {
    this.#ports.transactions.ack(ack, this.#destination(dialog, leg));
  }
  /** Each copy of a 2xx gets its ACK, until none is to be expected any more (RFC 3261 §13.2.2.4). */
  keepForRepeats(asking: Asking): void {
    this.alarm(this.patienceMs, () => this.asked.delete(asking.tx));
  }
  cancel({ tx }: Asking): void {
    this.#ports.transactions.cancel(tx);
  }

  // Answers

  answer(to: SipRequest, id: ServerTxId, status: number, fields: Fields = [], tag = this.tag(), reason?: string): void {
    this.#ports.transactions.respond(id, withFields(response(to, status, reason, tag), fields));
  }
  /** 200 that leaves once the ticket is safe. */
  confirm(to: SipRequest, id: ServerTxId, ticket: Ticket, fields: Fields = []): void {
    this.#ports.transactions.respond(id, withFields(response(to, 200), fields), ticket);
  }

  /** 2xx to an INVITE or re-INVITE; `gaveUp`: no ACK came (RFC 3261 §13.3.1.4). */
  accept(leg: Leg, tx: ServerTxId, invite: SipRequest, fields: Fields, ticket: Ticket, gaveUp: () => void): void {
    const made = withFields(response(invite, 200, undefined, leg.dialog?.localTag), fields);
    const answer: SipResponse = leg.ours ? { ...made, body: leg.ours.bytes } : made;
    const machine = new Unacked(this.#timers, this.#ports.host.nowMs());
    const alarm = this.#alarms.at(machine.nextDeadlineMs, (nowMs) => this.#onUnacked(leg, nowMs, gaveUp));
    leg.unacked = { tx, cseq: cseqOf(invite)?.number ?? 0, response: answer, ticket, machine, alarm };
    this.#ports.transactions.respond(tx, answer, ticket);
  }
  #onUnacked(leg: Leg, nowMs: number, gaveUp: () => void): void {
    const { unacked } = leg;
    if (!unacked) return;
    const due = unacked.machine.step(nowMs);
    if (due === "give-up") {
      leg.unacked = undefined;
      gaveUp();
      return;
    }
    if (due === "resend" && unacked.ticket.safe) this.#ports.transactions.respond(unacked.tx, unacked.response);
    this.#alarms.set(unacked.alarm, unacked.machine.nextDeadlineMs);
  }
  acknowledged(leg: Leg): void {
    if (leg.unacked) this.#alarms.delete(leg.unacked.alarm);
    leg.unacked = undefined;
  }

  refusesExtensions(request: SipRequest, id: ServerTxId): boolean {
    const unknown = unsupported(request, this.#supported);
    if (unknown.length > 0) this.answer(request, id, 420, [["Unsupported", unknown.join(", ")]]);
    return unknown.length > 0;
  }
  supports(tag: string): boolean {
    return this.#supported.includes(tag);
  }
  capabilities(contact?: NameAddr, body?: Body): Fields {
    return capabilities(ALLOW, this.#supported, contact, body);
  }

  // What outlives the process

  /** The call has changed: what promises that leaves once the ticket is safe. */
  keep(leg: Leg): Ticket {
    const { keeper, session } = leg;
    const row = keeper && !leg.leave ? dialogRow(leg) : undefined;
    if (!keeper || !row || !session) return SAFE;
    return keeper.put(row, Math.max(0, session.timer.expiresAtMs - this.nowMs) / 1_000);
  }
  /** Nobody is to go on with the call. */
  forget(leg: Leg): Ticket {
    return leg.keeper?.remove() ?? SAFE;
  }

  // Time and chance

  get nowMs(): number {
    return this.#ports.host.nowMs();
  }
  /** 64*T1: so long a 2xx waits for its ACK, and an INVITE is repeated. */
  get patienceMs(): number {
    return patienceMs(this.#timers);
  }
  /** 0 or more, below 1. */
  share(): number {
    const [high = 0, low = 0] = this.#ports.host.random(2);
    return (high * 256 + low) / 65_536;
  }
  tag(): string {
    return hex(this.#ports.host.random(8));
  }
  alarm(afterMs: number, ring: (nowMs: number) => void, instead?: Alarm): Alarm {
    if (instead) this.#alarms.delete(instead);
    return this.#alarms.at(this.nowMs + afterMs, ring);
  }
  silence(...alarms: readonly (Alarm | undefined)[]): void {
    for (const alarm of alarms) if (alarm) this.#alarms.delete(alarm);
  }

  #destination(dialog: Dialog, { last }: Leg): Leg["last"] {
    return this.#ports.destination?.(dialog, last) ?? last;
  }
}

function withFields<M extends SipMessage>(message: M, fields: Fields): M {
  for (const [name, value] of fields) message.headers.add(name, value);
  return message;
}
