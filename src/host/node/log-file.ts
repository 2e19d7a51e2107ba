import { createReadStream } from "node:fs";
import { concat, NO_BYTES, utf8 } from "#base/bytes.ts";
import { StorageError } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";
import { crc32c } from "./crc32c.ts";

/** What a log's file begins with: a name, and the version of what follows. */
export const HEADER: Uint8Array = utf8("sipclog1");

const FRAME_HEAD_OCTETS = 8;

const LEAST_BUFFER_OCTETS = 4096;

/** Records on their way to a file: each its length and CRC-32C, 32 bits each in network order, then its octets. */
export class Frames {
  #buffer: Uint8Array = NO_BYTES;
  #view = new DataView(this.#buffer.buffer);
  #octets = 0;

  get octets(): number {
    return this.#octets;
  }

  /** Copies the record: the caller may reuse its octets. */
  add(record: Uint8Array): void {
    if (record.length > LIMITS.logRecordBytes) throw new RangeError(`Cannot log a record of ${record.length} octets`);
    const at = this.#octets;
    this.#grow(at + FRAME_HEAD_OCTETS + record.length);
    this.#view.setUint32(at, record.length);
    this.#view.setUint32(at + 4, crc32c(record));
    this.#buffer.set(record, at + FRAME_HEAD_OCTETS);
    this.#octets = at + FRAME_HEAD_OCTETS + record.length;
  }

  /** What was added since the last time. */
  take(): Uint8Array {
    const taken = this.#buffer.subarray(0, this.#octets);
    this.#buffer = NO_BYTES;
    this.#octets = 0;
    return taken;
  }

  #grow(octets: number): void {
    if (octets <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(LEAST_BUFFER_OCTETS, octets, 2 * this.#buffer.length));
    grown.set(this.#buffer.subarray(0, this.#octets));
    this.#buffer = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** The first record of these octets, or why there is none: they are too few, or they are wrong. */
function firstRecord(bytes: Uint8Array): Uint8Array | "short" | "torn" {
  if (bytes.length < FRAME_HEAD_OCTETS) return "short";
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const length = view.getUint32(0);
  if (length > LIMITS.logRecordBytes) return "torn";
  if (bytes.length < FRAME_HEAD_OCTETS + length) return "short";
  const record = bytes.subarray(FRAME_HEAD_OCTETS, FRAME_HEAD_OCTETS + length);
  return crc32c(record) === view.getUint32(4) ? record : "torn";
}

/** What a log's file holds. */
export interface Extent {
  /** Up to the end of the last record that was read. */
  readonly wholeBytes: number;
  /** Behind it, to the end of the file. */
  readonly tornBytes: number;
  /** Those are more than the torn end of a last write: whole records are among them, or there are too many (`logTornBytes`). */
  readonly isDamaged: boolean;
}

/**
 * Reads a log's file: every whole record up to the first that is not, then `done`. Throws a StorageError for a file that is no log
 * of this version: it is not ours to cut.
 */
export function readFrames(path: string, record: (bytes: Uint8Array) => void, done: (extent: Extent) => void): void {
  let rest: Uint8Array = NO_BYTES;
  let wholeBytes = 0;
  let readBytes = 0;
  let torn = false;
  const stream = createReadStream(path, { highWaterMark: 1024 * 1024 });
  stream.on("data", (chunk) => {
    readBytes += chunk.length;
    if (torn && readBytes - wholeBytes > LIMITS.logTornBytes) return;
    rest = concat([rest, chunk as Buffer]);
    if (torn) return;
    if (wholeBytes === 0) {
      if (rest.length < HEADER.length) return;
      if (!isHeader(rest.subarray(0, HEADER.length))) throw noLog(path);
      wholeBytes = HEADER.length;
      rest = rest.subarray(HEADER.length);
    }
    let next = firstRecord(rest);
    for (; typeof next !== "string"; next = firstRecord(rest)) {
      record(next.slice());
      wholeBytes += FRAME_HEAD_OCTETS + next.length;
      rest = rest.subarray(FRAME_HEAD_OCTETS + next.length);
    }
    torn = next === "torn";
  });
  stream.on("end", () => {
    const tornBytes = readBytes - wholeBytes;
    done({ wholeBytes, tornBytes, isDamaged: tornBytes > LIMITS.logTornBytes || hasRecordBehind(rest) });
  });
  stream.on("error", (error) => {
    throw new StorageError("failed", `Cannot read the log ${path}: ${error.message}`, error);
  });
}

/** Whether these octets are the header of a log of this version, or begin it. */
export const isHeader = (bytes: Uint8Array): boolean => bytes.every((octet, at) => octet === HEADER[at]);
const noLog = (path: string): StorageError =>
  new StorageError("unusable", `Cannot use ${path}: it is no log of this version of sipcast.`);

/** An empty record does not count: a disk's zeroes read like one. */
function hasRecordBehind(torn: Uint8Array): boolean {
  for (let at = 1; at + FRAME_HEAD_OCTETS < torn.length; at++) {
    const record = firstRecord(torn.subarray(at));
    if (typeof record !== "string" && record.length > 0) return true;
  }
  return false;
}
