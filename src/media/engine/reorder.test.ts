import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LIMITS } from "#base/limits.ts";
import { ReorderWindow } from "./reorder.ts";

const packetOf = (sequence: number): Uint8Array => Uint8Array.of(sequence >> 8, sequence);
const sequenceOf = (packet: Uint8Array): number => ((packet[0] ?? 0) << 8) | (packet[1] ?? 0);
const { reorderPackets, reorderWaitMs } = LIMITS;

type Counters = Partial<Pick<ReorderWindow, "lost" | "duplicates" | "late" | "restarts">>;
type Step = [input: number | "wait", out: number[]];
const CASES: { name: string; script: Step[]; counters: Counters }[] = [
  {
    name: "hands on what is in order at once",
    script: [
      [7, [7]],
      [8, [8]],
      [9, [9]],
    ],
    counters: {},
  },
  {
    name: "counts on over the wrap",
    script: [
      [0xffff, [0xffff]],
      [0, [0]],
    ],
    counters: {},
  },
  {
    name: "waits for a missing one",
    script: [
      [1, [1]],
      [3, []],
      [4, []],
      [2, [2, 3, 4]],
    ],
    counters: {},
  },
  {
    name: "gives it up in time",
    script: [
      [1, [1]],
      [3, []],
      [6, []],
      ["wait", [3, 6]],
    ],
    counters: { lost: 3 },
  },
  {
    name: "drops one that came twice",
    script: [
      [1, [1]],
      [1, []],
      [3, []],
      [3, []],
      [2, [2, 3]],
    ],
    counters: { duplicates: 2 },
  },
  {
    name: "drops one given up",
    script: [
      [1, [1]],
      [3, []],
      ["wait", [3]],
      [2, []],
      [2, []],
    ],
    counters: { lost: 1, late: 1, duplicates: 1 },
  },
  {
    name: "makes room when one is as far ahead as the window is wide",
    script: [
      [1, [1]],
      [3, []],
      [2 + reorderPackets, [3]],
      [4, [4]],
      ["wait", [2 + reorderPackets]],
    ],
    counters: { lost: 1 + reorderPackets - 3 },
  },
  {
    name: "begins anew when two far ahead follow each other (RFC 3550 §A.1)",
    script: [
      [1, [1]],
      [9_000, []],
      [9_001, [9_001]],
      [9_002, [9_002]],
    ],
    counters: { lost: 1, restarts: 1 },
  },
  {
    name: "begins anew when two far back follow each other (RFC 3550 §A.1)",
    script: [
      [9_000, [9_000]],
      [5, []],
      [6, [6]],
    ],
    counters: { lost: 1, restarts: 1 },
  },
  {
    name: "passes over a single stray",
    script: [
      [1, [1]],
      [9_000, []],
      [2, [2]],
      [9_001, []],
      [3, [3]],
    ],
    counters: { lost: 2 },
  },
  {
    name: "hands on what it holds after a gap of hundreds",
    script: [
      [1, [1]],
      [3, []],
      [500, [3]],
      ["wait", [500]],
    ],
    counters: { lost: 497 },
  },
];
for (const { name, script, counters } of CASES) {
  test(`ReorderWindow ${name}`, () => {
    const window = new ReorderWindow();
    let nowMs = 1_000;
    for (const [input, wants] of script) {
      if (input === "wait") nowMs += reorderWaitMs;
      const out = input === "wait" ? window.step(nowMs) : window.push(input, packetOf(input), nowMs);
      assert.deepEqual(out.map(sequenceOf), wants, `after ${input}`);
    }
    const { lost, duplicates, late, restarts } = window;
    assert.deepEqual({ lost, duplicates, late, restarts }, { lost: 0, duplicates: 0, late: 0, restarts: 0, ...counters });
    assert.equal(window.nextDeadlineMs, Infinity);
  });
}

test("ReorderWindow asks to be called reorderWaitMs after the first one held back came, and not before", () => {
  const window = new ReorderWindow();
  window.push(1, packetOf(1), 0);
  assert.equal(window.nextDeadlineMs, Infinity);
  window.push(3, packetOf(3), 10);
  window.push(5, packetOf(5), 30);
  assert.equal(window.nextDeadlineMs, 10 + reorderWaitMs);
  assert.deepEqual(window.step(9 + reorderWaitMs), []);
  assert.deepEqual(window.step(10 + reorderWaitMs).map(sequenceOf), [3]);
  assert.equal(window.nextDeadlineMs, 30 + reorderWaitMs);
});

test("ReorderWindow: any shuffle within the window comes out in order and whole", () => {
  const shuffled = fc.array(fc.nat(reorderPackets / 2), { minLength: 1, maxLength: 300 });
  fc.assert(
    fc.property(shuffled, fc.nat(0xffff), (delays, first) => {
      const window = new ReorderWindow();
      const order = delays.map((delay, n) => ({ sequence: (first + 1 + n) & 0xffff, at: n + delay })).sort((a, b) => a.at - b.at);
      const out = [...window.push(first, packetOf(first), 0)];
      for (const { sequence } of order) out.push(...window.push(sequence, packetOf(sequence), 0));
      assert.deepEqual(
        out.map(sequenceOf),
        Array.from({ length: delays.length + 1 }, (_, n) => (first + n) & 0xffff),
      );
      assert.deepEqual([window.lost, window.duplicates, window.late], [0, 0, 0]);
    }),
  );
});
