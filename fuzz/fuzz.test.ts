import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { text } from "#base/bytes.ts";
import { faultOf, hunt, keptInputs } from "./hunt.ts";
import { type Target, words } from "./target.ts";
import { TARGETS } from "./targets.ts";

const SEED = 1;
const EXECUTIONS = 200;

for (const target of TARGETS) {
  test(`fuzz: ${target.name} holds its rules for every input that once broke one`, () => {
    for (const file of keptInputs(target)) assert.ifError(faultOf(target, readFileSync(file)));
  });
  test(`fuzz: ${target.name} holds its rules for its seeds and ${EXECUTIONS} inputs of seed ${SEED}`, () => {
    for (const seed of target.seeds) assert.ifError(faultOf(target, seed));
    const { executions, violation } = hunt(target, SEED, (done) => done < EXECUTIONS);
    assert.ifError(violation?.fault);
    assert.equal(executions, EXECUTIONS);
  });
}

test("fuzz: a canary that breaks its rule is found, and what broke it is made small", () => {
  const canary: Target = {
    name: "canary",
    seeds: words("the mine is safe, all is well"),
    tokens: words("gas"),
    run: (bytes) => assert.ok(!text(bytes).includes("gas")),
  };
  const { violation } = hunt(canary, SEED, (done) => done < 10_000);
  assert.equal(violation && text(violation.input), "gas");
});
