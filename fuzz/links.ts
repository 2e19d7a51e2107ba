/** What servers say to one another: COPS and the frames of the overlay. */
import assert from "node:assert/strict";
import { concat, text, utf8 } from "#base/bytes.ts";
import { WireError } from "#base/errors.ts";
import { readAttributes, writeAttributes } from "#cops/wire/attributes.ts";
import { grammarFault } from "#cops/wire/grammar.ts";
import { CopsFramer, type CopsMessage, decode, encodeMessage } from "#cops/wire/message.ts";
import { type AnyCopsObject, type CopsObject, prObjects } from "#cops/wire/objects.ts";
import { readRows, writeRemoveAll, writeRows } from "#cops/wire/pib.ts";
import { Assembler, partsOf } from "#overlay/carriers/parts.ts";
import { Rows } from "#overlay/engine/rows.ts";
import { type Body, decodeFrame, encodeFrame } from "#overlay/wire/frame.ts";
import { decodePiece, eachRecord, encodePiece, encodeRecord } from "#overlay/wire/piece.ts";
import { pieces, type Target, words } from "./target.ts";

const ID = "000102030405060708090a0b0c0d0e0f";
const ATTRIBUTES = { joinId: ID, channel: "news", user: "zoë", kbps: 4_000, delivery: "unicast", unicastTo: "10.0.0.2:1" };
const REQUESTED = { joinId: ID, channel: "news", user: "zoë", kbps: 4_000, sender: "10.0.0.7", group: "232.0.1.7:5004" };
const POLICY = { groupFirst: "232.0.1.0", groupCount: 256, groupPort: 5004, maxChannelKbps: 8_000, reason: "core-full" };
const handle = { kind: "handle", handle: "00000007" } as const;
const says = (op: CopsMessage["op"], ...objects: CopsObject[]): Uint8Array =>
  encodeMessage({ op, clientType: op === "KA" ? 0 : 0x9101, solicited: op === "DEC", objects });
const COPS: readonly Uint8Array[] = [
  says("OPN", { kind: "pepId", id: "edge1" }, { kind: "lastPdp4", address: "10.0.0.9", port: 3_288 }),
  says("CAT", { kind: "kaTimer", timerSec: 30 }, { kind: "acctTimer", timerSec: 600 }),
  says(
    "REQ",
    handle,
    { kind: "context", requestType: 1, messageType: 0 },
    { kind: "signaledSi", data: writeAttributes(ATTRIBUTES) },
  ),
  says(
    "REQ",
    handle,
    { kind: "context", requestType: 8, messageType: 0 },
    { kind: "namedSi", data: writeRows("request", REQUESTED) },
  ),
  says(
    "DEC",
    handle,
    { kind: "decisionFlags", command: 1, flags: 0 },
    { kind: "decisionNamed", data: writeRows("decision", POLICY) },
  ),
  says("DEC", handle, { kind: "decisionFlags", command: 2, flags: 0 }, { kind: "decisionNamed", data: writeRemoveAll() }),
  says("RPT", handle, { kind: "reportType", type: 1 }),
  says("CC", { kind: "error", code: 13, subCode: 0x1101 }, { kind: "pdpRedirect6", address: "fd00:0:0:0:0:0:0:1", port: 3_288 }),
  says("KA", { kind: "integrity", keyId: 1, sequence: 9, digest: new Uint8Array(12) }),
];
const COPS_TOKENS = [
  [0, 0, 0, 8],
  [0, 8, 1, 1],
  [0xff, 0xff],
  [0, 12, 9, 2],
  [6, 2],
  [0x82, 0xff, 0xff],
  [5, 0],
].map((octets) => Uint8Array.from(octets));
const isKnown = (object: AnyCopsObject): object is CopsObject => object.kind !== "unknown";

function copsIsRead(bytes: Uint8Array): void {
  const decoded = decode(bytes);
  if (decoded.status === "need-more") assert.ok(decoded.atLeastBytes > 0, "it says what it waits for");
  if (decoded.status !== "ok") return;
  const { value, usedBytes } = decoded;
  assert.equal(usedBytes, new DataView(bytes.buffer, bytes.byteOffset).getUint32(4), "it is as long as it says");
  grammarFault(value);
  const known = { ...value, objects: value.objects.filter(isKnown) };
  const again = decode(encodeMessage(known));
  assert.deepEqual(again.status === "ok" && again.value, known, "it is the same when written and read again");
  for (const object of known.objects) if ("data" in object) contentsAreRead(object.data);
}

function contentsAreRead(data: Uint8Array): void {
  const attributes = readAttributes(data);
  if (!(attributes instanceof WireError))
    assert.deepEqual(readAttributes(writeAttributes(attributes.values)), { values: attributes.values, ignored: 0 });
  for (const part of ["request", "decision"] as const) {
    const rows = readRows(part, data);
    if (rows instanceof WireError) continue;
    assert.deepEqual(readRows(part, writeRows(part, rows.values)), { values: rows.values, ignored: 0, unknownPrids: [] });
  }
  const objects = prObjects.read(data, 0, data.length);
  if (objects instanceof WireError) return;
  const known = objects.flatMap((object) => (object.kind === "unknown" ? [] : [object]));
  const written = concat(known.map((object) => prObjects.write(object)));
  assert.deepEqual(prObjects.read(written, 0, written.length), known);
}

/** Messages of one stream, and how it stands after them. */
function framesOf(parts: readonly Uint8Array[]): unknown[] {
  const framer = new CopsFramer();
  const out: unknown[] = [];
  for (const part of parts) {
    framer.push(part);
    for (let read = framer.next(); ; read = framer.next()) {
      if (read.status === "bad") return [...out, read.error.code, framer.badClientType];
      if (read.status === "need-more") break;
      assert.equal(framer.octets.length, read.usedBytes);
      out.push(read.value);
    }
  }
  return out;
}

const POSITION = { table: "channels", owner: "ds1", life: 7, audience: "", seq: 3 };
const RECORDS = [
  { value: utf8("{}"), leftMs: 59_500 },
  { value: undefined, leftMs: 0 },
].map((row, at) => encodeRecord({ key: utf8(`bob ${at}`), seq: at + 2, order: 2, term: 1, keepMs: 60_000, ...row }));
const PIECE = encodePiece({ ...POSITION, after: 1, through: 3 }, RECORDS);
const BODIES: readonly Body[] = [
  {
    kind: "hello",
    ...{ id: 5, upMs: 9, speaks: 1, role: "ds", phase: "serving", info: { sip: "127.0.0.1:5060" } },
    heads: [POSITION],
  },
  { kind: "ask", id: 2, topic: "registration.channels", body: { a: [1, null, -0.5] } },
  { kind: "rows", octets: PIECE },
  { kind: "want", positions: [POSITION] },
];

const PARTED = utf8("a frame in three parts, of 10");
const PARTS = [...partsOf("ds1", 1, PARTED, 10)];

export const LINK_TARGETS: readonly Target[] = [
  { name: "cops", seeds: COPS, tokens: COPS_TOKENS, run: copsIsRead },
  {
    name: "cops-stream",
    seeds: [concat(COPS), ...COPS],
    tokens: COPS_TOKENS,
    run: (bytes) => assert.deepEqual(framesOf(pieces(bytes)), framesOf([bytes]), "it is the same however it is cut"),
  },
  {
    name: "overlay",
    seeds: BODIES.map((body) => encodeFrame({ from: "ds1", incarnation: 7, ...body })),
    tokens: words("[", "]", "{", "}", '"', ":", ",", "1e999", "-0", "null", '"__proto__":', '"kind":"bye"', "\\ud800", "9e15"),
    run(bytes) {
      const read = decodeFrame(bytes);
      if (read.status !== "ok") return;
      const written = encodeFrame(read.value);
      const again = decodeFrame(written);
      if (again.status !== "ok") assert.fail(`${again.status} when written and read again: ${text(written)}`);
      assert.deepEqual(encodeFrame(again.value), written);
    },
  },
  {
    name: "overlay-rows",
    seeds: [PIECE],
    tokens: words('"after":', '"life":9e15', "\u0000", "\uffff"),
    run(bytes) {
      const read = decodePiece(bytes);
      if (read.status !== "ok") return;
      const { head, records } = read.value;
      const rows = [...eachRecord(records)];
      const again = decodePiece(encodePiece(head, rows.map(encodeRecord)));
      assert.ok(again.status === "ok");
      assert.deepEqual([...eachRecord(again.value.records)], rows);
      const table = new Rows("channels", "ds9", 1, {
        isWatched: () => false,
        changed: () => undefined,
        returned: () => undefined,
        wake: () => undefined,
      });
      table.merge(read.value, 0);
      assert.ok(table.counts.rows <= rows.length);
    },
  },
  {
    name: "overlay-parts",
    seeds: PARTS,
    tokens: [Uint8Array.of(0, 0, 0, 1), Uint8Array.of(0xff, 0xff, 0xff, 0xff), Uint8Array.of(3), ...words("ds1")],
    run(bytes) {
      const assembler = new Assembler();
      const frames = [PARTS[0], bytes, PARTS[2]].flatMap((part) => (part && assembler.take(part)) ?? []);
      for (const frame of frames) assert.ok(frame.length === PARTED.length || frame.length < bytes.length);
      const { badParts, incomplete } = assembler.counters;
      assert.ok(badParts + incomplete + frames.length <= 3, "each part counts once");
    },
  },
];
