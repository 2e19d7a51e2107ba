import assert from "node:assert/strict";
import { test } from "node:test";
import { concat } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import { TS_PACKET_BYTES } from "../wire/ts.ts";
import { CleanEnd } from "./clean-end.ts";

const [VIDEO, SOUND, OTHER] = [0x100, 0x101, 0x102];
const PAYLOAD_BYTES = TS_PACKET_BYTES - 4;

/** A packet of that PID; `pesBytes`: a PES packet begins in it, of so many octets after its first six, 0 = unbounded. */
function packet(pid: number, pesBytes?: number): Uint8Array {
  const bytes = new Uint8Array(TS_PACKET_BYTES).fill(0xff);
  bytes.set([0x47, (pesBytes === undefined ? 0 : 0x40) | (pid >> 8), pid & 0xff, 0x10]);
  if (pesBytes !== undefined) bytes.set([0, 0, 1, 0xc0, pesBytes >> 8, pesBytes & 0xff], 4);
  return bytes;
}
/** Octets of a PES packet that fills so many TS packets. */
const filling = (count: number): number => count * PAYLOAD_BYTES - 6;

/** Packets that have come out once the so-manieth has gone in. */
const CASES: { name: string; stream: Uint8Array[]; out: number[] }[] = [
  { name: "unbounded packets pass at once", stream: [packet(VIDEO, 0), packet(VIDEO), packet(VIDEO, 0)], out: [1, 2, 3] },
  { name: "a bounded packet passes whole", stream: [packet(SOUND, filling(2)), packet(SOUND), packet(VIDEO)], out: [0, 2, 3] },
  {
    name: "what stands between its parts waits with it",
    stream: [packet(VIDEO, 0), packet(SOUND, filling(2)), packet(VIDEO), packet(SOUND), packet(VIDEO)],
    out: [1, 1, 1, 4, 5],
  },
  {
    name: "two at once both end first",
    stream: [packet(SOUND, filling(2)), packet(OTHER, filling(2)), packet(SOUND), packet(OTHER)],
    out: [0, 0, 0, 4],
  },
  {
    name: "one octet more is another TS packet",
    stream: [packet(SOUND, filling(1) + 1), packet(SOUND), packet(SOUND, filling(1))],
    out: [0, 2, 3],
  },
  {
    name: "one that lost its rest ends where the next begins",
    stream: [packet(SOUND, filling(3)), packet(SOUND, filling(1))],
    out: [0, 2],
  },
  { name: "a section is no PES packet", stream: [packet(VIDEO).fill(0x42, 1, 2), packet(VIDEO)], out: [1, 2] },
];
for (const { name, stream, out } of CASES) {
  test(`CleanEnd: ${name} (ISO/IEC 13818-1 §2.4.3.6)`, () => {
    const whole = concat(stream);
    for (let atOnce = 1; atOnce <= stream.length; atOnce++) {
      const end = new CleanEnd();
      let passed = 0;
      for (let at = 0; at < stream.length; at += atOnce) {
        const upTo = Math.min(at + atOnce, stream.length);
        const got = end.packets(whole.slice(at * TS_PACKET_BYTES, upTo * TS_PACKET_BYTES));
        assert.deepEqual(got, whole.slice(passed, passed + got.length), "in order, nothing left out");
        passed += got.length;
        assert.equal(passed / TS_PACKET_BYTES, out[upTo - 1], `${atOnce} at once, after ${upTo}`);
      }
    }
  });
}

test("CleanEnd keeps back so much and no more (cleanEndBytes)", () => {
  const end = new CleanEnd();
  const count = Math.floor(LIMITS.cleanEndBytes / TS_PACKET_BYTES);
  assert.equal(end.packets(packet(SOUND, 0xffff)).length, 0);
  for (let at = 1; at < count; at++) assert.equal(end.packets(packet(VIDEO)).length, 0);
  assert.equal(end.packets(packet(VIDEO)).length, (count + 1) * TS_PACKET_BYTES);
  assert.equal(end.packets(packet(VIDEO)).length, TS_PACKET_BYTES);
});
