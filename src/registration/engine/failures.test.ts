import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import { Failures } from "./failures.ts";

test("a source is refused after its failures, until the window is over", () => {
  const failures = new Failures(2);
  assert.deepEqual(
    [1, 2, 3].map(() => failures.begin("a", 0)),
    [true, true, false],
  );
  assert.equal(failures.begin("a", LIMITS.signInWindowMs - 1), false);
  assert.equal(failures.begin("a", LIMITS.signInWindowMs), true);
});

test("a try that succeeded does not count", () => {
  const failures = new Failures(1);
  for (let tries = 0; tries < 3; tries++) {
    assert.ok(failures.begin("a", 0));
    failures.undo("a");
  }
  failures.undo("never began");
});

test("above signInSources the oldest source is forgotten", () => {
  const failures = new Failures(1);
  for (let at = 0; at < LIMITS.signInSources; at++) failures.begin(`${at}`, 0);
  assert.equal(failures.begin("0", 0), true, "forgotten to make room");
  assert.equal(failures.begin(`${LIMITS.signInSources - 1}`, 0), false);
});
