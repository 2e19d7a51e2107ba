import { LIMITS } from "#base/limits.ts";
import type { Log, LogDamage } from "#host/host.ts";
import type { Fabric } from "./fabric.ts";
import type { Random } from "./random.ts";

const FLUSH_MS = 1;
/** A rewrite takes so many at a time: few, so that much happens between. */
const SLICE_RECORDS = 4;
const SLICE_MS = 1;

/** What a simulated machine has on its disk under one log's name. */
export interface LogFile {
  records: Uint8Array[];
  tornBytes: number;
  /** Whole records stood behind the one that rotted. */
  isDamaged: boolean;
}

/** A simulated machine's disk: it outlives the machine. */
export class Disk {
  isFull = false;
  /** How long a flush takes, ms. */
  flushMs = FLUSH_MS;
  readonly #random: Random;
  readonly #files = new Map<string, LogFile>();

  constructor(random: Random) {
    this.#random = random;
  }

  file(name: string): LogFile {
    const file = this.#files.get(name) ?? { records: [], tornBytes: 0, isDamaged: false };
    this.#files.set(name, file);
    return file;
  }

  /** Another disk is in its place. */
  lose(): void {
    this.#files.clear();
  }

  /** A random record of each log is not what was written: it is cut off with all that follows (`Log.replay`). */
  corrupt(): void {
    for (const file of this.#files.values()) rot(file, this.#random.next() % Math.max(1, file.records.length));
  }
  /** That record of a log is not what was written. */
  rot(name: string, at: number): void {
    rot(this.file(name), at);
  }
}

function rot(file: LogFile, at: number): void {
  const rotten = file.records.splice(at);
  file.tornBytes += octetsOf(rotten);
  file.isDamaged ||= octetsOf(rotten.slice(1)) > 0;
}
const octetsOf = (records: readonly Uint8Array[]): number => records.reduce((octets, { length }) => octets + length, 0);

interface Batch {
  readonly records: readonly Uint8Array[];
  /** Takes the place of everything before `records`. */
  readonly rewriteTo: readonly Uint8Array[] | undefined;
  /** What is to be written where that finds no room. */
  readonly waiting: readonly Uint8Array[];
  /** Of the last append that it makes durable. */
  readonly ticket: number;
}

/** A rewrite that is under way. */
interface Rewrite {
  readonly records: Iterator<Uint8Array>;
  readonly taken: Uint8Array[];
  /** What was appended since it was asked for. */
  readonly since: Uint8Array[];
  isTaken: boolean;
}

/**
 * Flushes take their time, and wait for room; a crash loses what was not flushed, all of it or a tail, and may tear a record. A
 * rewrite goes on beside them, a few records at a time; a crash before it has taken the file's place, or a full disk then, loses it whole.
 */
export class SimLog implements Log {
  durableTicket = 0;
  readonly #fabric: Fabric;
  readonly #disk: Disk;
  readonly #name: string;
  readonly #file: LogFile;
  readonly #random: Random;
  #appended = 0;
  #waiting: Uint8Array[] = []; // appended since the last flush began
  #rewrite: Rewrite | undefined;
  #flushing: Batch | undefined;
  #replayed = false;
  #open = true;
  #isStalled = false;
  #onDurable: (ticket: number) => void = () => undefined;
  #onStall: (cause: string | undefined) => void = () => undefined;

  constructor(fabric: Fabric, disk: Disk, name: string, random: Random) {
    this.#fabric = fabric;
    this.#disk = disk;
    this.#name = name;
    this.#file = disk.file(name);
    this.#random = random;
  }

  append(record: Uint8Array): number {
    this.#mustBeOpen();
    const copy = record.slice();
    this.#waiting.push(copy);
    this.#rewrite?.since.push(copy);
    this.#appended++;
    this.#flush();
    return this.#appended;
  }

  #mustBeOpen(): void {
    if (!this.#open) throw new Error("Cannot write to the log: it is closed");
    if (!this.#replayed) throw new Error("Cannot write to the log: it was not replayed");
  }

  onDurable(handler: (ticket: number) => void): void {
    this.#onDurable = handler;
  }

  onStall(handler: (cause: string | undefined) => void): void {
    this.#onStall = handler;
  }

  replay(record: (bytes: Uint8Array) => void, done: (tornBytes: number, damage?: LogDamage) => void): void {
    if (this.#replayed) throw new Error("Cannot replay the log: it was replayed before");
    this.#replayed = true;
    this.#fabric.agenda.at(this.#fabric.agenda.nowMs, () => {
      if (!this.#open) return;
      for (const bytes of this.#file.records) record(bytes.slice());
      const { records, tornBytes, isDamaged } = this.#file;
      this.#file.tornBytes = 0;
      this.#file.isDamaged = false;
      const found = { file: this.#name, atBytes: octetsOf(records), lostBytes: tornBytes, keptAs: `${this.#name}.damaged` };
      done(tornBytes, isDamaged ? found : undefined);
    });
  }

  rewrite(records: Iterable<Uint8Array>): void {
    this.#mustBeOpen();
    this.#rewrite?.records.return?.();
    const rewrite = { records: records[Symbol.iterator](), taken: [], since: [], isTaken: false };
    this.#rewrite = rewrite;
    this.#takeLater(rewrite);
  }

  #takeLater(rewrite: Rewrite): void {
    this.#fabric.agenda.at(this.#fabric.agenda.nowMs + SLICE_MS, () => {
      if (!this.#open || this.#rewrite !== rewrite) return;
      if (this.#disk.isFull) return this.#giveUp(rewrite);
      take(rewrite, SLICE_RECORDS);
      if (rewrite.isTaken) this.#flush();
      else this.#takeLater(rewrite);
    });
  }

  #giveUp(rewrite: Rewrite): void {
    rewrite.records.return?.();
    this.#rewrite = undefined;
  }

  /** What was appended still reaches the disk, if there is room. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    if (this.#isStalled || this.#disk.isFull) return;
    if (this.#flushing) this.#commit(this.#flushing);
    if (this.#rewrite) take(this.#rewrite, Infinity);
    this.#commit(this.#nextBatch());
  }

  crash(): void {
    if (!this.#open) return;
    this.#open = false;
    if (!this.#flushing || this.#flushing.rewriteTo) return;
    const { records } = this.#flushing;
    const survivors = this.#random.next() % (records.length + 1);
    this.#file.records.push(...records.slice(0, survivors));
    const torn = records[survivors];
    if (torn) this.#file.tornBytes = this.#random.next() % (torn.length + 8);
  }

  #nextBatch(): Batch {
    const rewrite = this.#rewrite?.isTaken ? this.#rewrite : undefined;
    const [records, waiting] = [rewrite?.since ?? this.#waiting, this.#waiting];
    const batch = { records, rewriteTo: rewrite?.taken, waiting, ticket: this.#appended };
    this.#waiting = [];
    if (rewrite) this.#rewrite = undefined;
    return batch;
  }

  #commit(batch: Batch): void {
    if (batch.rewriteTo) this.#file.records = [...batch.rewriteTo];
    this.#file.records.push(...batch.records);
    this.durableTicket = batch.ticket;
  }

  #flush(): void {
    if (this.#flushing || (this.#waiting.length === 0 && !this.#rewrite?.isTaken)) return;
    this.#flushLater(this.#nextBatch(), this.#disk.flushMs);
  }
  #flushLater(batch: Batch, afterMs: number): void {
    this.#flushing = batch;
    this.#fabric.agenda.at(this.#fabric.agenda.nowMs + afterMs, () => {
      if (!this.#open) return;
      if (this.#disk.isFull) return this.#stall(batch);
      this.#flushing = undefined;
      this.#commit(batch);
      if (this.#isStalled) this.#goOn();
      this.#flush();
      this.#onDurable(batch.ticket);
    });
  }
  #stall({ waiting, ticket }: Batch): void {
    this.#flushLater({ records: waiting, rewriteTo: undefined, waiting, ticket }, LIMITS.logRetryMs);
    if (this.#isStalled) return;
    this.#isStalled = true;
    this.#onStall("no room");
  }
  #goOn(): void {
    this.#isStalled = false;
    this.#onStall(undefined);
  }
}

function take(rewrite: Rewrite, atMost: number): void {
  for (let count = 0; count < atMost && !rewrite.isTaken; count++) {
    const next = rewrite.records.next();
    if (next.done) rewrite.isTaken = true;
    else rewrite.taken.push(next.value.slice());
  }
}
