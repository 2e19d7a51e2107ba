import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import { simNetwork } from "#sim/index.ts";
import { Tries } from "./tries.ts";

function given() {
  const net = simNetwork(1);
  return { net, tries: new Tries(net.host("web", "127.0.0.1")) };
}
const use = (tries: Tries, source: string, times: number) => Array.from({ length: times }, () => tries.take(source));

test("Tries: a source has its number of tries in a minute (passwordTriesPerMinute), then a new minute", () => {
  const { net, tries } = given();
  assert.ok(use(tries, "a", LIMITS.passwordTriesPerMinute).every(Boolean));
  assert.deepEqual([tries.take("a"), tries.refused], [false, 1]);
  net.run(60_000);
  assert.equal(tries.take("a"), true);
});

test("Tries: the oldest source is forgotten when too many are counted (passwordTrySources)", () => {
  const { tries } = given();
  use(tries, "victim", LIMITS.passwordTriesPerMinute);
  for (let at = 1; at < LIMITS.passwordTrySources; at++) tries.take(`source ${at}`);
  assert.equal(tries.take("victim"), false, "still counted at the limit");
  tries.take("one more");
  assert.equal(tries.take("victim"), true);
});
