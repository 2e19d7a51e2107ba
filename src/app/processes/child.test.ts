import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import { restartDelayMs } from "./child.ts";

const { processRestartLeastMs: least, processRestartMostMs: most } = LIMITS;
const CASES: { name: string; ranMs: readonly number[]; wants: readonly number[] }[] = [
  {
    name: "twice as late each time, up to the longest",
    ranMs: [0, 0, 0, 0, 0, 0, 0],
    wants: [least, 2 * least, 4 * least, 8 * least, 16 * least, most, most],
  },
  {
    name: "as at first once it ran as long as the longest",
    ranMs: [0, 0, most - 1, most, 0],
    wants: [500, 1_000, 2_000, 500, 1_000],
  },
];
for (const { name, ranMs, wants } of CASES)
  test(`a process that ends is started again ${name}`, () => {
    let delayMs = 0;
    const delays = ranMs.map((ms) => {
      delayMs = restartDelayMs(delayMs, ms);
      return delayMs;
    });
    assert.deepEqual(delays, wants);
  });
