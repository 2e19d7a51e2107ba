import assert from "node:assert/strict";
import { test } from "node:test";
import { platformClock } from "./clock.ts";

for (const { name, afterMs } of [
  { name: "a timer that the platform fires early waits for its time", afterMs: 1_000.5 },
  { name: "a timer may be longer than the platform's longest", afterMs: 2 ** 31 + 5_000 },
]) {
  test(name, (context) => {
    let nowMs = 100;
    context.mock.method(performance, "now", () => nowMs);
    context.mock.timers.enable({ apis: ["setTimeout"] });
    const firedAtMs: number[] = [];
    platformClock.timer(nowMs + afterMs, () => void firedAtMs.push(nowMs));
    const pass = (ms: number, platformMs = ms): void => {
      nowMs += ms;
      context.mock.timers.tick(Math.ceil(platformMs));
    };
    pass(afterMs - 2, afterMs);
    assert.deepEqual(firedAtMs, [], "the platform's timer was early");
    pass(2);
    assert.deepEqual(firedAtMs, [100 + afterMs]);
  });
}
