import type { TapEvent } from "#host/tap.ts";
import { Agenda } from "./agenda.ts";
import { Random } from "./random.ts";
import type { SimHost } from "./sim-host.ts";
import { TraceHash } from "./trace-hash.ts";
import type { Faults } from "./types.ts";

const BETWEEN_MACHINES: Faults = { loss: 0, duplicate: 0, delayMs: 1, jitterMs: 0 };
/** Not 0: two programs that answer each other at once must not stop the clock. */
const WITHIN_MACHINE: Faults = { ...BETWEEN_MACHINES, delayMs: 0.01 };

const pairOf = (a: string, b: string): string => (a < b ? `${a} ${b}` : `${b} ${a}`);

/** What lies between the machines: clock, delays, faults, cuts, and the trace of all that was sent. */
export class Fabric {
  readonly seed: number;
  readonly agenda = new Agenda();
  readonly hosts = new Map<string, SimHost>(); // by name
  readonly byAddress = new Map<string, SimHost>();
  readonly hash = new TraceHash();
  readonly onSent: (event: TapEvent) => void;
  readonly #faults = new Map<string, Faults>();
  readonly #stalled = new Map<string, Set<() => void>>(); // pairs that are cut, and what waits for them to heal
  readonly #handlingMs = new Map<string, number>();
  readonly #random: Random;

  constructor(seed: number, onSent: (event: TapEvent) => void) {
    this.seed = seed;
    this.onSent = onSent;
    this.#random = new Random(seed, "faults");
  }

  setFaults(a: string, b: string, faults: Partial<Faults>): void {
    this.#faults.set(pairOf(a, b), { ...this.faults(a, b), ...faults });
  }

  faults(a: string, b: string): Faults {
    return this.#faults.get(pairOf(a, b)) ?? (a === b ? WITHIN_MACHINE : BETWEEN_MACHINES);
  }

  cut(a: string, b: string): void {
    if (!this.isCut(a, b)) this.#stalled.set(pairOf(a, b), new Set());
  }

  heal(a: string, b: string): void {
    const waiting = this.#stalled.get(pairOf(a, b));
    this.#stalled.delete(pairOf(a, b));
    for (const resume of waiting ?? []) this.agenda.at(this.agenda.nowMs, resume);
  }

  isCut(a: string, b: string): boolean {
    return this.#stalled.has(pairOf(a, b));
  }

  /** `resume` runs once the pair heals; asked for twice, it still runs once. */
  onHeal(a: string, b: string, resume: () => void): void {
    this.#stalled.get(pairOf(a, b))?.add(resume);
  }

  setHandling(name: string, port: number, ms: number): void {
    this.#handlingMs.set(`${name} ${port}`, ms);
  }

  handlingMs(name: string, port: number): number {
    return this.#handlingMs.get(`${name} ${port}`) ?? 0;
  }

  happens(share: number): boolean {
    return share > 0 && this.#random.share() < share;
  }

  delayMs(from: string, to: string): number {
    const { delayMs, jitterMs } = this.faults(from, to);
    return jitterMs > 0 ? delayMs + jitterMs * this.#random.share() : delayMs;
  }

  /** 1..below-1: where to cut a chunk, so that every reader meets frames in pieces. */
  cutPoint(below: number): number {
    return 1 + (this.#random.next() % (below - 1));
  }

  sent(event: TapEvent): void {
    this.hash.number(event.atMs);
    this.hash.text(`${event.node}>${event.remote.host}:${event.remote.port}`);
    this.hash.bytes(event.bytes);
    this.onSent(event);
  }
}
