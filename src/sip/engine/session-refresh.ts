import type { Alarm } from "#base/deadlines.ts";
import { allSafe, SAFE, type Ticket } from "#base/ticket.ts";
import type { SipMessage, SipRequest, SipResponse } from "../wire/message.ts";
import { numberOf } from "../wire/values.ts";
import { type Fields, sameSession } from "./call-messages.ts";
import type { CallOutbox } from "./call-outbox.ts";
import type { Dialog } from "./dialog.ts";
import type { DialogRow } from "./dialog-row.ts";
import { type Asking, bodyOf, type Leg } from "./leg.ts";
import type { ServerTxId } from "./ports.ts";
import { type Agreed, agreedByAnswer, SessionTimer, timerAnswer, timerRequest } from "./session-timer.ts";

/**
 * Sessions that go on: re-INVITE and UPDATE of either side, which change nothing of the session (RFC 3261 §14, RFC 3311), and
 * the timers by which both sides know that the other is still there (RFC 4028).
 */
export class SessionRefresh {
  readonly #outbox: CallOutbox;
  readonly #lost: (leg: Leg) => void;

  /** `lost`: the far end is not there any more. */
  constructor(outbox: CallOutbox, lost: (leg: Leg) => void) {
    this.#outbox = outbox;
    this.#lost = lost;
  }

  /** Answers 422 where the session interval is too small (RFC 4028 §9). */
  refuses(request: SipRequest, id: ServerTxId): boolean {
    const answer = timerAnswer(request);
    if (answer.status === "too-small") this.#outbox.answer(request, id, 422, answer.fields);
    return answer.status === "too-small";
  }

  /** 2xx to an INVITE or re-INVITE; leaves with the ticket that is returned. */
  accept(leg: Leg, id: ServerTxId, invite: SipRequest, fields: Fields, ticket: Ticket, gaveUp: () => void): Ticket {
    const timer = this.#agreeTo(leg, invite);
    const promise = allSafe([ticket, this.#outbox.keep(leg)]);
    this.#outbox.accept(leg, id, invite, [...fields, ...timer], promise, gaveUp);
    return promise;
  }
  /** A 2xx to our INVITE, re-INVITE or UPDATE. */
  accepted(leg: Leg, asked: SipRequest, answer: SipResponse): void {
    this.#note(leg, answer);
    this.#start(leg, agreedByAnswer(asked, answer));
  }
  /** A session of an earlier run, which has so much time left. */
  resume(leg: Leg, { intervalSec, refresher, minSec }: DialogRow["session"], leftMs: number): void {
    leg.minSec = minSec;
    this.#run(leg, new SessionTimer({ intervalSec, refresher }, this.#outbox.nowMs + leftMs - 1_000 * intervalSec));
  }
  forget(leg: Leg): void {
    this.#outbox.silence(leg.session?.alarm);
    leg.session = undefined;
  }

  /**
   * Asks whether the far end still is there, by UPDATE where it knows that, else by a re-INVITE with the session as it is.
   * Nothing is sent while another request of the call is under way (RFC 3261 §14.1).
   */
  refresh(leg: Leg): void {
    if (leg.phase !== "up" || !leg.dialog || leg.asking || leg.unacked) return;
    const timer = timerRequest(leg.minSec, leg.session?.timer.agreed);
    const body = leg.knowsUpdate ? undefined : leg.ours;
    const fields = [...this.#outbox.capabilities(leg.contact, body), ...timer];
    const request = leg.dialog.request(leg.knowsUpdate ? "UPDATE" : "INVITE", fields, body?.bytes);
    leg.asking = this.#outbox.ask(leg, leg.knowsUpdate ? "update" : "re-invite", request, leg.dialog);
  }

  /** A changed offer is answered 488, and nothing changes (RFC 3261 §14.2). */
  onReInvite(leg: Leg, dialog: Dialog, reinvite: SipRequest, id: ServerTxId): void {
    const offer = bodyOf(reinvite);
    if (leg.phase === "leaving") this.#outbox.answer(reinvite, id, 481);
    else if (leg.asking) this.#outbox.answer(reinvite, id, 491);
    else if (leg.answering !== undefined || leg.unacked) {
      this.#outbox.answer(reinvite, id, 500, [["Retry-After", String(Math.floor(11 * this.#outbox.share()))]]);
    } else if (offer && !sameSession(offer, leg.theirs)) this.#outbox.answer(reinvite, id, 488);
    else if (!this.refuses(reinvite, id)) {
      dialog.refreshTarget(reinvite);
      this.accept(leg, id, reinvite, this.#outbox.capabilities(leg.contact, leg.ours), SAFE, () => this.#lost(leg));
    }
  }

  /** RFC 3311 §5.2. */
  onUpdate(leg: Leg, dialog: Dialog, update: SipRequest, id: ServerTxId): void {
    const offer = bodyOf(update);
    if (leg.phase === "leaving") this.#outbox.answer(update, id, 481);
    else if (offer && leg.asking) this.#outbox.answer(update, id, 491);
    else if (offer && !sameSession(offer, leg.theirs)) this.#outbox.answer(update, id, 488);
    else if (!this.refuses(update, id)) {
      dialog.refreshTarget(update);
      const timer = dialog.confirmed ? this.#agreeTo(leg, update) : [];
      this.#outbox.confirm(update, id, this.#outbox.keep(leg), [...this.#outbox.capabilities(leg.contact), ...timer]);
    }
  }

  onRefreshed(asking: Asking, response: SipResponse): void {
    const { leg, dialog, kind } = asking;
    if (!dialog) return;
    const acked = asking.made.get(dialog.remoteTag)?.ack;
    if (acked) return this.#outbox.ackAgain(leg, dialog, acked);
    dialog.refreshTarget(response);
    leg.asking = undefined;
    leg.isUnsure = false;
    this.accepted(leg, asking.request, response);
    this.#outbox.keep(leg);
    if (kind === "update") {
      this.#outbox.asked.delete(asking.tx);
      return;
    }
    leg.theirs = bodyOf(response) ?? leg.theirs;
    this.#outbox.ack(asking, dialog);
    this.#outbox.keepForRepeats(asking);
  }

  onNotRefreshed({ leg, kind }: Asking, status: number): void {
    if (status === 481 || status === 408) this.#lost(leg);
    else if (kind === "update" && (status === 405 || status === 501)) {
      leg.knowsUpdate = false;
      this.refresh(leg);
    } else if (status === 491 && leg.phase === "up") {
      const share = this.#outbox.share();
      const waitMs = leg.weCalled ? 2_100 + 10 * Math.floor(share * 191) : 10 * Math.floor(share * 201); // RFC 3261 §14.1
      leg.alarm = this.#outbox.alarm(waitMs, () => this.refresh(leg), leg.alarm);
    }
  }

  #agreeTo(leg: Leg, request: SipRequest): Fields {
    this.#note(leg, request);
    const answer = timerAnswer(request);
    if (answer.status === "too-small") return [];
    this.#start(leg, answer.agreed);
    return answer.fields;
  }
  #note(leg: Leg, { headers }: SipMessage): void {
    if (headers.has("allow")) leg.knowsUpdate = headers.listHas("allow", "UPDATE");
    leg.minSec = Math.max(leg.minSec, numberOf({ headers }, "min-se") ?? 0);
  }
  #start(leg: Leg, agreed: Agreed): void {
    this.#run(leg, new SessionTimer(agreed, this.#outbox.nowMs));
  }
  #run(leg: Leg, timer: SessionTimer): void {
    this.forget(leg);
    leg.session = { timer, alarm: this.#wake(leg, timer) };
  }
  #wake(leg: Leg, timer: SessionTimer): Alarm {
    return this.#outbox.alarm(timer.nextDeadlineMs - this.#outbox.nowMs, (nowMs) => this.#due(leg, timer, nowMs));
  }
  #due(leg: Leg, timer: SessionTimer, nowMs: number): void {
    const due = timer.step(nowMs);
    if (due === "expired") {
      this.#lost(leg);
      return;
    }
    leg.session = { timer, alarm: this.#wake(leg, timer) };
    if (due === "refresh") this.refresh(leg);
  }
}
