import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "#base/bytes.ts";
import { crc32c } from "./crc32c.ts";

/** RFC 3720 §B.4. */
const VECTORS: { name: string; bytes: Uint8Array; wants: number }[] = [
  { name: "32 zeros", bytes: new Uint8Array(32), wants: 0x8a9136aa },
  { name: "32 ones", bytes: new Uint8Array(32).fill(0xff), wants: 0x62a8ab43 },
  { name: "0..31", bytes: Uint8Array.from({ length: 32 }, (_, i) => i), wants: 0x46dd794e },
  { name: "123456789", bytes: utf8("123456789"), wants: 0xe3069283 },
];
for (const { name, bytes, wants } of VECTORS) test(`CRC-32C of ${name}`, () => assert.equal(crc32c(bytes), wants));

test("CRC-32C of any length is that of its bits, one after another", () => {
  const bytes = Uint8Array.from({ length: 300 }, (_, at) => (at * 167) ^ (at >> 3));
  let crc = -1;
  for (let length = 0; length < bytes.length; length++) {
    assert.equal(crc32c(bytes.subarray(0, length)), ~crc >>> 0, `${length} octets`);
    crc ^= bytes[length] ?? 0;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
});
