import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeClock } from "./clock.ts";

test("what is due at once comes on a later turn, in order, and may be cancelled; what is due later comes not before", async () => {
  const told: string[] = [];
  const nowMs = nodeClock.nowMs();
  await new Promise<void>((done) => {
    nodeClock.timer(nowMs + 5, () => {
      told.push(nodeClock.nowMs() >= nowMs + 5 ? "later" : "early");
      done();
    });
    for (const what of ["one", "two"]) nodeClock.timer(nowMs, () => told.push(what));
    nodeClock.timer(nowMs - 1, () => told.push("cancelled")).cancel();
    told.push("set");
  });
  assert.deepEqual(told, ["set", "one", "two", "later"]);
  assert.throws(() => nodeClock.timer(Number.NaN, () => undefined), RangeError);
});
