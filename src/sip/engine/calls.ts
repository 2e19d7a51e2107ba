/**
 * Calls: INVITE dialogs from either side (RFC 3261 §9, §12-§15), between the transaction layer and whoever owns the calls.
 * The owner's `TransactionUser` passes on what it gets; each `on…` says whether it was a matter of calls.
 */
import { hex } from "#base/bytes.ts";
import { Deadlines } from "#base/deadlines.ts";
import { LIMITS } from "#base/limits.ts";
import { SAFE, type Ticket } from "#base/ticket.ts";
import { response } from "../wire/builders.ts";
import type { NameAddr, SipRequest, SipResponse } from "../wire/message.ts";
import { ownUri } from "../wire/uri.ts";
import { cseqOf, nameAddr, numberOf, toTagOf } from "../wire/values.ts";
import {
  asSecureAs,
  capabilities,
  type Fields,
  firstInvite,
  refusalOfTypes,
  SDP_TYPE,
  sameSession,
  unsupported,
  withRoute,
} from "./call-messages.ts";
import type { CallEnd, CallId, CallPort, CallsConfig, CallsPorts, OutgoingCall } from "./call-types.ts";
import { Dialog, withCSeq } from "./dialog.ts";
import { DigestClient } from "./digest.ts";
import { type Alarm, type Asking, type Body, bodyOf, type Leg, type Made } from "./leg.ts";
import { Legs } from "./legs.ts";
import type { ClientTxId, Destination, Flow, ServerTxId } from "./ports.ts";
import { DEFAULT_TIMERS, patienceMs, type TransactionTimers } from "./timers.ts";
import { Unacked } from "./unacked.ts";

/** What a call answers to within its dialog. */
const ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS";

/** An INVITE that rings is told so again this often, lest a proxy cancel it (RFC 3261 §13.3.1.1). */
const RING_AGAIN_MS = 60_000;

export class Calls implements CallPort {
  readonly #ports: CallsPorts;
  readonly #timers: TransactionTimers;
  readonly #supported: readonly string[];
  readonly #maxCalls: number;
  readonly #fullStatus: 486 | 503;
  readonly #alarms: Deadlines<Alarm>;
  readonly #legs = new Legs();
  readonly #invited = new Map<ServerTxId, Leg>();
  readonly #asked = new Map<ClientTxId, Asking>();
  /** Calls refused because of `maxCalls`, and dialogs of INVITEs with more than `LIMITS.sipForks`. */
  readonly dropped = { full: 0, forks: 0 };

  constructor(ports: CallsPorts, config: CallsConfig = {}) {
    this.#ports = ports;
    this.#timers = config.timers ?? DEFAULT_TIMERS;
    this.#supported = config.supported ?? [];
    this.#maxCalls = config.maxCalls ?? LIMITS.sipCalls;
    this.#fullStatus = config.fullStatus ?? 503;
    this.#alarms = new Deadlines(ports.host, (alarm, nowMs) => alarm.ring(nowMs));
  }

  /** Calls that have not ended. */
  get count(): number {
    return this.#legs.count;
  }
  /** Calls whose far end was last heard of on this flow: what to do when it has closed is the owner's decision. */
  callsOn(flow: Flow): readonly CallId[] {
    return this.#legs.on(flow);
  }
  /** Whether the request is within the dialog of a call. */
  knows(request: SipRequest): boolean {
    return this.#legs.find(request) !== undefined;
  }

  /** At once and without goodbye: nothing is sent or told by itself any more. */
  stop(): void {
    this.#alarms.clear();
  }

  // What the owner asks for

  /** A call above `maxCalls` ends at once, as if a 503 had come. */
  invite(call: OutgoingCall): CallId {
    const { contact, credentials, body: ours } = call;
    const digest = credentials && new DigestClient(this.#ports.host, credentials);
    const callId = hex(this.#ports.host.random(16));
    const invite = firstInvite(call, callId, this.#tag(), this.#capabilities(contact, ours));
    const full = this.#legs.count >= this.#maxCalls;
    const leg = this.#legs.add({ weCalled: true, invite, contact, last: call.via, digest, ours });
    if (full) {
      this.dropped.full++;
      this.#endLater(leg, { kind: "rejected", response: response(leg.invite, 503) });
    } else leg.asking = this.#ask(leg, "invite", leg.invite, undefined);
    return leg.id;
  }

  ring(call: CallId, status: number): void {
    const leg = this.#legs.get(call);
    if (leg?.answering === undefined) return;
    const fields = status === 100 ? [] : withRoute(leg.invite, this.#capabilities(leg.contact));
    this.#answer(leg.invite, leg.answering, status, fields, leg.dialog?.localTag);
    if (status > 100) leg.alarm = this.#alarm(RING_AGAIN_MS, () => this.ring(call, status), leg.alarm);
  }

  accept(call: CallId, answer: { contact: NameAddr; body?: Body; headers?: Fields }, ticket: Ticket = SAFE): void {
    const leg = this.#legs.get(call);
    if (leg?.answering === undefined) return;
    leg.contact = asSecureAs(leg.invite, answer.contact);
    leg.ours = answer.body;
    leg.phase = "accepted";
    leg.dialog?.confirm();
    const fields = [...this.#capabilities(leg.contact, answer.body), ...(answer.headers ?? [])];
    this.#acceptInvite(leg, leg.answering, leg.invite, withRoute(leg.invite, fields), ticket);
    this.#forgetInvite(leg);
  }

  reject(call: CallId, status: number, reason?: string, headers: Fields = []): void {
    const leg = this.#legs.get(call);
    if (leg?.answering === undefined) return;
    this.#answer(leg.invite, leg.answering, status, headers, leg.dialog?.localTag, reason);
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
    if (leg.phase === "calling" && leg.asking) this.#ports.transactions.cancel(leg.asking.tx);
    if (leg.phase === "answered") this.#acknowledge(leg, undefined, reason === undefined ? [] : [["Reason", reason]]);
    if (leg.phase === "up") this.#bye(leg, { kind: "local" }); // a call that is `accepted` has to wait for its ACK (§15)
  }

  /**
   * Sends a re-INVITE with the session as it is, to learn whether the far end still is there: if not, the call ends. Nothing
   * is sent while another INVITE of the call is under way (RFC 3261 §14.1).
   */
  refresh(call: CallId): void {
    const leg = this.#legs.get(call);
    if (leg?.phase !== "up" || !leg.dialog || leg.asking || leg.unacked) return;
    const fields = this.#capabilities(leg.contact, leg.ours);
    leg.asking = this.#ask(leg, "re-invite", leg.dialog.request("INVITE", fields, leg.ours?.bytes), leg.dialog);
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
      else this.#answer(request, id, 481);
    }
    return true;
  }

  #onInvite(invite: SipRequest, id: ServerTxId, flow: Flow): void {
    const dialog = Dialog.ofRequest(invite, this.#tag());
    const refusal = this.#refusal(invite, dialog);
    if (refusal !== undefined || !dialog)
      return this.#answer(invite, id, refusal ?? 400, refusal === 415 ? [["Accept", SDP_TYPE]] : []);
    if (this.#refusesExtensions(invite, id)) return;
    const contact = asSecureAs(invite, nameAddr(ownUri(invite.uri.user, this.#ports.transactions.localUri(flow))));
    const leg = this.#legs.add({ weCalled: false, invite, contact, last: flow, dialog, theirs: bodyOf(invite) });
    leg.answering = id;
    this.#invited.set(id, leg);
    const expiresSec = numberOf(invite, "expires");
    if (expiresSec !== undefined) leg.expiry = this.#alarm(expiresSec * 1_000, () => this.onCancel(id)); // §13.3.1
    this.#ports.user.onInvite(leg.id, invite, flow);
  }

  #refusal(invite: SipRequest, dialog: Dialog | undefined): number | undefined {
    if (this.#legs.hasMerged(invite)) return 482;
    if (!dialog) return 400;
    if (this.#legs.count < this.#maxCalls) return refusalOfTypes(invite);
    this.dropped.full++;
    return this.#fullStatus;
  }

  #onInDialog(leg: Leg, request: SipRequest, id: ServerTxId, flow: Flow): void {
    const dialog = leg.dialogOf(request);
    if (!dialog?.takeCSeq(request)) return this.#answer(request, id, 500);
    leg.last = flow;
    if (this.#refusesExtensions(request, id)) return;
    if (request.method === "BYE") this.#onBye(leg, request, id);
    else if (request.method === "INVITE") this.#onReInvite(leg, dialog, request, id);
    else if (request.method === "OPTIONS") this.#answer(request, id, 200, [...this.#capabilities(), ["Accept", SDP_TYPE]]);
    else this.#answer(request, id, 405, [["Allow", ALLOW]]);
  }

  /** The owner hears of it first: what he gives back is given back when the 200 arrives (PROTOCOL §6). */
  #onBye(leg: Leg, bye: SipRequest, id: ServerTxId): void {
    if (leg.phase !== "leaving") this.#endByBye(leg, bye); // our own BYE crosses it, and tells the end
    this.#answer(bye, id, 200);
  }
  #endByBye(leg: Leg, bye: SipRequest): void {
    if (leg.answering !== undefined) this.#answer(leg.invite, leg.answering, 487, [], leg.dialog?.localTag); // §15.1.2
    if (leg.phase === "calling" && leg.asking) this.#ports.transactions.cancel(leg.asking.tx);
    this.ack(leg.id); // where the owner has not done so
    this.#tell(leg, { kind: "bye", headers: bye.headers });
  }

  /** A re-INVITE may refresh the session, not change it (§14.2): a changed offer is answered 488 and nothing changes. */
  #onReInvite(leg: Leg, dialog: Dialog, reinvite: SipRequest, id: ServerTxId): void {
    const offer = bodyOf(reinvite);
    if (leg.phase === "leaving") this.#answer(reinvite, id, 481);
    else if (leg.asking) this.#answer(reinvite, id, 491);
    else if (leg.answering !== undefined || leg.unacked) {
      const retryAfterSec = (this.#ports.host.random(1)[0] ?? 0) % 11;
      this.#answer(reinvite, id, 500, [["Retry-After", String(retryAfterSec)]]);
    } else if (offer && !sameSession(offer, leg.theirs)) this.#answer(reinvite, id, 488);
    else {
      dialog.refreshTarget(reinvite);
      this.#acceptInvite(leg, id, reinvite, this.#capabilities(leg.contact, leg.ours), SAFE);
    }
  }

  /** True = the ACK of a call's 2xx. */
  onAck(ack: SipRequest, flow: Flow): boolean {
    const leg = this.#legs.find(ack);
    if (!leg) return false;
    if (!leg.unacked || cseqOf(ack)?.number !== leg.unacked.cseq) return true; // repeated
    this.#forgetUnacked(leg);
    leg.last = flow;
    leg.theirs = bodyOf(ack) ?? leg.theirs;
    if (leg.phase !== "accepted") return true; // a re-INVITE's
    leg.phase = "up";
    if (leg.leave) this.#bye(leg, { kind: "local" });
    else this.#ports.user.onEstablished(leg.id, ack);
    return true;
  }

  /** True = the INVITE of a call that is not yet answered. */
  onCancel(id: ServerTxId): boolean {
    const leg = this.#invited.get(id);
    if (!leg) return false;
    this.#answer(leg.invite, id, 487, [], leg.dialog?.localTag);
    this.#tell(leg, { kind: "canceled" });
    return true;
  }

  // What happens: answers to our requests

  onResponse(response: SipResponse, id: ClientTxId, flow: Flow): boolean {
    const asking = this.#asked.get(id);
    if (!asking) return false;
    const { leg, kind } = asking;
    if (flow.transport !== "udp") leg.last = flow; // the connection that was opened for it
    if (response.status < 200) this.#onProvisional(asking, response);
    else if (response.status < 300 && kind === "invite") this.#onAnswered(asking, response);
    else if (response.status < 300 && kind === "re-invite") this.#onRefreshed(asking, response);
    else {
      this.#asked.delete(id);
      if (this.#askAgain(asking, response)) return true;
      if (leg.asking === asking) leg.asking = undefined;
      if (kind === "bye") this.#tell(leg, asking.end);
      else if (kind === "re-invite") this.#onNotRefreshed(leg, response.status);
      else this.#tell(leg, leg.leave ? { kind: "local" } : { kind: "rejected", response });
    }
    return true;
  }

  onFailure(id: ClientTxId, cause: "timeout" | "transport"): boolean {
    const asking = this.#asked.get(id);
    if (!asking) return false;
    this.#asked.delete(id);
    const { leg, kind } = asking;
    if (leg.asking === asking) leg.asking = undefined;
    if (kind === "bye") this.#tell(leg, asking.end);
    else if (kind === "re-invite") this.#lost(leg, cause);
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
    if (made.ack) this.#ports.transactions.ack(made.ack, this.#destination(made.dialog, leg.last));
    else if (leg.phase === "calling") {
      made.dialog.confirm(response);
      this.#keepForRepeats(asking);
      leg.phase = "answered";
      leg.dialog = made.dialog;
      leg.theirs = bodyOf(response);
      if (!leg.leave) this.#ports.user.onAnswered(leg.id, response);
      else {
        this.ack(leg.id); // the 2xx has crossed our CANCEL (§15)
        this.#bye(leg, { kind: "local" });
      }
    } else if (made.dialog !== leg.dialog) {
      made.dialog.confirm(response);
      this.#ack(asking, made.dialog);
      this.#ask(leg, "bye", made.dialog.request("BYE"), made.dialog);
    } // else repeated before the owner has said what the ACK holds
  }

  #onRefreshed(asking: Asking, response: SipResponse): void {
    const { leg, dialog } = asking;
    if (!dialog) return;
    const acked = asking.made.get(dialog.remoteTag)?.ack;
    if (acked) {
      this.#ports.transactions.ack(acked, this.#destination(dialog, leg.last));
      return;
    }
    dialog.refreshTarget(response);
    leg.theirs = bodyOf(response) ?? leg.theirs;
    leg.asking = undefined;
    this.#ack(asking, dialog);
    this.#keepForRepeats(asking);
  }

  #onNotRefreshed(leg: Leg, status: number): void {
    if (status === 481 || status === 408) this.#lost(leg, "timeout");
    else if (status === 491 && leg.phase === "up") {
      const [high = 0, low = 0] = this.#ports.host.random(2);
      const share = (high * 256 + low) / 65_536;
      const waitMs = leg.weCalled ? 2_100 + 10 * Math.floor(share * 191) : 10 * Math.floor(share * 201); // §14.1
      leg.alarm = this.#alarm(waitMs, () => this.refresh(leg.id), leg.alarm);
    }
  }

  /** The far end is not there any more: BYE all the same (§12.2.1.2, §13.3.1.4), but the owner need not wait for it. */
  #lost(leg: Leg, cause: "timeout" | "transport"): void {
    if (leg.phase !== "up" && leg.phase !== "accepted") return;
    this.#bye(leg, undefined);
    this.#tell(leg, { kind: "failed", cause });
  }

  // How it is done

  #ask(leg: Leg, kind: Asking["kind"], request: SipRequest, dialog: Dialog | undefined, end?: CallEnd): Asking {
    const asking: Asking = { leg, kind, tx: "", request, dialog, repeats: 0, made: new Map(), end };
    this.#send(asking);
    return asking;
  }

  #send(asking: Asking): void {
    const { leg, dialog } = asking;
    asking.request = leg.digest?.sign(asking.request) ?? asking.request;
    const to = dialog ? this.#destination(dialog, leg.last) : leg.last;
    asking.tx = this.#ports.transactions.request(asking.request, to);
    this.#asked.set(asking.tx, asking);
  }

  /** Answers a 401 or 407 with credentials; false = there is nothing more to be said (§22.2, §22.3). */
  #askAgain(asking: Asking, response: SipResponse): boolean {
    const { leg, kind, dialog } = asking;
    const wanted = kind === "bye" || (!leg.leave && leg.phase === (kind === "invite" ? "calling" : "up"));
    if (!wanted || !leg.digest?.challenged(asking.request, response, asking.repeats)) return false;
    const cseq = cseqOf(asking.request)?.number ?? 0;
    asking.request = dialog ? dialog.again(asking.request) : withCSeq(asking.request, cseq + 1);
    asking.repeats++;
    asking.made.clear();
    this.#send(asking);
    return true;
  }

  #acknowledge(leg: Leg, body: Body | undefined, fields?: Fields): void {
    if (leg.phase !== "answered" || !leg.asking || !leg.dialog) return;
    leg.phase = "up";
    leg.ours = body ?? leg.ours;
    this.#ack(leg.asking, leg.dialog, body, fields);
    leg.asking = undefined;
  }

  #ack(asking: Asking, dialog: Dialog, body?: Body, fields: Fields = []): void {
    const ack = dialog.ack(asking.request, body ? [...fields, ["Content-Type", body.type]] : fields, body?.bytes);
    asking.made.set(dialog.remoteTag, { dialog, ack });
    this.#ports.transactions.ack(ack, this.#destination(dialog, asking.leg.last));
  }

  /** Each copy of a 2xx gets its ACK, until none is to be expected any more (§13.2.2.4). */
  #keepForRepeats(asking: Asking): void {
    this.#alarm(patienceMs(this.#timers), () => this.#asked.delete(asking.tx));
  }

  #bye(leg: Leg, end: CallEnd | undefined): void {
    if (!leg.dialog) return;
    this.#forgetUnacked(leg);
    this.#quiet(leg);
    leg.phase = "leaving";
    const reason: Fields = leg.leave?.reason === undefined ? [] : [["Reason", leg.leave.reason]];
    this.#ask(leg, "bye", leg.dialog.request("BYE", reason), leg.dialog, end);
  }

  #acceptInvite(leg: Leg, tx: ServerTxId, invite: SipRequest, fields: Fields, ticket: Ticket): void {
    const made = response(invite, 200, undefined, leg.dialog?.localTag);
    for (const [name, value] of fields) made.headers.add(name, value);
    const answer: SipResponse = leg.ours ? { ...made, body: leg.ours.bytes } : made;
    const machine = new Unacked(this.#timers, this.#ports.host.nowMs());
    const alarm: Alarm = { wheelAtMs: Infinity, ring: (nowMs) => this.#onUnacked(leg, nowMs) };
    leg.unacked = { tx, cseq: cseqOf(invite)?.number ?? 0, response: answer, ticket, machine, alarm };
    this.#alarms.set(alarm, machine.nextDeadlineMs);
    this.#ports.transactions.respond(tx, answer, ticket);
  }

  #onUnacked(leg: Leg, nowMs: number): void {
    const { unacked } = leg;
    if (!unacked) return;
    const due = unacked.machine.step(nowMs);
    if (due === "give-up") {
      this.#forgetUnacked(leg);
      if (leg.leave) this.#bye(leg, { kind: "local" });
      else this.#lost(leg, "timeout");
      return;
    }
    if (due === "resend" && unacked.ticket.safe) this.#ports.transactions.respond(unacked.tx, unacked.response);
    this.#alarms.set(unacked.alarm, unacked.machine.nextDeadlineMs);
  }

  #answer(to: SipRequest, id: ServerTxId, status: number, fields: Fields = [], tag = this.#tag(), reason?: string): void {
    const made = response(to, status, reason, tag);
    for (const [name, value] of fields) made.headers.add(name, value);
    this.#ports.transactions.respond(id, made);
  }

  #refusesExtensions(request: SipRequest, id: ServerTxId): boolean {
    const unknown = unsupported(request, this.#supported);
    if (unknown.length > 0) this.#answer(request, id, 420, [["Unsupported", unknown.join(", ")]]);
    return unknown.length > 0;
  }

  #capabilities(contact?: NameAddr, body?: Body): Fields {
    return capabilities(ALLOW, this.#supported, contact, body);
  }
  #destination(dialog: Dialog, last: Destination): Destination {
    return this.#ports.destination?.(dialog.nextHop, last) ?? last;
  }
  #tag(): string {
    return hex(this.#ports.host.random(8));
  }

  #alarm(afterMs: number, ring: () => void, instead?: Alarm): Alarm {
    if (instead) this.#alarms.delete(instead);
    const alarm: Alarm = { wheelAtMs: Infinity, ring };
    this.#alarms.set(alarm, this.#ports.host.nowMs() + afterMs);
    return alarm;
  }
  #quiet(leg: Leg): void {
    for (const alarm of [leg.alarm, leg.expiry]) if (alarm) this.#alarms.delete(alarm);
  }
  #forgetInvite(leg: Leg): void {
    this.#quiet(leg);
    if (leg.answering !== undefined) this.#invited.delete(leg.answering);
    leg.answering = undefined;
  }
  #forgetUnacked(leg: Leg): void {
    if (leg.unacked) this.#alarms.delete(leg.unacked.alarm);
    leg.unacked = undefined;
  }

  /** A port does not call back before it returns: the owner hears of the end a moment later. */
  #endLater(leg: Leg, end: CallEnd): void {
    this.#forgetInvite(leg);
    leg.phase = "leaving";
    leg.alarm = this.#alarm(0, () => this.#tell(leg, end));
  }

  #tell(leg: Leg, end: CallEnd | undefined): void {
    if (!end || leg.phase === "over") return;
    leg.phase = "over";
    this.#forgetInvite(leg);
    this.#forgetUnacked(leg);
    this.#legs.delete(leg);
    this.#ports.user.onEnded(leg.id, end);
  }
}
