/** What stands between the driver and the sockets: one `Transport` a listener, or for all connections of a page. */
import type { Address } from "#host/host.ts";
import type { Flow, TransportName } from "../engine/ports.ts";

/** How peers write us in Via and Contact (RFC 3261 §18.1.1). No port: they reach us by the connection alone. */
export interface SentBy {
  readonly host: string; // IPv6 in brackets
  readonly port?: number;
}

/** Where a request or response is to go. */
export interface NextHop extends Address {
  /** Whose certificate is wanted there (RFC 5922 §7.3); default the address. IPv6 in brackets. */
  readonly domain?: string;
}

/** A flow that can be sent on. */
export interface Link {
  readonly flow: Flow;
  readonly transport: Transport;
  /** Whether the flow still stood and took the message. */
  send(bytes: Uint8Array): boolean;
  /**
   * To another port of the far host (RFC 3261 §18.2.2): a response without rport, or one whose connection is gone. `domain`:
   * see `NextHop`. A WebSocket is its own; `undefined` where no connection can be opened.
   */
  toPort(port: number, domain?: string): Link | undefined;
}

/** Whom a transport tells what came: the driver. */
export interface Receiver {
  /** The octets are the receiver's only until it returns. */
  received(bytes: Uint8Array, link: Link): void;
  /** A connection is gone. */
  closed(link: Link): void;
}

export interface Transport {
  readonly name: TransportName;
  /** Nothing is lost on it once sent (RFC 3261 §17). */
  readonly reliable: boolean;
  readonly sentBy: SentBy;
  /** Called once, by the driver. */
  start(receiver: Receiver): void;
  /** The link of a flow of this transport; `undefined` for others and for closed ones. */
  linkOf(flow: Flow): Link | undefined;
  /** The open flow of that id, if it is one of this transport. */
  flowNamed(id: string): Flow | undefined;
  /** A link to an address; `undefined` where this transport opens none. */
  linkTo(to: NextHop): Link | undefined;
  close(): void;
}

/** A numeric address as a URI or Via writes it. */
export const hostInUri = (host: string): string => (host.includes(":") ? `[${host}]` : host);
