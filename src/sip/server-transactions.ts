/** The server transactions of a driver (RFC 3261 §17.2): their requests, their machines, their responses. */
import { hex, own } from "#base/bytes.ts";
import type { Timed } from "#base/deadlines.ts";
import { SAFE, type Ticket } from "#base/ticket.ts";
import { type Answer, Answers } from "./answers.ts";
import type { TransactionContext } from "./context.ts";
import { type InviteServerOutput, InviteServerTransaction } from "./engine/invite-server.ts";
import { type NonInviteServerOutput, NonInviteServerTransaction } from "./engine/non-invite-server.ts";
import type { Flow, ServerTxId } from "./engine/ports.ts";
import { patienceMs } from "./engine/timers.ts";
import type { Link } from "./transport/transport.ts";
import { response, tagged } from "./wire/builders.ts";
import { formatHostPort } from "./wire/lex.ts";
import type { SipRequest, SipResponse, Via } from "./wire/message.ts";
import { serialize } from "./wire/serialize.ts";
import { callIdOf, cseqOf, fromTagOf, toTagOf } from "./wire/values.ts";

export class ServerTransaction implements Timed {
  wheelAtMs = Infinity;
  readonly id: ServerTxId; // its branch
  /** Of the client, as its Via says. */
  readonly sentBy: { readonly host: string; readonly port: number | undefined };
  readonly method: string;
  /** Until it is answered finally. */
  request: SipRequest | undefined;
  /** Where responses go: may differ from where the request came from (RFC 3261 §18.2.2). */
  replyTo: Link;
  readonly machine: InviteServerTransaction | NonInviteServerTransaction;
  /** For responses whose To has none. */
  readonly toTag: string;
  /** Responses that wait for their tickets, in order. */
  readonly held: { readonly response: SipResponse; readonly ticket: Ticket }[] = [];
  /** The user has answered finally, though the answer may be held. */
  answered = false;
  /** The user has been told of a CANCEL. */
  canceled = false;
  latest: Uint8Array | undefined;

  constructor(id: string, { host, port }: Via, request: SipRequest, replyTo: Link, context: TransactionContext) {
    this.id = own(id);
    this.sentBy = { host: own(host), port };
    this.method = own(request.method);
    this.request = request;
    this.replyTo = replyTo;
    this.toTag = hex(context.host.random(8));
    const setup = { timers: context.timers, reliable: replyTo.transport.reliable, startMs: context.host.nowMs() };
    this.machine = request.method === "INVITE" ? new InviteServerTransaction(setup) : new NonInviteServerTransaction(setup);
  }
}

/** So many answers take the memory of one transaction. */
const ANSWERS_A_TRANSACTION = 3;

const MAGIC_COOKIE = "z9hG4bK"; // RFC 3261 §8.1.1.7

/** The branch; for a client of RFC 2543, whose branch says nothing, what all of one transaction has in common (§17.2.3). */
function idOf(request: SipRequest, via: Via): string {
  const branch = String(via.params.get("branch"));
  if (branch.startsWith(MAGIC_COOKIE) && branch !== MAGIC_COOKIE) return branch;
  return [formatHostPort(via), callIdOf(request), cseqOf(request)?.number, fromTagOf(request)].join(" ");
}

const askedBy = (client: { readonly host: string; readonly port?: number | undefined }, method: string): string =>
  `${method} ${formatHostPort(client)}`;

export class ServerTransactions {
  readonly #context: TransactionContext;
  /** By branch: one that two clients happen to share is refused to the second (RFC 3261 §17.2.3 would serve both). */
  readonly #byBranch = new Map<string, ServerTransaction>();
  /** By branch, too: what is left of transactions other than INVITE's. */
  readonly #answers: Answers;
  /** The To tag of answers without a transaction (RFC 3261 §8.2.7). */
  readonly #statelessTag: string;

  constructor(context: TransactionContext) {
    this.#context = context;
    this.#answers = new Answers(context.host, patienceMs(context.timers));
    this.#statelessTag = hex(context.host.random(8));
  }

  get size(): number {
    return this.#byBranch.size + this.#answers.size;
  }

  /** A request that `faultOf` has passed, its top Via as read; `flow` is where it came from. */
  onRequest(request: SipRequest, via: Via, flow: Flow, replyTo: Link): void {
    const branch = idOf(request, via);
    const tx = this.#byBranch.get(branch);
    const isSame = tx?.sentBy.host === via.host && tx.sentBy.port === via.port;
    if (request.method === "ACK") this.#onAck(request, isSame ? tx : undefined, flow);
    else if (request.method === "CANCEL") this.#onCancel(request, isSame ? tx : undefined, replyTo);
    else if (tx === undefined) {
      const answer = this.#answers.find(branch);
      if (answer === undefined) this.#onNew(branch, request, via, flow, replyTo);
      else this.#repeat(answer, request, via, replyTo);
    } else if (isSame && tx.method === request.method) {
      this.#context.counters.retransmissionsIn++;
      this.#perform(tx, tx.machine.step({ kind: "request" }, this.#context.host.nowMs()));
    } else this.answerStateless(request, replyTo, 400, "Branch in use");
  }

  #repeat(answer: Answer, request: SipRequest, via: Via, replyTo: Link): void {
    const { counters, linkNamed, send } = this.#context;
    if (answer.asked !== askedBy(via, request.method)) {
      this.answerStateless(request, replyTo, 400, "Branch in use");
      return;
    }
    counters.retransmissionsIn++;
    counters.retransmissionsOut++;
    const link = linkNamed(answer.flowId);
    if (link !== undefined) send(link, answer.bytes);
  }

  #onNew(branch: string, request: SipRequest, via: Via, flow: Flow, replyTo: Link): void {
    const { counters, maxTransactions, tell, user } = this.#context;
    if (this.#byBranch.size + this.#answers.size / ANSWERS_A_TRANSACTION >= maxTransactions) {
      counters.shed++;
      this.answerStateless(request, replyTo, 503);
      return;
    }
    if (request.method !== "INVITE" && this.#isAnsweredAtOnce(request, replyTo)) return;
    const tx = new ServerTransaction(branch, via, request, replyTo, this.#context);
    this.#byBranch.set(tx.id, tx);
    if (!tell(request, () => user.onRequest(request, tx.id, flow))) this.#answerFault(tx);
    if (this.#byBranch.get(tx.id) === tx) this.#watch(tx); // neither refused nor ended by then
  }

  #isAnsweredAtOnce(request: SipRequest, replyTo: Link): boolean {
    const { send, tell, user } = this.#context;
    let isAnswered = false;
    tell(request, () => {
      const answer = user.answerAtOnce?.(request);
      if (answer === undefined) return;
      isAnswered = true;
      send(replyTo, serialize(tagged(answer, this.#statelessTag)));
    });
    return isAnswered;
  }

  #onAck(request: SipRequest, tx: ServerTransaction | undefined, flow: Flow): void {
    const { host, tell, user } = this.#context;
    if (tx?.machine instanceof InviteServerTransaction) {
      const outputs = tx.machine.step({ kind: "ack" }, host.nowMs());
      this.#perform(tx, outputs);
      if (!outputs.some((output) => output.kind === "pass-up-ack")) return;
    } else if (toTagOf(request) === this.#statelessTag) return; // it ends here, as one to a transaction's answer does
    tell(request, () => user.onAck(request, flow));
  }

  /**
   * CANCEL is answered anew each time it comes, 200 or 481 (RFC 3261 §9.2): the same as its own transaction would repeat.
   * Its INVITE is the transaction of the same branch; once that is answered, CANCEL changes nothing.
   */
  #onCancel(request: SipRequest, tx: ServerTransaction | undefined, replyTo: Link): void {
    const { tell, user } = this.#context;
    if (!(tx?.machine instanceof InviteServerTransaction)) {
      this.answerStateless(request, replyTo, 481);
      return;
    }
    this.#context.send(replyTo, serialize(response(request, 200, undefined, tx.toTag)));
    if (tx.answered || tx.canceled) return;
    tx.canceled = true;
    if (!tell(request, () => user.onCancel(tx.id))) this.#answerFault(tx);
  }

  respond(id: ServerTxId, answer: SipResponse, ticket: Ticket = SAFE): void {
    const tx = this.#byBranch.get(id);
    if (tx === undefined) {
      this.#context.counters.lateAnswers++;
      return;
    }
    if (answer.status >= 200) tx.answered = true;
    if (tx.held.length === 0 && ticket.safe) {
      this.#send(tx, answer);
      return;
    }
    tx.held.push({ response: answer, ticket });
    if (tx.held.length === 1) ticket.onSafe(() => this.#release(tx));
  }

  /**
   * Answers once and forgets the request (RFC 3261 §8.2.7). Whoever has heard a provisional response repeats his request no
   * more (§17.1.1.2), so to him the answer is repeated, if it has to be.
   */
  refuse(id: ServerTxId, answer: SipResponse): void {
    const tx = this.#byBranch.get(id);
    if (tx === undefined || tx.answered || tx.latest !== undefined) {
      this.respond(id, answer);
      return;
    }
    this.#byBranch.delete(id);
    this.#context.deadlines.delete(tx);
    this.#context.counters.refusals++;
    this.#context.send(tx.replyTo, serialize(tagged(answer, this.#statelessTag)));
  }

  /** Lets out what need not wait any longer. */
  #release(tx: ServerTransaction): void {
    for (let head = tx.held[0]; head !== undefined; head = tx.held[0]) {
      if (!head.ticket.safe) {
        head.ticket.onSafe(() => this.#release(tx));
        return;
      }
      tx.held.shift();
      this.#send(tx, head.response);
    }
  }

  #send(tx: ServerTransaction, answer: SipResponse): void {
    const outputs = tx.machine.step({ kind: "respond", status: answer.status }, this.#context.host.nowMs());
    if (outputs.length === 0) this.#context.counters.lateAnswers++;
    this.#perform(tx, outputs, answer);
  }

  onDeadline(tx: ServerTransaction, nowMs: number): void {
    this.#perform(tx, tx.machine.step({ kind: "tick" }, nowMs));
  }

  /** Answers without remembering that it did (RFC 3261 §8.2.7). An ACK is never answered. */
  answerStateless(to: Pick<SipRequest, "headers" | "method">, replyTo: Link, status: number, reason?: string): void {
    if (to.method === "ACK") return;
    this.#context.send(replyTo, serialize(response(to, status, reason, this.#statelessTag)));
  }

  clear(): void {
    this.#byBranch.clear();
    this.#answers.clear();
  }

  /** Our user threw: 500, and this transaction is all that it costs (DESIGN §10). */
  #answerFault(tx: ServerTransaction): void {
    if (!tx.answered && tx.request !== undefined) this.respond(tx.id, response(tx.request, 500));
  }

  #perform(tx: ServerTransaction, outputs: readonly (InviteServerOutput | NonInviteServerOutput)[], answer?: SipResponse): void {
    try {
      for (const output of outputs) this.#performOne(tx, output, answer);
    } finally {
      // An answer that cannot be written throws: its transaction ends all the same.
      if (tx.machine.state === "terminated") this.#forget(tx);
      else this.#watch(tx);
    }
  }
  #forget(tx: ServerTransaction): void {
    this.#byBranch.delete(tx.id);
    this.#context.deadlines.delete(tx);
  }
  #watch(tx: ServerTransaction): void {
    this.#context.deadlines.set(tx, tx.machine.nextDeadlineMs);
  }

  /** The way the request came, or, when that connection is gone, by a new one to its sender (RFC 3261 §18.2.2). */
  #sendBack(tx: ServerTransaction, bytes: Uint8Array): void {
    tx.latest = bytes;
    if (this.#context.send(tx.replyTo, bytes)) return;
    const { host, port = tx.replyTo.flow.transport === "tls" ? 5061 : 5060 } = tx.sentBy;
    const anew = tx.replyTo.toPort(port, host);
    if (anew === undefined || anew === tx.replyTo) return;
    tx.replyTo = anew;
    this.#context.send(anew, bytes);
  }

  #performOne(tx: ServerTransaction, output: InviteServerOutput | NonInviteServerOutput, answer?: SipResponse): void {
    const { counters } = this.#context;
    switch (output.kind) {
      case "send-trying":
        if (tx.request === undefined) return;
        this.#sendBack(tx, serialize(response(tx.request, 100)));
        return;
      case "send-response":
        if (answer === undefined) return;
        if (answer.status >= 200) tx.request = undefined;
        this.#sendBack(tx, serialize(tagged(answer, tx.toTag)));
        if (tx.machine.state === "accepted") tx.latest = undefined; // its user's to repeat (RFC 6026 §7.1)
        return;
      case "resend":
        counters.retransmissionsOut++;
        if (tx.latest !== undefined) this.#sendBack(tx, tx.latest);
        return;
      case "keep-response": {
        const { id, latest: bytes, method, replyTo, sentBy } = tx;
        if (bytes !== undefined) this.#answers.keep(id, { asked: askedBy(sentBy, method), flowId: replyTo.flow.id, bytes });
        return;
      }
      case "pass-up-ack":
        return; // by whoever has the ACK
      case "ended":
        if (output.cause === "timeout") counters.abandoned++;
    }
  }
}
