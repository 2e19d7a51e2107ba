import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromHex, hex } from "#base/bytes.ts";
import { type Pat, type Pmt, parsePat, parsePmt, sectionEnd, writePat, writePmt } from "./psi.ts";
import { crc32Mpeg } from "./ts.ts";

// As ffmpeg writes them: programme 1, its map on 0x1000, H.264 on 0x100, AAC on 0x101 with a language descriptor.
const PAT = octets("00b00d0001c100000001f0002ab104b2");
const PMT = octets("02b01d0001c10000e100f0001be100f0000fe101f0060a04756e640087b2d9a1");

test("PAT: the programmes and their maps (ISO/IEC 13818-1 §2.4.4.3)", () => {
  const value: Pat = { programs: [{ program: 1, pmtPid: 0x1000 }] };
  assert.deepEqual(parsePat(PAT), { status: "ok", value, usedBytes: 16 });
  assert.equal(hex(writePat(value)), hex(PAT));
});
test("PAT: programme 0, the network, is left out", () => {
  const read = parsePat(
    writePat({
      programs: [
        { program: 0, pmtPid: 16 },
        { program: 7, pmtPid: 0x1fff },
      ],
    }),
  );
  assert.deepEqual(read.status === "ok" && read.value.programs, [{ program: 7, pmtPid: 0x1fff }]);
});
test("PMT: clock and streams, descriptors passed over (ISO/IEC 13818-1 §2.4.4.8)", () => {
  const streams = [
    { streamType: 0x1b, pid: 0x100 },
    { streamType: 0x0f, pid: 0x101 },
  ];
  assert.deepEqual(parsePmt(withCrc(PMT)), { status: "ok", value: { program: 1, pcrPid: 0x100, streams }, usedBytes: 32 });
});

const BAD: { name: string; section: Uint8Array; code: string }[] = [
  { name: "eleven octets", section: PAT.subarray(0, 11), code: "truncated" },
  { name: "more than 1,024 octets", section: new Uint8Array(1_025), code: "too-large" },
  { name: "another table", section: withCrc(changed(PAT, 0, 2)), code: "bad-value" },
  { name: "another length", section: withCrc(changed(PAT, 2, 0x0c)), code: "bad-length" },
  { name: "one wrong bit", section: changed(PAT, 9, 0), code: "bad-value" },
];
for (const { name, section, code } of BAD) {
  test(`PAT: refuses ${name}`, () => {
    const read = parsePat(section);
    assert.equal(read.status === "bad" && read.error.code, code);
  });
}
test("PMT: refuses descriptors that reach over its end", () => {
  const read = parsePmt(withCrc(changed(PMT, 21, 0x3f)));
  assert.equal(read.status === "bad" && read.error.code, "bad-length");
});

const pids = fc.nat(0x1fff);
test("PMT: what is written is read again", () => {
  const stream = fc.record({ streamType: fc.nat(255), pid: pids }, { noNullPrototype: true });
  const streams = fc.array(stream, { maxLength: 20 });
  fc.assert(
    fc.property(fc.record({ program: fc.nat(0xffff), pcrPid: pids, streams }, { noNullPrototype: true }), (pmt: Pmt) => {
      const read = parsePmt(writePmt(pmt));
      assert.ok(read.status === "ok");
      assert.deepEqual(read.value, pmt);
    }),
  );
});
test("PMT: no octets with a right CRC make the parser throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 9, maxLength: 60 }), (body) => {
      const section = Uint8Array.of(2, 0xb0, body.length + 4, ...body, 0, 0, 0, 0);
      assert.notEqual(parsePmt(withCrc(section)).status, "need-more");
    }),
  );
});

test("a section's end counts its pointer field (ISO/IEC 13818-1 §2.4.4.1)", () => {
  assert.equal(sectionEnd(Uint8Array.of(0, ...PAT)), 1 + 16);
  assert.equal(sectionEnd(Uint8Array.of(2, 0xff, 0xff, ...PAT)), 3 + 16);
  assert.equal(sectionEnd(Uint8Array.of(2, 0xff, 0xff, 0, 0xb0)), undefined);
});
test("a table over 1,024 octets is our own fault", () => {
  const streams = Array.from({ length: 202 }, () => ({ streamType: 0x1b, pid: 1 }));
  assert.throws(() => writePmt({ program: 1, pcrPid: 1, streams: [...streams, ...streams] }), RangeError);
});

function octets(digits: string): Uint8Array {
  const bytes = fromHex(digits);
  assert.ok(bytes, "the table has hex digits");
  return bytes;
}
function changed(bytes: Uint8Array, at: number, octet: number): Uint8Array {
  return bytes.with(at, octet);
}
function withCrc(section: Uint8Array): Uint8Array {
  const copy = section.slice();
  new DataView(copy.buffer).setUint32(copy.length - 4, crc32Mpeg(copy, 0, copy.length - 4));
  return copy;
}
