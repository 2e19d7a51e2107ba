import { HASHES } from "#base/hash.ts";
import { isWildcard } from "#host/addresses.ts";
import type {
  Address,
  DatagramBind,
  DatagramHandlers,
  Handshake,
  Host,
  Listener,
  ListenHandlers,
  Log,
  MessageConnectOptions,
  MessageHandlers,
  MessageListenOptions,
  Refusal,
  StreamConnectOptions,
  StreamHandlers,
  StreamListenOptions,
  StreamPort,
  Timer,
} from "#host/host.ts";
import { socketError } from "#host/socket-error.ts";
import type { End } from "./connection.ts";
import type { Fabric } from "./fabric.ts";
import type { MachineClock } from "./machine-clock.ts";
import { Random } from "./random.ts";
import { SimDatagrams } from "./sim-datagrams.ts";
import { type Disk, SimLog } from "./sim-log.ts";
import { acceptMessages, connectMessages, type MessageListening } from "./sim-messages.ts";
import { acceptStreams, connectStream, type StreamListening } from "./sim-streams.ts";
import type { Crash, SimNetwork } from "./types.ts";

/** 2026-01-01T00:00:00Z: when virtual time starts. */
const WALL_START_MS = 1_767_225_600_000;
const FIRST_FREE_PORT = 49_152; // RFC 6335 §6

/** One simulated machine, from `host()` until it is killed. */
export class SimHost implements Host {
  readonly name: string;
  readonly address: string;
  alive = true;
  /** Nobody is there, not even to refuse. */
  silent = false;
  readonly sockets = new Map<number, SimDatagrams[]>(); // by port
  readonly streamListeners = new Map<number, StreamListening>();
  readonly messageListeners = new Map<number, MessageListening>();
  readonly ends = new Set<End>();
  /** Of a machine that is gone: ends that were sent something since. */
  readonly unanswered = new Set<End>();
  readonly #fabric: Fabric;
  readonly #random: Random;
  readonly #disk: Disk;
  readonly #logs: SimLog[] = [];
  readonly #clock: MachineClock;
  readonly #waiting = new Set<() => void>(); // timers
  #nextPort = FIRST_FREE_PORT;

  /** `life` counts the machine's starts: a restarted one must not draw its old ids again. */
  readonly digest = HASHES.digest;
  readonly hmac = HASHES.hmac;
  readonly digestHex = HASHES.digestHex;
  readonly hmacHex = HASHES.hmacHex;

  constructor(fabric: Fabric, name: string, address: string, life: number) {
    this.#fabric = fabric;
    this.name = name;
    this.address = address;
    this.#random = new Random(fabric.seed, `host ${name} ${life}`);
    this.#disk = fabric.diskOf(name);
    this.#clock = fabric.clockOf(name);
  }

  nowMs(): number {
    return this.#clock.read(this.#fabric.agenda.nowMs);
  }

  wallMs(): number {
    return WALL_START_MS + this.#fabric.agenda.nowMs + (this.#fabric.wallAheadMs.get(this.name) ?? 0);
  }

  timer(atMs: number, fire: () => void): Timer {
    const { agenda } = this.#fabric;
    const due = (): void => {
      if (!this.alive) return;
      if (!this.#clock.reaches(atMs, agenda.nowMs)) {
        appointment = agenda.at(this.#clock.trueMsOf(atMs), due);
        return;
      }
      this.#waiting.delete(due);
      fire();
    };
    let appointment = agenda.at(this.#clock.trueMsOf(atMs), due);
    this.#waiting.add(due);
    return {
      cancel: () => {
        this.#waiting.delete(due);
        appointment.run = undefined;
      },
    };
  }

  get inUse(): ReturnType<SimNetwork["inUse"]> {
    return { sockets: this.sockets.values().reduce((sum, bound) => sum + bound.length, 0), timers: this.#waiting.size };
  }

  /** After what is running now, at the same instant. */
  soon(run: () => void): void {
    this.timer(this.nowMs(), run);
  }

  random(octets: number): Uint8Array {
    return this.#random.bytes(octets);
  }

  datagram(bind: DatagramBind, handlers: DatagramHandlers): SimDatagrams {
    return new SimDatagrams(this, this.#fabric, bind, handlers);
  }

  /** Whether any socket here takes what is sent from there to that group. */
  listensTo(to: Address, from: Address): boolean {
    return (this.sockets.get(to.port) ?? []).some((socket) => socket.takes(to, from));
  }

  hasJoined(group: string): boolean {
    return [...this.sockets.values()].some((sockets) => sockets.some((socket) => socket.hasJoined(group)));
  }

  /** A group's datagram goes to every socket that takes it, another to the one bound last. Answers whether any took it. */
  datagramArrived(bytes: Uint8Array, from: Address, to: Address): boolean {
    const takers = (this.sockets.get(to.port) ?? []).filter((socket) => socket.takes(to, from));
    for (const socket of to.host === this.address ? takers.slice(-1) : takers) socket.deliver(bytes, from);
    return takers.length > 0;
  }

  listen(bind: Address, options: StreamListenOptions, handlers: ListenHandlers<StreamPort, StreamHandlers>): Listener {
    return this.#listen(this.streamListeners, bind, acceptStreams(this.#fabric, options, handlers), handlers);
  }

  connect(to: Address, options: StreamConnectOptions, handlers: StreamHandlers): void {
    connectStream(this, this.#fabric, to, options, handlers);
  }

  listenMessages(
    bind: Address,
    options: MessageListenOptions,
    handlers: ListenHandlers<Handshake, MessageHandlers | Refusal>,
  ): Listener {
    return this.#listen(this.messageListeners, bind, acceptMessages(options, handlers), handlers);
  }

  connectMessages(url: string, options: MessageConnectOptions, handlers: MessageHandlers): void {
    connectMessages(this, this.#fabric, url, options, handlers);
  }

  #listen<Accept>(
    listeners: Map<number, Accept>,
    bind: Address,
    accept: Accept,
    handlers: { listening?(at: Address): void; failed(error: Error): void },
  ): Listener {
    let open = true;
    const port = bind.port || this.freePort();
    this.soon(() => {
      if (!open) return;
      const inUse = this.streamListeners.has(port) || this.messageListeners.has(port);
      open = !inUse && (isWildcard(bind.host) || bind.host === this.address);
      if (!open) return handlers.failed(socketError(inUse ? "EADDRINUSE" : "EADDRNOTAVAIL", `listen ${bind.host}:${port}`));
      listeners.set(port, accept);
      handlers.listening?.({ host: bind.host, port });
    });
    return {
      close: () => {
        if (open) listeners.delete(port);
        open = false;
      },
    };
  }

  log(name: string): Log {
    const log = new SimLog(this.#fabric, this.#disk, name, this.#random);
    this.#logs.push(log);
    return log;
  }

  freePort(): number {
    return this.#nextPort++;
  }

  /** Of a process that is gone the peers see their connections reset, unless they are cut off; of a machine, nothing. */
  crash(how: Crash): void {
    this.alive = false;
    this.silent = how === "machine";
    for (const end of this.ends) {
      if (this.silent) end.fallSilent();
      else end.reset(connectionReset());
    }
    for (const log of this.#logs) log.crash();
    this.sockets.clear();
    this.streamListeners.clear();
    this.messageListeners.clear();
  }

  /** The machine is up again, and knows nothing of the connections that others still have with it (RFC 9293 §3.10.7.1). */
  succeeded(): void {
    this.silent = false;
    for (const end of this.unanswered) end.reset(connectionReset());
    this.unanswered.clear();
  }
}

const connectionReset = (): Error => socketError("ECONNRESET", "connection");
