import { Deadlines } from "#base/deadlines.ts";
import { LIMITS } from "#base/limits.ts";
import { type Logger, SILENT } from "#base/log.ts";
import type { Ticket } from "#base/ticket.ts";
import type { BrowserHost } from "#host/host.ts";
import { ClientTransaction, ClientTransactions } from "./client-transactions.ts";
import type { TransactionContext } from "./context.ts";
import { SipCounters } from "./counters.ts";
import type {
  ClientTxId,
  Destination,
  Flow,
  ServerTxId,
  TransactionPort,
  TransactionUser,
  TransportName,
} from "./engine/ports.ts";
import { DEFAULT_TIMERS, type TransactionTimers } from "./engine/timers.ts";
import { type ServerTransaction, ServerTransactions } from "./server-transactions.ts";
import { hostInUri, type Link, type Receiver, type Transport } from "./transport/transport.ts";
import { faultOf } from "./wire/check.ts";
import type { SipMessage, SipRequest, SipResponse, Via } from "./wire/message.ts";
import { parseMessage, type Unserved } from "./wire/parse.ts";
import { answerStun, isStun } from "./wire/stun.ts";
import { formatVia, viaOf, withParam } from "./wire/values.ts";

export interface SipDriverConfig {
  /** Default T1 500 ms, T2 4 s, T4 5 s (RFC 3261 Table 4). */
  readonly timers?: TransactionTimers;
  /** Of each side, at once; default `LIMITS.sipTransactions`. */
  readonly maxTransactions?: number;
  readonly log?: Logger;
}

const DEFAULT_PORT = 5060;

/**
 * SIP on a host: transports and the transaction layer (RFC 3261 §17, §18), for one transaction user. It needs no more than
 * what a page has; sockets come with the transports that are added.
 */
export class SipDriver implements TransactionPort {
  readonly counters = new SipCounters();
  readonly #user: TransactionUser;
  readonly #log: Logger;
  readonly #transports: Transport[] = [];
  readonly #deadlines: Deadlines<ClientTransaction | ServerTransaction>;
  readonly #clients: ClientTransactions;
  readonly #servers: ServerTransactions;
  #stopped = false;

  constructor(host: BrowserHost, config: SipDriverConfig, user: TransactionUser) {
    this.#user = user;
    this.#log = config.log ?? SILENT;
    this.#deadlines = new Deadlines(host, (tx, nowMs) =>
      tx instanceof ClientTransaction ? this.#clients.onDeadline(tx, nowMs) : this.#servers.onDeadline(tx, nowMs),
    );
    const context: TransactionContext = {
      host,
      timers: config.timers ?? DEFAULT_TIMERS,
      maxTransactions: config.maxTransactions ?? LIMITS.sipTransactions,
      user,
      counters: this.counters,
      deadlines: this.#deadlines,
      send: (link, bytes) => this.#send(link, bytes),
      linkNamed: (flowId) => {
        const flow = this.flowNamed(flowId);
        return flow && this.#linkTo(flow);
      },
      tell: (about, call) => this.#tell(about, call),
    };
    this.#clients = new ClientTransactions(context);
    this.#servers = new ServerTransactions(context);
  }

  /** Starts a transport; the first of its name opens flows to addresses. */
  addTransport(transport: Transport): void {
    const receiver: Receiver = {
      received: (bytes, link) => this.#onOctets(bytes, link),
      closed: (link) => this.#onClosed(link),
    };
    this.#transports.push(transport);
    transport.start(receiver);
  }

  /** Transactions at work. */
  get transactions(): { readonly client: number; readonly server: number } {
    return { client: this.#clients.size, server: this.#servers.size };
  }

  request(request: SipRequest, to: Destination, mark?: string): ClientTxId {
    const link = mayLeaveBy(request, to.transport) ? this.#linkTo(to) : undefined;
    return this.#clients.start(request, link, {
      mark,
      // A flow is the only way to whoever is behind it (RFC 5626 §5.3): it stays.
      roomier: () => ("id" in to ? undefined : this.#linkTo({ ...to, transport: "tcp" })),
    });
  }
  ack(request: SipRequest, to: Destination): void {
    this.#clients.ack(request, mayLeaveBy(request, to.transport) ? this.#linkTo(to) : undefined);
  }
  cancel(id: ClientTxId, reason?: string): void {
    this.#clients.cancel(id, reason);
  }
  /** Of a request other than INVITE no further copy is sent, and nobody is told what becomes of it. */
  abandon(id: ClientTxId): void {
    this.#clients.abandon(id);
  }
  respond(id: ServerTxId, response: SipResponse, ticket?: Ticket): void {
    this.#servers.respond(id, response, ticket);
  }
  refuse(id: ServerTxId, response: SipResponse): void {
    this.#servers.refuse(id, response);
  }
  /** Throws where no transport of that name was added. */
  localUri(to: Destination): { readonly host: string; readonly port?: number; readonly transport: TransportName } {
    const link = "id" in to ? this.#linkTo(to) : undefined;
    const transport = link?.transport ?? this.#transports.find(({ name }) => name === to.transport);
    if (transport === undefined) throw new Error(`No ${to.transport} transport here`);
    return { ...transport.sentBy, transport: transport.name };
  }

  /** The open flow of that id; a datagram flow is open as long as its socket. */
  flowNamed(id: string): Flow | undefined {
    for (const transport of this.#transports) {
      const flow = transport.flowNamed(id);
      if (flow !== undefined) return flow;
    }
    return undefined;
  }
  /** Whether a peer who writes this host and port means one of our transports. */
  isOwn(host: string, port: number): boolean {
    return this.#transports.some(({ sentBy }) => sentBy.host === host && sentBy.port === port);
  }
  serves(name: TransportName): boolean {
    return this.#transports.some((transport) => transport.name === name);
  }

  /** Closes all transports and forgets all transactions; the user is told nothing more. */
  stop(): void {
    this.#stopped = true;
    for (const transport of this.#transports) transport.close();
    this.#deadlines.clear();
    this.#clients.clear();
    this.#servers.clear();
  }

  #linkTo(to: Destination): Link | undefined {
    for (const transport of this.#transports) {
      if (transport.name !== to.transport) continue;
      const link = "id" in to ? transport.linkOf(to) : transport.linkTo(to);
      if (link !== undefined) return link;
    }
    return undefined;
  }

  #send(link: Link, bytes: Uint8Array): boolean {
    const sent = link.send(bytes);
    if (sent) this.counters.messagesOut++;
    else this.counters.unsent++;
    return sent;
  }

  #tell(about: SipMessage | undefined, call: () => void): boolean {
    if (this.#stopped) return true;
    try {
      call();
      return true;
    } catch (error) {
      this.counters.faults++;
      this.#log.error("sip: fault in a transaction's user", { callId: about?.headers.get("call-id"), error });
      return false;
    }
  }

  #onOctets(bytes: Uint8Array, link: Link): void {
    if (isKeepAlive(bytes)) {
      this.counters.keepAlives++;
      return;
    }
    if (link.flow.transport === "udp" && isStun(bytes)) {
      this.counters.keepAlives++;
      const answer = answerStun(bytes, link.flow.remote);
      if (answer) link.send(answer);
      return;
    }
    this.counters.messagesIn++;
    const parsed = parseMessage(bytes, isStream(link.flow.transport) ? "stream" : "datagram");
    if (parsed.status === "bad") this.#refuse(parsed.unserved, link);
    else if (parsed.value.kind === "request") this.#onRequest(parsed.value, link);
    else this.#onResponse(parsed.value);
  }

  #onRequest(request: SipRequest, link: Link): void {
    const reason = faultOf(request);
    const via = viaOf(request);
    if (reason !== undefined || via === undefined) {
      this.#refuse({ status: 400, reason: reason ?? "Malformed Via", method: request.method, headers: request.headers }, link);
      return;
    }
    noteSource(request, via, link);
    this.#servers.onRequest(request, via, link.flow, replyLink(via, link));
  }

  #onResponse(response: SipResponse): void {
    if (faultOf(response) === undefined) this.#clients.onResponse(response);
    else this.counters.garbage++;
  }

  /** Answers what cannot be served, where its Via says, or where it came from when that cannot be read; drops the rest. */
  #refuse(unserved: Unserved | undefined, link: Link): void {
    if (!unserved?.headers.has("via")) {
      this.counters.garbage++;
      return;
    }
    this.counters.malformed++;
    const via = viaOf(unserved);
    if (via) noteSource(unserved, via, link);
    this.#servers.answerStateless(unserved, via ? replyLink(via, link) : link, unserved.status, unserved.reason);
  }

  #onClosed(link: Link): void {
    this.#clients.onLinkClosed(link);
    this.#tell(undefined, () => this.#user.onFlowClosed(link.flow));
  }
}

/** Nothing but CRs and LFs: keeps a NAT open (RFC 5626 §3.5.1), asks for nothing. */
const isKeepAlive = (bytes: Uint8Array): boolean => bytes.length <= 4 && bytes.every((octet) => octet === 13 || octet === 10);

/**
 * Writes into the top Via where the request really came from (RFC 3261 §18.2.1, RFC 3581 §4). Not on WebSockets: that
 * would be some intermediary's address (RFC 7118 §5.3).
 */
function noteSource(message: Pick<SipRequest, "headers">, via: Via, link: Link): void {
  const { remote, transport } = link.flow;
  const wantsPort = via.params.has("rport");
  const isHere = via.host === hostInUri(remote.host);
  if (transport === "ws" || transport === "wss" || (isHere && !wantsPort)) return;
  const received = withParam(via, "received", remote.host);
  message.headers.replaceFirst("via", formatVia(wantsPort ? withParam(received, "rport", `${remote.port}`) : received));
}

/** Where responses go: back the same way, but without rport to the port that Via names (RFC 3261 §18.2.2, RFC 3581 §4). */
const replyLink = (via: Via, link: Link): Link =>
  link.transport.reliable || via.params.has("rport") ? link : (link.toPort(via.port ?? DEFAULT_PORT) ?? link);

const isStream = (transport: TransportName): boolean => transport === "tcp" || transport === "tls";
/** A sips request goes over TLS or not at all (RFC 3261 §26.2.2, RFC 5630 §3.1.3). */
const mayLeaveBy = ({ uri }: SipRequest, transport: TransportName): boolean =>
  uri.scheme === "sip" || transport === "tls" || transport === "wss";
