/** Transactions that are over but for their answer: whoever asks again hears it again (RFC 3261 §17.2.2, Completed). */
import { text } from "#base/bytes.ts";
import { Alarms } from "#base/deadlines.ts";
import type { Clock } from "#host/host.ts";

/** What is left of a transaction. */
export interface Answer {
  /** Who asked for what. */
  readonly asked: string;
  /** The id of the flow by which it goes. */
  readonly flowId: string;
  readonly bytes: Uint8Array;
}

/** Where an answer is written: its line, "asked TAB flowId LF", then its octets. */
interface Place {
  readonly block: Uint8Array;
  readonly start: number;
  readonly end: number;
}

const BLOCK_BYTES = 64 * 1024;
const MOST_BYTES_A_CHAR = 3; // UTF-8 of one UTF-16 code unit
const SHELF_MS = 100;
const TAB = "\t";
const LF = 10;
const encoder = new TextEncoder();

/**
 * Answers in the order in which they were given, written one behind the other into blocks: at full speed there are hundreds
 * of thousands, which the garbage collector is not to look through. They are forgotten shelf by shelf, `keepMs` after they
 * were given and at most `SHELF_MS` later.
 */
export class Answers {
  readonly #clock: Clock;
  readonly #keepMs: number;
  readonly #alarms: Alarms;
  readonly #places = new Map<string, Place>();
  #block = new Uint8Array(0);
  #usedBytes = 0;
  /** The keys of what was given since `#shelfAtMs`. */
  #shelf: string[] = [];
  #shelfAtMs = -Infinity;

  constructor(clock: Clock, keepMs: number) {
    this.#clock = clock;
    this.#keepMs = keepMs;
    this.#alarms = new Alarms(clock);
  }

  get size(): number {
    return this.#places.size;
  }

  /** A key that is not kept yet, and outlives its message; `asked` and `flowId` without control characters. */
  keep(key: string, { asked, flowId, bytes }: Answer): void {
    const line = `${asked}${TAB}${flowId}\n`;
    const mostBytes = MOST_BYTES_A_CHAR * line.length + bytes.length;
    if (this.#usedBytes + mostBytes > this.#block.length) {
      this.#block = new Uint8Array(Math.max(BLOCK_BYTES, mostBytes));
      this.#usedBytes = 0;
    }
    const start = this.#usedBytes;
    const bytesAt = start + encoder.encodeInto(line, this.#block.subarray(start)).written;
    this.#block.set(bytes, bytesAt);
    this.#usedBytes = bytesAt + bytes.length;
    this.#places.set(key, { block: this.#block, start, end: this.#usedBytes });
    this.#shelve(key);
  }

  find(key: string): Answer | undefined {
    const place = this.#places.get(key);
    if (place === undefined) return undefined;
    const { block, start, end } = place;
    const lineEnd = block.indexOf(LF, start);
    const [asked = "", flowId = ""] = text(block.subarray(start, lineEnd)).split(TAB);
    return { asked, flowId, bytes: block.subarray(lineEnd + 1, end) };
  }

  /** For good. */
  clear(): void {
    this.#alarms.clear();
    this.#places.clear();
  }

  #shelve(key: string): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs >= this.#shelfAtMs + SHELF_MS) {
      const shelf: string[] = [];
      this.#shelf = shelf;
      this.#shelfAtMs = nowMs;
      this.#alarms.at(nowMs + SHELF_MS + this.#keepMs, () => {
        for (const old of shelf) this.#places.delete(old);
      });
    }
    this.#shelf.push(key);
  }
}
