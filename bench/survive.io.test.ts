/** The short form of `npm run bench -- survive`. */
import assert from "node:assert/strict";
import os from "node:os";
import { test } from "node:test";
import { benchSurvive } from "./survive.ts";

/** Three kills: every server, and two at once. */
const SEED = 116;

test("what servers promised before they were killed is what they have when they are back (DESIGN §5)", async () => {
  const options = {
    seed: SEED,
    seconds: 5,
    users: 100,
    everySec: { least: 1.5, most: 2.4 },
    nats: false,
    folder: os.tmpdir(),
    basePort: 27_000,
  };
  const said: string[] = [];
  const figures = await benchSurvive(options, (line) => said.push(line));
  assert.deepEqual(figures.faults, [], `${said.join(", ")}`);
  assert.ok(said.length >= 2 && figures.acknowledged > 100, JSON.stringify(figures));
});
