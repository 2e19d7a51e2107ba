import assert from "node:assert/strict";
import { utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import type { Ticket } from "#base/ticket.ts";
import { type SimNetwork, simTest } from "#sim/index.ts";
import { copiedTo, type OverlayNode, type Table } from "./index.ts";
import { contents, stage } from "./test-stage.ts";
import { decodeFrame, encodeFrame } from "./wire/frame.ts";
import { encodePiece, encodeRecord } from "./wire/piece.ts";

const ALL = copiedTo("ds");
const READY_MS = 1_000;

/** DSs that are caught up, each with the table. */
function servers(net: SimNetwork, ids: readonly string[], fate?: Parameters<typeof stage>[1]) {
  const { join } = stage(net, fate);
  const start = (id: string) => {
    const node = join(id, "ds");
    return { node, table: node.table<string>("t", ALL) };
  };
  const all = ids.map(start);
  net.run(READY_MS);
  return { start, join, all: all as [(typeof all)[0], ...typeof all] };
}
/** When the ticket became safe, of virtual time. */
function safeAt(net: SimNetwork, ticket: Ticket): { readonly atMs: number | undefined } {
  const seen: { atMs: number | undefined } = { atMs: undefined };
  assert.equal(ticket.safe, false, "never within the turn");
  ticket.onSafe(() => {
    seen.atMs = Math.round(net.nowMs());
  });
  return seen;
}
const unreplicated = ({ node }: { readonly node: OverlayNode }): number => node.replication.counters.unreplicated;

simTest("a promise leaves when its row is on the own disk and on another's (DESIGN §5, the gate)", (net) => {
  const [one, two] = servers(net, ["ds1", "ds2"]).all;
  const startMs = Math.round(net.nowMs());
  const safe = safeAt(net, one.table.put("k", "v", 1, 60));
  net.run(2.5);
  assert.equal(safe.atMs, undefined, "on the own disk after 1 ms; the copy has it after another and its disk after a third");
  net.run(50);
  assert.equal(safe.atMs, startMs + 3);
  assert.equal(two?.table.get("k")?.value, "v");
  assert.equal(unreplicated(one), 0);
});

simTest("with one server only the disk counts", (net) => {
  const [one] = servers(net, ["ds1"]).all;
  const startMs = Math.round(net.nowMs());
  const safe = safeAt(net, one.table.put("k", "v", 1, 60));
  net.run(10);
  assert.equal(safe.atMs, startMs + 1);
  assert.equal(unreplicated(one), 0);
});

simTest("a copy is waited for at most 100 ms; then the answer goes out and is counted", (net) => {
  let isCut = false;
  const [one] = servers(net, ["ds1", "ds2"], () => (isCut ? [] : [1])).all;
  isCut = true;
  const startMs = Math.round(net.nowMs());
  const safe = safeAt(net, one.table.put("k", "v", 1, 60));
  one.table.put("l", "v", 1, 60);
  net.run(200);
  assert.equal(safe.atMs, startMs + LIMITS.overlayCopyMs);
  assert.equal(unreplicated(one), 2, "each promise of the turn");
  net.run(7_000);
  const later = safeAt(net, one.table.put("k", "w", 1, 60));
  net.run(2);
  assert.ok(later.atMs !== undefined, "nobody is waited for who is not there");
  assert.equal(unreplicated(one), 3, "but it is counted: others have been there");
  const other = one.node.table<string>("other", ALL);
  other.put("k", "v", 1, 60);
  net.run(200);
  assert.deepEqual(
    one.node.inspect().tables.flatMap(({ name, unreplicated }) => (unreplicated > 0 ? [[name, unreplicated]] : [])),
    [["t", 3]],
    "each table counts its own",
  );
});

simTest("a server that starts alone counts what it promises alone, where others were there before", (net) => {
  const { start } = servers(net, ["ds1", "ds2"]);
  for (const id of ["ds1", "ds2"]) net.kill(id);
  const again = start("ds1");
  net.run(READY_MS);
  again.table.put("k", "v", 1, 60);
  net.run(10);
  assert.equal(unreplicated(again), 1);
});

simTest("rows that were lost on the way are sent again before the 100 ms are over", (net) => {
  let losing = 0;
  const [one] = servers(net, ["ds1", "ds2"], () => (losing-- > 0 ? [] : [1])).all;
  losing = 1;
  const startMs = Math.round(net.nowMs());
  const safe = safeAt(net, one.table.put("k", "v", 1, 60));
  net.run(200);
  assert.equal((safe.atMs ?? 0) - startMs, LIMITS.overlayResendMs + 3);
  assert.equal(unreplicated(one), 0);
  assert.equal(one.node.replication.counters.resent, 1);
});

simTest("no promise waits for a copy that is far behind; all count again once it has caught up (DESIGN §5)", (net) => {
  const LINE_MS = 30;
  const { all, start } = servers(net, ["ds1"], () => [LINE_MS]);
  const [one] = all;
  const large = "v".repeat(LIMITS.overlayValueBytes - 2);
  for (let number = 0; number < 40; number++) one.table.put(`k${number}`, large, 1, 3_600);
  net.run(READY_MS);
  const promised = (): number => {
    const startMs = net.nowMs();
    const safe = safeAt(net, one.table.put("new", "v", 1, 60));
    net.run(LIMITS.overlayCopyMs);
    return (safe.atMs ?? Infinity) - startMs;
  };
  const two = start("ds2");
  net.run(4 * LINE_MS);
  assert.equal(promised(), 1, "the disk alone");
  assert.equal(unreplicated(one), 1);
  assert.equal(one.node.replication.isDegraded, true);
  net.run(READY_MS);
  assert.equal(two.table.get("k39")?.value, large);
  assert.equal(promised(), 2 * LINE_MS + 1, "on two disks");
  assert.equal(unreplicated(one), 1);
});

simTest("a question for rows that comes long after its answer puts nobody behind", (net) => {
  let lateMs = 0;
  const { all, start } = servers(net, ["ds1"], (from) => (from === "ds2" && lateMs > 0 ? [1, lateMs] : [1]));
  const [one] = all;
  for (let number = 0; number < 40; number++) one.table.put(`k${number}`, "v".repeat(60_000), 1, 3_600);
  net.run(READY_MS);
  lateMs = 5_000;
  start("ds2");
  net.run(10);
  lateMs = 0;
  net.run(7_000);
  for (const _ of [1, 2, 3]) {
    one.table.put("new", "v", 1, 60);
    net.run(LIMITS.overlayCopyMs);
  }
  assert.ok(unreplicated(one) <= 1, "one promise at most, which is counted");
});

simTest("promises become safe in the order in which they were made", (net) => {
  const [one] = servers(net, ["ds1", "ds2"], (from) => [from === "ds1" ? 30 : 1]).all;
  const order: number[] = [];
  for (let at = 0; at < 5; at++) {
    one.table.put(`k${at}`, "v", 1, 60).onSafe(() => order.push(at));
    net.run(10);
  }
  net.run(100);
  assert.deepEqual(order, [0, 1, 2, 3, 4]);
});

simTest("a member says for a minute that it made promises that it alone can keep", (net) => {
  let isCut = false;
  const [one] = servers(net, ["ds1", "ds2"], () => (isCut ? [] : [1])).all;
  isCut = true;
  one.table.put("k", "v", 1, 60);
  net.run(99);
  assert.equal(one.node.replication.isDegraded, false);
  net.run(59_000);
  assert.equal(one.node.replication.isDegraded, true);
  net.run(2_000);
  assert.equal(one.node.replication.isDegraded, false);
});

simTest("nothing can be written before the log is read", (net) => {
  const { join } = stage(net);
  const table = join("ds1", "ds").table<string>("t", ALL);
  assert.throws(() => table.put("k", "v", 1, 60), /the log is not open/);
});

simTest("whoever puts a row is told of it on a later turn", (net) => {
  const [one] = servers(net, ["ds1"]).all;
  const told: string[] = [];
  one.table.onChange((key) => told.push(key));
  one.table.put("k", "v", 1, 60);
  assert.deepEqual(told, []);
  net.run(1);
  assert.deepEqual(told, ["k"]);
});

simTest("a row expires at its owner and at its copies", (net) => {
  const [one, two] = servers(net, ["ds1", "ds2"]).all;
  one.table.put("k", "row", 1, 5);
  net.run(4_900);
  assert.deepEqual([one.table.get("k")?.value, two?.table.get("k")?.value], ["row", "row"]);
  net.run(250);
  assert.deepEqual([one.table.get("k"), two?.table.get("k")], [undefined, undefined]);
});

simTest(
  "a server that crashes and starts again has its rows, with what is left of their lives, and copies what it missed",
  (net) => {
    const { start, all } = servers(net, ["ds1", "ds2"]);
    const [one, two] = all;
    one.table.put("short", "v", 1, 5);
    one.table.put("long", "v", 1, 3_600);
    net.run(100);
    net.kill("ds1");
    two?.table.put("meanwhile", "v", 1, 3_600);
    net.run(10_000);
    const again = start("ds1");
    let caughtUp = false;
    again.node.whenCaughtUp(() => {
      caughtUp = true;
    });
    net.run(READY_MS);
    assert.ok(caughtUp);
    assert.deepEqual(contents(again.table), { long: "ds1:v", meanwhile: "ds2:v" });
    const leftSec = ((again.table.get("long")?.expiresAtMs ?? 0) - net.nowMs()) / 1_000;
    assert.ok(leftSec > 3_585 && leftSec < 3_590, `${leftSec} s`);
  },
);

simTest("all servers crash at once: what was promised is on their disks", (net) => {
  const { start, all } = servers(net, ["ds1", "ds2", "ds3"]);
  for (const [at, { table }] of all.entries()) table.put(`k${at}`, "v", 1, 3_600);
  net.run(100);
  for (const id of ["ds1", "ds2", "ds3"]) net.kill(id);
  net.run(1_000);
  const again = ["ds1", "ds2", "ds3"].map(start);
  net.run(3_000);
  for (const { table } of again) assert.deepEqual(contents(table), { k0: "ds1:v", k1: "ds2:v", k2: "ds3:v" });
});

simTest("a machine is lost for good: what it promised is at the others, also at those who had not heard of it", (net) => {
  let deafDs3 = true;
  const { all } = servers(net, ["ds1", "ds2", "ds3"], (from, to) => (deafDs3 && from === "ds1" && to === "ds3" ? [] : [1]));
  const [one, two, three] = all;
  one.table.put("k", "v", 1, 3_600);
  net.run(10);
  assert.deepEqual([two?.table.get("k")?.value, three?.table.get("k")], ["v", undefined]);
  net.kill("ds1");
  deafDs3 = false;
  net.run(10_000);
  assert.equal(three?.table.get("k")?.value, "v");
});

simTest("a server whose disk was lost has its own rows back from the others, and they are still its own", (net) => {
  const { start, all } = servers(net, ["ds1", "ds2"]);
  all[0].table.put("k", "v", 1, 3_600);
  net.run(100);
  net.kill("ds1");
  net.corruptLogs("ds1");
  net.run(1_000);
  const again = start("ds1");
  net.run(READY_MS);
  assert.deepEqual(contents(again.table), { k: "ds1:v" });
});

simTest("what was sent and never reached the own disk is learnt from whoever has it, so that all agree", (net) => {
  const { start, all } = servers(net, ["ds1", "ds2"], () => [0.1]);
  const [one, two] = all;
  let promised = false;
  one.table.put("k", "v", 1, 3_600).onSafe(() => {
    promised = true;
  });
  net.run(0.5); // the copy has it, the own disk does not
  net.kill("ds1");
  assert.equal(promised, false);
  net.run(100);
  assert.equal(two?.table.get("k")?.value, "v");
  const again = start("ds1");
  net.run(READY_MS);
  assert.equal(again.table.get("k")?.value, "v");
});

simTest("a removed row does not come back with a server that was away when it was removed", (net) => {
  const { start, all } = servers(net, ["ds1", "ds2"]);
  all[1]?.table.put("k", "v", 1, 3_600);
  net.run(100);
  net.kill("ds1");
  all[1]?.table.remove("k");
  net.run(1_000);
  const again = start("ds1");
  net.run(READY_MS);
  assert.deepEqual([contents(again.table), all[1] && contents(all[1].table)], [{}, {}]);
});

simTest("nor with one that was away when it was removed and hears of it from the next life of who removed it", (net) => {
  const { start, all } = servers(net, ["ds1", "ds2"]);
  const [one, two] = all;
  one.table.put("k", "v", 1, 3_600);
  net.run(100);
  net.kill("ds2");
  one.table.remove("k");
  net.run(100);
  net.kill("ds1");
  const later = [start("ds2"), start("ds1")];
  net.run(2 * READY_MS);
  assert.equal(two?.table.get("k")?.value, "v", "it had the row");
  assert.deepEqual(
    later.map(({ table }) => table.get("k")),
    [undefined, undefined],
  );
});

simTest("after a partition all agree: of two who wrote one key, the higher order; a later word of the taker-over wins", (net) => {
  let isCut = false;
  const apart = (from: string, to: string): boolean => isCut && (from === "ds1") !== (to === "ds1");
  const { all } = servers(net, ["ds1", "ds2", "ds3"], (from, to) => (apart(from, to) ? [] : [1]));
  const tables = all.map(({ table }) => table) as [Table<string>, Table<string>, Table<string>];
  isCut = true;
  tables[0].put("k", "one", 7, 3_600);
  tables[1].put("k", "two", 5, 3_600);
  tables[1].put("only here", "two", 1, 3_600);
  net.run(10_000);
  isCut = false;
  net.run(3_000);
  for (const table of tables) assert.deepEqual(contents(table), { k: "ds1:one", "only here": "ds2:two" });
  tables[2].put("k", "three", 2, 3_600);
  net.run(100);
  for (const table of tables) assert.equal(table.get("k")?.owner, "ds3");
});

simTest("rows that are copied to one member are at their owner and there, and move when he goes", (net) => {
  const { join } = stage(net);
  const start = (id: string) => {
    const node = join(id, "ds");
    return { id, node, table: node.table<string>("one", { roles: ["ds"], to: "one" }) };
  };
  const all = ["ds1", "ds2", "ds3", "ds4"].map(start);
  net.run(READY_MS);
  for (let at = 0; at < 20; at++) all[0]?.table.put(`k${at}`, "v", 1, 3_600);
  net.run(100);
  const holders = (key: string): string =>
    all
      .filter(({ table }) => table.get(key))
      .map(({ id }) => id)
      .join(" ");
  for (let at = 0; at < 20; at++) assert.match(holders(`k${at}`), /^ds1 ds[234]$/);
  const moved = Array.from({ length: 20 }, (_, at) => `k${at}`).filter((key) => holders(key) === "ds1 ds2");
  assert.ok(moved.length > 0);
  net.kill("ds2");
  net.run(8_000);
  for (const key of moved) assert.match(holders(key).replace("ds2 ", ""), /ds[34]/, key);
});

simTest("a table that somebody opens later is copied then", (net) => {
  const [one, two] = servers(net, ["ds1", "ds2"]).all;
  const table = one.node.table<string>("later", ALL);
  table.put("k", "v", 1, 3_600);
  net.run(200);
  const copy = two?.node.table<string>("later", ALL);
  net.run(2_000);
  assert.equal(copy?.get("k")?.value, "v");
});

simTest("a member of a role that does not copy a table has none of it", (net) => {
  const { join } = stage(net);
  const [ds, web] = [join("ds1", "ds"), join("web1", "web")];
  net.run(READY_MS);
  ds.table<string>("t", ALL).put("k", "v", 1, 3_600);
  const strange = web.table<string>("t", ALL);
  net.run(2_000);
  assert.equal(strange.get("k"), undefined);
});

simTest("a hello tells of as many streams as it has room for, the latest first, and is understood", (net) => {
  const { node } = servers(net, ["ds1"]).all[0];
  const lives = LIMITS.overlayStreams;
  for (const table of ["one", "two"]) {
    node.table(table, ALL);
    for (let life = 1; life <= lives; life++) {
      const head = { table, owner: "ds9", life, audience: "", after: 0, through: 1 };
      const times = { leftMs: 60_000, keepMs: 60_000 };
      const record = { key: utf8(`k${life}`), seq: 1, order: 1, term: 0, ...times, value: utf8("1") };
      node.replication.onRows(encodePiece(head, [encodeRecord(record)]));
    }
  }
  const heads = node.replication.heads();
  assert.equal(heads.length, lives);
  assert.equal(heads[0]?.life, lives);
  const hello = { kind: "hello", id: 1, upMs: 1, speaks: 1, role: "ds", phase: "serving", info: {}, heads } as const;
  assert.equal(decodeFrame(encodeFrame({ from: "ds1", incarnation: 1, ...hello })).status, "ok");
});
