import { NO_BYTES } from "#base/bytes.ts";
import { Arena } from "./arena.ts";

/** Where in a block its fields stand. Octets. */
const AT = {
  hashNext: 0,
  hash: 4,
  duePrev: 8,
  dueNext: 12,
  streamPrev: 16,
  streamNext: 20,
  keyOctets: 24, // 16 bits
  stream: 26, // 16 bits
  valueOctets: 28,
  term: 32,
  seq: 40, // 64 bits, as all that follow
  order: 48,
  endsAtMs: 56,
  keepUntilMs: 64,
} as const;
const HEAD_OCTETS = 72;
const NO_VALUE = 0xffff_ffff;

/** What is known of a row besides its key and value. */
export interface RowFacts {
  readonly stream: number;
  readonly seq: number;
  readonly order: number;
  readonly term: number;
  readonly endsAtMs: number;
  readonly keepUntilMs: number;
}
type Number64 = "seq" | "order" | "endsAtMs" | "keepUntilMs";
type Number32 = "hashNext" | "hash";
/** A doubly linked list through blocks, by the fields of that name. */
export interface Chain {
  first: number;
  last: number;
}
type Links = "due" | "stream";
const LINKS = {
  due: { prev: AT.duePrev, next: AT.dueNext },
  stream: { prev: AT.streamPrev, next: AT.streamNext },
} as const;

/**
 * Rows in an `Arena`: one block each, named by a number; 0 is none. A million rows are no objects, so that they cost what
 * their octets cost and the collector nothing.
 */
export class Blocks {
  readonly #arena = new Arena();
  count = 0;

  get usedOctets(): number {
    return this.#arena.usedOctets;
  }

  make(key: Uint8Array, value: Uint8Array | undefined, facts: RowFacts): number {
    const block = this.#arena.allocate(HEAD_OCTETS + key.length + (value?.length ?? 0));
    this.count++;
    const at = this.#arena.at(block);
    const view = this.#arena.view(block);
    for (let field = 0; field < AT.keyOctets; field += 4) view.setUint32(at + field, 0);
    view.setUint16(at + AT.keyOctets, key.length);
    view.setUint16(at + AT.stream, facts.stream);
    view.setUint32(at + AT.valueOctets, value ? value.length : NO_VALUE);
    view.setUint32(at + AT.term, facts.term);
    view.setFloat64(at + AT.seq, facts.seq);
    view.setFloat64(at + AT.order, facts.order);
    view.setFloat64(at + AT.endsAtMs, facts.endsAtMs);
    view.setFloat64(at + AT.keepUntilMs, facts.keepUntilMs);
    const bytes = this.#arena.bytes(block);
    bytes.set(key, at + HEAD_OCTETS);
    if (value) bytes.set(value, at + HEAD_OCTETS + key.length);
    return block;
  }

  /** It must be in no chain. */
  free(block: number): void {
    this.count--;
    const value = this.isMark(block) ? 0 : this.#u32(block, AT.valueOctets);
    this.#arena.release(block, HEAD_OCTETS + this.#u16(block, AT.keyOctets) + value);
  }

  facts(block: number): RowFacts {
    return {
      stream: this.stream(block),
      seq: this.get(block, "seq"),
      order: this.get(block, "order"),
      term: this.term(block),
      endsAtMs: this.get(block, "endsAtMs"),
      keepUntilMs: this.get(block, "keepUntilMs"),
    };
  }
  get(block: number, field: Number64): number {
    return this.#arena.view(block).getFloat64(this.#arena.at(block) + AT[field]);
  }
  set(block: number, field: Number64, value: number): void {
    this.#arena.view(block).setFloat64(this.#arena.at(block) + AT[field], value);
  }
  word(block: number, field: Number32): number {
    return this.#u32(block, AT[field]);
  }
  setWord(block: number, field: Number32, value: number): void {
    this.#setU32(block, AT[field], value);
  }
  term(block: number): number {
    return this.#u32(block, AT.term);
  }
  stream(block: number): number {
    return this.#u16(block, AT.stream);
  }
  isMark(block: number): boolean {
    return this.#u32(block, AT.valueOctets) === NO_VALUE;
  }

  /** The octets are the block's own. */
  key(block: number): Uint8Array {
    const at = this.#arena.at(block) + HEAD_OCTETS;
    return this.#arena.bytes(block).subarray(at, at + this.#u16(block, AT.keyOctets));
  }
  value(block: number): Uint8Array {
    if (this.isMark(block)) return NO_BYTES;
    const at = this.#arena.at(block) + HEAD_OCTETS + this.#u16(block, AT.keyOctets);
    return this.#arena.bytes(block).subarray(at, at + this.#u32(block, AT.valueOctets));
  }
  /** Whether the block's key begins with these octets; `whole`: and has no others. */
  hasKey(block: number, key: Uint8Array, whole: boolean): boolean {
    const octets = this.#u16(block, AT.keyOctets);
    if (whole ? octets !== key.length : octets < key.length) return false;
    const at = this.#arena.at(block) + HEAD_OCTETS;
    const bytes = this.#arena.bytes(block);
    for (let index = 0; index < key.length; index++) if (bytes[at + index] !== key[index]) return false;
    return true;
  }

  next(block: number, links: Links): number {
    return this.#u32(block, LINKS[links].next);
  }
  prev(block: number, links: Links): number {
    return this.#u32(block, LINKS[links].prev);
  }
  /** Puts the block behind `after`, 0 = first. */
  link(chain: Chain, block: number, after: number, links: Links): void {
    const { prev, next } = LINKS[links];
    const behind = after === 0 ? chain.first : this.#u32(after, next);
    this.#setU32(block, prev, after);
    this.#setU32(block, next, behind);
    if (after === 0) chain.first = block;
    else this.#setU32(after, next, block);
    if (behind === 0) chain.last = block;
    else this.#setU32(behind, prev, block);
  }
  unlink(chain: Chain, block: number, links: Links): void {
    const { prev, next } = LINKS[links];
    const before = this.#u32(block, prev);
    const behind = this.#u32(block, next);
    if (before === 0) chain.first = behind;
    else this.#setU32(before, next, behind);
    if (behind === 0) chain.last = before;
    else this.#setU32(behind, prev, before);
  }

  #u16(block: number, at: number): number {
    return this.#arena.view(block).getUint16(this.#arena.at(block) + at);
  }
  #u32(block: number, at: number): number {
    return this.#arena.view(block).getUint32(this.#arena.at(block) + at);
  }
  #setU32(block: number, at: number, value: number): void {
    this.#arena.view(block).setUint32(this.#arena.at(block) + at, value);
  }
}
