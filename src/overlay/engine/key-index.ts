import type { Blocks } from "./blocks.ts";
import { hashOf } from "./hash.ts";

/** Each grows by itself, so that no put waits for all keys to be placed anew. A power of two. */
const PARTS = 256;
const FIRST_BUCKETS = 8;
const SPACE = 0x20;

interface Part {
  buckets: Uint32Array;
  count: number;
}

/**
 * Blocks by key. A key's group is what stands before its first space, all of it where there is none; only that is hashed,
 * so that the keys of one group are found together.
 */
export class KeyIndex {
  readonly #blocks: Blocks;
  readonly #parts: (Part | undefined)[] = new Array(PARTS);

  constructor(blocks: Blocks) {
    this.#blocks = blocks;
  }

  /** The block with that key; 0 = none. */
  find(key: Uint8Array): number {
    const hash = hashOfGroup(key);
    let block = this.#firstOf(hash);
    while (block !== 0 && !(this.#blocks.word(block, "hash") === hash && this.#blocks.hasKey(block, key, true))) {
      block = this.#blocks.word(block, "hashNext");
    }
    return block;
  }

  /** The blocks whose keys are of that group. */
  group(group: Uint8Array): readonly number[] {
    const hash = hashOfGroup(group);
    const found: number[] = [];
    for (let block = this.#firstOf(hash); block !== 0; block = this.#blocks.word(block, "hashNext")) {
      if (this.#isOf(block, group, hash)) found.push(block);
    }
    return found;
  }

  /** Its key must be new. */
  add(block: number): void {
    const hash = hashOfGroup(this.#blocks.key(block));
    this.#blocks.setWord(block, "hash", hash);
    let part = this.#parts[hash >>> 24];
    if (!part) {
      part = { buckets: new Uint32Array(FIRST_BUCKETS), count: 0 };
      this.#parts[hash >>> 24] = part;
    }
    part.count++;
    if (part.count > part.buckets.length) this.#grow(part);
    this.#hang(part, block, hash);
  }

  delete(block: number): void {
    this.#swap(block, this.#blocks.word(block, "hashNext"));
    const part = this.#parts[this.#blocks.word(block, "hash") >>> 24];
    if (part) part.count--;
  }

  /** `block` takes the place of `old`, which has the same key. */
  replace(old: number, block: number): void {
    this.#blocks.setWord(block, "hash", this.#blocks.word(old, "hash"));
    this.#blocks.setWord(block, "hashNext", this.#blocks.word(old, "hashNext"));
    this.#swap(old, block);
  }

  /** Whatever leads to `old` leads to `block` from now on. */
  #swap(old: number, block: number): void {
    const hash = this.#blocks.word(old, "hash");
    const part = this.#parts[hash >>> 24] as Part;
    const bucket = bucketOf(part, hash);
    let before = part.buckets[bucket] as number;
    if (before === old) {
      part.buckets[bucket] = block;
      return;
    }
    while (this.#blocks.word(before, "hashNext") !== old) before = this.#blocks.word(before, "hashNext");
    this.#blocks.setWord(before, "hashNext", block);
  }

  /** Of the blocks whose keys may have that hash; 0 = none. */
  #firstOf(hash: number): number {
    const part = this.#parts[hash >>> 24];
    return part ? (part.buckets[bucketOf(part, hash)] as number) : 0;
  }
  #isOf(block: number, group: Uint8Array, hash: number): boolean {
    if (this.#blocks.word(block, "hash") !== hash || !this.#blocks.hasKey(block, group, false)) return false;
    const key = this.#blocks.key(block);
    return key.length === group.length || key[group.length] === SPACE;
  }

  #hang(part: Part, block: number, hash: number): void {
    const bucket = bucketOf(part, hash);
    this.#blocks.setWord(block, "hashNext", part.buckets[bucket] as number);
    part.buckets[bucket] = block;
  }

  #grow(part: Part): void {
    const old = part.buckets;
    part.buckets = new Uint32Array(2 * old.length);
    for (let block of old) {
      while (block !== 0) {
        const next = this.#blocks.word(block, "hashNext");
        this.#hang(part, block, this.#blocks.word(block, "hash"));
        block = next;
      }
    }
  }
}

const bucketOf = ({ buckets }: Part, hash: number): number => hash & (buckets.length - 1);
function hashOfGroup(key: Uint8Array): number {
  const space = key.indexOf(SPACE);
  return hashOf(space < 0 ? key : key.subarray(0, space));
}
