import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import { simNetwork } from "#sim/index.ts";
import { Journal, type Kept } from "./journal.ts";
import { encodePiece } from "./wire/piece.ts";

const piece = (through: number): Uint8Array =>
  encodePiece({ table: "t", owner: "ds1", life: 1, audience: "", after: through - 1, through }, []);
const MACHINE = ["ds1", "127.0.0.1"] as const;

/** A machine's journal, replayed: what was in it, and the octets of its log. */
function opened(net: ReturnType<typeof simNetwork>, kept: Partial<Kept> = {}) {
  const host = net.host(...MACHINE);
  const journal = new Journal(host.log("rows"), host, { snapshot: () => [], octets: () => 0, ...kept });
  const read: [through: number, sinceMs: number][] = [];
  let life: number | undefined;
  let cut: unknown;
  journal.onCut((...what) => {
    cut = what;
  });
  journal.replay({ onPiece: ({ head }, sinceMs) => read.push([head.through, Math.round(sinceMs)]) }, (last) => {
    life = last;
  });
  net.run(1);
  return { journal, read, life, cut };
}

test("what is written is read again, with the time that has passed and the highest incarnation", () => {
  const net = simNetwork(1);
  const { journal, life } = opened(net);
  assert.equal(life, 0);
  journal.live(7);
  journal.write(piece(1));
  net.run(5_000);
  journal.write(piece(2));
  net.run(1_000);
  net.kill("ds1");
  net.run(10_000);
  const again = opened(net);
  assert.equal(again.life, 7);
  assert.deepEqual(again.read, [
    [1, 16_000],
    [2, 11_000],
  ]);
});

test("a wall clock that went back takes nothing from what is left of a life", () => {
  const net = simNetwork(1);
  opened(net).journal.write(piece(1));
  net.run(1_000);
  net.kill("ds1");
  net.setWall("ds1", -60_000);
  assert.deepEqual(opened(net).read, [[1, 0]]);
});

test("what was written while the wall clock was set back is no older than what was written before", () => {
  const net = simNetwork(1);
  const { journal } = opened(net);
  journal.write(piece(1));
  net.setWall("ds1", -60_000);
  net.run(1_000);
  journal.write(piece(2));
  net.run(1_000);
  net.kill("ds1");
  net.setWall("ds1", 0);
  assert.deepEqual(opened(net).read, [
    [1, 2_000],
    [2, 2_000],
  ]);
});

test("what of a log could not be read is told at its replay: a torn end, and what stood behind a damaged record", () => {
  const net = simNetwork(1);
  const { journal } = opened(net);
  for (const through of [1, 2, 3]) journal.write(piece(through));
  net.run(1_000);
  const cuts = [2, 0].map((rotten) => {
    net.kill("ds1");
    net.rotRecord("ds1", "rows", rotten);
    return opened(net).cut;
  });
  const octets = 10 + piece(1).length;
  assert.deepEqual(cuts, [
    [octets, undefined],
    [2 * octets, { file: "rows", atBytes: 0, lostBytes: 2 * octets, keptAs: "rows.damaged" }],
  ]);
});

test("while a disk is full the journal says why nothing is safe, and whoever asked is told when that changes", () => {
  const net = simNetwork(1);
  const { journal } = opened(net);
  const told: (string | undefined)[] = [];
  journal.onStall((cause) => told.push(cause));
  net.fillDisk("ds1", true);
  const ticket = journal.write(piece(1));
  net.run(1_000);
  assert.deepEqual([journal.stalled, told, journal.durableTicket < ticket], ["no room", ["no room"], true]);
  net.fillDisk("ds1", false);
  net.run(LIMITS.logRetryMs);
  assert.deepEqual([journal.stalled, told, journal.durableTicket], [undefined, ["no room", undefined], ticket]);
});

test("a log of a later version is not read: the process ends and says why", () => {
  const net = simNetwork(1);
  const log = net.host(...MACHINE).log("rows");
  log.replay(
    () => undefined,
    () => log.append(Uint8Array.of(2, 1, 0, 0, 0, 0, 0, 0, 0, 0)),
  );
  net.run(100);
  net.kill("ds1");
  assert.throws(() => opened(net), { name: "StorageError", message: /of version 2, 1 is the highest/ });
});

const large = encodePiece({ table: "x".repeat(1024 * 1024), owner: "ds1", life: 1, audience: "", after: 0, through: 1 }, []);

test("above overlayLogSlackBytes the log is rewritten from a snapshot, and what is written meanwhile goes behind it", () => {
  const net = simNetwork(1);
  let snapshots = 0;
  const snapshot = (): Iterable<Uint8Array> => {
    snapshots++;
    return [piece(100)];
  };
  const { journal } = opened(net, { snapshot });
  journal.live(7);
  for (let octets = 0; octets <= LIMITS.overlayLogSlackBytes; octets += large.length) journal.write(large);
  journal.write(piece(101));
  net.run(1_000);
  assert.equal(snapshots, 1);
  net.kill("ds1");
  const { read, life } = opened(net);
  assert.equal(life, 7);
  assert.deepEqual(
    read.map(([through]) => through),
    [100, 101],
  );
});

test("a log that grows with its tables, or is read again, is not rewritten until half of it is of no use", () => {
  const net = simNetwork(1);
  let snapshots = 0;
  let octets = 0;
  const kept: Kept = {
    snapshot: () => {
      snapshots++;
      return [];
    },
    octets: () => octets,
  };
  const write = ({ journal }: ReturnType<typeof opened>, times: number): void => {
    for (let time = 0; time < times; time++) journal.write(large);
    net.run(1_000);
  };
  const slackTimes = Math.ceil(LIMITS.overlayLogSlackBytes / large.length);
  octets = 2 * slackTimes * large.length;
  write(opened(net, kept), 2 * slackTimes);
  net.kill("ds1");
  const again = opened(net, kept);
  write(again, 2 * slackTimes);
  assert.equal(snapshots, 0);
  write(again, slackTimes);
  assert.equal(snapshots, 1);
});
