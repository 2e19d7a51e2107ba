import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Piece } from "../wire/frame.ts";
import { type Entry, Rows, type RowsLimits } from "./rows.ts";

const HOUR_MS = 3_600_000;
const SMALL: RowsLimits = { rows: 3, marks: 2, pieceBytes: 200 };
const ROOMY: RowsLimits = { rows: 1_000, marks: 1_000, pieceBytes: 64 * 1024 };

/** One member's rows; what it says is kept, and reaches another only by `sent`. */
function member(id: string, limits = ROOMY, epoch = 1) {
  const sent: Piece[] = [];
  const told: [key: string, now: string | undefined, before: string | undefined][] = [];
  const waiting = new Set<Entry<string>>();
  const rows: Rows<string> = new Rows<string>(
    id,
    epoch,
    {
      announce: (entry) => sent.push(rows.pieceOf(entry, 0)),
      changed: (key, row, before) => told.push([key, row?.value, before?.value]),
      wake: (entry) => waiting.add(entry),
      forget: (entry) => waiting.delete(entry),
    },
    limits,
  );
  return { id, rows, sent, told, waiting };
}
type TestMember = ReturnType<typeof member>;

/** Asks for what is missing until nothing is. Returns how many pieces that took. */
function catchUp(reader: TestMember, owner: TestMember): number {
  let pieces = 0;
  reader.rows.learn(owner.id, owner.rows.position);
  for (let missing = reader.rows.missing(owner.id); missing; missing = reader.rows.missing(owner.id)) {
    reader.rows.merge(owner.id, owner.rows.piece(missing.epoch, missing.after, 0), 0);
    pieces++;
  }
  return pieces;
}
const contents = ({ rows }: TestMember): Record<string, string> =>
  Object.fromEntries(
    [...rows.rows()].sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ key, owner, value }) => [key, `${owner}:${value}`]),
  );
const shape = ({ rows }: TestMember, key: string) => {
  const { owner, order, term, value } = rows.get(key) ?? {};
  return { owner, order, term, value };
};

const WINNERS: readonly {
  name: string;
  a: [order: number, term: number];
  b: [order: number, term: number];
  winner: "a" | "b";
}[] = [
  { name: "the higher order wins", a: [2, 0], b: [1, 9], winner: "a" },
  { name: "of equal orders the higher term wins", a: [2, 1], b: [2, 0], winner: "a" },
  { name: "of equal orders and terms the higher owner id wins", a: [2, 1], b: [2, 1], winner: "b" },
];
for (const { name, a, b, winner } of WINNERS) {
  for (const order of ["a first", "b first"]) {
    test(`Rows: of two owners ${name}, ${order} (DESIGN §5)`, () => {
      const reader = member("reader");
      const piece = (order: number, term: number, value: string): Piece => {
        return { epoch: 1, after: 0, through: 1, head: 1, rows: [{ key: "k", seq: 1, order, term, value }] };
      };
      const deliver = [() => reader.rows.merge("a", piece(...a, "a"), 0), () => reader.rows.merge("b", piece(...b, "b"), 0)];
      for (const one of order === "a first" ? deliver : deliver.reverse()) one();
      assert.equal(reader.rows.get("k")?.value, winner);
    });
  }
}

test("Rows: of one owner the later sequence wins, whatever the order (DESIGN §5)", () => {
  const owner = member("a");
  const reader = member("reader");
  owner.rows.put("k", "first", 9, HOUR_MS);
  owner.rows.put("k", "second", 1, HOUR_MS);
  for (const piece of [...owner.sent].reverse()) reader.rows.merge("a", piece, 0);
  assert.equal(reader.rows.get("k")?.value, "second");
  assert.equal(owner.rows.get("k")?.value, "second");
});

test("Rows: a put over another owner's row wins at once and raises the term when its order does not", () => {
  const [a, b] = [member("a"), member("b")];
  b.rows.put("k", "old", 5, HOUR_MS);
  catchUp(a, b);
  a.rows.put("k", "taken over", 5, HOUR_MS);
  assert.deepEqual(shape(a, "k"), { owner: "a", order: 5, term: 1, value: "taken over" });
  catchUp(b, a);
  assert.deepEqual(shape(b, "k"), { owner: "a", order: 5, term: 1, value: "taken over" });
  b.rows.put("k", "back", 6, HOUR_MS);
  catchUp(a, b);
  assert.deepEqual(shape(a, "k"), { owner: "b", order: 6, term: 0, value: "back" });
});

test("Rows: a put with a lower order than another owner's row bears that order, so that all agree on it", () => {
  const [a, b] = [member("a"), member("b")];
  a.rows.put("k", "old", 5, HOUR_MS);
  catchUp(b, a);
  b.rows.put("k", "new", 1, HOUR_MS);
  assert.deepEqual(shape(b, "k"), { owner: "b", order: 5, term: 1, value: "new" });
});

test("Rows: the loser's row does not come back when the winner's expires", () => {
  const [a, b, late] = [member("a"), member("b"), member("late")];
  a.rows.put("k", "loser", 1, HOUR_MS);
  b.rows.put("k", "winner", 2, 1_000);
  catchUp(a, b);
  for (const entry of a.waiting) if (entry.owner === "b") a.rows.expire(entry);
  assert.equal(a.rows.get("k"), undefined);
  catchUp(late, a);
  assert.equal(late.rows.get("k"), undefined);
});

test("Rows: a row that replaced a longer-lived one leaves a mark when it expires, for those who know only the longer", () => {
  const [owner, reader] = [member("a"), member("reader")];
  owner.rows.put("k", "long", 1, HOUR_MS);
  catchUp(reader, owner);
  owner.rows.put("k", "brief", 1, 1_000);
  for (const entry of owner.waiting) if (entry.expiresAtMs === 1_000) owner.rows.expire(entry);
  catchUp(reader, owner);
  assert.deepEqual([contents(owner), contents(reader)], [{}, {}]);
});

test("Rows: a removed row stays removed at whoever hears of the removal before the row", () => {
  const owner = member("a");
  const reader = member("reader");
  owner.rows.put("k", "row", 1, HOUR_MS);
  owner.rows.remove("k");
  for (const piece of [...owner.sent].reverse()) reader.rows.merge("a", piece, 0);
  assert.deepEqual([contents(owner), contents(reader)], [{}, {}]);
  owner.rows.remove("k");
  assert.equal(owner.sent.length, 2, "removing nothing says nothing");
});

test("Rows: any member may remove a row that another owns", () => {
  const [a, b] = [member("a"), member("b")];
  a.rows.put("k", "row", 4, HOUR_MS);
  catchUp(b, a);
  b.rows.remove("k");
  catchUp(a, b);
  assert.deepEqual([contents(a), contents(b)], [{}, {}]);
});

test("Rows: changes are told with the row before, removals and expiry with undefined", () => {
  const { rows, told, waiting } = member("a");
  rows.put("k", "one", 1, HOUR_MS);
  rows.put("k", "two", 2, HOUR_MS);
  rows.remove("k");
  rows.put("k", "three", 3, HOUR_MS);
  for (const entry of waiting) rows.expire(entry);
  assert.deepEqual(told, [
    ["k", "one", undefined],
    ["k", "two", "one"],
    ["k", undefined, "two"],
    ["k", "three", undefined],
    ["k", undefined, "three"],
  ]);
});

test("Rows: lifetimes travel as seconds left; a row without an end travels without", () => {
  const owner = member("a");
  const reader = member("reader");
  owner.rows.put("brief", "row", 1, 5_000);
  owner.rows.put("long", "row", 1, Infinity);
  const piece = owner.rows.piece(1, 0, 2_000);
  assert.deepEqual(
    piece.rows.map(({ leftSec }) => leftSec),
    [3, undefined],
  );
  reader.rows.merge("a", piece, 70_000);
  assert.equal(reader.rows.get("brief")?.expiresAtMs, 73_000);
  assert.equal(reader.rows.get("long")?.expiresAtMs, Infinity);
});

test("Rows: what was lost in the middle is noticed and asked for; what came late changes nothing", () => {
  const owner = member("a");
  const reader = member("reader");
  for (const key of ["one", "two", "three"]) owner.rows.put(key, key, 1, HOUR_MS);
  const [first, second, third] = owner.sent;
  assert.ok(first && second && third);
  reader.rows.merge("a", first, 0);
  reader.rows.merge("a", third, 0);
  assert.deepEqual(reader.rows.missing("a"), { epoch: 1, after: 1 });
  assert.equal(catchUp(reader, owner), 1);
  reader.rows.merge("a", second, 0);
  assert.deepEqual(contents(reader), contents(owner));
});

test("Rows: a catch-up comes in pieces of at most pieceBytes, and a larger row in one of its own", () => {
  const owner = member("a", { ...ROOMY, pieceBytes: 200 });
  const reader = member("reader");
  for (let at = 0; at < 10; at++) owner.rows.put(`key ${at}`, "x".repeat(at === 5 ? 500 : 20), 1, HOUR_MS);
  for (let after = 0; after < owner.rows.position.seq; ) {
    const { rows, through } = owner.rows.piece(1, after, 0);
    assert.ok(rows.length === 1 || JSON.stringify(rows).length <= 200 + rows.length + 1);
    after = through;
  }
  assert.equal(catchUp(reader, owner), 6);
  assert.deepEqual(contents(reader), contents(owner));
});

test("Rows: an owner's new life takes its earlier rows away once the new ones are all there", () => {
  const before = member("a", ROOMY, 1);
  const after = member("a", { ...ROOMY, pieceBytes: 1 }, 2);
  const reader = member("reader");
  before.rows.put("gone", "old", 9, HOUR_MS);
  before.rows.put("kept", "old", 9, HOUR_MS);
  catchUp(reader, before);
  after.rows.put("new", "new", 1, HOUR_MS);
  after.rows.put("kept", "new", 1, HOUR_MS);
  reader.rows.merge("a", after.rows.piece(2, 0, 0), 0);
  assert.deepEqual(contents(reader), { gone: "a:old", kept: "a:old", new: "a:new" });
  catchUp(reader, after);
  assert.deepEqual(contents(reader), { kept: "a:new", new: "a:new" });
  for (const stale of before.sent) reader.rows.merge("a", stale, 0);
  assert.deepEqual(contents(reader), { kept: "a:new", new: "a:new" }, "frames of the earlier life say nothing any more");
});

test("Rows: a new life with no rows takes the earlier ones away at once", () => {
  const before = member("a", ROOMY, 1);
  const reader = member("reader");
  before.rows.put("gone", "old", 1, HOUR_MS);
  catchUp(reader, before);
  reader.rows.learn("a", { epoch: 2, seq: 0 });
  assert.deepEqual(contents(reader), {});
});

test("Rows: above overlayMarks removed rows are forgotten, and copies that missed the removals still agree", () => {
  const owner = member("a", { ...ROOMY, marks: 2 });
  const reader = member("reader");
  for (const key of ["1", "2", "3", "4"]) owner.rows.put(key, key, 1, Infinity);
  catchUp(reader, owner);
  for (const key of ["1", "2", "3"]) owner.rows.remove(key);
  assert.equal(owner.rows.position.epoch, 2, "two marks are kept; with the third all are forgotten");
  catchUp(reader, owner);
  assert.deepEqual([contents(owner), contents(reader)], [{ "4": "a:4" }, { "4": "a:4" }]);
});

test("Rows: a full table refuses rows of others, drops them for own ones, and never drops own ones [B2]", () => {
  const own = member("a", SMALL);
  const other = member("b");
  for (const key of ["b1", "b2", "b3", "b4"]) other.rows.put(key, key, 1, HOUR_MS);
  catchUp(own, other);
  assert.deepEqual(Object.keys(contents(own)), ["b1", "b2", "b3"]);
  for (const key of ["a1", "a2", "a3", "a4"]) own.rows.put(key, key, 1, HOUR_MS);
  assert.deepEqual(Object.keys(contents(own)), ["a1", "a2", "a3", "a4"]);
  assert.equal(own.rows.dropped, 4);
});

/** The time of that key's rows of limited life has come, at all members. */
function expireBrief(members: readonly TestMember[], key: string): void {
  for (const { rows, waiting } of members) {
    for (const entry of [...waiting]) if (entry.key === key && entry.expiresAtMs < Infinity) rows.expire(entry);
  }
}
/** Puts and removes at three members, frames in any order, some never: after a catch-up all three agree. */
const step = fc.oneof(
  fc.record({ kind: fc.constant("put" as const), at: fc.nat(2), key: fc.nat(1), order: fc.nat(3), brief: fc.boolean() }),
  fc.record({ kind: fc.constant("remove" as const), at: fc.nat(2), key: fc.nat(1) }),
  fc.record({ kind: fc.constant("deliver" as const), at: fc.nat(2), from: fc.nat(2), nth: fc.nat(20) }),
  fc.record({ kind: fc.constant("expire" as const), key: fc.nat(1) }),
);
test("Rows: whatever is lost, repeated and overtaken, members that caught up agree", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const members = ["a", "b", "c"].map((id) => member(id, { ...ROOMY, marks: 3, pieceBytes: 100 }));
      const at = (index: number): TestMember => members[index] ?? assert.fail();
      for (const [count, each] of steps.entries()) {
        if (each.kind === "put") at(each.at).rows.put(`k${each.key}`, `${count}`, each.order, each.brief ? 1_000 : Infinity);
        else if (each.kind === "remove") at(each.at).rows.remove(`k${each.key}`);
        else if (each.kind === "deliver") {
          const { sent } = at(each.from);
          const piece = sent[each.nth % sent.length];
          if (piece && each.at !== each.from) at(each.at).rows.merge(at(each.from).id, piece, 0);
        } else expireBrief(members, `k${each.key}`);
      }
      for (let round = 0; round < 3; round++) {
        for (const reader of members) for (const owner of members) if (reader !== owner) catchUp(reader, owner);
        for (const key of ["k0", "k1"]) expireBrief(members, key);
      }
      const [first, ...others] = members.map(contents);
      for (const other of others) assert.deepEqual(other, first);
    }),
    { numRuns: 1_000 },
  );
});
