/** The client transactions of a driver (RFC 3261 §17.1): their messages, their machines, their responses. */
import { hex } from "#base/bytes.ts";
import type { Timed } from "#base/deadlines.ts";
import { LIMITS } from "#base/limits.ts";
import type { TransactionContext } from "./context.ts";
import { type InviteClientOutput, InviteClientTransaction } from "./engine/invite-client.ts";
import { type NonInviteClientOutput, NonInviteClientTransaction } from "./engine/non-invite-client.ts";
import type { ClientTxId } from "./engine/ports.ts";
import type { Link } from "./transport/transport.ts";
import { Headers } from "./wire/headers.ts";
import { formatHostPort } from "./wire/lex.ts";
import type { SipRequest, SipResponse } from "./wire/message.ts";
import { serialize } from "./wire/serialize.ts";
import { cseqOf, formatCSeq, viaOf } from "./wire/values.ts";

interface TransactionKind {
  readonly own?: boolean;
  readonly fallback?: Link;
}
export interface StartOptions {
  /** Becomes the second part of the branch. */
  readonly mark?: string | undefined;
  /** A link without a bound on the size of messages, for a request that is too large for a datagram. */
  readonly roomier?: () => Link | undefined;
}

export class ClientTransaction implements Timed {
  wheelAtMs = Infinity;
  readonly branch: string;
  readonly method: string;
  /** With our Via, and its octets; until it is answered finally. */
  sent: { readonly request: SipRequest; readonly bytes: Uint8Array } | undefined;
  readonly link: Link;
  readonly machine: InviteClientTransaction | NonInviteClientTransaction;
  /** Our own CANCEL: nobody is told of it. */
  readonly own: boolean;
  /** Taken where `link` does not come to stand: the request was too large for it, and is sent on it all the same (§18.1.1). */
  readonly fallback: Link | undefined;
  ack: Uint8Array | undefined;
  /** Of the CANCEL (RFC 3326). */
  cancelReason: string | undefined;

  constructor(branch: string, request: SipRequest, link: Link, context: TransactionContext, kind: TransactionKind = {}) {
    this.branch = branch;
    this.method = request.method;
    this.sent = { request, bytes: serialize(request) };
    this.link = link;
    this.own = kind.own ?? false;
    this.fallback = kind.fallback;
    const setup = { timers: context.timers, reliable: link.transport.reliable, startMs: context.host.nowMs() };
    this.machine = request.method === "INVITE" ? new InviteClientTransaction(setup) : new NonInviteClientTransaction(setup);
  }
}

export class ClientTransactions {
  readonly #context: TransactionContext;
  /** By branch. A CANCEL has the branch of its INVITE (RFC 3261 §9.1), so each has its own map (§17.1.3). */
  readonly #invites = new Map<string, ClientTransaction>();
  readonly #others = new Map<string, ClientTransaction>();

  constructor(context: TransactionContext) {
    this.#context = context;
  }

  get size(): number {
    return this.#invites.size + this.#others.size;
  }

  /** Sends the request; without a link, or above the limit, it fails as soon as this has returned. */
  start(request: SipRequest, link: Link | undefined, { mark, roomier }: StartOptions = {}): ClientTxId {
    const branch = mark === undefined ? this.#newBranch() : `${this.#newBranch()}.${mark}`;
    if (link === undefined || this.size >= this.#context.maxTransactions) return this.#failSoon(branch);
    const tx = new ClientTransaction(branch, addressed(request, branch, link), link, this.#context);
    const fits = link.flow.transport !== "udp" || (tx.sent?.bytes.length ?? 0) <= LIMITS.sipUdpRequestBytes;
    const other = fits ? undefined : roomier?.();
    if (other === undefined) return this.#begin(tx);
    const onOther = addressed(request, branch, other);
    return this.#begin(new ClientTransaction(branch, onOther, other, this.#context, { fallback: link }));
  }

  #begin(tx: ClientTransaction): ClientTxId {
    if (!this.#sendRequest(tx)) return this.#failSoon(tx.branch);
    this.#mapOf(tx.method).set(tx.branch, tx);
    this.#context.deadlines.set(tx, tx.machine.nextDeadlineMs);
    return tx.branch;
  }

  #sendRequest({ link, sent }: ClientTransaction): boolean {
    return sent !== undefined && this.#context.send(link, sent.bytes);
  }

  /** An ACK for a 2xx: sent once, without a transaction (RFC 3261 §13.2.2.4). */
  ack(request: SipRequest, link: Link | undefined): void {
    if (link === undefined) this.#context.counters.unsent++;
    else this.#context.send(link, serialize(addressed(request, this.#newBranch(), link)));
  }

  cancel(id: ClientTxId, reason?: string): void {
    const tx = this.#invites.get(id);
    if (!(tx?.machine instanceof InviteClientTransaction)) return;
    tx.cancelReason = reason;
    this.#perform(tx, tx.machine.step({ kind: "cancel" }, this.#context.host.nowMs()));
  }

  /** Of a request other than INVITE no further copy is sent, and nobody is told what becomes of it. */
  abandon(id: ClientTxId): void {
    const tx = this.#others.get(id);
    if (!tx) return;
    this.#others.delete(id);
    this.#context.deadlines.delete(tx);
  }

  /** A response that `faultOf` has passed. */
  onResponse(response: SipResponse): void {
    const branch = String(viaOf(response)?.params.get("branch"));
    const tx = this.#mapOf(cseqOf(response)?.method).get(branch);
    // The sent-by of its Via needs no look (RFC 3261 §18.1.2): nobody else knows our branch.
    if (tx === undefined) {
      this.#context.counters.strays++;
      return;
    }
    const outputs = tx.machine.step({ kind: "response", status: response.status }, this.#context.host.nowMs());
    if (!outputs.some((output) => output.kind === "pass-up")) this.#context.counters.retransmissionsIn++;
    this.#perform(tx, outputs, response);
    if (response.status >= 200) tx.sent = undefined;
  }

  onDeadline(tx: ClientTransaction, nowMs: number): void {
    this.#perform(tx, tx.machine.step({ kind: "tick" }, nowMs));
  }

  onLinkClosed(link: Link): void {
    const nowMs = this.#context.host.nowMs();
    for (const txs of [this.#invites, this.#others])
      for (const tx of [...txs.values()])
        if (tx.link === link && !this.#fallBack(tx)) this.#perform(tx, tx.machine.step({ kind: "transport-error" }, nowMs));
  }

  /** The far end has no TCP: as a datagram after all, of whatever size (RFC 3261 §18.1.1). */
  #fallBack(tx: ClientTransaction): boolean {
    const { branch, fallback: link, machine, sent } = tx;
    if (link === undefined || sent === undefined || (machine.state !== "calling" && machine.state !== "trying")) return false;
    this.#context.deadlines.delete(tx);
    const headers = sent.request.headers.clone().replaceFirst("via", ownVia(branch, link));
    this.#begin(new ClientTransaction(branch, { ...sent.request, headers }, link, this.#context));
    return true;
  }

  clear(): void {
    this.#invites.clear();
    this.#others.clear();
  }

  #perform(
    tx: ClientTransaction,
    outputs: readonly (InviteClientOutput | NonInviteClientOutput)[],
    response?: SipResponse,
  ): void {
    const { deadlines } = this.#context;
    for (const output of outputs) this.#performOne(tx, output, response);
    if (tx.machine.state === "terminated") deadlines.delete(tx);
    else deadlines.set(tx, tx.machine.nextDeadlineMs);
  }

  #performOne(tx: ClientTransaction, output: InviteClientOutput | NonInviteClientOutput, response?: SipResponse): void {
    const { counters, send, tell, user } = this.#context;
    switch (output.kind) {
      case "send-request":
        counters.retransmissionsOut++;
        this.#sendRequest(tx);
        return;
      case "send-ack":
        if (response !== undefined && tx.sent) tx.ack ??= serialize(ackOf(tx.sent.request, response));
        if (tx.ack !== undefined) send(tx.link, tx.ack);
        return;
      case "send-cancel":
        if (tx.sent === undefined) return;
        this.#begin(
          new ClientTransaction(tx.branch, cancelOf(tx.sent.request, tx.cancelReason), tx.link, this.#context, { own: true }),
        );
        return;
      case "pass-up":
        if (response !== undefined && !tx.own) tell(response, () => user.onResponse(response, tx.branch, tx.link.flow));
        return;
      case "ended": {
        this.#mapOf(tx.method).delete(tx.branch);
        const { cause } = output;
        if (cause !== "done") counters.failures++;
        if (tx.own) return;
        tell(tx.sent?.request, () => (cause === "done" ? user.onSettled?.(tx.branch) : user.onFailure(tx.branch, cause)));
      }
    }
  }

  #failSoon(branch: string): ClientTxId {
    const { host, counters, tell, user } = this.#context;
    counters.failures++;
    host.timer(host.nowMs(), () => tell(undefined, () => user.onFailure(branch, "transport")));
    return branch;
  }

  #mapOf(method: string | undefined): Map<string, ClientTransaction> {
    return method === "INVITE" ? this.#invites : this.#others;
  }

  /** RFC 3261 §8.1.1.7; 80 bits of chance, so that nobody forges a response who has not seen the request. */
  #newBranch(): string {
    return `z9hG4bK${hex(this.#context.host.random(10))}`;
  }
}

/** The request as it leaves: our Via on top, with rport on UDP (RFC 3581 §3), and Max-Forwards (RFC 3261 §8.1.1.6). */
function addressed(request: SipRequest, branch: string, link: Link): SipRequest {
  const headers = request.headers.clone().prepend("via", ownVia(branch, link));
  if (!headers.has("max-forwards")) headers.add("max-forwards", "70");
  return { ...request, headers };
}

function ownVia(branch: string, { transport }: Link): string {
  const { name, sentBy } = transport;
  return `SIP/2.0/${name.toUpperCase()} ${formatHostPort(sentBy)};branch=${branch}${name === "udp" ? ";rport" : ""}`;
}

/** What ACK and CANCEL take over from the INVITE (RFC 3261 §9.1, §17.1.1.3): one Via, its route, who and which. */
function sibling(invite: SipRequest, method: string, to: string): SipRequest {
  const headers = new Headers();
  const { headers: from } = invite;
  headers.add("via", from.first("via") ?? "");
  for (const { name, value } of from.fields()) if (name === "route") headers.add(name, value);
  headers.add("max-forwards", "70");
  headers.add("from", from.get("from") ?? "").add("to", to);
  headers.add("call-id", from.get("call-id") ?? "");
  headers.add("cseq", formatCSeq({ number: cseqOf(invite)?.number ?? 0, method }));
  return { kind: "request", method, uri: invite.uri, headers, body: invite.body.subarray(0, 0) };
}
const ackOf = (invite: SipRequest, response: SipResponse): SipRequest => sibling(invite, "ACK", response.headers.get("to") ?? "");
function cancelOf(invite: SipRequest, reason: string | undefined): SipRequest {
  const cancel = sibling(invite, "CANCEL", invite.headers.get("to") ?? "");
  if (reason !== undefined) cancel.headers.add("reason", reason);
  return cancel;
}
