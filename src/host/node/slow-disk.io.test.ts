import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { utf8 } from "#base/bytes.ts";
import { nodeHost } from "./index.ts";
import { slowDisk } from "./test-slow-disk.ts";

const FLUSH_MS = 20;
const ROUNDS = 10;
/** Of the event loop, while one flush is under way: in 20 ms there is room for thousands. */
const LEAST_TURNS = 20;

test("an event loop does not wait for a slow disk, a record does (DESIGN §4)", async (t) => {
  const logDirectory = mkdtempSync(path.join(os.tmpdir(), "sipcast-log-"));
  t.after(() => rmSync(logDirectory, { recursive: true }));
  t.after(slowDisk(FLUSH_MS));
  const log = nodeHost({ logDirectory }).log("rows");
  await new Promise<void>((replayed) =>
    log.replay(
      () => undefined,
      () => replayed(),
    ),
  );
  const turns: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const startMs = performance.now();
    const ticket = log.append(utf8("row"));
    let count = 0;
    for (; log.durableTicket < ticket; count++) await turn();
    turns.push(count);
    assert.ok(performance.now() - startMs >= FLUSH_MS - 1, "it is durable after the flush"); // timers of Node count whole ms
  }
  log.close();
  assert.ok((turns.toSorted((a, b) => a - b)[ROUNDS / 2] ?? 0) >= LEAST_TURNS, `turns during a flush: ${turns}`);
});
