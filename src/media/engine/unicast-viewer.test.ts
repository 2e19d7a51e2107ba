import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import { UnicastViewer } from "./unicast-viewer.ts";

const { unicastLatchMs, unicastRefusals, unicastRefusedMs, unicastRefusalGapMs, rtcpSilentMs } = LIMITS;
const SAID = { host: "10.0.0.7", port: 7_000 };
const NAT = { host: "10.0.0.7", port: 31_000 };
const begun = (): UnicastViewer => {
  const viewer = new UnicastViewer(SAID);
  viewer.begin(0);
  return viewer;
};
const settled = (): UnicastViewer => {
  const viewer = begun();
  viewer.step(unicastLatchMs);
  return viewer;
};

test("who sends nothing is where he said, for certain after unicastLatchMs (PROTOCOL §13)", () => {
  const viewer = begun();
  assert.equal(viewer.nextDeadlineMs, unicastLatchMs);
  viewer.step(unicastLatchMs - 1);
  assert.deepEqual([viewer.to, viewer.isSettled], [SAID, false]);
  viewer.step(unicastLatchMs);
  assert.deepEqual([viewer.to, viewer.isSettled, viewer.nextDeadlineMs], [SAID, true, Infinity]);
  viewer.packet(NAT);
  assert.deepEqual(viewer.to, SAID, "too late");
});

test("the first packet shows where he is, also before the stream begins; later ones do not (PROTOCOL §13)", () => {
  const viewer = new UnicastViewer(SAID);
  assert.equal(viewer.nextDeadlineMs, Infinity, "he may be asked for long");
  viewer.packet(NAT);
  viewer.packet(SAID);
  viewer.begin(0);
  assert.deepEqual([viewer.to, viewer.isSettled, viewer.nextDeadlineMs], [NAT, true, Infinity]);
});

/** Refusals at these times, then the question; `alive`: a packet of his at that time. */
const ROWS: { name: string; refusedMs: number[]; alive?: number; gone: boolean }[] = [
  { name: "once", refusedMs: [9_000], gone: false },
  { name: `${unicastRefusals} times over unicastRefusedMs`, refusedMs: [9_000, 9_500, 9_000 + unicastRefusedMs], gone: true },
  { name: "as often in less", refusedMs: [9_000, 9_500, 8_999 + unicastRefusedMs], gone: false },
  { name: "less often in that time", refusedMs: [9_000, 9_000 + unicastRefusedMs], gone: false },
  { name: "with a gap", refusedMs: [9_000, 9_500, 9_501 + unicastRefusalGapMs], gone: false },
  { name: "with the longest pause that is no gap", refusedMs: [9_000, 9_500, 9_500 + unicastRefusalGapMs], gone: true },
  { name: "with a packet of his between", refusedMs: [9_000, 9_500, 10_500], alive: 9_600, gone: false },
];
for (const { name, refusedMs, alive, gone } of ROWS)
  for (const sign of alive === undefined ? (["none"] as const) : (["packet", "report"] as const))
    test(`who refuses ${name}${sign === "report" ? ", a report" : ""} is ${gone ? "gone" : "there"} (PROTOCOL §12)`, () => {
      const viewer = settled();
      for (const atMs of refusedMs) {
        if (alive !== undefined && alive < atMs && sign === "packet") viewer.packet(SAID);
        if (alive !== undefined && alive < atMs && sign === "report") viewer.report(alive);
        viewer.refused(atMs);
      }
      assert.equal(viewer.isGone(refusedMs.at(-1) ?? 0), gone);
    });

test("reports that stop for rtcpSilentMs are the end, none at all is not (PROTOCOL §12)", () => {
  const viewer = settled();
  assert.equal(viewer.isGone(1e9), false);
  viewer.report(20_000);
  viewer.report(25_000);
  assert.equal(viewer.nextDeadlineMs, 25_000 + rtcpSilentMs);
  assert.deepEqual([viewer.isGone(24_999 + rtcpSilentMs), viewer.isGone(25_000 + rtcpSilentMs)], [false, true]);
});
