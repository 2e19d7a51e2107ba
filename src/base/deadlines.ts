import type { Clock, Timer } from "#host/host.ts";

/** Something with at most one deadline on a `Deadlines` wheel. */
export interface Timed {
  /** Bookkeeping of the wheel: where the item is registered, ms; Infinity when it is not. Start with Infinity. */
  wheelAtMs: number;
}

/**
 * One timer of the host for many machines (STYLE, "Hot path"). Items due within the same slot fire together, in the order
 * in which they were set. A deadline that moves later costs nothing: the item fires early once, and sets itself again.
 */
export class Deadlines<T extends Timed> {
  readonly #clock: Clock;
  readonly #due: (item: T, nowMs: number) => void;
  readonly #slotMs: number;
  readonly #slots = new Map<number, Set<T>>();
  #timer: Timer | undefined;
  #timerSlot = Infinity;
  #isOver = false;

  /** `due` is called at or after an item's deadline, at most `slotMs` late (plus what the host adds). */
  constructor(clock: Clock, due: (item: T, nowMs: number) => void, slotMs = 10) {
    this.#clock = clock;
    this.#due = due;
    this.#slotMs = slotMs;
  }

  /** Registers the item for `atMs` unless it is registered earlier already. Infinity is ignored. */
  set(item: T, atMs: number): void {
    if (atMs >= item.wheelAtMs || atMs === Infinity || this.#isOver) return;
    this.delete(item);
    item.wheelAtMs = atMs;
    const slot = this.#slotOf(atMs);
    const items = this.#slots.get(slot);
    if (items) items.add(item);
    else this.#slots.set(slot, new Set([item]));
    this.#arm(slot);
  }

  delete(item: T): void {
    if (item.wheelAtMs === Infinity) return;
    const slot = this.#slotOf(item.wheelAtMs);
    item.wheelAtMs = Infinity;
    const items = this.#slots.get(slot);
    if (!items?.delete(item) || items.size > 0) return;
    this.#slots.delete(slot);
  }

  /** For good: nothing fires any more, and what is set later is ignored. So whoever stops within a callback has stopped. */
  clear(): void {
    this.#isOver = true;
    for (const items of this.#slots.values()) for (const item of items) item.wheelAtMs = Infinity;
    this.#slots.clear();
    this.#timer?.cancel();
  }

  #slotOf(atMs: number): number {
    return Math.ceil(atMs / this.#slotMs);
  }

  #arm(slot: number): void {
    if (slot >= this.#timerSlot) return;
    this.#timer?.cancel();
    this.#timerSlot = slot;
    this.#timer = this.#clock.timer(slot * this.#slotMs, () => this.#fire());
  }

  #fire(): void {
    this.#timerSlot = Infinity;
    const nowMs = this.#clock.nowMs();
    const dueSlots = [...this.#slots.keys()].filter((slot) => slot * this.#slotMs <= nowMs).sort((a, b) => a - b);
    for (const slot of dueSlots) {
      const items = this.#slots.get(slot) ?? [];
      this.#slots.delete(slot);
      for (const item of items) {
        if (this.#isOver) return;
        if (this.#slotOf(item.wheelAtMs) !== slot) continue; // deleted or moved by one that fired before it
        item.wheelAtMs = Infinity;
        this.#due(item, nowMs);
      }
    }
    let next = Infinity;
    for (const slot of this.#slots.keys()) if (slot < next) next = slot;
    if (next < Infinity) this.#arm(next);
  }
}

/** One thing that is to happen at a time. */
export interface Alarm extends Timed {
  readonly ring: (nowMs: number) => void;
}
/** Alarms on a wheel: each rings once, unless it is deleted before. */
export class Alarms extends Deadlines<Alarm> {
  constructor(clock: Clock) {
    super(clock, (alarm, nowMs) => alarm.ring(nowMs));
  }
  at(atMs: number, ring: Alarm["ring"]): Alarm {
    const alarm: Alarm = { wheelAtMs: Infinity, ring };
    this.set(alarm, atMs);
    return alarm;
  }
}
