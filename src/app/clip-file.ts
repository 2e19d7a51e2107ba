import { readFileSync } from "node:fs";
import { type Clip, readClip } from "#media/index.ts";
import { UsageError } from "./console.ts";

/** Reads a whole file; what is wrong with it is said in a sentence. */
export function readFile(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new UsageError(code === "ENOENT" ? `There is no file ${file}.` : `Cannot read ${file}: ${(error as Error).message}`);
  }
}

/** Reads a whole MPEG-TS file. */
export function readClipFile(file: string): Clip {
  const read = readClip(readFile(file));
  if (read.status === "bad") throw new UsageError(`${file} cannot be broadcast. ${read.fault.message}`);
  return read.clip;
}
