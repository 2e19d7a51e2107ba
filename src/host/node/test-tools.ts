import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

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

const PATIENCE_MS = 20_000;
const LOOK_EVERY_MS = 10;

/** Looks now and then until there is something, which is answered; throws when there is not within the tests' patience. */
export async function until<Found>(what: string, look: () => Found | Promise<Found>): Promise<Exclude<Found, false | undefined>> {
  const endMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found as Exclude<Found, false | undefined>;
    if (performance.now() > endMs) throw new Error(`Not within ${PATIENCE_MS} ms: ${what}`);
    await sleep(LOOK_EVERY_MS);
  }
}
