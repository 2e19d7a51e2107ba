import { readFileSync } from "node:fs";
import { type Clip, readClip } from "#media/index.ts";
import { UsageError } from "./console.ts";

/** Reads a whole MPEG-TS file; what is wrong with it is said in a sentence. */
export function readClipFile(file: string): Clip {
  let octets: Uint8Array;
  try {
    octets = readFileSync(file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new UsageError(code === "ENOENT" ? `There is no file ${file}.` : `Cannot read ${file}: ${(error as Error).message}`);
  }
  const read = readClip(octets);
  if (read.status === "bad") throw new UsageError(`${file} cannot be broadcast. ${read.fault.message}`);
  return read.clip;
}
