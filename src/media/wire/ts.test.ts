import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromHex, hex, utf8 } from "#base/bytes.ts";
import {
  clearDiscontinuity,
  crc32Mpeg,
  isWholePackets,
  PCR_WRAP_TICKS,
  parseTsPacket,
  putContinuity,
  putPcr,
  TS_PACKET_BYTES,
  type TsPacket,
  ticksAhead,
} from "./ts.ts";

const PLAIN: TsPacket = {
  at: 0,
  pid: 0x100,
  unitStart: false,
  transportError: false,
  scrambled: false,
  continuity: 5,
  discontinuity: false,
  randomAccess: false,
  pcrTicks: undefined,
  payloadAt: 4,
  payloadEnd: 188,
};
const GOOD: { name: string; head: string; wants: Partial<TsPacket> }[] = [
  { name: "payload alone", head: "47010015", wants: {} },
  { name: "the beginning of a unit", head: "47410015", wants: { unitStart: true } },
  { name: "the largest PID, a transport error", head: "479fff15", wants: { pid: 0x1fff, transportError: true } },
  { name: "scrambling", head: "470100d5", wants: { scrambled: true } },
  { name: "an adaptation field of no octets", head: "4701003500", wants: { payloadAt: 5 } },
  { name: "a random access indicator", head: "470100350140", wants: { randomAccess: true, payloadAt: 6 } },
  { name: "a discontinuity indicator", head: "470100350180", wants: { discontinuity: true, payloadAt: 6 } },
  { name: "an adaptation field alone", head: "47010025b700", wants: { payloadAt: 188 } },
  {
    name: "a clock reference: base 0x123456789, extension 299",
    head: "47010035071091a2b3c4ff2b",
    wants: { pcrTicks: 0x123456789 * 300 + 299, payloadAt: 12 },
  },
];
for (const { name, head, wants } of GOOD) {
  test(`TS reads ${name} (ISO/IEC 13818-1 §2.4.3)`, () => {
    assert.deepEqual(parseTsPacket(packet(head)), { status: "ok", value: { ...PLAIN, ...wants }, usedBytes: 188 });
  });
}

const BAD: { name: string; bytes: Uint8Array; code: string; offsetBytes: number }[] = [
  { name: "187 octets", bytes: packet("47010015").subarray(1), code: "truncated", offsetBytes: 187 },
  { name: "another first octet", bytes: packet("48010015"), code: "bad-value", offsetBytes: 0 },
  { name: "neither payload nor adaptation field", bytes: packet("47010005"), code: "bad-value", offsetBytes: 3 },
  { name: "an adaptation field that leaves no payload", bytes: packet("47010035b7"), code: "bad-length", offsetBytes: 4 },
  { name: "an adaptation field longer than the packet", bytes: packet("47010025b8"), code: "bad-length", offsetBytes: 4 },
  { name: "a clock reference without room", bytes: packet("470100350610"), code: "bad-length", offsetBytes: 4 },
];
for (const { name, bytes, code, offsetBytes } of BAD) {
  test(`TS refuses ${name} (ISO/IEC 13818-1 §2.4.3)`, () => {
    const read = parseTsPacket(bytes);
    assert.ok(read.status === "bad");
    assert.deepEqual({ code: read.error.code, offsetBytes: read.error.offsetBytes }, { code, offsetBytes });
  });
}

test("TS: no octets make the parser throw, and a payload stays within its packet", () => {
  const likely = fc.tuple(fc.uint8Array({ minLength: 187, maxLength: 187 }), fc.constantFrom(0x10, 0x20, 0x30), fc.nat(190));
  fc.assert(
    fc.property(likely, ([rest, control, length]) => {
      const bytes = Uint8Array.of(0x47, ...rest);
      bytes[3] = control;
      bytes[4] = length;
      const read = parseTsPacket(bytes);
      if (read.status === "ok") assert.ok(read.value.payloadAt >= 4 && read.value.payloadAt <= 188);
    }),
  );
});
test("TS: a clock reference that was written is read again, modulo its wrap", () => {
  fc.assert(
    fc.property(fc.integer({ min: -PCR_WRAP_TICKS, max: 2 * PCR_WRAP_TICKS }), (ticks) => {
      const bytes = packet("4701003507100000000000");
      putPcr(bytes, 0, ticks);
      const read = parseTsPacket(bytes);
      assert.ok(read.status === "ok");
      assert.equal(read.value.pcrTicks, ((ticks % PCR_WRAP_TICKS) + PCR_WRAP_TICKS) % PCR_WRAP_TICKS);
    }),
  );
});
test("TS: counter and discontinuity indicator are changed in place and nothing else", () => {
  const bytes = packet("4701003501c0");
  putContinuity(bytes, 0, 0x1a);
  clearDiscontinuity(bytes, 0);
  assert.equal(hex(bytes), hex(packet("4701003a0140")));
});

test("whole packets are told from anything else", () => {
  const two = new Uint8Array(2 * TS_PACKET_BYTES);
  two[0] = two[TS_PACKET_BYTES] = 0x47;
  assert.equal(isWholePackets(two), true);
  assert.equal(isWholePackets(two.subarray(0, 187)), false);
  assert.equal(isWholePackets(two.subarray(0, 0)), false);
  assert.equal(isWholePackets(two.fill(0, TS_PACKET_BYTES)), false);
});
test("CRC-32/MPEG-2 of its check string (ISO/IEC 13818-1 annex A)", () => {
  assert.equal(crc32Mpeg(utf8("123456789")), 0x0376e6e7);
});
test("a clock that wraps goes on (ISO/IEC 13818-1 §2.4.2.2)", () => {
  assert.equal(ticksAhead(5, PCR_WRAP_TICKS - 5, PCR_WRAP_TICKS), 10);
  assert.equal(ticksAhead(PCR_WRAP_TICKS - 5, 5, PCR_WRAP_TICKS), -10);
});

function packet(head: string): Uint8Array {
  const bytes = new Uint8Array(TS_PACKET_BYTES);
  bytes.set(fromHex(head) ?? []);
  return bytes;
}
