import { type ChildProcess, fork } from "node:child_process";
import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";
import { faultScript } from "#sim/faults/generate.ts";
import { type FaultRun, runFaultScript } from "#sim/faults/run.ts";
import { type FaultScript, showStep } from "#sim/faults/script.ts";
import { shrink } from "#sim/faults/shrink.ts";
import { say, UsageError } from "./console.ts";
import type { SeedBatch, SeedResult } from "./faults-worker.ts";

interface FaultsFlags {
  readonly seeds?: number;
  readonly from?: number;
  readonly minutes?: number;
  readonly jobs?: number;
  readonly seed?: number;
  readonly script?: string;
  readonly trace?: boolean;
  readonly json?: boolean;
}
interface Campaign {
  readonly from: number;
  readonly seeds: number;
  readonly failed: readonly SeedResult[];
  readonly virtualHours: number;
  readonly wallSec: number;
}

const DEFAULT_SEEDS = 1_000;
/** Fresh seeds begin below this: they are typed by people. */
const FRESH_SEEDS = 1_000_000_000;
/** What a worker takes at once: about a second of work. */
const BATCH_SEEDS = 25;
/** Broken seeds that are shrunk and printed: the first of each rule. */
const SHOWN_RULES = 3;
const WORKER = path.join(import.meta.dirname, "faults-worker.ts");

/** `sipcast simulate faults`: many seeds, or one run again. */
export async function runFaults(flags: FaultsFlags): Promise<void> {
  if (flags.script !== undefined) return replay(readScript(flags.script), flags);
  if (flags.seed !== undefined) return replay(faultScript(flags.seed), flags);
  const campaign = await runSeeds(flags);
  const { failed, ...figures } = campaign;
  const shown = firstOfEachRule(failed).map(({ seed }) => shrink(faultScript(seed), runFaultScript));
  const seedsPerSec = Math.round((10 * figures.seeds) / figures.wallSec) / 10;
  if (flags.json) process.stdout.write(`${JSON.stringify({ ...figures, seedsPerSec, violations: failed, scripts: shown })}\n`);
  else {
    for (const script of shown) show(script, runFaultScript(script));
    const { from, seeds, virtualHours, wallSec } = figures;
    process.stdout.write(`seeds ${from} to ${from + seeds - 1}: ${failed.length} broke a rule; `);
    process.stdout.write(`${virtualHours.toFixed(1)} virtual hours in ${wallSec.toFixed(1)} s, ${seedsPerSec} seeds/s\n`);
  }
  if (failed.length > 0) process.exitCode = 1;
}

function readScript(file: string): FaultScript {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as FaultScript;
  } catch (error) {
    throw new UsageError(`Cannot read ${file}: ${(error as Error).message}`);
  }
}

/** One script again, told step by step. */
function replay(script: FaultScript, { trace = false, json = false }: FaultsFlags): void {
  const { ladder, ...run } = runFaultScript(script, { ladder: trace });
  if (json) process.stdout.write(`${JSON.stringify({ script, ...run, ...(trace && { ladder: ladder.split("\n") }) })}\n`);
  else {
    if (trace) process.stdout.write(`${ladder}\n\n`);
    show(script, { ...run, ladder });
  }
  if (run.violations.length > 0) process.exitCode = 1;
}

function show(script: FaultScript, { violations, atMs, traceHash }: FaultRun): void {
  const { seed, coreKbps, accessKbps, steps } = script;
  const told = violations.map(({ rule, what }) => `  ${rule}: ${what}`);
  const lines = [
    `seed ${seed}, core ${coreKbps} kbit/s, access ${accessKbps} kbit/s; replay: npm run sim -- --seed ${seed}`,
    ...steps.map((step) => `  ${showStep(step)}`),
    ...(told.length > 0 ? [`at ${(atMs / 1_000).toFixed(2)} s`, ...told, JSON.stringify(script)] : ["  no rule is broken"]),
    `  trace hash ${traceHash}`,
  ];
  process.stdout.write(`${lines.join("\n")}\n\n`);
}

function firstOfEachRule(failed: readonly SeedResult[]): readonly SeedResult[] {
  const byRule = new Map<string, SeedResult>();
  for (const result of failed) {
    const rule = result.violations[0]?.rule ?? "";
    if (!byRule.has(rule)) byRule.set(rule, result);
  }
  return [...byRule.values()].slice(0, SHOWN_RULES);
}

/** Seeds in order, on every core, until there are enough or the time is over. */
async function runSeeds({ seeds, from = randomInt(FRESH_SEEDS), minutes, jobs, json }: FaultsFlags): Promise<Campaign> {
  const wanted = seeds ?? (minutes === undefined ? DEFAULT_SEEDS : Infinity);
  const startedMs = performance.now();
  const elapsedSec = (): number => (performance.now() - startedMs) / 1_000;
  const results: SeedResult[] = [];
  let given = 0;
  const next = (): SeedBatch | undefined => {
    const count = Math.min(BATCH_SEEDS, wanted - given);
    if (count <= 0 || elapsedSec() >= (minutes ?? Infinity) * 60) return undefined;
    given += count;
    return { from: from + given - count, count };
  };
  say(`seeds from ${from}`);
  const done = (batch: readonly SeedResult[]): void => {
    results.push(...batch);
    const failures = results.filter(({ violations }) => violations.length > 0).length;
    if (!json && process.stderr.isTTY) process.stderr.write(`\r${results.length} seeds, ${failures} broke a rule`);
  };
  await Promise.all(Array.from({ length: jobs ?? availableParallelism() }, () => runWorker(next, done)));
  if (!json && process.stderr.isTTY) process.stderr.write("\n");
  const failed = results.filter(({ violations }) => violations.length > 0).sort((a, b) => a.seed - b.seed);
  const virtualHours = results.reduce((sum, { virtualMs }) => sum + virtualMs, 0) / 3_600_000;
  return { from, seeds: results.length, failed, virtualHours, wallSec: elapsedSec() };
}

/** One process that takes batches until there are none. */
function runWorker(next: () => SeedBatch | undefined, done: (results: readonly SeedResult[]) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker: ChildProcess = fork(WORKER);
    const give = (): void => {
      const batch = next();
      if (batch) worker.send(batch);
      else worker.disconnect();
    };
    worker.on("message", (results) => {
      done(results as SeedResult[]);
      give();
    });
    worker.on("error", reject);
    worker.on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`A worker ended with ${code}`))));
    give();
  });
}
