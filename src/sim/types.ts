/** The simulated network: the product's own code in virtual time (DESIGN §1, §4). One seed decides everything. */
import type { Host } from "#host/host.ts";

export interface Faults {
  /** Share of datagrams lost, 0..1. Streams and messages lose nothing. */
  readonly loss: number;
  readonly duplicate: number; // share delivered twice, 0..1
  /** Each packet takes delayMs plus a random part of jitterMs; datagrams may overtake one another, streams may not. */
  readonly delayMs: number;
  readonly jitterMs: number;
}

export interface SimNetwork {
  readonly seed: number;
  /** A machine of that name with that address (any 127/8 address of a real loopback works as in the demo). */
  host(name: string, address: string): Host;
  /** Between two machines, both ways; default for all pairs: loss 0, duplicate 0, delay 1 ms, jitter 0. */
  setFaults(a: string, b: string, faults: Partial<Faults>): void;
  /** Nothing passes between the two until `heal`: streams stall, datagrams are lost. */
  cut(a: string, b: string): void;
  heal(a: string, b: string): void;
  /** What `name` reads from streams it accepted on `port` takes `ms` longer: a slow service (the paper's COPS handling). */
  setHandling(name: string, port: number, ms: number): void;
  /** Crashes a machine: its sockets, timers and unflushed log records are gone. `host` may be called again for it. */
  kill(name: string): void;
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
}
/*
 * From index.ts also:
 *   simNetwork(seed: number): SimNetwork
 *   simTest(name: string, body: (net: SimNetwork) => void, options?: { seeds?: number }): void
 *     - a node:test test: picks seeds (SIPCAST_SEED overrides), runs the body twice for each, fails if the hashes differ,
 *       prints the seed and the command that replays it when anything fails.
 */
