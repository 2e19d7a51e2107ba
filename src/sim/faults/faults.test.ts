import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { Random } from "../random.ts";
import { shrink } from "../shrink.ts";
import { faultScript } from "./generate.ts";
import { type FaultRun, type RunOptions, runFaultScript } from "./run.ts";
import { type FaultScript, showStep } from "./script.ts";

const KEPT = path.resolve(import.meta.dirname, "../../../testdata/faults");
const SEEDS = 40;
/** The canary is to be found within so many. */
const CANARY_SEEDS = 150;

const told = ({ violations, virtualMs }: FaultRun): string =>
  violations.map(({ rule, what }) => `${virtualMs} ms: ${rule}: ${what}`).join("\n");

test("no rule is broken by what people do and by what goes wrong (DESIGN §5)", (context) => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const run = runFaultScript(faultScript(seed));
    if (run.violations.length > 0) context.diagnostic(`seed ${seed}; replay: npm run sim -- --seed ${seed}`);
    assert.equal(told(run), "");
  }
});

test("a seed says everything that happens", () => {
  for (const seed of [1, 2, 3]) {
    const [first, again] = [1, 2].map(() => runFaultScript(faultScript(seed)).traceHash);
    assert.equal(first, again, `seed ${seed}`);
  }
});

for (const file of readdirSync(KEPT)) {
  test(`what once broke a rule does so no more: ${file}`, () => {
    const script = JSON.parse(readFileSync(path.join(KEPT, file), "utf8")) as FaultScript;
    assert.equal(told(runFaultScript(script)), "");
  });
}

/** An edge that forgets one DRQ in twenty; of what they were for, most is missed later, and freed. */
const forgetful = (seed: number): RunOptions => {
  const random = new Random(seed, "forgetful");
  return {
    tamper: ({ edge }) => {
      const onDelete = edge.onDelete.bind(edge);
      edge.onDelete = (...deleted) => {
        if (random.next() % 20 > 0) onDelete(...deleted);
      };
    },
  };
};

test("canary: an edge that forgets one DRQ in twenty is found out, and its script shrinks", (context) => {
  const runForgetful = (script: FaultScript): FaultRun => runFaultScript(script, forgetful(script.seed));
  for (let seed = 1; seed <= CANARY_SEEDS; seed++) {
    const script = faultScript(seed);
    const run = runForgetful(script);
    if (run.violations.length === 0) continue;
    const short = shrink(script, runForgetful);
    context.diagnostic([`seed ${seed}: ${told(run)}`, ...short.steps.map(showStep)].join("\n"));
    assert.ok(short.steps.length <= script.steps.length / 2, `${short.steps.length} of ${script.steps.length} steps are left`);
    assert.equal(runForgetful(short).violations[0]?.rule, run.violations[0]?.rule);
    return;
  }
  assert.fail(`not found within ${CANARY_SEEDS} seeds`);
});

test("a script that breaks nothing is left as it is", () => {
  const script = faultScript(1);
  assert.equal(shrink(script, runFaultScript), script);
});
