/**
 * The seam between the transaction layer (`../driver.ts`) and whoever uses it: the transaction user of RFC 3261 §17.
 * Flows are RFC 5626's: a datagram socket and a far address, or one connection.
 */
import type { Ticket } from "#base/ticket.ts";
import type { Address } from "#host/host.ts";
import type { SipRequest, SipResponse } from "../wire/message.ts";

export type TransportName = "udp" | "tcp" | "tls" | "ws" | "wss";

/** Where a message came from and where answers or requests to that client go. Compare by `id`. */
export interface Flow {
  readonly id: string;
  readonly transport: TransportName;
  readonly local: Address;
  readonly remote: Address;
  /** Fixed by the handshake's session cookie (PROTOCOL §14): the user this connection speaks for. */
  readonly user?: string;
  /** The page's `Origin`, where the handshake had one. */
  readonly origin?: string;
}
/**
 * An existing flow, or a next hop that the driver opens a flow to (UDP: from its first UDP socket; a request that is too large
 * for it goes by TCP where that is accepted, RFC 3261 §18.1.1). `domain`: whose certificate it must show (RFC 5922 §7.3).
 */
export type Destination =
  | Flow
  | { readonly transport: TransportName; readonly host: string; readonly port: number; readonly domain?: string };

/** Names a server transaction (RFC 3261 §17.2.3). */
export type ServerTxId = string;
/** Names a client transaction (RFC 3261 §17.1.3): its branch and method. */
export type ClientTxId = string;

/** What the transaction layer makes happen. None calls back before it returns. */
export interface TransactionPort {
  /**
   * Starts a client transaction. The driver puts its own Via (with branch, rport) on top, adds Max-Forwards 70 and
   * Content-Length. Responses come by `onResponse` with the id returned here. `mark` becomes the second part of the branch:
   * a proxy knows its own by it (RFC 5393 §4.2.1).
   */
  request(request: SipRequest, to: Destination, mark?: string): ClientTxId;
  /** Sends an ACK for a 2xx: no transaction (RFC 3261 §13.2.2.4). */
  ack(request: SipRequest, to: Destination): void;
  /**
   * Asks for CANCEL of an INVITE; sent once a provisional response came (RFC 3261 §9.1). Nothing if it is answered.
   * `reason`: its Reason header (RFC 3326).
   */
  cancel(id: ClientTxId, reason?: string): void;
  /** Answers once `ticket` is safe. A 2xx to INVITE may be given again: that is how its user retransmits it (RFC 6026). */
  respond(id: ServerTxId, response: SipResponse, ticket?: Ticket): void;
  /**
   * Answers finally and forgets the request: the answer goes once, and what comes again is new (RFC 3261 §8.2.7). For what is
   * refused to strangers, challenges above all: they leave nothing behind, and nobody whose address they use as their own hears
   * more of us than they send.
   */
  refuse(id: ServerTxId, response: SipResponse): void;
  /**
   * Host, port and transport as a peer must write them to reach us, for building Contact. No port where peers reach us by
   * the connection alone (a WebSocket client's host is `RANDOM.invalid`, RFC 7118 Appendix A).
   */
  localUri(to: Destination): { readonly host: string; readonly port?: number; readonly transport: TransportName };
}

/** What can happen to a transaction user. */
export interface TransactionUser {
  /**
   * The answer to a new request other than INVITE, ACK and CANCEL that needs no transaction, because it is the same each time
   * the request comes (RFC 3261 §8.2.7); `undefined` = `onRequest` is to have it. A tag is added to its To, always the same.
   */
  answerAtOnce?(request: SipRequest): SipResponse | undefined;
  /** A new request other than ACK; `id` is to be answered exactly once finally. CANCEL is answered by the driver. */
  onRequest(request: SipRequest, id: ServerTxId, flow: Flow): void;
  /** The ACK to a 2xx. (ACKs to other finals end in the transaction.) */
  onAck(request: SipRequest, flow: Flow): void;
  /** CANCEL matched this INVITE, still unanswered: answer it with 487. */
  onCancel(id: ServerTxId): void;
  onResponse(response: SipResponse, id: ClientTxId, flow: Flow): void;
  /** No final response: `timeout` = Timer B or F, `transport` = could not be sent or its flow closed (RFC 3261 §8.1.3.1). */
  onFailure(id: ClientTxId, cause: "timeout" | "transport"): void;
  /** The transaction has ended after its final response: no copy of a 2xx will come any more (RFC 6026 §7.2). */
  onSettled?(id: ClientTxId): void;
  /** A connection is gone. */
  onFlowClosed(flow: Flow): void;
}
