/** Files that somebody named: what is wrong with them is said in a sentence. */
import { readFileSync } from "node:fs";
import { text } from "#base/bytes.ts";
import { UsageError } from "./console.ts";

/** Reads a whole file. */
export function readFile(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UsageError(SENTENCES[code ?? ""]?.(file) ?? `Cannot read ${file}: ${message}.`);
  }
}
export const readText = (file: string): string => text(readFile(file));

const SENTENCES: Readonly<Record<string, (file: string) => string>> = {
  ENOENT: (file) => `There is no file ${file}.`,
  ENOTDIR: (file) => `There is no file ${file}.`,
  EISDIR: (file) => `${file} is a folder: name a file in it.`,
  EACCES: (file) => `${file} may not be read by who runs this.`,
};
