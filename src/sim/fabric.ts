import type { TapEvent } from "#host/tap.ts";
import { Agenda } from "./agenda.ts";
import { Link, PERFECT } from "./link.ts";
import { MachineClock } from "./machine-clock.ts";
import { Random } from "./random.ts";
import type { SimHost } from "./sim-host.ts";
import { Disk } from "./sim-log.ts";
import { TraceHash } from "./trace-hash.ts";
import type { Faults } from "./types.ts";

/** Not 0: two programs that answer each other at once must not stop the clock. */
const WITHIN_MACHINE: Faults = { ...PERFECT, delayMs: 0.01 };

/** What lies between the machines: clock, delays, faults, cuts, and the trace of all that was sent. */
export class Fabric {
  readonly seed: number;
  readonly agenda = new Agenda();
  readonly hosts = new Map<string, SimHost>(); // by name
  readonly byAddress = new Map<string, SimHost>();
  readonly hash = new TraceHash();
  readonly onSent: (event: TapEvent) => void;
  /** What a machine's wall clock is ahead of the true time, ms. */
  readonly wallAheadMs = new Map<string, number>();
  readonly #clocks = new Map<string, MachineClock>();
  readonly #disks = new Map<string, Disk>();
  readonly #links = new Map<string, Link>(); // by "from>to"
  readonly #handlingMs = new Map<string, number>();
  readonly #random: Random;

  constructor(seed: number, onSent: (event: TapEvent) => void) {
    this.seed = seed;
    this.onSent = onSent;
    this.#random = new Random(seed, "faults");
  }

  link(from: string, to: string): Link {
    const name = `${from}>${to}`;
    const known = this.#links.get(name);
    if (known) return known;
    const link = new Link(from === to ? WITHIN_MACHINE : PERFECT, this.#random);
    this.#links.set(name, link);
    return link;
  }

  /** A machine's monotonic clock outlives its restarts. */
  clockOf(name: string): MachineClock {
    const clock = this.#clocks.get(name) ?? new MachineClock();
    this.#clocks.set(name, clock);
    return clock;
  }

  /** A machine's disk outlives its crashes. */
  diskOf(name: string): Disk {
    const disk = this.#disks.get(name) ?? new Disk(new Random(this.seed, `disk ${name}`));
    this.#disks.set(name, disk);
    return disk;
  }

  heal(from: string, to: string): void {
    for (const resume of this.link(from, to).heal()) this.agenda.at(this.agenda.nowMs, resume);
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
