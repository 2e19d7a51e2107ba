import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromHex, hex } from "#base/bytes.ts";
import { type PesHeader, parsePes, putStamp, startsH264KeyFrame, writePesHeader } from "./pes.ts";
import { STAMP_WRAP_TICKS } from "./ts.ts";

const GOOD: { name: string; digits: string; wants: PesHeader }[] = [
  {
    name: "a PTS",
    digits: "000001e0000080800521 00 05 bf 21 aa",
    wants: { streamId: 0xe0, pts: { at: 9, ticks: 90_000 }, dts: undefined, dataAt: 14 },
  },
  {
    name: "the largest PTS, with a DTS",
    digits: "000001e0000080c00a 3fffffffff 1100010001 aa",
    wants: { streamId: 0xe0, pts: { at: 9, ticks: STAMP_WRAP_TICKS - 1 }, dts: { at: 14, ticks: 0 }, dataAt: 19 },
  },
  {
    name: "no stamps and two octets of stuffing",
    digits: "000001c00010800002ffffaa",
    wants: { streamId: 0xc0, pts: undefined, dts: undefined, dataAt: 11 },
  },
  {
    name: "a head that goes on in the next TS packet",
    digits: "000001c0001080008012",
    wants: { streamId: 0xc0, pts: undefined, dts: undefined, dataAt: 10 },
  },
  {
    name: "padding, which has no head",
    digits: "000001be0001ff",
    wants: { streamId: 0xbe, pts: undefined, dts: undefined, dataAt: 6 },
  },
];
for (const { name, digits, wants } of GOOD) {
  test(`PES reads ${name} (ISO/IEC 13818-1 §2.4.3.6)`, () => {
    const read = parsePes(octets(digits));
    assert.ok(read.status === "ok");
    assert.deepEqual(read.value, wants);
  });
}
const BAD: { name: string; digits: string; code: string }[] = [
  { name: "five octets", digits: "000001e000", code: "truncated" },
  { name: "a table", digits: "0000b00d0001c1000000", code: "bad-value" },
  { name: "a cut-off head", digits: "000001e000008080", code: "truncated" },
  { name: "an MPEG-1 packet", digits: "000001e000000f0000", code: "bad-value" },
  { name: "a stamp without room", digits: "000001e0000080800421000100", code: "bad-length" },
  { name: "a cut-off stamp", digits: "000001e0000080800521000100", code: "truncated" },
];
for (const { name, digits, code } of BAD) {
  test(`PES refuses ${name} (ISO/IEC 13818-1 §2.4.3.6)`, () => {
    const read = parsePes(octets(digits));
    assert.equal(read.status === "bad" && read.error.code, code);
  });
}

const stamps = fc.nat(STAMP_WRAP_TICKS - 1);
test("PES: stamps that were written are read again", () => {
  fc.assert(
    fc.property(stamps, fc.option(stamps, { nil: undefined }), (pts, dts) => {
      const read = parsePes(writePesHeader(0xe0, pts, dts));
      assert.ok(read.status === "ok");
      assert.deepEqual([read.value.pts?.ticks, read.value.dts?.ticks], [pts, dts]);
    }),
  );
});
test("PES: a stamp replaced keeps its prefix and marker bits and wraps at 33 bits", () => {
  const bytes = writePesHeader(0xe0, 1, 1);
  putStamp(bytes, 9, STAMP_WRAP_TICKS + 90_000);
  putStamp(bytes, 14, -1);
  assert.equal(hex(bytes), "000001e0000080c00a310005bf211fffffffff");
});
test("PES: no octets make the parser throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 30 }), (rest) => {
      const read = parsePes(Uint8Array.of(0, 0, 1, ...rest));
      if (read.status === "ok") assert.ok(read.value.dataAt <= rest.length + 3);
    }),
  );
});

const PICTURES: { name: string; digits: string; isKey: boolean }[] = [
  { name: "delimiter, parameter sets, IDR slice", digits: "0000000109100000000167420000000165b8", isKey: true },
  { name: "an IDR slice alone", digits: "00000165b8", isKey: true },
  { name: "delimiter and P slice", digits: "000000010930000001419a", isKey: false },
  { name: "what looks like an IDR slice after another slice", digits: "000001419a0000016500", isKey: false },
  { name: "SEI, its octets cut off", digits: "00000106051122", isKey: false },
  { name: "a start code without its type", digits: "000001", isKey: false },
];
for (const { name, digits, isKey } of PICTURES) {
  test(`H.264: ${name} ${isKey ? "begins" : "does not begin"} a key frame (ITU-T H.264 §7.4.1)`, () => {
    const bytes = octets(digits);
    assert.equal(startsH264KeyFrame(bytes, 0, bytes.length), isKey);
  });
}

function octets(digits: string): Uint8Array {
  const bytes = fromHex(digits.replaceAll(" ", ""));
  assert.ok(bytes, "the table has hex digits");
  return bytes;
}
