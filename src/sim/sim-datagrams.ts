import { isMulticast, isWildcard } from "#host/addresses.ts";
import { type Address, type DatagramBind, type DatagramHandlers, type DatagramPort, showAddress } from "#host/host.ts";
import type { Fabric } from "./fabric.ts";
import type { SimHost } from "./sim-host.ts";

/** What UDP over IPv4 carries at most. */
const MAX_DATAGRAM_OCTETS = 65_507;
/** Of an ICMP error: its own header and the beginning of what came back (RFC 792). */
const ICMP_OCTETS = 36;

/** A datagram socket of one simulated machine. */
export class SimDatagrams implements DatagramPort {
  readonly bind: DatagramBind;
  readonly #host: SimHost;
  readonly #fabric: Fabric;
  readonly #handlers: DatagramHandlers;
  readonly #joined = new Set<string>(); // "group" or "group source"
  #port = 0; // 0 until bound
  #peer: Address | undefined; // that it is connected to
  #open = true;
  #held: { bytes: Uint8Array; to: Address }[] = []; // sent before it was bound

  constructor(host: SimHost, fabric: Fabric, bind: DatagramBind, handlers: DatagramHandlers) {
    this.#host = host;
    this.#fabric = fabric;
    this.bind = bind;
    this.#handlers = handlers;
    host.soon(() => this.#bind());
  }

  #bind(): void {
    if (!this.#open) return;
    const { host: at, shared } = this.bind;
    const port = this.bind.port || this.#host.freePort();
    const others = this.#host.sockets.get(port) ?? [];
    const inUse = others.some((other) => overlap(other.bind.host, at) && !(other.bind.shared && shared));
    if (inUse || !(isWildcard(at) || isMulticast(at) || at === this.#host.address)) {
      this.#open = false;
      const code = inUse ? "EADDRINUSE" : "EADDRNOTAVAIL";
      this.#handlers.failed(Object.assign(new Error(`bind ${code} ${at}:${port}`), { code }));
      return;
    }
    this.#port = port;
    this.#host.sockets.set(port, [...others, this]);
    this.#handlers.bound?.({ host: at, port });
    for (const { bytes, to } of this.#held.splice(0)) this.#send(bytes, to);
  }

  send(bytes: Uint8Array, to: Address): void {
    if (!this.#open || bytes.length > MAX_DATAGRAM_OCTETS) return;
    if (this.#port === 0) this.#held.push({ bytes: bytes.slice(), to });
    else this.#send(bytes.slice(), this.#peer ?? to);
  }

  #send(bytes: Uint8Array, to: Address): void {
    const local = { host: this.#host.address, port: this.#port };
    const receivers = isMulticast(to.host) ? [...this.#fabric.hosts.values()] : [this.#fabric.byAddress.get(to.host)];
    const arrivals = receivers.flatMap((receiver) => (receiver ? this.#arrivals(receiver, to, bytes.length) : []));
    const event = {
      atMs: this.#fabric.agenda.nowMs,
      node: this.#host.name,
      kind: "datagram",
      direction: "out",
      local,
      remote: to,
    } as const;
    this.#fabric.sent({ ...event, bytes, ...(arrivals.length === 0 && { lost: true }) });
    for (const { receiver, afterMs } of arrivals) {
      this.#fabric.agenda.at(event.atMs + afterMs, () => {
        if (this.#fabric.link(this.#host.name, receiver.name).isCut) return;
        const isTaken = receiver.alive && receiver.datagramArrived(bytes, local, to);
        if (!isTaken && this.#peer) this.#comesBack(receiver);
      });
    }
  }

  /** What nobody takes comes back as ICMP port unreachable, which may get lost itself; a connected socket alone hears of it. */
  #comesBack({ name, silent }: SimHost): void {
    if (silent) return;
    const { agenda } = this.#fabric;
    for (const afterMs of this.#fabric.link(name, this.#host.name).datagram(ICMP_OCTETS, agenda.nowMs))
      agenda.at(agenda.nowMs + afterMs, () => {
        if (this.#open && this.#host.alive) this.#handlers.unreachable?.();
      });
  }

  /** When the datagram reaches that machine: never, once or twice. */
  #arrivals(receiver: SimHost, to: Address, octets: number): { receiver: SimHost; afterMs: number }[] {
    if (isMulticast(to.host) && !receiver.listensTo(to, { host: this.#host.address, port: this.#port })) return [];
    if (!receiver.alive && (receiver.silent || !this.#peer)) return [];
    const delays = this.#fabric.link(this.#host.name, receiver.name).datagram(octets, this.#fabric.agenda.nowMs);
    return delays.map((afterMs) => ({ receiver, afterMs }));
  }

  /** Whether a datagram from there to that group or address is for this socket. */
  takes(to: Address, from: Address): boolean {
    if (this.#peer && showAddress(this.#peer) !== showAddress(from)) return false;
    if (!isMulticast(to.host)) return isWildcard(this.bind.host) || this.bind.host === to.host;
    if (!isWildcard(this.bind.host) && this.bind.host !== to.host) return false;
    return this.#joined.has(to.host) || this.#joined.has(`${to.host} ${from.host}`);
  }

  hasJoined(group: string): boolean {
    return [...this.#joined].some((joined) => joined.split(" ")[0] === group);
  }

  /** Hands over a copy and spoils it afterwards: who keeps a slice of it finds out in the simulator. */
  deliver(bytes: Uint8Array, from: Address): void {
    const copy = bytes.slice();
    this.#handlers.datagram(copy, from);
    copy.fill(0xdd);
  }

  join(group: string, source?: string): void {
    if (!isMulticast(group)) throw new Error(`Cannot join ${group}: it is no multicast group`);
    this.#joined.add(source === undefined ? group : `${group} ${source}`);
  }

  leave(group: string, source?: string): void {
    this.#joined.delete(source === undefined ? group : `${group} ${source}`);
  }

  connect(to: Address): void {
    this.#peer = to;
  }

  close(): void {
    this.#open = false;
    const rest = (this.#host.sockets.get(this.#port) ?? []).filter((socket) => socket !== this);
    this.#host.sockets.set(this.#port, rest);
  }
}

const overlap = (a: string, b: string): boolean => a === b || isWildcard(a) || isWildcard(b);
