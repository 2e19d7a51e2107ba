/**
 * A seeded stream of random bits: sfc32 (Chris Doty-Humphrey's small fast counting generator, public domain), started
 * from seed and label, so that one stream's draws never change another's. Not for secrets.
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number, label: string) {
    let hash = 0x811c9dc5; // FNV-1a
    for (const char of label) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193);
    this.#a = seed | 0;
    this.#b = Math.floor(seed / 2 ** 32) | 0;
    this.#c = hash;
    for (let i = 0; i < 16; i++) this.next();
  }

  /** 0..2^32-1. */
  next(): number {
    const out = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + out) | 0;
    return out >>> 0;
  }

  /** 0 ≤ share < 1. */
  share(): number {
    return this.next() / 2 ** 32;
  }

  bytes(octets: number): Uint8Array {
    const out = new Uint8Array(octets);
    for (let at = 0; at < octets; at++) out[at] = this.next();
    return out;
  }
}
