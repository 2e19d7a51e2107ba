import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { concat } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import { parseRtp } from "../wire/rtp.ts";
import { TS_PACKET_BYTES } from "../wire/ts.ts";
import { LiveSource } from "./live-source.ts";
import { testPattern } from "./test-pattern.ts";

const START = { ssrc: 7, sequence: 65_530, timestamp: 1_000 };
const STREAM = testPattern({ frames: 15, framesPerSec: 15, gopFrames: 15, kbps: 200 });

/** TS octets of RTP packets, which must follow one another. */
function payloads(datagrams: readonly Uint8Array[]): Uint8Array {
  return concat(
    datagrams.map((datagram, at) => {
      const read = parseRtp(datagram);
      if (read.status !== "ok") assert.fail("what leaves is no RTP");
      assert.equal(read.value.sequence, (START.sequence + at) & 0xffff);
      assert.deepEqual([read.value.payloadType, read.value.ssrc], [33, 7]);
      return read.value.payload;
    }),
  );
}

test("LiveSource sends seven packets each, and what is left when it has waited (RFC 2250 §2)", () => {
  const source = new LiveSource(START, 0);
  const out = [...source.octets(STREAM.subarray(0, 9 * TS_PACKET_BYTES), 100)];
  assert.deepEqual(
    out.map(({ length }) => length),
    [12 + 7 * TS_PACKET_BYTES],
  );
  assert.equal(source.nextDeadlineMs, 100 + LIMITS.liveSourceWaitMs);
  assert.deepEqual(source.step(source.nextDeadlineMs - 1), []);
  out.push(...source.step(source.nextDeadlineMs));
  assert.deepEqual(payloads(out), STREAM.slice(0, 9 * TS_PACKET_BYTES));
  assert.equal(source.nextDeadlineMs, Infinity);
});

test("LiveSource gives the time of sending as time stamp, 90 kHz (RFC 3550 §5.1)", () => {
  const source = new LiveSource(START, 1_000);
  const [first] = source.octets(STREAM.subarray(0, 7 * TS_PACKET_BYTES), 1_500);
  const read = parseRtp(first ?? assert.fail("nothing sent"));
  assert.equal(read.status === "ok" && read.value.timestamp, START.timestamp + 45_000);
});

test("LiveSource drops and counts what is no packet, and goes on after it", () => {
  const source = new LiveSource(START, 0);
  const [head, tail] = [STREAM.subarray(0, 3 * TS_PACKET_BYTES), STREAM.subarray(3 * TS_PACKET_BYTES, 14 * TS_PACKET_BYTES)];
  const out = [...source.octets(concat([Uint8Array.of(1, 2, 0x47, 3), head, Uint8Array.of(9, 9), tail]), 0)];
  out.push(...source.step(source.nextDeadlineMs));
  assert.deepEqual(
    payloads(out),
    concat([head.subarray(0, -TS_PACKET_BYTES), tail]),
    "the packet before the stray octets goes with them",
  );
  assert.equal(source.strayBytes, 6 + TS_PACKET_BYTES);
});

test("LiveSource: wherever the stream is cut, the same packets leave in the same order", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 3_000 }), { minLength: 1, maxLength: 40 }), (cuts) => {
      const source = new LiveSource(START, 0);
      const out: Uint8Array[] = [];
      let at = 0;
      for (const cut of [...cuts, STREAM.length]) {
        out.push(...source.octets(STREAM.subarray(at, at + cut), 0));
        at = Math.min(STREAM.length, at + cut);
      }
      out.push(...source.step(Number.MAX_VALUE));
      assert.deepEqual(payloads(out), STREAM);
      assert.equal(source.strayBytes, 0);
    }),
  );
});
