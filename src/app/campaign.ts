import { type ChildProcess, fork } from "node:child_process";
import { randomInt } from "node:crypto";
import { availableParallelism } from "node:os";
import path from "node:path";
import { type CampaignName, campaignOf, type Run, type AnyScript as Script } from "#sim/campaigns.ts";
import { showStep } from "#sim/faults/script.ts";
import { shrink } from "#sim/shrink.ts";
import type { SeedBatch, SeedResult } from "./campaign-worker.ts";
import { say, UsageError } from "./console.ts";
import { readText } from "./files.ts";

interface CampaignFlags {
  readonly seeds?: number;
  readonly from?: number;
  readonly minutes?: number;
  readonly jobs?: number;
  readonly seed?: number;
  readonly script?: string;
  readonly trace?: boolean;
  readonly json?: boolean;
}
interface Outcome {
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
const WORKER = path.join(import.meta.dirname, "campaign-worker.ts");

/** `sipcast simulate faults|tables`: many seeds, or one run again. */
export async function runCampaign(what: CampaignName, flags: CampaignFlags): Promise<void> {
  const { script: scriptOf, run } = campaignOf(what);
  if (flags.script !== undefined) return replay(what, readScript(flags.script), flags);
  if (flags.seed !== undefined) return replay(what, scriptOf(flags.seed), flags);
  const { failed, ...figures } = await runSeeds(what, flags);
  const shown = firstOfEachRule(failed).map(({ seed }) => shrink(scriptOf(seed), run));
  const seedsPerSec = Math.round((10 * figures.seeds) / figures.wallSec) / 10;
  if (flags.json) process.stdout.write(`${JSON.stringify({ ...figures, seedsPerSec, violations: failed, scripts: shown })}\n`);
  else {
    for (const script of shown) show(what, script, run(script));
    const { from, seeds, virtualHours, wallSec } = figures;
    process.stdout.write(`seeds ${from} to ${from + seeds - 1}: ${failed.length} broke a rule; `);
    process.stdout.write(`${virtualHours.toFixed(1)} virtual hours in ${wallSec.toFixed(1)} s, ${seedsPerSec} seeds/s\n`);
  }
  if (failed.length > 0) process.exitCode = 1;
}

function readScript(file: string): Script {
  const text = readText(file);
  let read: Partial<Script> | null;
  try {
    read = JSON.parse(text);
  } catch {
    throw new UsageError(`${file} is no JSON.`);
  }
  if (typeof read?.seed !== "number" || !Array.isArray(read.steps)) throw new UsageError(`${file} has no script of a run.`);
  return read as Script;
}

/** One script again, told step by step. */
function replay(what: CampaignName, script: Script, { trace = false, json = false }: CampaignFlags): void {
  const { ladder, ...run } = campaignOf(what).run(script, { ladder: trace });
  if (json) process.stdout.write(`${JSON.stringify({ script, ...run, ...(trace && { ladder: ladder.split("\n") }) })}\n`);
  else {
    if (trace) process.stdout.write(`${ladder}\n\n`);
    show(what, script, run);
  }
  if (run.violations.length > 0) process.exitCode = 1;
}

function show(what: CampaignName, script: Script, { violations, virtualMs, traceHash }: Omit<Run, "ladder">): void {
  const { seed, steps } = script;
  const told = violations.map(({ rule, what }) => `  ${rule}: ${what}`);
  const lines = [
    `seed ${seed}, ${campaignOf(what).about(script)}; replay: bin/sipcast simulate ${what} --seed ${seed}`,
    ...steps.map((step) => `  ${showStep(step)}`),
    ...(told.length > 0 ? [`at ${(virtualMs / 1_000).toFixed(2)} s`, ...told, JSON.stringify(script)] : ["  no rule is broken"]),
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
async function runSeeds(
  what: CampaignName,
  { seeds, from = randomInt(FRESH_SEEDS), minutes, jobs, json }: CampaignFlags,
): Promise<Outcome> {
  const wanted = seeds ?? (minutes === undefined ? DEFAULT_SEEDS : Infinity);
  const startedMs = performance.now();
  const elapsedSec = (): number => (performance.now() - startedMs) / 1_000;
  const results: SeedResult[] = [];
  let given = 0;
  const next = (): SeedBatch | undefined => {
    const count = Math.min(BATCH_SEEDS, wanted - given);
    if (count <= 0 || elapsedSec() >= (minutes ?? Infinity) * 60) return undefined;
    given += count;
    return { what, from: from + given - count, count };
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
