/** Files that somebody named: what is wrong with them is said in a sentence. */
import { readFileSync } from "node:fs";
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
export function readText(file: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(readFile(file));
  } catch (error) {
    throw error instanceof TypeError ? new UsageError(`${file} is no text: not all of it is UTF-8.`) : error;
  }
}

const SENTENCES: Readonly<Record<string, (file: string) => string>> = {
  ENOENT: (file) => `There is no file ${file}.`,
  ENOTDIR: (file) => `There is no file ${file}.`,
  EISDIR: (file) => `${file} is a folder: name a file in it.`,
  EACCES: (file) => `${file} may not be read by who runs this.`,
};
