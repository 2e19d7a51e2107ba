import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import type { TestContext } from "node:test";

/**
 * Whether the program is on this machine, for a test that runs it against ours. Without it the test is skipped, visibly;
 * with CI=true it fails.
 */
export function toolOrSkip(t: TestContext, name: string): boolean {
  const found = spawnSync("sh", ["-c", 'command -v -- "$1"', "sh", name]).status === 0;
  if (found) return true;
  assert.notEqual(process.env["CI"], "true", `${name} is not installed`);
  t.skip(`${name} is not installed`);
  return false;
}
