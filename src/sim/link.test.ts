import assert from "node:assert/strict";
import { test } from "node:test";
import { Link, PERFECT } from "./link.ts";
import { Random } from "./random.ts";
import type { Faults } from "./types.ts";

const link = (faults: Partial<Faults>): Link => new Link({ ...PERFECT, ...faults }, new Random(1, "test"));

test("a datagram takes the rate's time, then the delay; those behind it wait", () => {
  const slow = link({ kbps: 80, delayMs: 5 }); // 10 octets a ms
  assert.deepEqual([slow.datagram(100, 0), slow.datagram(100, 0), slow.datagram(100, 40)], [[15], [25], [15]]);
});

test("what finds the queue full is lost; what was queued is not (tail drop)", () => {
  const slow = link({ kbps: 80, queueBytes: 250, delayMs: 0 });
  assert.deepEqual([slow.datagram(100, 0), slow.datagram(100, 0), slow.datagram(100, 0)], [[10], [20], []]);
  assert.deepEqual(slow.datagram(100, 10), [20], "there is room again");
});

test("a stream waits for the rate behind what is queued, beyond the queue's limit too", () => {
  const slow = link({ kbps: 80, queueBytes: 250, delayMs: 1 });
  assert.deepEqual([slow.streamMs(1_000, 0), slow.streamMs(100, 0)], [101, 111]);
});

test("losses come in bursts of the length that was asked for (Gilbert, Elliott)", () => {
  const bursty = link({ bursts: { begin: 0.02, end: 0.25, loss: 1 } });
  const lost = Array.from({ length: 20_000 }, () => bursty.datagram(100, 0).length === 0);
  const bursts = lost.filter((isLost, at) => isLost && !lost[at - 1]).length;
  const losses = lost.filter(Boolean).length;
  assert.ok(losses > 1_300 && losses < 1_700, `${losses} lost: 0.02 / (0.02 + 0.25) of 20000 are 1481`);
  assert.ok(losses / bursts > 3.5 && losses / bursts < 4.5, `${losses / bursts} in a row, 4 wanted`);
});

test("a share is held back, so that later ones overtake", () => {
  const delays = link({ reorder: 0.25 });
  const late = Array.from({ length: 1_000 }, () => delays.datagram(100, 0)[0]).filter((ms) => ms === 26);
  assert.ok(late.length > 200 && late.length < 300, `${late.length} of 1000`);
});

test("a cut link passes nothing; what waits for it is given back once", () => {
  const cut = link({});
  const resume = (): void => undefined;
  cut.cut();
  cut.cut();
  cut.onHeal(resume);
  cut.onHeal(resume);
  assert.deepEqual([cut.isCut, cut.datagram(1, 0)], [true, []]);
  assert.deepEqual([...cut.heal()], [resume]);
  assert.deepEqual([cut.isCut, cut.datagram(1, 0), [...cut.heal()]], [false, [1], []]);
});
