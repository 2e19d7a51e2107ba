import type { Server } from "node:http";
import { octetsOfAddress } from "#base/ip.ts";
import { LIMITS } from "#base/limits.ts";

/** Why a connection was closed at once: too many of its address's, or of all. */
export type ConnectionRefusal = "address" | "all";

/** So much of an IPv6 address is one subscriber's, who may take any address below it (RFC 6177 §2). Octets. */
const SUBSCRIBER_OCTETS = 8;

/** Open connections of each address. */
export class Connections {
  readonly #most: number;
  readonly #open = new Map<string, number>();
  readonly refused: Record<ConnectionRefusal, number> = { address: 0, all: 0 };

  /** `most`: of one address. */
  constructor(most: number = LIMITS.httpConnectionsPerAddress) {
    this.#most = most;
  }

  /** Watches a server's connections, and closes those above the limits. */
  static guard(server: Server, most?: number): Connections {
    const connections = new Connections(most);
    server.maxConnections = LIMITS.httpConnections;
    server.on("drop", () => connections.refused.all++);
    server.on("connection", (socket) => {
      const { remoteAddress = "" } = socket; // it may be gone already
      if (connections.take(remoteAddress)) socket.once("close", () => connections.release(remoteAddress));
      else socket.destroy();
    });
    return connections;
  }

  /** Counts one more; false when the address has its share. */
  take(address: string): boolean {
    const subscriber = subscriberOf(address);
    const count = this.#open.get(subscriber) ?? 0;
    if (count >= this.#most) {
      this.refused.address++;
      return false;
    }
    this.#open.set(subscriber, count + 1);
    return true;
  }
  release(address: string): void {
    const subscriber = subscriberOf(address);
    const count = this.#open.get(subscriber) ?? 0;
    if (count > 1) this.#open.set(subscriber, count - 1);
    else this.#open.delete(subscriber);
  }
}

function subscriberOf(address: string): string {
  const octets = octetsOfAddress(address.replace(/%.*$/, "")) ?? [];
  return octets.slice(0, SUBSCRIBER_OCTETS).join(".");
}
