import type { Timed } from "#base/deadlines.ts";
import { LIMITS } from "#base/limits.ts";
import type { Json, MemberId, Row } from "../types.ts";
import type { Piece, Position, RowRecord } from "../wire/frame.ts";

/** One owner's word on one key: a row, or with `value` undefined the mark of a removed one. */
export interface Entry<V> extends Timed, Omit<Row<V>, "value"> {
  readonly epoch: number;
  readonly seq: number;
  /** An earlier word of the same owner might live till then: so long this one, or a mark in its place, is kept. */
  readonly keepUntilMs: number;
  readonly value: V | undefined;
}
export const rowOf = <V>(entry: Entry<V> | undefined): Row<V> | undefined =>
  entry?.value === undefined ? undefined : (entry as Row<V>);

/** Of two owners' words on one key: higher order, then term, then owner id (DESIGN §5). */
function beats(a: Entry<unknown>, b: Entry<unknown>): boolean {
  if (a.order !== b.order) return a.order > b.order;
  if (a.term !== b.term) return a.term > b.term;
  return a.owner > b.owner;
}

/** All that one owner wrote and that has not expired. */
class OwnerLog<V> {
  epoch = 0;
  /** Number of the last row written. */
  head = 0;
  /** Nothing up to this number is missing. */
  seen = 0;
  /** Rows of an earlier epoch are still held. */
  stale = false;
  /** One entry a key, in order of `seq` for own rows. */
  readonly entries = new Map<string, Entry<V>>();
}

export interface RowsPorts<V> {
  /** An own entry is new: to be sent to those who copy the table. */
  announce(entry: Entry<V>): void;
  changed(key: string, row: Row<V> | undefined, before: Row<V> | undefined): void;
  /** `expire` is to be called once `expiresAtMs` has come. */
  wake(entry: Entry<V>): void;
  /** No longer. */
  forget(entry: Entry<V>): void;
}
export interface RowsLimits {
  readonly rows: number;
  readonly marks: number;
  readonly pieceBytes: number;
}
const LIMITS_OF_ROWS: RowsLimits = {
  rows: LIMITS.overlayTableRows,
  marks: LIMITS.overlayMarks,
  pieceBytes: LIMITS.overlayPieceBytes,
};

/**
 * The rows of one table as this member knows them: the union of its owners' logs; the row of a key is the best that any
 * of them says. A log is made whole by its numbers alone, and the best is a function of the logs alone: so members with
 * the same logs agree. An owner whose row is beaten replaces it by a mark, or it would return when the winner expires.
 */
export class Rows<V extends Json> {
  readonly #self: MemberId;
  readonly #own: OwnerLog<V>;
  readonly #logs = new Map<MemberId, OwnerLog<V>>();
  readonly #best = new Map<string, Entry<V>>();
  readonly #ports: RowsPorts<V>;
  readonly #limits: RowsLimits;
  #marks = 0; // own
  #copies = 0; // entries of others
  /** Rows of others that were refused or dropped because the table was full. */
  dropped = 0;

  constructor(self: MemberId, epoch: number, ports: RowsPorts<V>, limits = LIMITS_OF_ROWS) {
    this.#self = self;
    this.#ports = ports;
    this.#limits = limits;
    this.#own = this.#log(self);
    this.#own.epoch = epoch;
  }

  get position(): Position {
    return { epoch: this.#own.epoch, seq: this.#own.head };
  }

  get(key: string): Row<V> | undefined {
    return rowOf(this.#best.get(key));
  }

  *rows(): Iterable<Row<V>> {
    for (const entry of this.#best.values()) if (entry.value !== undefined) yield entry as Row<V>;
  }

  /** Writes an own row that beats whatever is known of the key: where `order` does not, order and term are raised. */
  put(key: string, value: V, order: number, expiresAtMs: number): void {
    this.#write(key, value, order, expiresAtMs);
  }

  /** The mark lives as long as the row would have, or any before it. */
  remove(key: string): void {
    const held = this.#best.get(key);
    if (held?.value !== undefined) this.#write(key, undefined, held.order, held.expiresAtMs);
  }

  /** Its time has come. */
  expire(entry: Entry<V>): void {
    if (entry.owner === this.#self && entry.value !== undefined && entry.keepUntilMs > entry.expiresAtMs) this.#mark(entry);
    else this.#drop(entry);
  }

  /** This member's numbering starts anew: whoever holds rows of an earlier epoch asks for all. */
  raiseEpoch(epoch: number): void {
    this.#own.epoch = Math.max(this.#own.epoch, epoch);
  }

  epochOf(owner: MemberId): number {
    return this.#logs.get(owner)?.epoch ?? 0;
  }

  /** What `merge` is to be given next of that owner's rows; undefined when nothing is missing. */
  missing(owner: MemberId): { readonly epoch: number; readonly after: number } | undefined {
    const log = this.#logs.get(owner);
    return log !== undefined && log.seen < log.head ? { epoch: log.epoch, after: log.seen } : undefined;
  }

  /** An owner said how far it is. False for what it said in an earlier epoch. */
  learn(owner: MemberId, { epoch, seq }: Position): boolean {
    const log = this.#log(owner);
    if (epoch < log.epoch) return false;
    if (epoch > log.epoch) {
      log.epoch = epoch;
      log.seen = log.head = 0;
      log.stale = true;
    }
    log.head = Math.max(log.head, seq);
    this.#sweep(log);
    return true;
  }

  merge(owner: MemberId, piece: Piece, nowMs: number): void {
    if (!this.learn(owner, { epoch: piece.epoch, seq: piece.head })) return;
    const log = this.#log(owner);
    for (const row of piece.rows) this.#take(owner, log, row, nowMs);
    if (piece.after <= log.seen) log.seen = Math.max(log.seen, piece.through);
    this.#sweep(log);
  }

  /** Own rows numbered above `after`, as many as one piece holds. Of another epoch's position nothing is known: from 0. */
  piece(epoch: number, after: number, nowMs: number): Piece {
    const own = this.#own;
    const from = epoch === own.epoch ? after : 0;
    const rows: RowRecord[] = [];
    let octets = 0;
    let through = own.head;
    for (const entry of own.entries.values()) {
      if (entry.seq <= from) continue;
      const row = recordOf(entry, nowMs);
      octets += JSON.stringify(row).length;
      if (rows.length > 0 && octets > this.#limits.pieceBytes) {
        through = rows.at(-1)?.seq ?? from;
        break;
      }
      rows.push(row);
    }
    return { epoch: own.epoch, after: from, through, head: own.head, rows };
  }

  /** One own entry as the piece that follows the one before it. */
  pieceOf(entry: Entry<V>, nowMs: number): Piece {
    const { epoch, seq } = entry;
    return { epoch, after: seq - 1, through: seq, head: seq, rows: [recordOf(entry, nowMs)] };
  }

  #log(owner: MemberId): OwnerLog<V> {
    const known = this.#logs.get(owner);
    if (known) return known;
    const log = new OwnerLog<V>();
    this.#logs.set(owner, log);
    return log;
  }

  #write(key: string, value: V | undefined, order: number, expiresAtMs: number): void {
    const before = this.#own.entries.get(key);
    const keepUntilMs = Math.max(expiresAtMs, before?.keepUntilMs ?? 0);
    const endsAtMs = value === undefined ? keepUntilMs : expiresAtMs;
    const own = { key, owner: this.#self, expiresAtMs: endsAtMs, keepUntilMs, value, ...this.#nextPlace() };
    const plain: Entry<V> = { ...own, order, term: before?.term ?? 0 };
    const rival = this.#bestOf(key, this.#own);
    const entry = rival && !beats(plain, rival) ? { ...own, order: rival.order, term: rival.term + 1 } : plain;
    this.#writeOwn(entry);
    if (this.#copies > 0 && this.#best.size > this.#limits.rows) this.#dropOneCopy();
  }

  #take(owner: MemberId, log: OwnerLog<V>, row: RowRecord, nowMs: number): void {
    const old = log.entries.get(row.key);
    const known = row.seq <= log.seen || (old?.epoch === log.epoch && old.seq >= row.seq);
    if (known) return; // this very row, or one that came after it
    if (!old && this.#best.size >= this.#limits.rows) {
      this.dropped++;
      return;
    }
    const { key, seq, order, term, leftSec } = row;
    const expiresAtMs = leftSec === undefined ? Infinity : nowMs + leftSec * 1_000;
    const value = row.value as V | undefined;
    const ends = { expiresAtMs, keepUntilMs: expiresAtMs, wheelAtMs: Infinity };
    this.#store(log, { key, owner, epoch: log.epoch, seq, order, term, value, ...ends });
  }

  #store(log: OwnerLog<V>, entry: Entry<V>): void {
    const old = log.entries.get(entry.key);
    if (old) this.#unlink(log, old);
    log.entries.set(entry.key, entry);
    this.#count(log, entry, 1);
    this.#ports.wake(entry);
    this.#settle(entry.key);
  }

  #drop(entry: Entry<V>): void {
    this.#unlink(this.#log(entry.owner), entry);
    this.#settle(entry.key);
  }

  #unlink(log: OwnerLog<V>, entry: Entry<V>): void {
    log.entries.delete(entry.key);
    this.#count(log, entry, -1);
    this.#ports.forget(entry);
  }

  #count(log: OwnerLog<V>, entry: Entry<V>, by: 1 | -1): void {
    if (log !== this.#own) this.#copies += by;
    else if (entry.value === undefined) this.#marks += by;
  }

  /** Finds the best word on a key anew; an own row that is beaten becomes a mark. */
  #settle(key: string): void {
    const before = this.#best.get(key);
    const best = this.#bestOf(key);
    if (best === before) return;
    if (best) this.#best.set(key, best);
    else this.#best.delete(key);
    if (rowOf(best) || rowOf(before)) this.#ports.changed(key, rowOf(best), rowOf(before));
    const own = this.#own.entries.get(key);
    if (own?.value !== undefined && own !== best) this.#mark(own);
  }

  #mark(own: Entry<V>): void {
    this.#writeOwn({ ...own, value: undefined, expiresAtMs: own.keepUntilMs, ...this.#nextPlace() });
  }

  #nextPlace(): Pick<Entry<V>, "epoch" | "seq" | "wheelAtMs"> {
    return { epoch: this.#own.epoch, seq: ++this.#own.head, wheelAtMs: Infinity };
  }

  #writeOwn(entry: Entry<V>): void {
    this.#store(this.#own, entry);
    this.#ports.announce(entry);
    if (this.#marks > this.#limits.marks) this.#forgetMarks();
  }

  #bestOf(key: string, except?: OwnerLog<V>): Entry<V> | undefined {
    let best: Entry<V> | undefined;
    for (const log of this.#logs.values()) {
      const entry = log === except ? undefined : log.entries.get(key);
      if (entry && (!best || beats(entry, best))) best = entry;
    }
    return best;
  }

  /** Once everything of the new epoch is there, what is left of an earlier one is gone. */
  #sweep(log: OwnerLog<V>): void {
    if (!log.stale || log.seen < log.head) return;
    log.stale = false;
    for (const entry of [...log.entries.values()]) if (entry.epoch < log.epoch) this.#drop(entry);
  }

  /** Marks that are forgotten must not be needed: a new epoch makes every copy ask for all that is left. */
  #forgetMarks(): void {
    this.#own.epoch++;
    for (const entry of [...this.#own.entries.values()]) if (entry.value === undefined) this.#drop(entry);
  }

  /** Own rows never go [B2]. */
  #dropOneCopy(): void {
    for (const log of this.#logs.values()) {
      const first = log === this.#own ? undefined : log.entries.values().next().value;
      if (!first) continue;
      this.dropped++;
      this.#drop(first);
      return;
    }
  }
}

function recordOf(entry: Entry<Json>, nowMs: number): RowRecord {
  const { key, seq, order, term, value, expiresAtMs } = entry;
  const row = value === undefined ? { key, seq, order, term } : { key, seq, order, term, value };
  return expiresAtMs === Infinity ? row : { ...row, leftSec: Math.max(0, expiresAtMs - nowMs) / 1_000 };
}
