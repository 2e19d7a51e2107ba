import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Random } from "#sim/random.ts";
import { mutate } from "./mutate.ts";
import { type Target, TESTDATA } from "./target.ts";

/** An input that breaks a rule, and the rule. */
export interface Violation {
  readonly input: Uint8Array;
  readonly fault: Error;
}
export interface Hunt {
  readonly executions: number;
  readonly violation: Violation | undefined;
}

/** One reading that takes longer is a violation: somebody can have us do that all day. ms. */
const SLOW_MS = 1_000;
/** Readings at most while an input is made smaller. */
const SHRINK_RUNS = 5_000;

/** Runs the target on inputs drawn from the seed for as long as `goOn`, or until one breaks a rule. */
export function hunt(target: Target, seed: number, goOn: (executions: number) => boolean): Hunt {
  const random = new Random(seed, target.name);
  const seeds = [...target.seeds, ...keptInputs(target).map((file) => readFileSync(file))];
  let executions = 0;
  while (goOn(executions++)) {
    const input = mutate(random, seeds, target.tokens);
    const fault = faultOf(target, input);
    if (fault) return { executions, violation: { input: shrink(target, input), fault } };
  }
  return { executions: executions - 1, violation: undefined };
}

/** What the target throws for a copy of the input, or that it was slow. */
export function faultOf(target: Target, input: Uint8Array): Error | undefined {
  const startMs = performance.now();
  try {
    target.run(input.slice());
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
  const tookMs = performance.now() - startMs;
  return tookMs > SLOW_MS ? new Error(`It took ${Math.round(tookMs)} ms`) : undefined;
}

/** As few octets as still break a rule: pieces are left out, half of the input first, then ever smaller ones. */
function shrink(target: Target, input: Uint8Array): Uint8Array {
  let least = [...input];
  let runs = 0;
  for (let size = Math.ceil(least.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < least.length && runs < SHRINK_RUNS; runs++) {
      const fewer = least.toSpliced(at, size);
      if (faultOf(target, Uint8Array.from(fewer))) least = fewer;
      else at += size;
    }
  }
  return Uint8Array.from(least);
}

const folderOf = (target: Target): string => path.join(TESTDATA, "fuzz", target.name);

/** Files of inputs that broke a rule once. */
export function keptInputs(target: Target): readonly string[] {
  const folder = folderOf(target);
  return existsSync(folder) ? readdirSync(folder).map((name) => path.join(folder, name)) : [];
}

/** Keeps an input for the tests; answers its file. */
export function keep(target: Target, input: Uint8Array): string {
  const file = path.join(folderOf(target), createHash("sha256").update(input).digest("hex").slice(0, 12));
  mkdirSync(folderOf(target), { recursive: true });
  writeFileSync(file, input);
  return file;
}
