/** What every log must do: part of the conformance suite of `Host`. */
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { text, utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import type { Bench, Case } from "./conformance.ts";
import type { Log, LogDamage } from "./host.ts";

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
  "a damaged record takes those behind it along, and the log says where and how much; the last one is a torn end": async (
    bench,
  ) => {
    const records = ["one", "two", "three"];
    for (const [rotten, isDamage] of [
      [2, false],
      [1, true],
      [0, true],
    ] as const) {
      const log = bench.host.log("rows");
      await replayed(bench, log);
      log.rewrite(records.map(utf8));
      log.append(utf8("four"));
      await bench.until(() => log.durableTicket === 1);
      log.close();
      await rewrittenTo(bench, [...records, "four"]);
      bench.rot("rows", isDamage ? rotten : records.length);
      const again = bench.host.log("rows");
      const { records: left, tornBytes, damage } = await replayed(bench, again);
      assert.deepEqual(left, isDamage ? records.slice(0, rotten) : records);
      assert.ok(tornBytes >= "four".length);
      assert.deepEqual([damage !== undefined, damage?.lostBytes], [isDamage, isDamage ? tornBytes : undefined]);
      again.append(utf8("five"));
      await bench.until(() => again.durableTicket === 1);
      again.close();
      await rewrittenTo(bench, [...left, "five"]);
    }
  },
  "on a full disk nothing becomes durable, which is told once; with room again all is there in its order": async (bench) => {
    const log = bench.host.log("rows");
    const told: boolean[] = [];
    log.onStall((cause) => told.push(cause !== undefined));
    await replayed(bench, log);
    log.append(utf8("kept"));
    await bench.until(() => log.durableTicket === 1);
    bench.fillDisk(true);
    log.append(utf8("waits"));
    await bench.until(() => told.length > 0);
    log.rewrite(["kept", "waits"].map(utf8)); // given up, or done once there is room
    log.append(utf8("waits too"));
    const untilMs = bench.host.nowMs() + 2 * LIMITS.logRetryMs;
    await bench.until(() => bench.host.nowMs() > untilMs);
    assert.deepEqual([log.durableTicket, told], [1, [true]]);
    bench.fillDisk(false);
    await bench.until(() => log.durableTicket === 3);
    assert.deepEqual(told, [true, false]);
    log.close();
    await rewrittenTo(bench, ["kept", "waits", "waits too"]);
  },
  "a log that is closed while its disk is full ends without what found no room": async (bench) => {
    const log = bench.host.log("rows");
    const told: (string | undefined)[] = [];
    log.onStall((cause) => told.push(cause));
    await replayed(bench, log);
    log.append(utf8("kept"));
    await bench.until(() => log.durableTicket === 1);
    bench.fillDisk(true);
    log.append(utf8("lost"));
    await bench.until(() => told.length > 0);
    log.close();
    bench.fillDisk(false);
    await rewrittenTo(bench, ["kept"]);
  },
};

/** What a closed log holds once its rewrite is done. */
async function rewrittenTo(bench: Bench, wanted: readonly string[]): Promise<void> {
  const brief = (records: readonly string[]): string[] => records.map((record) => record.trim().slice(0, 20));
  let found: readonly string[] = [];
  for (let tries = 0; tries < 100 && !isDeepStrictEqual(found, brief(wanted)); tries++) {
    await bench.quiet();
    const log = bench.host.log("rows");
    found = brief((await replayed(bench, log)).records);
    log.close();
  }
  assert.deepEqual(found, brief(wanted));
}

async function replayed(bench: Bench, log: Log): Promise<{ records: string[]; tornBytes: number; damage?: LogDamage }> {
  const records: string[] = [];
  let torn: number | undefined;
  let damage: LogDamage | undefined;
  log.replay(
    (record) => void records.push(text(record)),
    (tornBytes, found) => {
      torn = tornBytes;
      damage = found;
    },
  );
  assert.equal(torn, undefined, "nothing is told before the method returns");
  await bench.until(() => torn !== undefined);
  return { records, tornBytes: torn ?? -1, ...(damage && { damage }) };
}
