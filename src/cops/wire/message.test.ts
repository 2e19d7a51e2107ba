import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { concat, fromHex, hex } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import { COPS_ERROR, grammarFault } from "./grammar.ts";
import { CopsFramer, type CopsMessage, decode, encodeMessage, OP_CODES, type OpName } from "./message.ts";
import { COPS_OBJECTS, type CopsObject, type CopsObjectKind } from "./objects.ts";

const octets = (digits: string): Uint8Array => fromHex(digits.replaceAll(/\s/g, "")) ?? assert.fail(`not hex: ${digits}`);
const handle = { kind: "handle", handle: "00000007" } as const;
const HANDLE = "0008 01 01 00000007";

/** Every op code, every object, by octet. */
const GOLDEN: { name: string; message: CopsMessage; wire: string }[] = [
  {
    name: "OPN with PEPID, ClientSI and last PDP (§3.6)",
    message: {
      op: "OPN",
      clientType: 0x9101,
      solicited: false,
      objects: [
        { kind: "pepId", id: "edge1" },
        { kind: "namedSi", data: octets("01020304") },
        { kind: "lastPdp4", address: "10.0.0.9", port: 3288 },
      ],
    },
    wire: "10 06 9101 00000028  000c 0b 01 6564676531000000  0008 09 02 01020304  000c 0e 01 0a000009 0000 0cd8",
  },
  {
    name: "OPN of a PEPID that fills its word: the NUL takes one more (§2.2.11)",
    message: { op: "OPN", clientType: 0x9102, solicited: false, objects: [{ kind: "pepId", id: "edge" }] },
    wire: "10 06 9102 00000014  000c 0b 01 6564676500000000",
  },
  {
    name: "CAT with both timers (§3.7)",
    message: {
      op: "CAT",
      clientType: 0x9101,
      solicited: false,
      objects: [
        { kind: "kaTimer", timerSec: 30 },
        { kind: "acctTimer", timerSec: 600 },
      ],
    },
    wire: "10 07 9101 00000018  0008 0a 01 0000 001e  0008 0f 01 0000 0258",
  },
  {
    name: "CC with redirection, IPv6 (§3.8)",
    message: {
      op: "CC",
      clientType: 0x9101,
      solicited: false,
      objects: [
        { kind: "error", code: 13, subCode: 0x1101 },
        { kind: "pdpRedirect6", address: "fd00:0:0:0:0:0:0:1", port: 3288 },
      ],
    },
    wire: "10 08 9101 00000028  0008 08 01 000d 1101  0018 0d 02 fd000000000000000000000000000001 0000 0cd8",
  },
  {
    name: "CC with redirection, IPv4; last PDP of IPv6 beside it",
    message: {
      op: "CC",
      clientType: 1,
      solicited: false,
      objects: [
        { kind: "pdpRedirect4", address: "10.0.0.8", port: 1 },
        { kind: "lastPdp6", address: "0:0:0:0:0:0:0:1", port: 2 },
      ],
    },
    wire: "10 08 0001 0000002c  000c 0d 01 0a000008 0000 0001  0018 0e 02 00000000000000000000000000000001 0000 0002",
  },
  {
    name: "OPN that agrees on a key: HMAC-MD5-96 (§2.2.16, §4.1)",
    message: {
      op: "OPN",
      clientType: 0,
      solicited: false,
      objects: [
        { kind: "pepId", id: "edge1" },
        { kind: "integrity", keyId: 1, sequence: 7, digest: octets("000102030405060708090a0b") },
      ],
    },
    wire: "10 06 0000 0000002c  000c 0b 01 6564676531000000  0018 10 01 00000001 00000007 000102030405060708090a0b",
  },
  { name: "KA (§3.9)", message: { op: "KA", clientType: 0, solicited: false, objects: [] }, wire: "10 09 0000 00000008" },
  {
    name: "REQ of an admission with interfaces and a local decision (§3.1)",
    message: {
      op: "REQ",
      clientType: 0x9101,
      solicited: false,
      objects: [
        handle,
        { kind: "context", requestType: 2, messageType: 1 },
        { kind: "inInterface4", address: "10.1.2.3", ifIndex: 5 },
        { kind: "outInterface6", address: "fd00:0:0:0:0:0:0:2", ifIndex: 6 },
        { kind: "signaledSi", data: octets("aabbcc") },
        { kind: "lpdpFlags", command: 1, flags: 0 },
        { kind: "lpdpStateless", data: octets("01") },
        { kind: "lpdpReplacement", data: octets("02") },
        { kind: "lpdpClientSi", data: octets("03") },
        { kind: "lpdpNamed", data: octets("04") },
      ],
    },
    wire: `10 01 9101 0000006c ${HANDLE} 0008 02 01 0002 0001 000c 03 01 0a010203 00000005
      0018 04 02 fd000000000000000000000000000002 00000006  0007 09 01 aabbcc 00  0008 07 01 0001 0000
      0005 07 02 01 000000  0005 07 03 02 000000  0005 07 04 03 000000  0005 07 05 04 000000`,
  },
  {
    name: "REQ with the other interfaces",
    message: {
      op: "REQ",
      clientType: 0x9101,
      solicited: false,
      objects: [
        { kind: "inInterface6", address: "fd00:0:0:0:0:0:0:2", ifIndex: 6 },
        { kind: "outInterface4", address: "10.1.2.3", ifIndex: 5 },
      ],
    },
    wire: "10 01 9101 0000002c 0018 03 02 fd000000000000000000000000000002 00000006  000c 04 01 0a010203 00000005",
  },
  {
    name: "DEC, solicited, with every kind of decision data (§3.2)",
    message: {
      op: "DEC",
      clientType: 0x9101,
      solicited: true,
      objects: [
        handle,
        { kind: "context", requestType: 2, messageType: 2 },
        { kind: "decisionFlags", command: 1, flags: 0 },
        { kind: "decisionStateless", data: octets("01") },
        { kind: "decisionReplacement", data: octets("0202") },
        { kind: "decisionClientSi", data: octets("030303") },
        { kind: "decisionNamed", data: octets("04040404") },
      ],
    },
    wire: `11 02 9101 00000040 ${HANDLE} 0008 02 01 0002 0002 0008 06 01 0001 0000
      0005 06 02 01 000000  0006 06 03 0202 0000  0007 06 04 030303 00  0008 06 05 04040404`,
  },
  {
    name: "DEC with an Error (§3.2)",
    message: { op: "DEC", clientType: 0x9101, solicited: true, objects: [handle, { kind: "error", code: 5, subCode: 0 }] },
    wire: `11 02 9101 00000018 ${HANDLE} 0008 08 01 0005 0000`,
  },
  {
    name: "RPT with Integrity last (§3.3, §2.2.16)",
    message: {
      op: "RPT",
      clientType: 0x9102,
      solicited: true,
      objects: [
        handle,
        { kind: "reportType", type: 1 },
        { kind: "integrity", keyId: 9, sequence: 0xffffffff, digest: octets("000102030405060708090a0b") },
      ],
    },
    wire: `11 03 9102 00000030 ${HANDLE} 0008 0c 01 0001 0000  0018 10 01 00000009 ffffffff 000102030405060708090a0b`,
  },
  {
    name: "DRQ (§3.4)",
    message: { op: "DRQ", clientType: 0x9101, solicited: false, objects: [handle, { kind: "reason", code: 4, subCode: 0 }] },
    wire: `10 04 9101 00000018 ${HANDLE} 0008 05 01 0004 0000`,
  },
  {
    name: "SSQ for all (§3.5)",
    message: { op: "SSQ", clientType: 0x9101, solicited: false, objects: [] },
    wire: "10 05 9101 00000008",
  },
  {
    name: "SSC for one handle of odd length (§3.10)",
    message: { op: "SSC", clientType: 0x9101, solicited: false, objects: [{ kind: "handle", handle: "0a0b0c0d0e" }] },
    wire: "10 0a 9101 00000014 0009 01 01 0a0b0c0d0e 000000",
  },
];

for (const { name, message, wire } of GOLDEN) {
  test(`COPS message ${name} is these octets both ways`, () => {
    const bytes = octets(wire);
    assert.equal(hex(encodeMessage(message)), hex(bytes));
    assert.deepEqual(decode(bytes), { status: "ok", value: message, usedBytes: bytes.length });
    assert.deepEqual(decode(concat([bytes, octets("1009")])), { status: "ok", value: message, usedBytes: bytes.length });
    for (let length = 0; length < bytes.length; length++) {
      const atLeastBytes = length < 8 ? 8 - length : bytes.length - length;
      assert.deepEqual(decode(bytes.subarray(0, length)), { status: "need-more", atLeastBytes }, `cut at ${length}`);
    }
  });
}

test("the golden messages have every op code and every object of the table", () => {
  const ops = new Set(GOLDEN.map(({ message }) => message.op));
  const kinds = new Set(GOLDEN.flatMap(({ message }) => message.objects.map((object) => object.kind)));
  assert.deepEqual([...ops].sort(), Object.keys(OP_CODES).sort());
  assert.deepEqual([...kinds].sort(), Object.keys(COPS_OBJECTS).sort());
});

const BAD: { name: string; wire: string; code: string; offset: number }[] = [
  { name: "version 2", wire: "20", code: "bad-value", offset: 0 },
  { name: "op code 0", wire: "1000", code: "bad-value", offset: 1 },
  { name: "op code 11", wire: "100b", code: "bad-value", offset: 1 },
  { name: "4 GiB announced, before anything is waited for", wire: "10 01 9101 ffffffff", code: "too-large", offset: 4 },
  { name: "one word over the limit", wire: "10 01 9101 00010004", code: "too-large", offset: 4 },
  { name: "a length below the header's", wire: "10 01 9101 00000004", code: "bad-length", offset: 4 },
  { name: "a length off the 4-octet boundary", wire: "10 01 9101 0000000a 0000", code: "bad-length", offset: 4 },
  { name: "object length 0", wire: "10 01 9101 0000000c 0000 01 01", code: "bad-length", offset: 8 },
  { name: "object length 3", wire: "10 01 9101 0000000c 0003 01 01", code: "bad-length", offset: 8 },
  { name: "an object over the end", wire: "10 01 9101 0000000c 0008 01 01", code: "bad-length", offset: 8 },
  { name: "padding over the end", wire: "10 01 9101 00000010 0009 01 01 00000007", code: "bad-length", offset: 8 },
  { name: "an empty handle", wire: "10 01 9101 0000000c 0004 01 01", code: "bad-value", offset: 12 },
  { name: "a context cut short", wire: "10 01 9101 00000010 0006 02 01 0001 0000", code: "bad-value", offset: 14 },
  {
    name: "a context with octets too many",
    wire: "10 01 9101 00000014 000c 02 01 0001 0001 0000 0000",
    code: "bad-length",
    offset: 12,
  },
  { name: "a PEPID without its NUL", wire: "10 06 9101 00000010 0008 0b 01 65646765", code: "bad-value", offset: 12 },
  { name: "a PEPID that is not ASCII", wire: "10 06 9101 00000010 0008 0b 01 c3a46700", code: "bad-value", offset: 12 },
];
for (const { name, wire, code, offset } of BAD) {
  test(`decode refuses ${name} (RFC 2748 §2.1, §2.2)`, () => {
    const decoded = decode(octets(wire));
    assert.equal(decoded.status, "bad");
    assert.ok(decoded.status === "bad");
    assert.deepEqual([decoded.error.code, decoded.error.offsetBytes], [code, offset]);
  });
}

test("decode keeps an unknown object's numbers (RFC 2748 §2.2.8: Error 13 names them)", () => {
  const decoded = decode(octets("10 01 9101 00000010 0008 11 02 01020304"));
  assert.ok(decoded.status === "ok");
  assert.deepEqual(decoded.value.objects, [{ kind: "unknown", num: 17, type: 2 }]);
  assert.throws(() => encodeMessage(decoded.value), TypeError);
});

test("a handle may have LIMITS.copsHandleBytes octets and no more", () => {
  const opening = (bytes: number): CopsMessage => ({
    op: "SSQ",
    clientType: 1,
    solicited: false,
    objects: [{ kind: "handle", handle: "ab".repeat(bytes) }],
  });
  assert.equal(decode(encodeMessage(opening(LIMITS.copsHandleBytes))).status, "ok");
  assert.throws(() => encodeMessage(opening(LIMITS.copsHandleBytes + 1)), RangeError);
  assert.equal(decode(octets(`10 05 0001 00000050 0045 01 01 ${"ab".repeat(65)} 000000`)).status, "bad");
});

test("a message may have LIMITS.copsMessageBytes octets and no more", () => {
  const message = (dataBytes: number): CopsMessage => ({
    op: "REQ",
    clientType: 1,
    solicited: false,
    objects: [
      { kind: "signaledSi", data: new Uint8Array(dataBytes) },
      { kind: "signaledSi", data: new Uint8Array(4) },
    ],
  });
  const most = LIMITS.copsMessageBytes - 8 - 4 - 8;
  assert.equal(decode(encodeMessage(message(most))).status, "ok");
  assert.throws(() => encodeMessage(message(most + 1)), RangeError);
});

test("CopsFramer cuts a stream into messages wherever its pieces end", () => {
  const whole = concat(GOLDEN.map(({ wire }) => octets(wire)));
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 97 }), { minLength: 1, maxLength: 40 }), (sizes) => {
      const framer = new CopsFramer();
      const seen: CopsMessage[] = [];
      for (let at = 0, turn = 0; at < whole.length; turn++) {
        const size = sizes[turn % sizes.length] ?? 1;
        framer.push(whole.subarray(at, at + size));
        at += size;
        for (let next = framer.next(); next.status === "ok"; next = framer.next()) seen.push(next.value);
      }
      assert.deepEqual(
        seen,
        GOLDEN.map(({ message }) => message),
      );
    }),
  );
});

test("CopsFramer says the client-type of a bad message where its header can be read", () => {
  const framer = new CopsFramer();
  framer.push(octets("1009000000000008 10 01 9102 0000000c 0000 01 01"));
  assert.equal(framer.next().status, "ok");
  assert.equal(framer.next().status, "bad");
  assert.equal(framer.badClientType, 0x9102);
  const other = new CopsFramer();
  other.push(octets("20 01 9102 0000000c"));
  assert.equal(other.badClientType, 0);
});

test("decode answers whatever became of a message's octets, and what it takes it writes again", () => {
  const damage = fc.array(fc.tuple(fc.nat({ max: 110 }), fc.nat({ max: 255 })), { maxLength: 4 });
  fc.assert(
    fc.property(fc.constantFrom(...GOLDEN), damage, ({ wire }, changes) => {
      const bytes = octets(wire);
      for (const [at, octet] of changes) bytes[at % bytes.length] = octet;
      const decoded = decode(bytes);
      if (decoded.status !== "ok" || decoded.value.objects.some(({ kind }) => kind === "unknown")) return;
      const again = decode(encodeMessage(decoded.value));
      assert.deepEqual(again.status === "ok" && again.value, decoded.value);
    }),
    { numRuns: 3_000 },
  );
});

const object = (kind: CopsObjectKind): CopsObject => {
  const found = GOLDEN.flatMap(({ message }) => message.objects).find((candidate) => candidate.kind === kind);
  assert.ok(found && found.kind !== "unknown");
  return found;
};
const LEGAL: { op: OpName; kinds: CopsObjectKind[]; code?: number }[] = [
  {
    op: "REQ",
    kinds: [
      "handle",
      "context",
      "inInterface4",
      "outInterface6",
      "signaledSi",
      "signaledSi",
      "context",
      "lpdpFlags",
      "lpdpNamed",
      "integrity",
    ],
  },
  { op: "REQ", kinds: ["context", "signaledSi"], code: COPS_ERROR.objectMissing },
  { op: "REQ", kinds: ["handle", "context", "pepId"], code: COPS_ERROR.badMessageFormat },
  { op: "REQ", kinds: ["handle", "handle", "context"], code: COPS_ERROR.badMessageFormat },
  { op: "REQ", kinds: ["handle", "integrity", "context"], code: COPS_ERROR.badMessageFormat },
  {
    op: "DEC",
    kinds: ["handle", "context", "decisionFlags", "decisionNamed", "context", "decisionFlags", "decisionStateless", "integrity"],
  },
  { op: "DEC", kinds: ["handle", "error"] },
  { op: "DEC", kinds: ["error"], code: COPS_ERROR.objectMissing },
  { op: "RPT", kinds: ["handle", "reportType", "namedSi", "namedSi"] },
  { op: "RPT", kinds: ["handle"], code: COPS_ERROR.objectMissing },
  { op: "DRQ", kinds: ["handle", "reason"] },
  { op: "DRQ", kinds: ["handle"], code: COPS_ERROR.objectMissing },
  { op: "SSQ", kinds: [] },
  { op: "SSQ", kinds: ["handle"] },
  { op: "SSC", kinds: ["handle", "integrity"] },
  { op: "OPN", kinds: ["pepId", "namedSi", "lastPdp6", "integrity"] },
  { op: "OPN", kinds: ["namedSi"], code: COPS_ERROR.objectMissing },
  { op: "CAT", kinds: ["kaTimer", "acctTimer"] },
  { op: "CAT", kinds: ["acctTimer"], code: COPS_ERROR.objectMissing },
  { op: "CC", kinds: ["error", "pdpRedirect4"] },
  { op: "CC", kinds: [], code: COPS_ERROR.objectMissing },
  { op: "KA", kinds: ["integrity"] },
  { op: "KA", kinds: ["handle"], code: COPS_ERROR.badMessageFormat },
];
for (const { op, kinds, code } of LEGAL) {
  test(`${op} of [${kinds.join(", ")}] is ${code === undefined ? "legal" : `Error ${code}`} (RFC 2748 §3)`, () => {
    const fault = grammarFault({ op, clientType: 1, solicited: false, objects: kinds.map(object) });
    assert.equal(fault?.code, code);
  });
}
test("an unknown object is Error 13 with its numbers, wherever it stands (RFC 2748 §2.2.8)", () => {
  const objects = [object("handle"), { kind: "unknown", num: 17, type: 2 } as const];
  assert.deepEqual(grammarFault({ op: "DRQ", clientType: 1, solicited: false, objects }), { code: 13, subCode: 0x1102 });
});

test("an IPv6 address may be written short (§2.2.14)", () => {
  const read = (["fd00::1", "::", "1:2:3:4:5:6:7:8", "fd00:1::"] as const).map((address) => {
    const decoded = decode(
      encodeMessage({ op: "OPN", clientType: 1, solicited: false, objects: [{ kind: "lastPdp6", address, port: 1 }] }),
    );
    return decoded.status === "ok" && decoded.value.objects[0]?.kind === "lastPdp6" && decoded.value.objects[0].address;
  });
  assert.deepEqual(read, ["fd00:0:0:0:0:0:0:1", "0:0:0:0:0:0:0:0", "1:2:3:4:5:6:7:8", "fd00:1:0:0:0:0:0:0"]);
});
