import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { LIMITS } from "#base/limits.ts";
import { isMulticast, isWildcard } from "../addresses.ts";
import type { Address, DatagramBind, DatagramHandlers, DatagramPort } from "../host.ts";
import type { HostCounters } from "./counters.ts";

/** Addresses are numeric here: none is looked up, and the socket is bound before `bind` returns. Nobody reads the family. */
function numeric(host: string, _: unknown, found: (error: null, address: string, family: number) => void): void {
  found(null, host, 0);
}

/** Among sources: whoever sends. */
const ANY = "*";

/** A UDP socket (RFC 768), with multicast of both kinds (RFC 1112, RFC 4607). */
export class NodeDatagrams implements DatagramPort {
  readonly #socket: Socket;
  readonly #interface: string | undefined;
  readonly #counters: HostCounters;
  readonly #group: string | undefined; // that it is bound to
  readonly #sources = new Set<string>(); // of that group
  readonly #unreachable: () => void;
  #isConnected = false;
  #open = true;

  constructor(bind: DatagramBind, handlers: DatagramHandlers, counters: HostCounters) {
    this.#interface = bind.multicastInterface ?? (isWildcard(bind.host) || isMulticast(bind.host) ? undefined : bind.host);
    this.#counters = counters;
    this.#group = isMulticast(bind.host) ? bind.host : undefined;
    this.#unreachable = () => handlers.unreachable?.();
    this.#socket = createSocket({
      type: isIPv6(bind.host) ? "udp6" : "udp4",
      reuseAddr: bind.shared ?? false,
      recvBufferSize: LIMITS.datagramBufferBytes,
      lookup: numeric,
    });
    this.#socket.on("message", (bytes, { address, port }) => {
      if (this.#wants(address)) handlers.datagram(bytes, { host: address, port });
    });
    this.#socket.on("error", (error: NodeJS.ErrnoException) => {
      if (this.#isConnected && error.syscall === "recvmsg") return this.#cameBack(error);
      this.#fail(error, handlers);
    });
    this.#socket.on("listening", () => this.#bound(bind, handlers));
    this.#socket.bind({ address: bind.host, port: bind.port, exclusive: true });
  }

  #bound(bind: DatagramBind, handlers: DatagramHandlers): void {
    try {
      if (this.#interface !== undefined && !isIPv6(this.#interface)) this.#socket.setMulticastInterface(this.#interface);
    } catch (error) {
      return this.#fail(error as Error, handlers); // this machine has no such interface
    }
    this.#socket.setMulticastTTL(bind.multicastTtl ?? 16);
    this.#socket.setMulticastLoopback(true);
    const { address, port } = this.#socket.address();
    process.nextTick(() => {
      if (this.#open) handlers.bound?.({ host: address, port });
    });
  }

  #fail(error: Error, handlers: DatagramHandlers): void {
    this.close();
    process.nextTick(() => handlers.failed(error));
  }

  send(bytes: Uint8Array, to: Address): void {
    if (!this.#open) return;
    if (this.#isConnected) this.#socket.send(Buffer.copyBytesFrom(bytes), this.#sent);
    else this.#socket.send(Buffer.copyBytesFrom(bytes), to.port, to.host, this.#sent);
  }

  readonly #sent = (error: NodeJS.ErrnoException | null): void => {
    if (!error) return;
    this.#counters.datagramsNotSent++;
    if (this.#isConnected) this.#cameBack(error);
  };

  /** ICMP errors are told to the next call on a connected socket, which lives on. Of the others none is final (RFC 1122 §3.2.2.1). */
  #cameBack({ code }: NodeJS.ErrnoException): void {
    if (this.#open && code === "ECONNREFUSED") this.#unreachable();
  }

  connect(to: Address): void {
    if (!this.#open) return;
    this.#isConnected = true;
    this.#socket.connect(to.port, to.host);
  }

  /**
   * A socket that has joined nothing gets what any other socket of this machine has joined (Linux: IP_MULTICAST_ALL, which
   * cannot be turned off from here): one bound to its group sorts that out.
   */
  #wants(source: string): boolean {
    return this.#group === undefined || this.#sources.has(ANY) || this.#sources.has(source);
  }

  join(group: string, source?: string): void {
    if (source === undefined) this.#socket.addMembership(group, this.#interface);
    else this.#socket.addSourceSpecificMembership(source, group, this.#interface);
    if (group === this.#group) this.#sources.add(source ?? ANY);
  }

  leave(group: string, source?: string): void {
    if (!this.#open) return;
    if (group === this.#group) this.#sources.delete(source ?? ANY);
    if (source === undefined) this.#socket.dropMembership(group, this.#interface);
    else this.#socket.dropSourceSpecificMembership(source, group, this.#interface);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#socket.close();
  }
}
