/** Two 32-bit FNV-1a lanes over everything that happened, in order. Cheap; not for secrets. */
export class TraceHash {
  #a = 0x811c9dc5;
  #b = 0x1b873593;
  readonly #number = new DataView(new ArrayBuffer(8));

  bytes(bytes: Uint8Array): void {
    let a = this.#a;
    let b = this.#b;
    for (let at = 0; at < bytes.length; at++) {
      const octet = bytes[at] as number;
      a = Math.imul(a ^ octet, 0x01000193);
      b = Math.imul(b ^ octet, 0x5bd1e995) ^ (b >>> 15);
    }
    this.#a = a;
    this.#b = b;
  }

  number(value: number): void {
    this.#number.setFloat64(0, value);
    this.bytes(new Uint8Array(this.#number.buffer));
  }

  text(text: string): void {
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      this.#a = Math.imul(this.#a ^ unit, 0x01000193);
      this.#b = Math.imul(this.#b ^ unit, 0x5bd1e995) ^ (this.#b >>> 15);
    }
  }

  /** 16 hex digits. */
  toString(): string {
    return [this.#a, this.#b].map((lane) => (lane >>> 0).toString(16).padStart(8, "0")).join("");
  }
}
