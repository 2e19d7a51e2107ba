import { concat, NO_BYTES } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import { parseTsPacket, type TsPacket } from "../wire/ts.ts";

const PES_LENGTH_AT = 4; // in a PES packet (ISO/IEC 13818-1 §2.4.3.6): how much follows these six octets
const PES_PREFIX_BYTES = 6;

/**
 * Lets a stream that is cut off anywhere end where a decoder finds nothing broken: a PES packet of known length, as sound
 * has it, comes out whole or not at all, and what stands between its parts with it. Video's are unbounded and end anywhere.
 */
export class CleanEnd {
  readonly #missing = new Map<number, number>(); // PID → octets that its PES packet still lacks
  readonly #kept: Uint8Array[] = [];

  /** Whole TS packets in, which are its to keep; whole PES packets out. */
  packets(packets: Uint8Array): Uint8Array {
    let wholeEnd = this.#missing.size === 0 ? 0 : -1; // -1: nothing may leave yet
    for (let at = 0; at < packets.length; ) {
      const read = parseTsPacket(packets, at);
      if (read.status !== "ok") break; // the intake checks sync
      this.#look(packets, read.value);
      at += read.usedBytes;
      if (this.#missing.size === 0) wholeEnd = at;
    }
    if (lengthOf([...this.#kept, packets]) > LIMITS.cleanEndBytes) {
      this.#missing.clear(); // no stream of ours
      wholeEnd = packets.length;
    }
    const out = wholeEnd < 0 ? NO_BYTES : concat([...this.#kept.splice(0), packets.subarray(0, wholeEnd)]);
    this.#kept.push(packets.subarray(Math.max(0, wholeEnd)));
    return out;
  }

  #look(packets: Uint8Array, { pid, unitStart, payloadAt, payloadEnd }: TsPacket): void {
    const payloadBytes = payloadEnd - payloadAt;
    const missing = unitStart ? pesBytes(packets, payloadAt, payloadEnd) : this.#missing.get(pid);
    if (missing !== undefined && missing > payloadBytes) this.#missing.set(pid, missing - payloadBytes);
    else this.#missing.delete(pid);
  }
}

const lengthOf = (parts: readonly Uint8Array[]): number => parts.reduce((sum, { length }) => sum + length, 0);

/** Length of the PES packet that begins there; `undefined` where it is unbounded, or it is none. */
function pesBytes(bytes: Uint8Array, at: number, end: number): number | undefined {
  if (at + PES_PREFIX_BYTES > end || bytes[at] !== 0 || bytes[at + 1] !== 0 || bytes[at + 2] !== 1) return undefined;
  const following = ((bytes[at + PES_LENGTH_AT] ?? 0) << 8) | (bytes[at + PES_LENGTH_AT + 1] ?? 0);
  return following === 0 ? undefined : PES_PREFIX_BYTES + following;
}
