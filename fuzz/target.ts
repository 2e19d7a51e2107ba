import { readFileSync } from "node:fs";
import path from "node:path";
import { utf8 } from "#base/bytes.ts";

/** Something that reads what peers send, and what must hold whatever they send. */
export interface Target {
  readonly name: string;
  /** Good inputs, to be spoilt. */
  readonly seeds: readonly Uint8Array[];
  /** What its grammar is made of. */
  readonly tokens: readonly Uint8Array[];
  /** Reads the octets; throws where a rule does not hold. Deterministic. */
  run(bytes: Uint8Array): void;
}

export const TESTDATA = path.resolve(import.meta.dirname, "..", "testdata");
export const fromFile = (...names: string[]): Uint8Array => Uint8Array.from(readFileSync(path.join(TESTDATA, ...names)));
export const words = (...texts: string[]): Uint8Array[] => texts.map(utf8);

/** Cut into pieces of 1 to 64 octets: where, the octets themselves say. */
export function pieces(bytes: Uint8Array): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += out.at(-1)?.length ?? 1)
    out.push(bytes.subarray(at, at + 1 + ((bytes[at] ?? 0) & 0x3f)));
  return out;
}
