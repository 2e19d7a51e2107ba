import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "#host/host.ts";
import { Alarms, Deadlines, type Timed } from "./deadlines.ts";

class ManualClock implements Clock {
  #nowMs = 0;
  #timers: { atMs: number; fire: () => void; cancelled: boolean }[] = [];
  nowMs = (): number => this.#nowMs;
  wallMs = (): number => this.#nowMs;
  timer(atMs: number, fire: () => void) {
    const timer = { atMs, fire, cancelled: false };
    this.#timers.push(timer);
    return {
      cancel: () => {
        timer.cancelled = true;
      },
    };
  }
  goTo(atMs: number): void {
    for (;;) {
      const due = this.#timers.filter((timer) => !timer.cancelled && timer.atMs <= atMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (!due) break;
      due.cancelled = true;
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      due.fire();
    }
    this.#nowMs = atMs;
  }
}
interface Item extends Timed {
  readonly name: string;
}
function wheel() {
  const clock = new ManualClock();
  const fired: [string, number][] = [];
  const deadlines = new Deadlines<Item>(clock, (item, nowMs) => fired.push([item.name, nowMs]));
  return { clock, deadlines, fired, item: (name: string): Item => ({ name, wheelAtMs: Infinity }) };
}

test("Deadlines fires at or after the deadline, at most a slot late", () => {
  const { clock, deadlines, fired, item } = wheel();
  deadlines.set(item("a"), 101);
  clock.goTo(100);
  assert.deepEqual(fired, []);
  clock.goTo(500);
  assert.deepEqual(fired, [["a", 110]]);
});

test("Deadlines fires items of one slot in the order they were set, and earlier slots first", () => {
  const { clock, deadlines, fired, item } = wheel();
  for (const [name, atMs] of [
    ["late", 300],
    ["x", 95],
    ["y", 91],
    ["soon", 20],
  ] as const)
    deadlines.set(item(name), atMs);
  clock.goTo(1_000);
  assert.deepEqual(
    fired.map(([name]) => name),
    ["soon", "x", "y", "late"],
  );
});

test("Deadlines keeps the earlier of two deadlines, and fires an item once", () => {
  const { clock, deadlines, fired, item } = wheel();
  const one = item("one");
  deadlines.set(one, 200);
  deadlines.set(one, 50);
  deadlines.set(one, 400);
  clock.goTo(1_000);
  assert.deepEqual(fired, [["one", 50]]);
});

test("Deadlines forgets an item that is deleted, and one may be set again while it fires", () => {
  const { clock, deadlines, fired, item } = wheel();
  const gone = item("gone");
  deadlines.set(gone, 100);
  deadlines.delete(gone);
  clock.goTo(200);
  assert.deepEqual(fired, []);
  deadlines.set(gone, 300);
  clock.goTo(400);
  assert.deepEqual(fired, [["gone", 300]]);
});

test("Deadlines does not fire an item that another of its slot deleted, nor fire a moved one early", () => {
  const { clock, item } = wheel();
  const fired: string[] = [];
  const [first, deleted, moved] = [item("first"), item("deleted"), item("moved")];
  const deadlines = new Deadlines<Item>(clock, (due) => {
    fired.push(due.name);
    if (due !== first) return;
    deadlines.delete(deleted);
    deadlines.delete(moved);
    deadlines.set(moved, 500);
  });
  for (const one of [first, deleted, moved]) deadlines.set(one, 100);
  clock.goTo(400);
  assert.deepEqual(fired, ["first"]);
  clock.goTo(600);
  assert.deepEqual(fired, ["first", "moved"]);
});

test("Deadlines fires nothing once it is cleared, also from within what fires, and ignores what is set later", () => {
  const { clock, item } = wheel();
  const fired: string[] = [];
  const deadlines = new Deadlines<Item>(clock, (due) => {
    fired.push(due.name);
    deadlines.clear();
    deadlines.set(due, 300);
  });
  for (const [name, atMs] of [
    ["stops", 100],
    ["same slot", 100],
    ["later", 200],
  ] as const)
    deadlines.set(item(name), atMs);
  clock.goTo(1_000);
  assert.deepEqual(fired, ["stops"]);
});

test("Alarms ring once, at their time, unless they are deleted before", () => {
  const clock = new ManualClock();
  const alarms = new Alarms(clock);
  const rung: [string, number][] = [];
  const [, second] = ["a", "b"].map((name) => alarms.at(100, (nowMs) => rung.push([name, nowMs])));
  if (second) alarms.delete(second);
  clock.goTo(1_000);
  assert.deepEqual(rung, [["a", 100]]);
});
