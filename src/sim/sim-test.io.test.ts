import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";

/** The output of a test file with one failing simulated test. */
function outputOf(seed: string | undefined): Promise<string> {
  const program = `
    import { simTest } from "#sim/index.ts";
    simTest("one that fails", (net) => { if (net.seed !== 1) throw new Error("fault of seed " + net.seed); });`;
  const { SIPCAST_SEED: _, NODE_TEST_CONTEXT: __, ...env } = process.env;
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ["--test-reporter=spec", "--input-type=module-typescript", "--eval", program],
      { env: { ...env, ...(seed !== undefined && { SIPCAST_SEED: seed }) }, cwd: import.meta.dirname },
      (_error, stdout) => resolve(stdout),
    );
  });
}

test("a failing simulated test says its seed and how to replay it; SIPCAST_SEED runs that seed alone", async () => {
  const first = await outputOf(undefined);
  assert.match(first, /seed 2; replay: SIPCAST_SEED=2 npm test -- --test-name-pattern="one that fails"/);
  assert.match(first, /fault of seed 2/);
  assert.match(await outputOf("77"), /fault of seed 77/);
  assert.match(await outputOf("1"), /pass 1/);
  assert.match(await outputOf("x"), /SIPCAST_SEED is "x"/);
});
