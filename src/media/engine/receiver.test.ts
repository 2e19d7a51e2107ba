import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import { MP2T, writeRtp } from "../wire/rtp.ts";
import { TS_PACKET_BYTES, TS_SYNC } from "../wire/ts.ts";
import { Receiver } from "./receiver.ts";

const FROM = { host: "10.0.0.1", port: 7_000 };

function rtp(sequence: number, ssrc: number): Uint8Array {
  const payload = new Uint8Array(TS_PACKET_BYTES).fill(TS_SYNC, 0, 1);
  const { payloadType } = MP2T;
  return writeRtp({ marker: false, payloadType, sequence, timestamp: 0, ssrc, csrcs: [], payload, paddingBytes: 0 });
}

test("a report tells of the present sender: cycles, loss in all and since the last report (RFC 3550 §6.4.1)", () => {
  const receiver = new Receiver({ lockSsrc: false });
  const take = (...sequences: number[]): void => {
    for (const sequence of sequences) receiver.datagram(rtp(sequence, 5), FROM, 0);
    receiver.step(LIMITS.reorderWaitMs);
  };
  assert.equal(receiver.report(), undefined);
  take(65_533, 65_534, 0, 1); // one is lost
  assert.deepEqual(receiver.report(), { ssrc: 5, lostShare: 0.25, lost: 1, highest: 65_537, jitterTicks: 0 });
  take(2, 3, 4);
  assert.deepEqual(receiver.report(), { ssrc: 5, lostShare: 0, lost: 1, highest: 65_540, jitterTicks: 0 });
  assert.equal(receiver.report()?.lostShare, 0, "nothing came");
  receiver.datagram(rtp(9, 6), FROM, 0);
  assert.deepEqual(receiver.report(), { ssrc: 6, lostShare: 0, lost: 0, highest: 9, jitterTicks: 0 });
});
