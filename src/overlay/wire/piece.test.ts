import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import { decodePiece, eachRecord, encodePiece, encodeRecord, type PieceHead, type RowRecord } from "./piece.ts";

const HEAD: PieceHead = { table: "bindings", owner: "ds1", life: 1_767_225_600_000, audience: "", after: 3, through: 9 };
const ROW: RowRecord = { key: utf8("a b"), seq: 4, order: -2, term: 7, leftMs: 59_500, keepMs: 60_000, value: utf8('{"ü":1}') };
const MARK: RowRecord = { ...ROW, seq: 9, leftMs: 0, value: undefined };

test("a piece is read as it was written", () => {
  const octets = encodePiece(HEAD, [encodeRecord(ROW), encodeRecord(MARK)]);
  const decoded = decodePiece(octets);
  assert.ok(decoded.status === "ok");
  assert.deepEqual(decoded.value.head, HEAD);
  assert.deepEqual([...eachRecord(decoded.value.records)], [ROW, MARK]);
  assert.equal(decoded.usedBytes, octets.length);
});

test("a record stands in its octets as the layout says", () => {
  const hex = Buffer.from(encodeRecord(MARK)).toString("hex");
  assert.equal(
    hex,
    ["00000027", "01", "00", "0003", "4022000000000000", "c000000000000000", "00000007", "00000000", "0000ea60", "612062"].join(
      "",
    ),
  );
});

test("times are rounded up to whole ms and cut to what 32 bits hold", () => {
  const [read] = eachRecord(encodeRecord({ ...ROW, leftMs: 0.2, keepMs: 1e12 }));
  assert.deepEqual([read?.leftMs, read?.keepMs], [1, 0xffff_ffff]);
});

/** The octets of a record with some of them changed. */
function changed(record: RowRecord, change: (view: DataView) => void): Uint8Array {
  const octets = encodeRecord(record);
  change(new DataView(octets.buffer));
  return octets;
}
const BAD: readonly { name: string; octets: Uint8Array }[] = [
  { name: "nothing", octets: new Uint8Array(0) },
  { name: "a head of 4 GiB", octets: concat([Uint8Array.of(255, 255, 255, 255), utf8("{}")]) },
  { name: "a head that is no JSON", octets: concat([Uint8Array.of(0, 0, 0, 2), utf8("{x")]) },
  { name: "a head without an owner", octets: encodePiece({ ...HEAD, owner: undefined as never }, []) },
  { name: "a number below zero", octets: encodePiece({ ...HEAD, after: -1 }, []) },
  { name: "a life with a fraction", octets: encodePiece({ ...HEAD, life: 0.5 }, []) },
  { name: "a record cut short", octets: encodePiece(HEAD, [encodeRecord(ROW).subarray(0, 40)]) },
  { name: "a record of 4 GiB", octets: encodePiece(HEAD, [changed(ROW, (view) => view.setUint32(0, 0xffff_ffff))]) },
  { name: "a record of no length", octets: encodePiece(HEAD, [changed(ROW, (view) => view.setUint32(0, 0))]) },
  { name: "a key beyond its record", octets: encodePiece(HEAD, [changed(ROW, (view) => view.setUint16(6, 500))]) },
  { name: "an unknown kind", octets: encodePiece(HEAD, [changed(ROW, (view) => view.setUint8(4, 2))]) },
  { name: "a seq that is no number", octets: encodePiece(HEAD, [encodeRecord({ ...ROW, seq: Number.NaN })]) },
  { name: "an order without end", octets: encodePiece(HEAD, [encodeRecord({ ...ROW, order: Infinity })]) },
  { name: "an absurd term", octets: encodePiece(HEAD, [encodeRecord({ ...ROW, term: LIMITS.overlayTerm + 1 })]) },
  {
    name: "a key above its limit",
    octets: encodePiece(HEAD, [encodeRecord({ ...ROW, key: new Uint8Array(LIMITS.overlayKeyBytes + 1) })]),
  },
  {
    name: "a value above its limit",
    octets: encodePiece(HEAD, [encodeRecord({ ...ROW, value: new Uint8Array(LIMITS.overlayValueBytes + 1) })]),
  },
];
for (const { name, octets } of BAD) {
  test(`rows with ${name} are refused whole`, () => {
    assert.equal(decodePiece(octets).status, "bad");
  });
}
