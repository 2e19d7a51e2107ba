import { concat, NO_BYTES } from "#base/bytes.ts";
import type { Decoded } from "#base/errors.ts";
import { MAX_SECTION_BYTES, sectionEnd } from "../wire/psi.ts";
import { TS_PACKET_BYTES, type TsPacket } from "../wire/ts.ts";

/** Pointer field and section, at most, are so long. */
const MAX_COLLECTED_BYTES = 256 + MAX_SECTION_BYTES;

/**
 * The tables of one PID: collects a section over its TS packets and keeps the packets of the last one that could be read.
 * `T` is PAT or PMT.
 */
export class SectionCollector<T> {
  /** Last table read. */
  table: T | undefined;
  /** Whole TS packets that carry it, in buffers of their own; empty before the first. */
  packets: Uint8Array = NO_BYTES;
  readonly #parse: (section: Uint8Array) => Decoded<T>;
  #parts: Uint8Array[] = []; // packets of the section under way
  #payload: Uint8Array = NO_BYTES;

  constructor(parse: (section: Uint8Array) => Decoded<T>) {
    this.#parse = parse;
  }

  /** Takes the next packet of the PID. True where it completes a table that could be read. */
  push(bytes: Uint8Array, packet: TsPacket): boolean {
    if (packet.unitStart) this.#forget();
    else if (this.#parts.length === 0) return false;
    this.#parts.push(bytes.slice(packet.at, packet.at + TS_PACKET_BYTES));
    this.#payload = concat([this.#payload, bytes.subarray(packet.payloadAt, packet.payloadEnd)]);
    const end = sectionEnd(this.#payload);
    if (end !== undefined && end > MAX_COLLECTED_BYTES) this.#forget();
    if (end === undefined || end > this.#payload.length) return false;
    const read = this.#parse(this.#payload.subarray(1 + (this.#payload[0] ?? 0), end));
    if (read.status === "ok") {
      this.table = read.value;
      this.packets = concat(this.#parts);
    }
    this.#forget();
    return read.status === "ok";
  }

  #forget(): void {
    this.#parts = [];
    this.#payload = NO_BYTES;
  }
}
