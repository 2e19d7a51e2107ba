import { createReadStream } from "node:fs";
import { concat, NO_BYTES, utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import { crc32c } from "./crc32c.ts";

/** What a log's file begins with: a name, and the version of what follows. */
export const HEADER: Uint8Array = utf8("sipclog1");

const FRAME_HEAD_OCTETS = 8;

/** Length and CRC-32C of the record, 32 bits each in network order, then the record. */
export function frame(record: Uint8Array): Uint8Array {
  if (record.length > LIMITS.logRecordBytes) throw new RangeError(`Cannot log a record of ${record.length} octets`);
  const framed = new Uint8Array(FRAME_HEAD_OCTETS + record.length);
  const view = new DataView(framed.buffer);
  view.setUint32(0, record.length);
  view.setUint32(4, crc32c(record));
  framed.set(record, FRAME_HEAD_OCTETS);
  return framed;
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

/**
 * Reads a log's file: every whole record, then `done` with the octets up to the end of the last of them, and those after.
 * Throws for a file that is no log of this version: it is not ours to cut.
 */
export function readFrames(
  path: string,
  record: (bytes: Uint8Array) => void,
  done: (wholeBytes: number, tornBytes: number) => void,
): void {
  let rest: Uint8Array = NO_BYTES;
  let wholeBytes = 0;
  let readBytes = 0;
  let torn = false;
  const stream = createReadStream(path, { highWaterMark: 1024 * 1024 });
  stream.on("data", (chunk) => {
    readBytes += chunk.length;
    if (torn) return;
    rest = concat([rest, chunk as Buffer]);
    if (wholeBytes === 0) {
      if (rest.length < HEADER.length) return;
      if (HEADER.some((octet, at) => rest[at] !== octet)) throw new Error(`Cannot read ${path}: it is no log of this version`);
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
  stream.on("end", () => done(wholeBytes, readBytes - wholeBytes));
  stream.on("error", (error) => {
    throw error;
  });
}
