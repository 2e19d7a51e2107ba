/**
 * Calls: INVITE dialogs from either side (RFC 3261 §9, §12-§15), between the transaction layer and whoever owns the calls.
 * The owner's `TransactionUser` passes on what it gets; each `on…` says whether it was a matter of calls.
 */
import { hex } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import { SAFE, type Ticket } from "#base/ticket.ts";
import { response } from "../wire/builders.ts";
import type { NameAddr, SipRequest, SipResponse } from "../wire/message.ts";
import { ownUri } from "../wire/uri.ts";
import { callIdOf, cseqOf, nameAddr, numberOf, toTagOf } from "../wire/values.ts";
import { asSecureAs, type Fields, firstInvite, refusalOfTypes, SDP_TYPE, withRoute } from "./call-messages.ts";
import { ALLOW, CallOutbox } from "./call-outbox.ts";
import type { CallEnd, CallId, CallKeeper, CallPort, CallsConfig, CallsPorts, OutgoingCall } from "./call-types.ts";
import { Dialog } from "./dialog.ts";
import { type DialogRow, legOf } from "./dialog-row.ts";
import { DigestClient } from "./digest.ts";
import { type Asking, type Body, bodyOf, type Leg, type Made } from "./leg.ts";
import { Legs } from "./legs.ts";
import type { ClientTxId, Flow, ServerTxId } from "./ports.ts";
import { replacedLeg, replacing } from "./replaces.ts";
import { SessionRefresh } from "./session-refresh.ts";
import { timerRequest } from "./session-timer.ts";

/** An INVITE that rings is told so again this often, lest a proxy cancel it (RFC 3261 §13.3.1.1). */
const RING_AGAIN_MS = 60_000;

export class Calls implements CallPort {
  readonly #ports: CallsPorts;
  readonly #outbox: CallOutbox;
  readonly #refresh: SessionRefresh;
  readonly #maxCalls: number;
  readonly #fullStatus: 486 | 503;
  readonly #legs = new Legs();
  readonly #invited = new Map<ServerTxId, Leg>();
  /** Calls refused because of `maxCalls`, and dialogs of INVITEs with more than `LIMITS.sipForks`. */
  readonly dropped = { full: 0, forks: 0 };

  constructor(ports: CallsPorts, config: CallsConfig = {}) {
    this.#ports = ports;
    this.#outbox = new CallOutbox(ports, config);
    this.#refresh = new SessionRefresh(this.#outbox, (leg) => this.#lost(leg, "timeout"));
    this.#maxCalls = config.maxCalls ?? LIMITS.sipCalls;
    this.#fullStatus = config.fullStatus ?? 503;
  }

  /** Calls that have not ended. */
  get count(): number {
    return this.#legs.count;
  }
  /** Calls whose far end was last heard of on this flow: what to do when it has closed is the owner's decision. */
  callsOn(flow: Flow): readonly CallId[] {
    return this.#legs.on(flow);
  }
  /** Whether a call began with that INVITE: it has come once more. */
  knows(invite: SipRequest): boolean {
    return this.#legs.madeBy(invite) !== undefined;
  }

  /** At once and without goodbye: nothing is sent or told by itself any more. */
  stop(): void {
    this.#outbox.stop();
  }

  // What the owner asks for

  /** A call above `maxCalls` ends at once, as if a 503 had come. */
  invite(call: OutgoingCall): CallId {
    const { contact, credentials, body: ours } = call;
    const digest = credentials && new DigestClient(this.#ports.host, credentials);
    const replaced = this.#legs.get(call.replaces ?? 0)?.dialog;
    const fields = [...this.#outbox.capabilities(contact, ours), ...timerRequest(0), ...(replaced ? replacing(replaced) : [])];
    const callId = hex(this.#ports.host.random(16));
    const invite = firstInvite(call, callId, this.#outbox.tag(), fields);
    const full = this.#legs.count >= this.#maxCalls;
    const leg = this.#legs.add({ weCalled: true, callId, contact, last: call.via, digest, ours });
    if (full) {
      this.dropped.full++;
      this.#endLater(leg, { kind: "rejected", response: response(invite, 503) });
    } else leg.asking = this.#outbox.ask(leg, "invite", invite, undefined);
    return leg.id;
  }

  ring(call: CallId, status: number): void {
    const leg = this.#legs.get(call);
    if (leg?.answering === undefined) return;
    const { tx, invite } = leg.answering;
    const fields = status === 100 ? [] : withRoute(invite, this.#outbox.capabilities(leg.contact));
    this.#outbox.answer(invite, tx, status, fields, leg.dialog?.localTag);
    if (status > 100) leg.alarm = this.#outbox.alarm(RING_AGAIN_MS, () => this.ring(call, status), leg.alarm);
  }

  accept(call: CallId, answer: { contact: NameAddr; body?: Body; headers?: Fields }, ticket: Ticket = SAFE): Ticket {
    const leg = this.#legs.get(call);
    if (leg?.answering === undefined) return ticket;
    const { tx, invite } = leg.answering;
    leg.contact = asSecureAs(invite, answer.contact);
    leg.ours = answer.body;
    leg.phase = "accepted";
    leg.dialog?.confirm();
    const fields = [...this.#outbox.capabilities(leg.contact, answer.body), ...(answer.headers ?? [])];
    const gaveUp = (): void => (leg.leave ? this.#bye(leg, { kind: "local" }) : this.#lost(leg, "timeout"));
    this.#forgetInvite(leg);
    return this.#refresh.accept(leg, tx, invite, withRoute(invite, fields), ticket, gaveUp);
  }

  reject(call: CallId, status: number, reason?: string, headers: Fields = []): void {
    const leg = this.#legs.get(call);
    if (leg?.answering === undefined) return;
    const { tx, invite } = leg.answering;
    this.#outbox.answer(invite, tx, status, headers, leg.dialog?.localTag, reason);
    this.#endLater(leg, { kind: "local" });
  }

  ack(call: CallId, body?: Body): void {
    const leg = this.#legs.get(call);
    if (leg) this.#acknowledge(leg, body);
  }

  end(call: CallId, reason?: string): void {
    const leg = this.#legs.get(call);
    if (!leg || leg.leave) return;
    if (leg.phase === "invited") this.reject(call, 480);
    leg.leave = { reason };
    if (leg.phase === "calling" && leg.asking) this.#outbox.cancel(leg.asking);
    if (leg.phase === "answered") this.#acknowledge(leg, undefined, reason === undefined ? [] : [["Reason", reason]]);
    if (leg.phase === "up") this.#bye(leg, { kind: "local" }); // a call that is `accepted` has to wait for its ACK (§15)
  }

  keep(call: CallId, keeper: CallKeeper): void {
    const leg = this.#legs.get(call);
    if (leg) leg.keeper = keeper;
  }
  keepAgain(call: CallId): Ticket {
    const leg = this.#legs.get(call);
    return leg ? this.#outbox.keep(leg) : SAFE;
  }

  /**
   * A 2xx without ACK may not have arrived: it is sent again to whoever repeats the INVITE; who does not is asked whether he is
   * there, once no INVITE is repeated any more.
   */
  restore(row: DialogRow, leftMs: number): CallId | undefined {
    const start = legOf(row);
    if (!start || this.#legs.count >= this.#maxCalls) return undefined;
    const leg = this.#legs.add(start);
    leg.phase = "up";
    leg.knowsUpdate = row.knowsUpdate;
    leg.isUnsure = !row.isAcked;
    this.#refresh.resume(leg, row.session, leftMs);
    if (leg.isUnsure) leg.alarm = this.#outbox.alarm(this.#outbox.patienceMs, () => this.#refresh.refresh(leg));
    return leg.id;
  }

  refresh(call: CallId): void {
    const leg = this.#legs.get(call);
    if (leg) this.#refresh.refresh(leg);
  }

  heardAtMs(call: CallId): number {
    return this.#legs.get(call)?.heardAtMs ?? -Infinity;
  }

  // What happens: requests
  /** True = taken: an initial INVITE, BYE, and whatever has a To tag (481 where that is no call's). */
  onRequest(request: SipRequest, id: ServerTxId, flow: Flow): boolean {
    const inDialog = toTagOf(request) !== undefined;
    if (!inDialog && request.method === "INVITE") this.#onInvite(request, id, flow);
    else if (!inDialog && request.method !== "BYE") return false;
    else {
      const leg = this.#legs.find(request);
      if (leg) this.#onInDialog(leg, request, id, flow);
      else this.#ports.transactions.refuse(id, response(request, 481));
    }
    return true;
  }

  #onInvite(invite: SipRequest, id: ServerTxId, flow: Flow): void {
    const again = this.#legs.madeBy(invite);
    if (again) return this.#onInviteAgain(again, invite, id);
    const dialog = Dialog.ofRequest(invite, this.#outbox.tag());
    const refusal = this.#refusal(invite, dialog);
    if (refusal !== undefined || !dialog)
      return this.#outbox.answer(invite, id, refusal ?? 400, refusal === 415 ? [["Accept", SDP_TYPE]] : []);
    const replaced = this.#outbox.supports("replaces") ? replacedLeg(invite, this.#legs) : undefined;
    if (this.#outbox.refusesExtensions(invite, id) || this.#refresh.refuses(invite, id)) return;
    if (typeof replaced === "number") return this.#outbox.answer(invite, id, replaced);
    const contact = asSecureAs(invite, nameAddr(ownUri(invite.uri.user, this.#ports.transactions.localUri(flow))));
    const callId = callIdOf(invite) ?? "";
    const leg = this.#legs.add({ weCalled: false, callId, contact, last: flow, dialog, theirs: bodyOf(invite) });
    leg.answering = { tx: id, invite };
    leg.heardAtMs = this.#outbox.nowMs;
    this.#invited.set(id, leg);
    const expiresSec = numberOf(invite, "expires");
    if (expiresSec !== undefined) leg.expiry = this.#outbox.alarm(expiresSec * 1_000, () => this.onCancel(id)); // §13.3.1
    this.#ports.user.onInvite(leg.id, invite, flow, replaced?.id);
  }

  /** By another way (§8.2.2.2), or because an earlier run's answer was lost. */
  #onInviteAgain(leg: Leg, invite: SipRequest, id: ServerTxId): void {
    if (!leg.isUnsure || leg.unacked || leg.phase !== "up") return this.#outbox.answer(invite, id, 482);
    const fields = this.#outbox.capabilities(leg.contact, leg.ours);
    this.#refresh.accept(leg, id, invite, withRoute(invite, fields), SAFE, () => this.#lost(leg, "timeout"));
  }
  #refusal(invite: SipRequest, dialog: Dialog | undefined): number | undefined {
    if (!dialog) return 400;
    if (this.#legs.count < this.#maxCalls) return refusalOfTypes(invite);
    this.dropped.full++;
    return this.#fullStatus;
  }

  #onInDialog(leg: Leg, request: SipRequest, id: ServerTxId, flow: Flow): void {
    const dialog = leg.dialogOf(request);
    if (!dialog?.takeCSeq(request)) return this.#outbox.answer(request, id, 500);
    leg.last = flow;
    leg.heardAtMs = this.#outbox.nowMs;
    this.#isSure(leg);
    if (this.#outbox.refusesExtensions(request, id)) return;
    if (request.method === "BYE") this.#onBye(leg, request, id);
    else if (request.method === "INVITE") this.#refresh.onReInvite(leg, dialog, request, id);
    else if (request.method === "UPDATE") this.#refresh.onUpdate(leg, dialog, request, id);
    else if (request.method === "OPTIONS")
      this.#outbox.answer(request, id, 200, [...this.#outbox.capabilities(), ["Accept", SDP_TYPE]]);
    else this.#outbox.answer(request, id, 405, [["Allow", ALLOW]]);
  }

  /** The owner hears of it first: what he gives back is given back when the 200 arrives (PROTOCOL §6). */
  #onBye(leg: Leg, bye: SipRequest, id: ServerTxId): void {
    if (leg.phase !== "leaving") this.#endByBye(leg, bye); // our own BYE crosses it, and tells the end
    this.#outbox.confirm(bye, id, this.#outbox.forget(leg));
  }
  #endByBye(leg: Leg, bye: SipRequest): void {
    const { answering, dialog } = leg;
    if (answering) this.#outbox.answer(answering.invite, answering.tx, 487, [], dialog?.localTag); // §15.1.2
    if (leg.phase === "calling" && leg.asking) this.#outbox.cancel(leg.asking);
    this.ack(leg.id); // where the owner has not done so
    this.#tell(leg, { kind: "bye", headers: bye.headers });
  }

  /** True = the ACK of a call's 2xx. */
  onAck(ack: SipRequest, flow: Flow): boolean {
    const leg = this.#legs.find(ack);
    if (!leg) return false;
    if (!leg.unacked || cseqOf(ack)?.number !== leg.unacked.cseq) return true; // repeated
    this.#outbox.acknowledged(leg);
    leg.last = flow;
    leg.heardAtMs = this.#outbox.nowMs;
    leg.theirs = bodyOf(ack) ?? leg.theirs;
    this.#isSure(leg);
    if (leg.phase !== "accepted") return true; // a re-INVITE's
    leg.phase = "up";
    if (leg.leave) this.#bye(leg, { kind: "local" });
    else {
      this.#outbox.keep(leg);
      this.#ports.user.onEstablished(leg.id, ack);
    }
    return true;
  }
  /** The far end has had our 2xx. */
  #isSure(leg: Leg): void {
    if (!leg.isUnsure) return;
    leg.isUnsure = false;
    this.#outbox.silence(leg.alarm);
    this.#outbox.keep(leg);
  }

  /** True = the INVITE of a call that is not yet answered. */
  onCancel(id: ServerTxId): boolean {
    const leg = this.#invited.get(id);
    if (!leg) return false;
    if (leg.answering) this.#outbox.answer(leg.answering.invite, id, 487, [], leg.dialog?.localTag);
    this.#tell(leg, { kind: "canceled" });
    return true;
  }

  // What happens: answers to our requests

  onResponse(response: SipResponse, id: ClientTxId, flow: Flow): boolean {
    const asking = this.#outbox.asked.get(id);
    if (!asking) return false;
    const { leg, kind } = asking;
    leg.heardAtMs = this.#outbox.nowMs;
    if (flow.transport !== "udp") leg.last = flow; // the connection that was opened for it
    if (response.status < 200) this.#onProvisional(asking, response);
    else if (response.status < 300 && kind === "invite") this.#onAnswered(asking, response);
    else if (response.status < 300 && (kind === "re-invite" || kind === "update")) this.#refresh.onRefreshed(asking, response);
    else {
      this.#outbox.asked.delete(id);
      if (this.#outbox.askAgain(asking, response)) return true;
      if (leg.asking === asking) leg.asking = undefined;
      if (kind === "bye") this.#tell(leg, asking.end);
      else if (kind !== "invite") this.#refresh.onNotRefreshed(asking, response.status);
      else this.#tell(leg, leg.leave ? { kind: "local" } : { kind: "rejected", response });
    }
    return true;
  }

  onFailure(id: ClientTxId, cause: "timeout" | "transport"): boolean {
    const asking = this.#outbox.asked.get(id);
    if (!asking) return false;
    this.#outbox.asked.delete(id);
    const { leg, kind } = asking;
    if (leg.asking === asking) leg.asking = undefined;
    if (kind === "bye") this.#tell(leg, asking.end);
    else if (kind !== "invite") this.#lost(leg, cause);
    else if (leg.phase === "calling") this.#tell(leg, leg.leave ? { kind: "local" } : { kind: "failed", cause });
    return true;
  }

  #onProvisional(asking: Asking, response: SipResponse): void {
    const { leg, kind, made } = asking;
    if (kind !== "invite" || leg.phase !== "calling") return;
    const tag = toTagOf(response);
    if (response.status > 100 && tag !== undefined && !made.has(tag)) this.#make(asking, tag, response);
    this.#ports.user.onProvisional(leg.id, response);
  }

  #make(asking: Asking, tag: string, response: SipResponse): Made | undefined {
    if (asking.made.size >= LIMITS.sipForks) {
      this.dropped.forks++;
      const early = [...asking.made].find(([, { dialog }]) => !dialog.confirmed);
      if (!early) return undefined;
      asking.made.delete(early[0]);
    }
    const made = { dialog: Dialog.ofResponse(asking.request, response), ack: undefined };
    asking.made.set(tag, made);
    return made;
  }

  /** A 2xx to our INVITE: the first is the call's, another is acknowledged and hung up, a repeated one acknowledged again. */
  #onAnswered(asking: Asking, response: SipResponse): void {
    const { leg } = asking;
    const tag = toTagOf(response) ?? "";
    const made = asking.made.get(tag) ?? this.#make(asking, tag, response);
    if (!made) return;
    if (made.ack) this.#outbox.ackAgain(leg, made.dialog, made.ack);
    else if (leg.phase === "calling") {
      made.dialog.confirm(response);
      this.#outbox.keepForRepeats(asking);
      leg.phase = "answered";
      leg.dialog = made.dialog;
      leg.theirs = bodyOf(response);
      this.#refresh.accepted(leg, asking.request, response);
      if (!leg.leave) this.#ports.user.onAnswered(leg.id, response);
      else {
        this.ack(leg.id); // the 2xx has crossed our CANCEL (§15)
        this.#bye(leg, { kind: "local" });
      }
    } else if (made.dialog !== leg.dialog) {
      made.dialog.confirm(response);
      this.#outbox.ack(asking, made.dialog);
      this.#outbox.ask(leg, "bye", made.dialog.request("BYE"), made.dialog);
    } // else repeated before the owner has said what the ACK holds
  }

  /** The far end is not there any more: BYE all the same (§12.2.1.2, §13.3.1.4), but the owner need not wait for it. */
  #lost(leg: Leg, cause: "timeout" | "transport"): void {
    if (leg.phase !== "up" && leg.phase !== "accepted") return;
    this.#bye(leg, undefined);
    this.#tell(leg, { kind: "failed", cause });
  }

  // How it is done

  #acknowledge(leg: Leg, body: Body | undefined, fields?: Fields): void {
    if (leg.phase !== "answered" || !leg.asking || !leg.dialog) return;
    leg.phase = "up";
    leg.ours = body ?? leg.ours;
    this.#outbox.ack(leg.asking, leg.dialog, body, fields);
    leg.asking = undefined;
    this.#outbox.keep(leg);
  }

  #bye(leg: Leg, end: CallEnd | undefined): void {
    if (!leg.dialog) return;
    this.#outbox.acknowledged(leg);
    this.#outbox.silence(leg.alarm, leg.expiry);
    this.#refresh.forget(leg);
    this.#outbox.forget(leg);
    leg.phase = "leaving";
    const reason: Fields = leg.leave?.reason === undefined ? [] : [["Reason", leg.leave.reason]];
    this.#outbox.ask(leg, "bye", leg.dialog.request("BYE", reason), leg.dialog, end);
  }

  #forgetInvite(leg: Leg): void {
    this.#outbox.silence(leg.alarm, leg.expiry);
    if (leg.answering) this.#invited.delete(leg.answering.tx);
    leg.answering = undefined;
  }

  /** A port does not call back before it returns: the owner hears of the end a moment later. */
  #endLater(leg: Leg, end: CallEnd): void {
    this.#forgetInvite(leg);
    leg.phase = "leaving";
    leg.alarm = this.#outbox.alarm(0, () => this.#tell(leg, end));
  }

  #tell(leg: Leg, end: CallEnd | undefined): void {
    if (!end || leg.phase === "over") return;
    leg.phase = "over";
    this.#forgetInvite(leg);
    this.#outbox.acknowledged(leg);
    this.#refresh.forget(leg);
    this.#legs.delete(leg);
    this.#ports.user.onEnded(leg.id, end);
  }
}
