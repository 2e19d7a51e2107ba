import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromHex, hex, NO_BYTES } from "#base/bytes.ts";
import { parseRtp, type RtpPacket, sequenceAhead, translateRtp, writeRtp } from "./rtp.ts";

const PLAIN: RtpPacket = {
  marker: false,
  payloadType: 33,
  sequence: 0x1234,
  timestamp: 0xdeadbeef,
  ssrc: 0xcafe0001,
  csrcs: [],
  payload: Uint8Array.of(0x47, 1, 2),
  paddingBytes: 0,
};
const GOOD: { name: string; digits: string; packet: RtpPacket }[] = [
  { name: "the fixed header", digits: "80211234deadbeefcafe0001470102", packet: PLAIN },
  { name: "the marker", digits: "80a11234deadbeefcafe0001470102", packet: { ...PLAIN, marker: true } },
  {
    name: "two CSRCs",
    digits: "82211234deadbeefcafe000100000001ffffffff470102",
    packet: { ...PLAIN, csrcs: [1, 0xffffffff] },
  },
  {
    name: "an extension of one word",
    digits: "90211234deadbeefcafe0001bede000101020304470102",
    packet: { ...PLAIN, extension: { profile: 0xbede, data: Uint8Array.of(1, 2, 3, 4) } },
  },
  { name: "three octets of padding", digits: "a0211234deadbeefcafe0001470102000003", packet: { ...PLAIN, paddingBytes: 3 } },
  { name: "no payload at all", digits: "80211234deadbeefcafe0001", packet: { ...PLAIN, payload: NO_BYTES } },
];
for (const { name, digits, packet } of GOOD) {
  test(`RTP reads and writes ${name} (RFC 3550 §5.1)`, () => {
    const bytes = octets(digits);
    assert.deepEqual(parseRtp(bytes), { status: "ok", value: packet, usedBytes: bytes.length });
    assert.equal(hex(writeRtp(packet)), digits);
  });
}

const BAD: { name: string; digits: string; code: string; offsetBytes: number }[] = [
  { name: "nothing", digits: "", code: "truncated", offsetBytes: 0 },
  { name: "eleven octets", digits: "80211234deadbeefcafe00", code: "truncated", offsetBytes: 11 },
  { name: "version 1", digits: "40211234deadbeefcafe0001", code: "bad-value", offsetBytes: 0 },
  { name: "a cut-off CSRC", digits: "81211234deadbeefcafe0001000000", code: "truncated", offsetBytes: 15 },
  { name: "a cut-off extension head", digits: "90211234deadbeefcafe0001bede00", code: "truncated", offsetBytes: 15 },
  { name: "a cut-off extension", digits: "90211234deadbeefcafe0001bede000101", code: "truncated", offsetBytes: 17 },
  { name: "padding of 0 octets", digits: "a0211234deadbeefcafe000100", code: "bad-length", offsetBytes: 12 },
  { name: "more padding than packet", digits: "a0211234deadbeefcafe000102", code: "bad-length", offsetBytes: 12 },
];
for (const { name, digits, code, offsetBytes } of BAD) {
  test(`RTP refuses ${name} (RFC 3550 §A.1)`, () => {
    const read = parseRtp(octets(digits));
    assert.ok(read.status === "bad");
    assert.deepEqual({ code: read.error.code, offsetBytes: read.error.offsetBytes }, { code, offsetBytes });
  });
}

const packets: fc.Arbitrary<RtpPacket> = fc
  .record({
    marker: fc.boolean(),
    payloadType: fc.nat(127),
    sequence: fc.nat(0xffff),
    timestamp: fc.nat(0xffffffff),
    ssrc: fc.nat(0xffffffff),
    csrcs: fc.array(fc.nat(0xffffffff), { maxLength: 15 }),
    words: fc.option(fc.nat(3), { nil: undefined }),
    profile: fc.nat(0xffff),
    payload: fc.uint8Array({ maxLength: 64 }),
    paddingBytes: fc.nat(255),
  })
  .map(({ words, profile, ...packet }) =>
    words === undefined ? packet : { ...packet, extension: { profile, data: new Uint8Array(4 * words).fill(words) } },
  );

test("RTP: what is written is read again", () => {
  fc.assert(
    fc.property(packets, (packet) => {
      const read = parseRtp(writeRtp(packet));
      assert.ok(read.status === "ok");
      assert.deepEqual(read.value, packet);
    }),
  );
});
test("RTP: no octets make the parser throw, and what it accepts stays within them", () => {
  const likely = fc.tuple(fc.constantFrom(0x80, 0x9f, 0xaf, 0xbf), fc.uint8Array({ maxLength: 90 }));
  fc.assert(
    fc.property(likely, ([first, rest]) => {
      const read = parseRtp(Uint8Array.of(first, ...rest));
      if (read.status === "ok") assert.ok(read.value.payload.length + read.value.paddingBytes <= rest.length - 11);
    }),
  );
});
test("RTP: what the format cannot carry is our own fault", () => {
  assert.throws(() => writeRtp({ ...PLAIN, csrcs: new Array(16).fill(1) }), RangeError);
  assert.throws(() => writeRtp({ ...PLAIN, paddingBytes: 256 }), RangeError);
  assert.throws(() => writeRtp({ ...PLAIN, extension: { profile: 0, data: new Uint8Array(3) } }), RangeError);
});

test("a translator replaces sequence and SSRC and moves the timestamp over its wrap (RFC 3550 §7.2)", () => {
  const datagram = writeRtp({ ...PLAIN, timestamp: 0xffffffff });
  translateRtp(datagram, 0xffff, 7, 2, true);
  assert.equal(hex(datagram), "80a1ffff0000000100000007470102");
});

const AHEAD: [to: number, from: number, ahead: number][] = [
  [5, 5, 0],
  [0, 0xffff, 1],
  [0xffff, 0, -1],
  [0x7fff, 0, 32_767],
  [0x8000, 0, -32_768],
];
for (const [to, from, ahead] of AHEAD) {
  test(`sequence ${to} is ${ahead} ahead of ${from} (RFC 3550 §A.1)`, () => assert.equal(sequenceAhead(to, from), ahead));
}

function octets(digits: string): Uint8Array {
  const bytes = fromHex(digits);
  assert.ok(bytes, "the table has hex digits");
  return bytes;
}
