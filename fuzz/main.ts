import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { faultOf, hunt, keep } from "./hunt.ts";
import type { Target } from "./target.ts";
import { TARGETS } from "./targets.ts";

interface Flags {
  readonly seconds: number;
  readonly seed: number;
  readonly replay?: string;
}
const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** Hunts with each target; a find is kept, and the process exits with 1. */
function run(names: readonly string[], flags: Flags): void {
  for (const target of TARGETS.filter(({ name }) => names.length === 0 || names.includes(name)))
    if (flags.replay === undefined) huntFor(target, flags);
    else replay(target, flags.replay);
}

function huntFor(target: Target, { seconds, seed }: Flags): void {
  const startMs = performance.now();
  const { executions, violation } = hunt(target, seed, () => performance.now() - startMs < 1_000 * seconds);
  const perSec = Math.round((1_000 * executions) / (performance.now() - startMs));
  say(`${target.name}: seed ${seed}, ${executions} executions, ${perSec}/s${violation ? "" : ", nothing found"}`);
  if (!violation) return;
  const file = path.relative(process.cwd(), keep(target, violation.input));
  say(`  ${violation.fault.message}\n  npm run fuzz -- ${target.name} --replay ${file}`);
  process.exitCode = 1;
}

function replay(target: Target, file: string): void {
  const fault = faultOf(target, readFileSync(file));
  say(`${target.name}: ${fault?.stack ?? "every rule holds"}`);
  if (fault) process.exitCode = 1;
}

function number(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError("It is not a whole number.");
  return Number(text);
}

new Command("fuzz")
  .description(`Spoilt inputs for whatever reads what peers send. Targets: ${TARGETS.map(({ name }) => name).join(", ")}`)
  .argument("[target...]", "all where none is named", (name: string, before: readonly string[] = []) => {
    if (!TARGETS.some((target) => target.name === name)) throw new InvalidArgumentError("There is no such target.");
    return [...before, name];
  })
  .option("--seconds <n>", "for each target", number, 10)
  .option("--seed <n>", "what inputs are drawn from; a fresh one where it is not given", number, randomInt(2 ** 32))
  .option("--replay <file>", "this input alone")
  .action(run)
  .parse();
