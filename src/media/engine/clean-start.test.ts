import assert from "node:assert/strict";
import { test } from "node:test";
import { PID, parseTsPacket, TS_PACKET_BYTES } from "../wire/ts.ts";
import { CleanStart } from "./clean-start.ts";
import { PATTERN_PID, testPattern } from "./test-pattern.ts";

const PATTERN = testPattern({ frames: 30, framesPerSec: 15, gopFrames: 15, kbps: 200 });
const FRAME_MS = 1_000 / 15;
/** PIDs of the first packets that come out when the stream is joined at that packet. */
function firstOut(fromPacket: number, count: number): { pids: number[]; randomAccess: boolean } {
  const start = new CleanStart();
  const out: number[] = [];
  let randomAccess = false;
  for (let at = fromPacket * TS_PACKET_BYTES; at < PATTERN.length; at += TS_PACKET_BYTES) {
    const packets = start.packets(PATTERN.slice(at, at + TS_PACKET_BYTES), at * FRAME_MS * 0.001);
    for (let offset = 0; offset < packets.length; offset += TS_PACKET_BYTES) {
      const read = parseTsPacket(packets, offset);
      if (read.status !== "ok") assert.fail("what comes out is no TS packet");
      if (out.length === 2) randomAccess = read.value.randomAccess;
      out.push(read.value.pid);
    }
  }
  return { pids: out.slice(0, count), randomAccess };
}

test("CleanStart: joined at its start, a stream comes out from the first packet", () => {
  assert.deepEqual(firstOut(0, 3), { pids: [PID.pat, PATTERN_PID.pmt, PATTERN_PID.video], randomAccess: true });
});
test("CleanStart: joined within a group of pictures, it begins with tables and the next key frame", () => {
  assert.deepEqual(firstOut(20, 3), { pids: [PID.pat, PATTERN_PID.pmt, PATTERN_PID.video], randomAccess: true });
});
