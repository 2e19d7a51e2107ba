import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeClock } from "./clock.ts";

test("what is due at once comes on a later turn, in order, and may be cancelled; what is due later comes not before", async () => {
  const told: string[] = [];
  const nowMs = nodeClock.nowMs();
  const laterMs = new Promise<number>((due) => nodeClock.timer(nowMs + 5, () => due(nodeClock.nowMs())));
  await new Promise<void>((done) => {
    for (const what of ["one", "two"]) nodeClock.timer(nowMs, () => told.push(what));
    nodeClock.timer(nowMs - 1, () => told.push("cancelled")).cancel();
    nodeClock.timer(nowMs, done);
    told.push("set");
  });
  assert.deepEqual(told, ["set", "one", "two"]);
  assert.ok((await laterMs) >= nowMs + 5);
  assert.throws(() => nodeClock.timer(Number.NaN, () => undefined), RangeError);
});
