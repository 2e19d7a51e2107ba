/** The simulated network: the product's own code in virtual time (DESIGN §1, §4). One seed decides everything. */
import type { Host } from "#host/host.ts";

/** One link between two machines, each way alike. */
export interface Faults {
  /** Share of datagrams lost, 0..1. Streams and messages lose nothing. */
  readonly loss: number;
  /** Besides, loss that comes in bursts. */
  readonly bursts: Bursts | undefined;
  readonly duplicate: number; // share delivered twice, 0..1
  readonly reorder: number; // share held back, so that later ones overtake, 0..1
  /** Each packet takes delayMs plus a random part of jitterMs; datagrams may overtake one another, streams may not. */
  readonly delayMs: number;
  readonly jitterMs: number;
  /** What the link carries, kbit/s; Infinity = whatever is sent. */
  readonly kbps: number;
  /** Octets that may wait for it: a datagram above is lost. */
  readonly queueBytes: number;
}
/** Gilbert's and Elliott's model, a step for each datagram: shares 0..1. */
export interface Bursts {
  /** How likely a burst begins, and ends. */
  readonly begin: number;
  readonly end: number;
  /** Share of datagrams lost while it lasts. */
  readonly loss: number;
}
/** How a machine ends: its system resets the connections of a process that is gone, or nobody answers any more. */
export type Crash = "process" | "machine";

export interface SimNetwork {
  readonly seed: number;
  /** A machine of that name with that address (any 127/8 address of a real loopback works as in the demo). */
  host(name: string, address: string): Host;
  /** Between two machines, both ways; default for all pairs: delay 1 ms, a queue of 64 KiB, and no faults. */
  setFaults(a: string, b: string, faults: Partial<Faults>): void;
  /** Nothing passes between the two until `heal`: streams stall, datagrams are lost. */
  cut(a: string, b: string): void;
  /** The same, one way only. */
  cutOneWay(from: string, to: string): void;
  heal(a: string, b: string): void;
  /** What becomes of something else that passes between two machines: delays of its copies, ms; none = lost. */
  fate(from: string, to: string): readonly number[];
  /** What `name` reads from streams it accepted on `port` takes `ms` longer: a slow service (the paper's COPS handling). */
  setHandling(name: string, port: number, ms: number): void;
  /** Crashes a machine: its sockets, timers and unflushed log records are gone. `host` may be called again for it. */
  kill(name: string, how?: Crash): void;
  /** A record of each log of a machine rots: at the next replay it and all that follows count as torn. */
  corruptLogs(name: string): void;
  /** How long a flush of that machine's logs takes from then on, ms; default 1. A disk under load takes 20. */
  setDisk(name: string, disk: { readonly flushMs: number }): void;
  /** The disk of a machine that is down is lost for good: it starts again with an empty one. */
  loseDisk(name: string): void;
  /** That record of one log rots, counted from 0. */
  rotRecord(name: string, log: string, at: number): void;
  /** Whether it runs. */
  isUp(name: string): boolean;
  /** With a full disk nothing is flushed until there is room again (`Log`). */
  fillDisk(name: string, full: boolean): void;
  /** A machine's monotonic clock runs at that rate from now on, 1 = true. It outlives a restart. */
  setRate(name: string, rate: number): void;
  /** What the programs of a machine hold open: datagram sockets, and timers that wait. */
  inUse(name: string): { readonly sockets: number; readonly timers: number };
  /** Sets a machine's wall clock that much ahead of the true time, or back (negative). It outlives a restart. */
  setWall(name: string, aheadMs: number): void;
  /** Whether a socket of the machine with that address has joined the group: what a switch that snoops IGMP hears of. */
  hasJoined(address: string, group: string): boolean;
  nowMs(): number;
  /** Runs everything due in the next `ms` of virtual time, in order. */
  run(ms: number): void;
  /** Runs until nothing is due, or `atMostMs` have passed. */
  settle(atMostMs: number): void;
  /** A hash over every byte that was sent and every note, in order: two runs of one seed must agree. */
  hash(): string;
  /** Adds to the trace, e.g. what an application saw. */
  note(line: string): void;
  /** SIP and COPS messages so far as a ladder, one line each (src/trace). */
  ladder(): string;
  /** Starts a ladder in the stable form, for golden files: call what it returns for the lines since then. */
  record(): () => readonly string[];
}
/*
 * From index.ts also:
 *   simNetwork(seed: number, options?: { ladder?: boolean }): SimNetwork
 *     - without a ladder, what was sent is not kept: for long runs.
 *   simTest(name: string, body: (net: SimNetwork) => void, options?: { seeds?: number }): void
 *     - a node:test test: picks seeds (SIPCAST_SEED overrides), runs the body twice for each, fails if the hashes differ,
 *       prints the seed and the command that replays it when anything fails.
 */
