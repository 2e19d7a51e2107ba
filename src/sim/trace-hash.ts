/** Two lanes of 32 bits over everything that happened, in order, four octets at a step. Cheap; not for secrets. */
export class TraceHash {
  #a = 0x811c9dc5;
  #b = 0x1b873593;
  readonly #number = new DataView(new ArrayBuffer(8));
  readonly #octetsOfNumber = new Uint8Array(this.#number.buffer);

  bytes(bytes: Uint8Array): void {
    const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const wholeOctets = bytes.length & ~3;
    for (let at = 0; at < wholeOctets; at += 4) this.#take(words.getInt32(at));
    for (let at = wholeOctets; at < bytes.length; at++) this.#take(bytes[at] as number);
  }

  number(value: number): void {
    this.#number.setFloat64(0, value);
    this.bytes(this.#octetsOfNumber);
  }

  text(text: string): void {
    for (let at = 0; at < text.length; at++) this.#take(text.charCodeAt(at));
  }

  /** FNV-1a's step, its upper bits folded in. */
  #take(word: number): void {
    this.#a = Math.imul(this.#a ^ word, 0x01000193) ^ (this.#a >>> 15);
    this.#b = Math.imul(this.#b ^ word, 0x5bd1e995) ^ (this.#b >>> 15);
  }

  /** 16 hex digits. */
  toString(): string {
    return [this.#a, this.#b].map((lane) => (lane >>> 0).toString(16).padStart(8, "0")).join("");
  }
}
