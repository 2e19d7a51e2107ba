/** What every log must do: part of the conformance suite of `Host`. */
import assert from "node:assert/strict";
import { text, utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import type { Bench, Case } from "./conformance.ts";
import type { Log } from "./host.ts";

export const LOG_CASES: Readonly<Record<string, Case>> = {
  "a log gives back what was appended, and its tickets say what is safe": async (bench) => {
    const log = bench.host.log("rows");
    assert.throws(() => log.append(utf8("early")), /not replayed/);
    assert.deepEqual(await replayed(bench, log), { records: [], tornBytes: 0 });
    const durable: number[] = [];
    log.onDurable((ticket) => void durable.push(ticket));
    const buffer = utf8("a");
    assert.equal(log.append(buffer), 1);
    buffer.fill(0);
    assert.equal(log.append(utf8("")), 2);
    assert.equal(log.durableTicket, 0);
    await bench.until(() => log.durableTicket === 2);
    await bench.quiet();
    assert.equal(durable.at(-1), 2);
    assert.deepEqual(durable, [...new Set(durable)].sort(), "told once each, rising");
    log.append(utf8("c"));
    log.close();
    assert.throws(() => log.append(utf8("late")), /closed/);
    await bench.quiet();
    assert.deepEqual(await replayed(bench, bench.host.log("rows")), { records: ["a", "", "c"], tornBytes: 0 });
  },
  "a rewritten log holds the given records, then what was appended since": async (bench) => {
    const log = bench.host.log("rows");
    await replayed(bench, log);
    for (const record of ["old 1", "old 2"]) log.append(utf8(record));
    log.rewrite([utf8("superseded")]);
    log.append(utf8("old 3"));
    log.rewrite(["new 1", "new 2"].map(utf8));
    log.append(utf8("then 1"));
    await bench.until(() => log.durableTicket === 4);
    log.append(utf8("then 2"));
    log.close();
    await bench.quiet();
    assert.deepEqual((await replayed(bench, bench.host.log("rows"))).records, ["new 1", "new 2", "then 1", "then 2"]);
  },
  "a rewrite takes its records in slices: other work comes between, and what is appended meanwhile goes after": async (bench) => {
    const log = bench.host.log("rows");
    await replayed(bench, log);
    log.append(utf8("before"));
    const taken: string[] = [];
    let takenBetween = 0;
    function* records() {
      for (let at = 0; at < 32; at++) {
        if (at === 2) bench.host.timer(bench.host.nowMs(), between);
        taken.push(`${at} `.padEnd(LIMITS.logSliceBytes, "x"));
        yield utf8(taken[at] ?? "");
      }
    }
    const between = (): void => {
      takenBetween = taken.length;
      log.append(utf8("meanwhile"));
    };
    log.rewrite(records());
    assert.equal(taken.length, 0, "nothing is taken before the method returns");
    log.append(utf8("since"));
    await bench.until(() => taken.length === 32 && takenBetween > 0);
    assert.ok(takenBetween < 32, `${takenBetween} were taken at once`);
    log.close();
    await rewrittenTo(bench, [...taken, "since", "meanwhile"]);
  },
  "a rewrite that another follows is taken no further": async (bench) => {
    const log = bench.host.log("rows");
    await replayed(bench, log);
    let isOver = false;
    function* endless() {
      try {
        for (;;) yield new Uint8Array(LIMITS.logSliceBytes);
      } finally {
        isOver = true;
      }
    }
    const records = endless();
    records.next(); // it has begun
    log.rewrite(records);
    await bench.quiet();
    assert.ok(!isOver);
    log.append(utf8("older"));
    log.rewrite([utf8("new")]);
    assert.ok(isOver);
    log.append(utf8("newer"));
    log.close();
    await rewrittenTo(bench, ["new", "newer"]);
  },
};

/** What a closed log holds once its rewrite is done. */
async function rewrittenTo(bench: Bench, wanted: readonly string[]): Promise<void> {
  let records: readonly string[] = [];
  for (let tries = 0; tries < 100 && records[0] !== wanted[0]; tries++) {
    await bench.quiet();
    const log = bench.host.log("rows");
    ({ records } = await replayed(bench, log));
    log.close();
  }
  assert.deepEqual(
    records.map((record) => record.trim().slice(0, 20)),
    wanted.map((record) => record.trim().slice(0, 20)),
  );
}

async function replayed(bench: Bench, log: Log): Promise<{ records: string[]; tornBytes: number }> {
  const records: string[] = [];
  let torn: number | undefined;
  log.replay(
    (record) => void records.push(text(record)),
    (tornBytes) => {
      torn = tornBytes;
    },
  );
  assert.equal(torn, undefined, "nothing is told before the method returns");
  await bench.until(() => torn !== undefined);
  return { records, tornBytes: torn ?? -1 };
}
