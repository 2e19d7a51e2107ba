import { LIMITS } from "#base/limits.ts";
import type { MemberId } from "../types.ts";
import type { StreamId } from "../wire/piece.ts";
import type { Blocks, Chain } from "./blocks.ts";

/** A stream's name within its table. */
export type StreamName = Omit<StreamId, "table">;

const nameOf = ({ owner, life, audience }: StreamName): string => `${owner} ${life} ${audience}`;
/** Walks through a stream, piece by piece, that are under way at once and remembered. */
const CURSORS = 8;

/** What this member has of one stream of a table: its blocks in order of `seq`. */
export class Stream implements StreamName {
  readonly index: number;
  readonly owner: MemberId;
  readonly life: number;
  readonly audience: MemberId;
  /** Nothing up to this number is missing. */
  seen = 0;
  /** The highest number that is known to have been written. */
  head = 0;
  /** Of an own stream: up to here it was handed out. */
  sent = 0;
  /** Rows were dropped for want of room: it is not whole, whatever `seen` says. */
  isLossy = false;
  count = 0;
  readonly #blocks: Blocks;
  readonly #chain: Chain = { first: 0, last: 0 };
  #newest = 0; // the block that came last
  #cursors: { readonly after: number; block: number }[] = [];

  constructor(index: number, { owner, life, audience }: StreamName, blocks: Blocks) {
    this.index = index;
    this.owner = owner;
    this.life = life;
    this.audience = audience;
    this.#blocks = blocks;
  }

  get first(): number {
    return this.#chain.first;
  }

  add(block: number): void {
    const seq = this.#blocks.get(block, "seq");
    const last = this.#chain.last;
    const isLast = last === 0 || this.#blocks.get(last, "seq") < seq;
    this.#blocks.link(this.#chain, block, isLast ? last : this.#lastUpTo(seq, this.#newest), "stream");
    this.#newest = block;
    this.count++;
  }

  delete(block: number): void {
    const before = this.#blocks.prev(block, "stream");
    if (this.#newest === block) this.#newest = before;
    for (const cursor of this.#cursors) if (cursor.block === block) cursor.block = before;
    this.#blocks.unlink(this.#chain, block, "stream");
    this.count--;
  }

  /** The blocks numbered above that, in order. Nothing may be added or deleted until the walk ends. */
  *above(after: number): Iterable<number> {
    const cursor = this.#cursors.find((one) => one.after === after);
    const start = cursor?.block ?? (after === 0 ? 0 : this.#lastUpTo(after, this.#chain.last));
    for (let block = this.#following(start); block !== 0; block = this.#following(block)) yield block;
  }

  /** A walk is to go on from `after`: the number of `block`. */
  pause(block: number, after: number): void {
    this.#cursors = [{ after, block }, ...this.#cursors.filter((one) => one.after !== after)].slice(0, CURSORS);
  }

  /** The last block of a number up to that, looked for from `start` on, either way; 0 = all have higher ones. */
  #lastUpTo(seq: number, start: number): number {
    let block = start;
    while (block !== 0 && this.#blocks.get(block, "seq") > seq) block = this.#blocks.prev(block, "stream");
    for (;;) {
      const next = this.#following(block);
      if (next === 0 || this.#blocks.get(next, "seq") > seq) return block;
      block = next;
    }
  }
  #following(block: number): number {
    return block === 0 ? this.#chain.first : this.#blocks.next(block, "stream");
  }
}

/** The streams of one table, by name and by the number that blocks know them by. */
export class Streams {
  readonly #blocks: Blocks;
  readonly #byName = new Map<string, Stream>();
  readonly #byIndex: (Stream | undefined)[] = [];

  constructor(blocks: Blocks) {
    this.#blocks = blocks;
  }

  all(): readonly Stream[] {
    return [...this.#byName.values()];
  }
  at(index: number): Stream {
    return this.#byIndex[index] as Stream;
  }
  get(name: StreamName): Stream | undefined {
    return this.#byName.get(nameOf(name));
  }

  /** The stream of that name, a new one if need be; undefined where there is no room for one more. */
  open(name: StreamName): Stream | undefined {
    const known = this.get(name);
    if (known) return known;
    if (this.#byName.size >= LIMITS.overlayStreams && !this.#forgetOne()) return undefined;
    const free = this.#byIndex.indexOf(undefined);
    const stream = new Stream(free < 0 ? this.#byIndex.length : free, name, this.#blocks);
    this.#byIndex[stream.index] = stream;
    this.#byName.set(nameOf(name), stream);
    return stream;
  }

  /** The oldest life of which nothing is left. */
  #forgetOne(): boolean {
    const [oldest] = this.all()
      .filter(({ count }) => count === 0)
      .sort((a, b) => a.life - b.life);
    if (!oldest) return false;
    this.#byName.delete(nameOf(oldest));
    this.#byIndex[oldest.index] = undefined;
    return true;
  }
}
