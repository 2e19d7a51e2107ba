import { text, utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import type { Json, MemberId, Row } from "../types.ts";
import { eachRecord, encodePiece, encodeRecord, type Piece, type RowRecord } from "../wire/piece.ts";
import { Blocks, type RowFacts } from "./blocks.ts";
import { DueLists } from "./due-lists.ts";
import { KeyIndex } from "./key-index.ts";
import { type Stream, type StreamName, Streams } from "./streams.ts";

export interface RowsPorts<V> {
  /** Somebody is told of changes: a row is read for nobody else. */
  isWatched(): boolean;
  changed(key: string, row: Row<V> | undefined, before: Row<V> | undefined): void;
  /** An own row of an earlier life was learnt; the octets of its key are not to be kept. */
  returned(key: Uint8Array): void;
  /** `expire(due)` is to be called once `atMs` has come. */
  wake(due: number, atMs: number): void;
}
export interface RowsLimits {
  readonly rows: number;
  readonly pieceBytes: number;
}
const LIMITS_OF_ROWS: RowsLimits = { rows: LIMITS.overlayTableRows, pieceBytes: LIMITS.overlayPieceBytes };
/** Above this share of its limit a table that dropped rows does not ask for them again. */
const ROOM_AGAIN = 0.9;

/** A piece of rows (`encodePiece`) of one stream. */
export interface StreamPiece {
  readonly stream: Stream;
  /** Where the next piece begins. */
  readonly last: number;
  readonly isEnd: boolean;
  readonly octets: Uint8Array;
}

/**
 * The rows of one table as this member knows them: one a key, the best that it has heard of. Better is the row of higher
 * order, then term, then owner, then life and number of its writing (DESIGN §5), and no owner's later word is lower than
 * its earlier one: that is one order over all words, so whoever heard the same words agrees, in whatever order they came.
 * An owner who had lost his disk, and hears of a word of his own that is higher than what he wrote since, raises the latter.
 * A row that went leaves a mark, kept until nothing that it beat can come back.
 */
export class Rows<V extends Json> {
  readonly #name: string;
  readonly #self: MemberId;
  readonly #ports: RowsPorts<V>;
  readonly #limits: RowsLimits;
  readonly #blocks = new Blocks();
  readonly #index = new KeyIndex(this.#blocks);
  readonly #streams = new Streams(this.#blocks);
  readonly #due: DueLists;
  /** Own streams with rows that were not handed out yet. */
  readonly #unsent = new Set<Stream>();
  #life: number;
  /** Number of the last own row, over all audiences of this life. */
  #seq = 0;
  #own = 0;
  #marks = 0;
  /** Rows of others that were refused or dropped because the table was full. */
  dropped = 0;

  constructor(name: string, self: MemberId, life: number, ports: RowsPorts<V>, limits = LIMITS_OF_ROWS) {
    this.#name = name;
    this.#self = self;
    this.#life = life;
    this.#ports = ports;
    this.#limits = limits;
    this.#due = new DueLists(this.#blocks, (due, atMs) => ports.wake(due, atMs));
  }

  /** `own`: rows and marks of this member, in whichever life. `octets`: what all take in memory. */
  get counts(): { readonly rows: number; readonly marks: number; readonly own: number; readonly octets: number } {
    const { count, usedOctets } = this.#blocks;
    return { rows: count - this.#marks, marks: this.#marks, own: this.#own, octets: usedOctets };
  }
  streams(): readonly Stream[] {
    return this.#streams.all();
  }
  stream(name: StreamName): Stream | undefined {
    return this.#streams.get(name);
  }

  get(key: string): Row<V> | undefined {
    return this.#rowAt(this.#index.find(utf8(key)));
  }
  /** Rows whose keys are `group`, or begin with it and a space. */
  under(group: string): readonly Row<V>[] {
    return this.#index.group(utf8(group)).flatMap((block) => this.#rowAt(block) ?? []);
  }
  /** Reads them all. */
  rows(): readonly Row<V>[] {
    return this.#streams.all().flatMap((stream) => [...stream.above(0)].flatMap((block) => this.#rowAt(block) ?? []));
  }

  /** This member writes under a new incarnation from now on. */
  raiseLife(life: number): void {
    this.#life = life;
    this.#seq = 0;
  }

  /**
   * Writes an own row that beats whatever is known of the key: its order is no lower, and its term is higher where it takes
   * the key over, so that it also beats what the owner before it may have written and promised to nobody. Throws
   * RangeError for a key, value, order or lifetime out of its limits.
   */
  put(key: string, value: V, order: number, lifetimeMs: number, audience: MemberId, nowMs: number): Stream {
    const octets = utf8(JSON.stringify(value));
    const { overlayValueBytes, overlayLifetimeSec } = LIMITS;
    if (octets.length > overlayValueBytes) throw new RangeError(`Cannot put ${key}: its value has ${octets.length} octets`);
    if (!(lifetimeMs <= overlayLifetimeSec * 1_000)) throw new RangeError(`Cannot put ${key}: it would live ${lifetimeMs} ms`);
    if (!(Math.abs(order) <= Number.MAX_SAFE_INTEGER)) throw new RangeError(`Cannot put ${key}: its order is ${order}`);
    return this.#write(utf8(key), octets, order, nowMs + lifetimeMs, audience);
  }

  /** Undefined where there is nothing to remove. */
  remove(key: string, order: number, audience: MemberId, nowMs: number): Stream | undefined {
    const octets = utf8(key);
    const held = this.#index.find(octets);
    if (held === 0 || this.#blocks.isMark(held)) return undefined;
    return this.#write(octets, undefined, order, nowMs, audience);
  }

  /** Writes own rows anew whose audience is another than before. */
  readdress(audienceOf: (key: string) => MemberId): void {
    for (const stream of this.#streams.all()) {
      if (stream.owner !== this.#self) continue;
      for (const block of [...stream.above(0)]) {
        const audience = audienceOf(text(this.#blocks.key(block)));
        if (audience !== stream.audience) this.#writeAgain(block, audience);
      }
    }
  }

  /** What was written and not yet handed out, as pieces. */
  *unsent(nowMs: number): Iterable<StreamPiece> {
    for (const stream of this.#unsent) {
      while (stream.sent < stream.head) {
        const piece = this.#pieceAfter(stream, stream.sent, nowMs);
        stream.sent = piece.last;
        yield piece;
      }
      this.#unsent.delete(stream);
    }
  }

  /** Somebody said that rows up to that number were written. */
  learn(name: StreamName, head: number): void {
    const stream = head === 0 || this.#isOwnLife(name) ? undefined : this.#streams.open(name);
    if (stream) stream.head = Math.max(stream.head, head);
  }

  /**
   * Takes a piece that is in order, of which `sinceMs` have passed. True when it brought anything that a log should keep.
   * What lives longer than a row may is cut to that. A piece that came before another that is missing is not taken, only
   * noted: so what is here of a stream is its beginning, and of two copies the longer one has all that the other has.
   */
  merge({ head, records }: Piece, nowMs: number, sinceMs = 0): boolean {
    const stream = this.#isOwnLife(head) ? undefined : this.#streams.open(head);
    if (stream === undefined) return false;
    stream.head = Math.max(stream.head, head.through);
    if (head.after > stream.seen || head.through <= stream.seen) return false;
    for (const record of eachRecord(records)) this.#take(stream, record, nowMs, sinceMs);
    stream.seen = head.through;
    return true;
  }

  /** The rows of a stream numbered above `after`, as many as one piece holds; undefined where they are not all here. */
  piece(name: StreamName, after: number, nowMs: number): StreamPiece | undefined {
    const stream = this.#streams.get(name);
    return stream && !stream.isLossy ? this.#pieceAfter(stream, after, nowMs) : undefined;
  }

  /** All that a log needs in place of what it has, a piece at a time. Rows may come and go meanwhile: the log has them behind. */
  *snapshot(nowMs: () => number): Iterable<Uint8Array> {
    for (const stream of this.#streams.all()) {
      for (let after = 0, isEnd = false; !isEnd; ) {
        const piece = this.#pieceAfter(stream, after, nowMs());
        yield piece.octets;
        ({ last: after, isEnd } = piece);
      }
    }
  }

  /** Streams that lost rows for want of room are asked for anew once there is room. */
  forgive(): void {
    if (this.#blocks.count > ROOM_AGAIN * this.#limits.rows) return;
    for (const stream of this.#streams.all()) {
      if (!stream.isLossy) continue;
      stream.isLossy = false;
      stream.seen = 0;
    }
  }

  /** Rows and marks whose time has come, of those that `wake` named. */
  expire(due: number, nowMs: number): void {
    this.#due.take(due, (block) => {
      const before = this.#watched(block);
      const facts = this.#blocks.facts(block);
      if (this.#blocks.isMark(block) || facts.keepUntilMs <= nowMs) this.#drop(block);
      else this.#place(block, this.#blocks.key(block), undefined, facts);
      this.#tell(before?.key, undefined, before);
    });
  }

  #isOwnLife({ owner, life }: StreamName): boolean {
    return owner === this.#self && life === this.#life;
  }

  #write(key: Uint8Array, value: Uint8Array | undefined, order: number, endsAtMs: number, audience: MemberId): Stream {
    if (key.length > LIMITS.overlayKeyBytes) throw new RangeError(`Cannot put ${text(key)}: it has ${key.length} octets`);
    const held = this.#index.find(key);
    const rival = held === 0 ? undefined : this.#blocks.facts(held);
    const isHigher = rival === undefined || order > rival.order;
    const isTaken = rival !== undefined && this.#streams.at(rival.stream).owner !== this.#self;
    const term = Math.min((rival?.term ?? 0) + (isTaken ? 1 : 0), LIMITS.overlayTerm);
    const keepUntilMs = Math.max(endsAtMs + LIMITS.overlayMarkMs, rival?.keepUntilMs ?? 0);
    const facts = { order: isHigher ? order : rival.order, term, endsAtMs, keepUntilMs };
    return this.#writeAs(held, key, value, facts, audience);
  }
  #writeAgain(block: number, audience: MemberId, raised: Partial<RowFacts> = {}): void {
    const facts = { ...this.#blocks.facts(block), ...raised };
    this.#writeAs(block, this.#blocks.key(block), this.#valueAt(block), facts, audience);
  }

  #writeAs(
    held: number,
    key: Uint8Array,
    value: Uint8Array | undefined,
    facts: Omit<RowFacts, "stream" | "seq">,
    audience: MemberId,
  ): Stream {
    const stream = this.#streams.open({ owner: this.#self, life: this.#life, audience });
    if (!stream) throw new RangeError(`Cannot write to ${this.#name}: it has too many streams`);
    const before = this.#watched(held);
    const seq = ++this.#seq;
    stream.head = stream.seen = seq;
    this.#unsent.add(stream);
    const block = this.#place(held, key, value, { ...facts, stream: stream.index, seq });
    this.#makeRoom();
    this.#tell(before?.key ?? key, block, before);
    return stream;
  }

  #take(stream: Stream, record: RowRecord, nowMs: number, sinceMs: number): void {
    const lifeMs = LIMITS.overlayLifetimeSec * 1_000;
    const leftMs = Math.min(Math.max(0, record.leftMs - sinceMs), lifeMs);
    const keepMs = Math.min(record.keepMs - sinceMs, lifeMs + LIMITS.overlayMarkMs);
    if (keepMs <= 0) return;
    const { key, seq, order, term } = record;
    const held = this.#index.find(key);
    const facts = { stream: stream.index, seq, order, term, endsAtMs: nowMs + leftMs, keepUntilMs: nowMs + keepMs };
    if (held !== 0 && !this.#beats(facts, this.#blocks.facts(held))) {
      return this.#keepUntil(held, facts.keepUntilMs);
    }
    if (held === 0 && this.#blocks.count >= this.#limits.rows && stream.owner !== this.#self) {
      this.dropped++;
      stream.isLossy = true;
      return;
    }
    const keepUntilMs = Math.max(facts.keepUntilMs, held === 0 ? 0 : this.#blocks.get(held, "keepUntilMs"));
    const heldBy = held === 0 ? undefined : this.#streams.at(this.#blocks.stream(held));
    if (stream.owner === this.#self && heldBy && this.#isOwnLife(heldBy)) {
      return this.#writeAgain(held, heldBy.audience, { order, term, keepUntilMs });
    }
    const before = this.#watched(held);
    const value = leftMs > 0 ? record.value : undefined;
    const block = this.#place(held, key, value, { ...facts, keepUntilMs });
    this.#tell(before?.key ?? key, block, before);
    if (stream.owner === this.#self && value) this.#ports.returned(key);
  }

  #beats(one: RowFacts, other: RowFacts): boolean {
    if (one.order !== other.order) return one.order > other.order;
    if (one.term !== other.term) return one.term > other.term;
    const [mine, its] = [this.#streams.at(one.stream), this.#streams.at(other.stream)];
    if (mine.owner !== its.owner) return mine.owner > its.owner;
    if (mine.life !== its.life) return mine.life > its.life;
    return one.seq > other.seq;
  }

  #keepUntil(block: number, atMs: number): void {
    if (atMs <= this.#blocks.get(block, "keepUntilMs")) return;
    this.#due.delete(block);
    this.#blocks.set(block, "keepUntilMs", atMs);
    this.#due.add(block);
  }

  /** In the place of `held`, or as a new key where that is 0. The octets of key and value are copied. */
  #place(held: number, key: Uint8Array, value: Uint8Array | undefined, facts: RowFacts): number {
    const block = this.#blocks.make(key, value, facts);
    if (held === 0) this.#index.add(block);
    else {
      this.#index.replace(held, block);
      this.#unlink(held);
    }
    this.#streams.at(facts.stream).add(block);
    this.#due.add(block);
    this.#count(block, 1);
    return block;
  }
  #drop(block: number): void {
    this.#index.delete(block);
    this.#unlink(block);
  }
  #unlink(block: number): void {
    this.#due.delete(block);
    this.#streams.at(this.#blocks.stream(block)).delete(block);
    this.#count(block, -1);
    this.#blocks.free(block);
  }
  #count(block: number, by: 1 | -1): void {
    if (this.#blocks.isMark(block)) this.#marks += by;
    if (this.#streams.at(this.#blocks.stream(block)).owner === this.#self) this.#own += by;
  }

  /** Own rows are never dropped: others' make way, the oldest of a stream first [B2]. */
  #makeRoom(): void {
    while (this.#blocks.count > this.#limits.rows) {
      const stream = this.#streams.all().find(({ owner, count }) => owner !== this.#self && count > 0);
      if (!stream) return;
      const before = this.#watched(stream.first);
      stream.isLossy = true;
      this.dropped++;
      this.#drop(stream.first);
      this.#tell(before?.key, undefined, before);
    }
  }

  #pieceAfter(stream: Stream, after: number, nowMs: number): StreamPiece {
    const records: Uint8Array[] = [];
    let octets = 0;
    let last = Math.max(after, stream.seen);
    let isEnd = true;
    for (const block of stream.above(after)) {
      if (this.#blocks.get(block, "seq") > stream.seen) break; // of a stream that is fetched anew
      const record = this.#recordOf(block, nowMs);
      octets += record.length;
      isEnd = records.length === 0 || octets <= this.#limits.pieceBytes;
      if (!isEnd) {
        const before = this.#blocks.prev(block, "stream");
        last = this.#blocks.get(before, "seq");
        stream.pause(before, last);
        break;
      }
      records.push(record);
    }
    const { owner, life, audience } = stream;
    const head = { table: this.#name, owner, life, audience, after, through: last };
    return { stream, last, isEnd, octets: encodePiece(head, records) };
  }
  #recordOf(block: number, nowMs: number): Uint8Array {
    const { seq, order, term, endsAtMs, keepUntilMs } = this.#blocks.facts(block);
    const value = this.#valueAt(block);
    const times = { leftMs: value ? endsAtMs - nowMs : 0, keepMs: keepUntilMs - nowMs };
    return encodeRecord({ key: this.#blocks.key(block), seq, order, term, ...times, value });
  }

  #valueAt(block: number): Uint8Array | undefined {
    return this.#blocks.isMark(block) ? undefined : this.#blocks.value(block);
  }
  #rowAt(block: number): Row<V> | undefined {
    if (block === 0 || this.#blocks.isMark(block)) return undefined;
    const { stream, order, term, endsAtMs: expiresAtMs } = this.#blocks.facts(block);
    const value = JSON.parse(text(this.#blocks.value(block))) as V;
    return { key: text(this.#blocks.key(block)), owner: this.#streams.at(stream).owner, order, term, expiresAtMs, value };
  }
  #watched(block: number): Row<V> | undefined {
    return this.#ports.isWatched() ? this.#rowAt(block) : undefined;
  }
  /** `block`: what stands there now; undefined = nothing. */
  #tell(key: string | Uint8Array | undefined, block: number | undefined, before: Row<V> | undefined): void {
    if (key === undefined || !this.#ports.isWatched()) return;
    const row = block === undefined ? undefined : this.#rowAt(block);
    if (row || before) this.#ports.changed(typeof key === "string" ? key : text(key), row, before);
  }
}
