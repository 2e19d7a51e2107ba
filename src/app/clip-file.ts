import { type Clip, readClip } from "#media/index.ts";
import { UsageError } from "./console.ts";
import { readFile } from "./files.ts";

/** Reads a whole MPEG-TS file. */
export function readClipFile(file: string): Clip {
  const read = readClip(readFile(file));
  if (read.status === "bad") throw new UsageError(`${file} cannot be broadcast. ${read.fault.message}`);
  return read.clip;
}
