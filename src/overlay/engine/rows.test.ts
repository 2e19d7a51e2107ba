import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { text, utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import { decodePiece, encodePiece, encodeRecord, type Piece } from "../wire/piece.ts";
import { Rows, type RowsLimits } from "./rows.ts";
import type { StreamName } from "./streams.ts";

const ROOMY: RowsLimits = { rows: 1_000, pieceBytes: 256 };
const ONE_ROW_A_PIECE: RowsLimits = { ...ROOMY, pieceBytes: 1 };

/** A member's rows on a clock that is set by hand. */
class Copy {
  readonly id: string;
  readonly rows: Rows<string>;
  readonly told: string[] = [];
  readonly returned: string[] = [];
  nowMs = 0;
  #dues: { readonly due: number; readonly atMs: number }[] = [];

  constructor(id: string, limits = ROOMY, life = 1) {
    this.id = id;
    this.rows = new Rows<string>(
      "t",
      id,
      life,
      {
        isWatched: () => true,
        changed: (key, row, before) => this.told.push(`${key} ${before?.value ?? "-"} → ${row?.value ?? "-"}`),
        returned: (key) => this.returned.push(text(key)),
        wake: (due, atMs) => this.#dues.push({ due, atMs }),
      },
      limits,
    );
  }

  put(key: string, value: string, order = 1, lifetimeMs = 60_000, audience = ""): void {
    this.rows.put(key, value, order, lifetimeMs, audience, this.nowMs);
  }
  remove(key: string): void {
    this.rows.remove(key, -Infinity, "", this.nowMs);
  }
  at(nowMs: number): this {
    this.nowMs = nowMs;
    const due = this.#dues.filter(({ atMs }) => atMs <= nowMs);
    this.#dues = this.#dues.filter(({ atMs }) => atMs > nowMs);
    for (const one of due) this.rows.expire(one.due, nowMs);
    return this;
  }
  /** What was written since the last call. */
  written(): readonly Piece[] {
    return [...this.rows.unsent(this.nowMs)].map(({ octets }) => pieceOf(octets));
  }
  take(...pieces: readonly Piece[]): this {
    for (const piece of pieces) this.rows.merge(piece, this.nowMs);
    return this;
  }
  /** Asks another for all that it lacks of every stream that the other has. */
  catchUp(other: Copy): this {
    other.written();
    for (const { owner, life, audience, seen } of other.rows.streams()) {
      const name: StreamName = { owner, life, audience };
      this.rows.learn(name, seen);
      for (;;) {
        const mine = this.rows.stream(name);
        if (!mine || mine.seen >= mine.head) break;
        const before = mine.seen;
        const piece = other.rows.piece(name, mine.seen, other.nowMs);
        if (piece) this.take(pieceOf(piece.octets));
        if (mine.seen === before) break;
      }
    }
    return this;
  }
  contents(): Record<string, string> {
    const rows = this.rows.rows().map(({ key, value, owner }): [string, string] => [key, `${owner}:${value}`]);
    return Object.fromEntries(rows.sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}
function pieceOf(octets: Uint8Array): Piece {
  const decoded = decodePiece(octets);
  return decoded.status === "ok" ? decoded.value : assert.fail(`${decoded.status}`);
}

test("a row is put, put again and removed; each change is told once", () => {
  const one = new Copy("ds1");
  one.put("k", "a");
  one.put("k", "b");
  one.remove("k");
  one.remove("k");
  assert.equal(one.rows.get("k"), undefined);
  assert.deepEqual(one.told, ["k - → a", "k a → b", "k b → -"]);
});

test("rows of one group are found together, also where keys begin alike", () => {
  const one = new Copy("ds1");
  for (const key of ["sip:a", "sip:a x", "sip:a y", "sip:ab", "sip:ab x", "sip:"]) one.put(key, key);
  one.remove("sip:a x");
  const under = (group: string): readonly string[] =>
    one.rows
      .under(group)
      .map(({ key }) => key)
      .sort();
  assert.deepEqual(under("sip:a"), ["sip:a", "sip:a y"]);
  assert.deepEqual(under("sip:ab"), ["sip:ab", "sip:ab x"]);
  assert.deepEqual(under("sip:b"), []);
});

type Word = readonly [owner: string, order: number, term: number, life: number, seq: number];
const BETTER: readonly { name: string; better: Word; worse: Word }[] = [
  { name: "of higher order, whoever wrote it and when", better: ["ds1", 2, 0, 1, 1], worse: ["ds2", 1, 9, 2, 9] },
  { name: "of higher term where the order is the same", better: ["ds1", 1, 2, 1, 1], worse: ["ds2", 1, 1, 1, 1] },
  { name: "of the higher owner where both are the same", better: ["ds2", 1, 1, 1, 1], worse: ["ds1", 1, 1, 1, 9] },
  { name: "of the later life of one owner", better: ["ds1", 1, 1, 2, 1], worse: ["ds1", 1, 1, 1, 9] },
  { name: "of the higher number in one life", better: ["ds1", 1, 1, 1, 2], worse: ["ds1", 1, 1, 1, 1] },
];
for (const { name, better, worse } of BETTER) {
  test(`of two rows with one key that is kept which is ${name}, in whatever order they come (DESIGN §5)`, () => {
    const pieceWith = ([owner, order, term, life, seq]: Word, value: string): Piece => {
      const times = { leftMs: 60_000, keepMs: 60_000 };
      const record = encodeRecord({ key: utf8("k"), seq, order, term, ...times, value: utf8(JSON.stringify(value)) });
      return pieceOf(encodePiece({ table: "t", owner, life, audience: "", after: 0, through: seq }, [record]));
    };
    const [first, second] = [pieceWith(better, "better"), pieceWith(worse, "worse")];
    assert.equal(new Copy("x").take(first, second).rows.get("k")?.value, "better");
    assert.equal(new Copy("x").take(second, first).rows.get("k")?.value, "better");
  });
}

test("a row of an earlier life that comes late is told; where this life has written the key, that stands above it", () => {
  const [one, two, three] = [new Copy("ds1"), new Copy("ds2"), new Copy("ds3")];
  for (const key of ["a", "b", "c"]) one.put(key, "old", 5);
  two.catchUp(one);
  const again = new Copy("ds1", ROOMY, 2);
  again.put("a", "new");
  again.put("b", "new");
  again.remove("b");
  three.catchUp(again);
  again.catchUp(two);
  assert.deepEqual(again.returned, ["c"]);
  for (const copy of [again, two.catchUp(again), three.catchUp(again)]) {
    assert.deepEqual(copy.contents(), { a: "ds1:new", c: "ds1:old" }, copy.id);
  }
  assert.equal(again.rows.get("a")?.order, 5);
  assert.deepEqual([...two.returned, ...three.returned], []);
});

test("whoever puts takes the key over: its term is raised where its order does not beat the row that is there", () => {
  const [one, two] = [new Copy("ds1"), new Copy("ds2")];
  two.put("k", "two", 5);
  one.catchUp(two);
  one.put("k", "one", 3);
  two.catchUp(one);
  const { owner, order, term } = two.rows.get("k") ?? assert.fail();
  assert.deepEqual({ owner, order, term }, { owner: "ds1", order: 5, term: 1 });
});

test("whoever takes a key over beats what its owner wrote last and promised to nobody", () => {
  const [one, two] = [new Copy("ds1"), new Copy("ds2")];
  two.put("k", "promised", 1);
  one.catchUp(two);
  two.put("k", "never promised", 2);
  one.put("k", "taken over", 2);
  assert.equal(one.catchUp(two).rows.get("k")?.value, "taken over");
  assert.equal(two.catchUp(one).rows.get("k")?.value, "taken over");
});

test("who removes by a later request beats what the owner wrote before it and promised to nobody", () => {
  const [one, two] = [new Copy("ds1"), new Copy("ds2")];
  two.put("k", "promised", 1);
  one.catchUp(two);
  two.put("k", "never promised", 2);
  one.rows.remove("k", 3, "", 0);
  assert.equal(one.catchUp(two).rows.get("k"), undefined);
  assert.equal(two.catchUp(one).rows.get("k"), undefined);
});

test("a removed row does not come back from a member that had it, and its mark goes when nothing can bring it back", () => {
  const [one, two, three] = [new Copy("ds1"), new Copy("ds2"), new Copy("ds3")];
  one.put("k", "a", 1, 60_000);
  for (const copy of [two, three]) copy.catchUp(one);
  one.remove("k");
  two.catchUp(one);
  assert.equal(two.rows.get("k"), undefined);
  assert.equal(two.catchUp(three).rows.get("k"), undefined);
  assert.equal(three.catchUp(two).catchUp(one).rows.get("k"), undefined);
  const keptMs = 60_000 + LIMITS.overlayMarkMs;
  assert.equal(one.at(keptMs - 200).rows.counts.marks, 1);
  assert.equal(one.at(keptMs + 200).rows.counts.marks, 0);
});

test("a row ends with its life, at its owner and at its copies, and is a mark for a while", () => {
  const [one, two] = [new Copy("ds1"), new Copy("ds2")];
  one.put("k", "a", 1, 5_000);
  one.at(2_000);
  two.at(1_000_000).catchUp(one); // clocks of their own: what travels is the time left
  assert.equal(two.at(1_002_900).rows.get("k")?.value, "a");
  assert.equal(two.at(1_003_100).rows.get("k"), undefined);
  assert.equal(one.at(5_100).rows.get("k"), undefined);
  assert.deepEqual(one.told, ["k - → a", "k a → -"]);
  assert.equal(two.rows.counts.marks, 1);
});

test("a row beats another that would have lived longer for good, not only until it ends itself", () => {
  const [one, two, late] = [new Copy("ds1"), new Copy("ds2"), new Copy("ds3")];
  one.put("k", "long", 1, 600_000);
  late.catchUp(one);
  two.catchUp(one).put("k", "short", 2, 1_000);
  one.catchUp(two);
  for (const copy of [one, two, late]) copy.at(2_000);
  late.catchUp(two);
  for (const copy of [one, two, late]) assert.equal(copy.rows.get("k"), undefined, copy.id);
});

test("what is missing is asked for in pieces (overlayPieceBytes), each going on where the one before ended, also while rows are written", () => {
  const one = new Copy("ds1", ONE_ROW_A_PIECE);
  for (let at = 0; at < 50; at++) one.put(`k${at}`, "v");
  one.written();
  const two = new Copy("ds2");
  const name = { owner: "ds1", life: 1, audience: "" };
  for (let after = 0, pieces = 0; after < 60; pieces++) {
    const piece = one.rows.piece(name, after, 0) ?? assert.fail();
    two.take(pieceOf(piece.octets));
    assert.equal(two.rows.stream(name)?.seen, piece.last);
    after = piece.last;
    if (pieces < 10) one.put(`k${pieces}`, "again"); // moves to the end, under the walk's feet
    one.written();
    assert.ok(pieces < 100);
  }
  assert.deepEqual(two.contents(), one.contents());
});

test("a piece that came too early is not taken, and is asked for again once what is before it has come", () => {
  const one = new Copy("ds1", ONE_ROW_A_PIECE);
  for (const key of ["a", "b", "c"]) one.put(key, key);
  const [a, b, c] = one.written();
  assert.ok(a && b && c);
  const two = new Copy("ds2").take(c, a);
  assert.deepEqual(two.contents(), { a: "ds1:a" });
  const { seen, head } = two.rows.stream({ owner: "ds1", life: 1, audience: "" }) ?? assert.fail();
  assert.deepEqual([seen, head], [1, 3]);
  two.take(b, c);
  assert.deepEqual(two.contents(), one.contents());
});

test("where a table is full (overlayTableRows) rows of others make way, the oldest first, own rows never (spec item [B2])", () => {
  const [one, two] = [new Copy("ds1"), new Copy("ds2", { rows: 3, pieceBytes: 256 })];
  for (const key of ["a", "b"]) one.put(key, "theirs");
  two.catchUp(one);
  for (const key of ["x", "y", "z", "u"]) two.put(key, "mine");
  assert.deepEqual(Object.keys(two.contents()), ["u", "x", "y", "z"]);
  assert.equal(two.rows.dropped, 2);
  const stream = two.rows.stream({ owner: "ds1", life: 1, audience: "" }) ?? assert.fail();
  assert.ok(stream.isLossy, "it no longer vouches for what it dropped");
  assert.equal(two.rows.piece(stream, 0, 0), undefined, "nor hands it on");
  one.put("c", "theirs");
  assert.equal(two.catchUp(one).rows.get("c"), undefined);
  assert.equal(two.rows.dropped, 3);
});

test("what was dropped for want of room is asked for again once there is room", () => {
  const [one, two] = [new Copy("ds1"), new Copy("ds2", { rows: 3, pieceBytes: 256 })];
  one.put("a", "theirs", 1, 10_000_000);
  for (const key of ["x", "y", "z"]) two.put(key, "mine", 1, 1_000);
  assert.equal(two.catchUp(one).rows.get("a"), undefined);
  two.at(1_000 + LIMITS.overlayMarkMs + 200).rows.forgive();
  one.at(two.nowMs);
  assert.equal(two.catchUp(one).rows.get("a")?.value, "theirs");
});

test("rows for one member reach nobody else, and are written anew when he changes", () => {
  const [one, two, three] = [new Copy("ds1"), new Copy("ds2"), new Copy("ds3")];
  one.put("k", "v", 1, 60_000, "ds2");
  assert.deepEqual(
    one.written().map(({ head }) => head.audience),
    ["ds2"],
  );
  one.rows.readdress(() => "ds3");
  const pieces = one.written();
  assert.deepEqual(
    pieces.map(({ head }) => head.audience),
    ["ds3"],
  );
  assert.equal(three.take(...pieces).rows.get("k")?.value, "v");
  assert.equal(two.rows.get("k"), undefined);
  one.rows.readdress(() => "ds3");
  assert.deepEqual(one.written(), [], "nothing to do");
});

test("a snapshot holds everything, also positions of streams of which no row is left", () => {
  const [one, two] = [new Copy("ds1", ONE_ROW_A_PIECE), new Copy("ds2", ONE_ROW_A_PIECE)];
  for (const key of ["a", "b", "c", "d"]) one.put(key, key);
  const [a, b] = one.written();
  assert.ok(a && b);
  two.take(a, b).put("e", "e");
  two.remove("a");
  two.written();
  const again = new Copy("ds2", ROOMY, 2);
  again.take(...[...two.rows.snapshot(() => 0)].map(pieceOf));
  assert.deepEqual(again.contents(), two.contents());
  const positions = ({ rows }: Copy) =>
    rows
      .streams()
      .map(({ owner, life, seen }) => `${owner} ${life} ${seen}`)
      .sort();
  assert.deepEqual(positions(again), positions(two));
  assert.equal(again.take(a).rows.get("a"), undefined, "the mark is there too");
});

const REFUSED: readonly { name: string; put: (copy: Copy) => void }[] = [
  { name: "a key above its limit", put: (copy) => copy.put("k".repeat(LIMITS.overlayKeyBytes + 1), "v") },
  { name: "a value above its limit", put: (copy) => copy.put("k", "v".repeat(LIMITS.overlayValueBytes)) },
  { name: "a lifetime above its limit", put: (copy) => copy.put("k", "v", 1, LIMITS.overlayLifetimeSec * 1_000 + 1) },
  { name: "a life without end", put: (copy) => copy.put("k", "v", 1, Infinity) },
  { name: "a lifetime that is no number", put: (copy) => copy.put("k", "v", 1, Number.NaN) },
  { name: "an order that is no number", put: (copy) => copy.put("k", "v", Number.NaN) },
];
for (const { name, put } of REFUSED) {
  test(`${name} is not put`, () => {
    const copy = new Copy("ds1");
    assert.throws(() => put(copy), RangeError);
    assert.deepEqual(copy.contents(), {});
  });
}

test("a row that claims to live longer than any may is cut to that", () => {
  const record = encodeRecord({ key: utf8("k"), seq: 1, order: 1, term: 0, leftMs: 4e9, keepMs: 4e9, value: utf8('"v"') });
  const piece = pieceOf(encodePiece({ table: "t", owner: "ds1", life: 1, audience: "", after: 0, through: 1 }, [record]));
  const two = new Copy("ds2").take(piece);
  assert.equal(two.rows.get("k")?.expiresAtMs, LIMITS.overlayLifetimeSec * 1_000);
});

test("whatever members write and hear of one another, in whatever order, they agree once each has heard from all", () => {
  const step = fc.record({
    who: fc.nat(2),
    what: fc.constantFrom("put", "put", "put", "remove", "hear", "wait"),
    key: fc.nat(5),
    order: fc.nat(4),
    lifetimeMs: fc.constantFrom(500, 5_000, 600_000),
    other: fc.nat(2),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const members = [new Copy("ds1"), new Copy("ds2"), new Copy("ds3")] as const;
      let nowMs = 0;
      for (const [count, { who, what, key, order, lifetimeMs, other }] of steps.entries()) {
        const member = members[who] ?? assert.fail();
        if (what === "put") member.put(`k${key}`, `v${count}`, order, lifetimeMs);
        else if (what === "remove") member.remove(`k${key}`);
        else if (what === "hear" && other !== who) member.catchUp(members[other] ?? assert.fail());
        else nowMs += 700;
        for (const each of members) each.at(nowMs);
      }
      for (let round = 0; round < 2; round++)
        for (const member of members) for (const other of members) if (other !== member) member.catchUp(other);
      for (const member of members) {
        assert.deepEqual(member.contents(), members[0].contents());
        const { rows, marks, own } = member.rows.counts;
        assert.equal(rows, Object.keys(member.contents()).length);
        assert.ok(own <= rows + marks);
      }
    }),
    { numRuns: 300 },
  );
});

test("memory that rows gave back is used again", () => {
  const one = new Copy("ds1", { rows: 100_000, pieceBytes: 64_000 });
  for (let round = 0; round < 50; round++)
    for (let at = 0; at < 200; at++) one.put(`k${at}`, "x".repeat(at + (round % 3)), round);
  const { octets, rows } = one.rows.counts;
  assert.equal(rows, 200);
  assert.ok(octets < 200 * 400, `${octets} octets`);
});
