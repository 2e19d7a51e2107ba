import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_TIMERS } from "./timers.ts";
import { Unacked } from "./unacked.ts";

test("a 2xx is sent again after T1, doubling to T2, and given up at 64*T1 (RFC 3261 §13.3.1.4)", () => {
  const unacked = new Unacked(DEFAULT_TIMERS, 1_000);
  const resentMs: number[] = [];
  for (let nowMs = 1_000; ; nowMs = unacked.nextDeadlineMs) {
    const due = unacked.step(nowMs);
    if (due === "resend") resentMs.push(nowMs);
    if (due === "give-up") {
      assert.equal(nowMs, 33_000);
      break;
    }
  }
  assert.deepEqual(resentMs.slice(0, 6), [1_500, 2_500, 4_500, 8_500, 12_500, 16_500]);
});
