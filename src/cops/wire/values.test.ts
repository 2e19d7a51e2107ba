/** The contents of ClientSI and Decision data: attributes of 0x9101, rows of 0x9102, and the BER below them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromHex, hex } from "#base/bytes.ts";
import { WireError } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";
import { ATTRIBUTES, type AttributeValues, readAttributes, writeAttributes } from "./attributes.ts";
import { readBer, readOid, unsignedOf, writeOid, writeUnsigned } from "./ber.ts";
import { prObjects } from "./objects.ts";
import { type PibPart, readRows, writeFailure, writeRemoveAll, writeRows, writeUnknownClasses } from "./pib.ts";

const octets = (digits: string): Uint8Array => fromHex(digits.replaceAll(/\s/g, "")) ?? assert.fail(`not hex: ${digits}`);
const ID = "000102030405060708090a0b0c0d0e0f";

const ATTRIBUTE_GOLDEN: { name: keyof typeof ATTRIBUTES; value: string | number; wire: string }[] = [
  { name: "joinId", value: ID, wire: `0014 0001 ${ID}` },
  { name: "channel", value: "news", wire: "0008 0002 6e657773" },
  { name: "user", value: "zoë", wire: "0008 0003 7a6fc3ab" },
  { name: "kbps", value: 4000, wire: "0008 0004 00000fa0" },
  { name: "accessKbps", value: 0xffff_ffff, wire: "0008 0005 ffffffff" },
  { name: "sourceEdge", value: "edge1", wire: "0009 0006 6564676531 000000" },
  { name: "coreGroup", value: "232.0.1.7:5004", wire: "0012 0007 3233322e302e312e373a35303034 0000" },
  { name: "coreSource", value: "10.0.0.1", wire: "000c 0008 31302e302e302e31" },
  { name: "delivery", value: "unicast", wire: "000b 0009 756e6963617374 00" },
  { name: "unicastTo", value: "10.0.0.2:1", wire: "000e 000a 31302e302e302e323a31 0000" },
  { name: "replaces", value: ID, wire: `0014 000b ${ID}` },
  { name: "parentEdge", value: "e", wire: "0005 000c 65 000000" },
  { name: "group", value: "1.2.3.4:5", wire: "000d 000d 312e322e332e343a35 000000" },
  { name: "source", value: "1.2.3.4", wire: "000b 000e 312e322e332e34 00" },
  { name: "token", value: "tok", wire: "0007 000f 746f6b 00" },
  { name: "mediaBase", value: "ws://h", wire: "000a 0010 77733a2f2f68 0000" },
  { name: "reason", value: "core-full", wire: "000d 0011 636f72652d66756c6c 000000" },
  { name: "carriedKiB", value: 4_194_304, wire: "0008 0012 00400000" },
  { name: "viewerHost", value: "10.0.0.2", wire: "000c 0013 31302e302e302e32" },
];
for (const { name, value, wire } of ATTRIBUTE_GOLDEN) {
  test(`attribute ${name} is these octets both ways (PROTOCOL §7)`, () => {
    const bytes = octets(wire);
    assert.equal(hex(writeAttributes({ [name]: value })), hex(bytes));
    assert.deepEqual(readAttributes(bytes), { values: { [name]: value }, ignored: 0 });
    for (let length = 1; length < bytes.length; length++)
      assert.ok(readAttributes(bytes.subarray(0, length)) instanceof WireError, `cut at ${length}`);
  });
}
test("every attribute has its golden octets", () => {
  assert.deepEqual(ATTRIBUTE_GOLDEN.map(({ name }) => name).sort(), Object.keys(ATTRIBUTES).sort());
});
test("readAttributes ignores and counts what it does not know, and reads on", () => {
  assert.deepEqual(readAttributes(octets("0006 0fff abcd 0000  0008 0004 00000001")), { values: { kbps: 1 }, ignored: 1 });
});

const BAD_ATTRIBUTES: { name: string; wire: string }[] = [
  { name: "a rate of three octets", wire: "0007 0004 000001 00" },
  { name: "an id of fifteen octets", wire: "0013 0001 000102030405060708090a0b0c0d0e 00" },
  { name: "text that is not UTF-8", wire: "0006 0002 c328 0000" },
  { name: "text with a control character", wire: "0006 0002 410a 0000" },
  { name: "an attribute twice", wire: "0008 0004 00000001 0008 0004 00000002" },
  { name: "length 0", wire: "0000 0004 00000001" },
];
for (const { name, wire } of BAD_ATTRIBUTES) {
  test(`readAttributes refuses ${name}`, () => assert.ok(readAttributes(octets(wire)) instanceof WireError));
}
test("text has LIMITS.copsAttributeBytes octets at most, both ways", () => {
  const most = "x".repeat(LIMITS.copsAttributeBytes);
  const written = writeAttributes({ channel: most });
  assert.deepEqual(readAttributes(written), { values: { channel: most }, ignored: 0 });
  assert.throws(() => writeAttributes({ channel: `${most}x` }), RangeError);
  const longer = octets(`0105 0002 ${"78".repeat(257)} 000000`);
  assert.ok(readAttributes(longer) instanceof WireError);
});
test("writeAttributes throws for a name that nobody knows and for a value that does not fit", () => {
  assert.throws(() => writeAttributes({ colour: "red" }), TypeError);
  assert.throws(() => writeAttributes({ kbps: -1 }), RangeError);
  assert.throws(() => writeAttributes({ joinId: "abc" }), RangeError);
});

test("the examples of RFC 3084 §4.1 and §4.2 are these octets", () => {
  assert.equal(hex(writeOid("1.3.6.1.2.2.8.1")), "06072b060102020801");
  assert.equal(hex(prObjects.write({ kind: "prid", oid: "1.3.6.1.2.2.8.1" })), "000d010106072b06010202080100".concat("0000"));
  assert.equal(hex(prObjects.write({ kind: "pprid", oid: "1.3.6.1.2.2" })), "000b020106052b0601020200");
});
test("the row of the example in RFC 3084 §4.3 is read, whatever its types", () => {
  const row = octets("020108 4004c0390105 4004ffffffff 400400000000 400400000000 0201ff 020106 0500 0500 0500 0500 020101");
  const elements = readBer(row);
  assert.ok(!(elements instanceof WireError));
  assert.deepEqual(
    elements.map(({ tag }) => tag),
    [0x02, 0x40, 0x40, 0x40, 0x40, 0x02, 0x02, 0x05, 0x05, 0x05, 0x05, 0x02],
  );
  assert.deepEqual(
    elements.map(unsignedOf).map((value) => value ?? "-"),
    [8, "-", "-", "-", "-", "-", 6, "-", "-", "-", "-", 1],
  );
});
for (const [value, wire] of [
  [0, "420100"],
  [127, "42017f"],
  [128, "42020080"],
  [65_536, "4203010000"],
  [0xffff_ffff, "420500ffffffff"],
] as const) {
  test(`Unsigned32 ${value} is ${wire} (RFC 3159; X.690 §8.3)`, () => {
    assert.equal(hex(writeUnsigned(value)), wire);
    const [element] = readBer(octets(wire)) as readonly { tag: number; contents: Uint8Array }[];
    assert.equal(element && unsignedOf(element), value);
  });
}
for (const [name, wire] of [
  ["an indefinite length", "3080 0000"],
  ["a length of three octets", "0483000001 00"],
  ["a value over the end", "0402 00"],
  ["a tag alone", "04"],
  ["a high tag number", "1f8101 00"],
] as const) {
  test(`readBer refuses ${name}`, () => assert.ok(readBer(octets(wire)) instanceof WireError));
}
test("readOid reads what writeOid wrote, and nothing cut short", () => {
  const sub = fc.integer({ min: 0, max: 0xffff_ffff });
  const oid = fc.tuple(fc.constantFrom("0.5", "1.3", "2.39", "2.999"), fc.array(sub, { maxLength: 12 }));
  fc.assert(
    fc.property(oid, ([root, rest]) => {
      const dotted = [root, ...rest].join(".");
      const bytes = writeOid(dotted);
      assert.equal(readOid(bytes, 0, bytes.length), dotted);
      assert.equal(readOid(bytes, 0, bytes.length - 1), undefined);
    }),
  );
});

const prid = (number: number): string => `0014 01 01 06 0e 2b060104 0181fd59 82a202 0${number} 0101`; // below 1.3.6.1.4.1.32473.37122
const ROWS: { part: PibPart; name: string; values: AttributeValues; wire: string }[] = [
  {
    part: "request",
    name: "a channel that goes on air",
    values: { joinId: ID, channel: "news", user: "bob", kbps: 4000, sender: "10.0.0.9" },
    wire: `${prid(1)} 0032 03 01 420101 0410${ID} 04046e657773 0403626f62 42020fa0 040831302e302e302e39 0000`,
  },
  {
    part: "request",
    name: "a channel that was on air, with what it was granted",
    values: { joinId: ID, channel: "n", user: "b", kbps: 1, sender: "s", group: "1.2.3.4:5", ingest: "1.2.3.4:6" },
    wire: `${prid(1)} 0025 03 01 420101 0410${ID} 04016e 040162 420101 040173 000000
      ${prid(6)} 001d 03 01 420101 0409312e322e332e343a35 0409312e322e332e343a36 000000`,
  },
  {
    part: "decision",
    name: "a channel's grant",
    values: { kbps: 4000, group: "232.0.1.7:5004", source: "10.0.0.1", ingest: "10.0.0.1:9" },
    wire: `${prid(2)} 0031 03 01 420101 42020fa0 040e3233322e302e312e373a35303034 040831302e302e302e31
      040a31302e302e302e313a39 000000`,
  },
  {
    part: "decision",
    name: "an edge's policy: pool and rates",
    values: {
      groupFirst: "232.0.1.0",
      groupCount: 256,
      groupPort: 5004,
      maxChannelKbps: 1,
      localQuotaKbps: 2,
      ingestKbps: 3,
      accessKbps: 4,
    },
    wire: `${prid(3)} 001a 03 01 420101 04093233322e302e312e30 42020100 4202138c 0000
      ${prid(4)} 0013 03 01 420101 420101 420102 420103 420104 00`,
  },
  {
    part: "decision",
    name: "a refusal",
    values: { reason: "ingest-full" },
    wire: `${prid(5)} 0014 03 01 420101 040b696e676573742d66756c6c`,
  },
  {
    part: "decision",
    name: "columns that are absent, as NULL",
    values: { kbps: 1 },
    wire: `${prid(2)} 0010 03 01 420101 420101 0500 0500 0500`,
  },
];
for (const { part, name, values, wire } of ROWS) {
  test(`${name} is these octets both ways (RFC 3084 §4.1, §4.3)`, () => {
    const bytes = octets(wire);
    assert.equal(hex(writeRows(part, values)), hex(bytes));
    assert.deepEqual(readRows(part, bytes), { values, ignored: 0, unknownPrids: [] });
    const first = 4 * Math.ceil((0x14 + (bytes[0x15] ?? 0)) / 4); // where the first row is whole
    for (let length = 1; length < bytes.length; length++) {
      if (length !== first) assert.ok(readRows(part, bytes.subarray(0, length)) instanceof WireError, `cut at ${length}`);
    }
  });
}
test("readRows ignores and counts columns and classes that it does not know", () => {
  const bytes = octets(`${prid(5)} 000f 03 01 420101 0401 78 0401 79 0500 00 ${prid(9)} 0007 03 01 420101 00`);
  const unknownPrids = ["1.3.6.1.4.1.32473.37122.9.1.1"];
  assert.deepEqual(readRows("decision", bytes), { values: { reason: "x" }, ignored: 2, unknownPrids });
});
test("readRows takes a row of an older peer: what it does not have counts as NULL", () => {
  assert.deepEqual(readRows("decision", octets(`${prid(2)} 000a 03 01 420101 020105 0000`)), {
    values: { kbps: 5 },
    ignored: 0,
    unknownPrids: [],
  });
});
for (const [name, wire] of [
  ["a row without data", prid(2)],
  ["data without a row", "0007 03 01 420101 00"],
  ["a prefix where a row must stand (RFC 3084 §5.1)", "0009 02 01 06032b0601 000000 0007 03 01 420101 00"],
  ["a column of another type", `${prid(2)} 000b 03 01 420101 040105 0000`],
  ["a negative rate", `${prid(2)} 000a 03 01 420101 0201ff 0000`],
  ["a column twice", `${prid(2)} 000a 03 01 420101 020105 0000 ${prid(2)} 000a 03 01 420101 020105 0000`],
] as const) {
  test(`readRows refuses ${name}`, () => assert.ok(readRows("decision", octets(wire)) instanceof WireError));
}
test("writeRows throws for a name that has no column", () => {
  assert.throws(() => writeRows("request", { kbps: 1, reason: "x" }), /reason/);
});
test("the other objects of RFC 3084 §4 are these octets", () => {
  assert.equal(hex(writeRemoveAll()), hex(octets("0011 02 01 060b2b0601040181fd5982a202 000000")));
  assert.equal(hex(writeFailure(5)), hex(octets("0008 04 01 0005 0000")));
  assert.equal(hex(writeUnknownClasses(["1.3.6.1"])), hex(octets("0009 06 01 06032b0601 000000 0008 05 01 0009 0000")));
  assert.deepEqual(prObjects.read(octets("0008 04 01 0005 0000 0008 05 01 0009 0001"), 0, 16), [
    { kind: "gperr", code: 5, subCode: 0 },
    { kind: "cperr", code: 9, subCode: 1 },
  ]);
});
