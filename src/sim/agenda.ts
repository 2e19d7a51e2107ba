export interface Appointment {
  readonly atMs: number;
  readonly sequence: number;
  /** Gone once cancelled. */
  run: (() => void) | undefined;
}

const before = (a: Appointment, b: Appointment): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);

/** Virtual time: what is due runs in order of time, then in the order in which it was asked for. */
export class Agenda {
  nowMs = 0;
  readonly #heap: Appointment[] = [];
  #sequence = 0;

  /** Never runs before this returns; what lies in the past runs now. To cancel, set `run` to undefined. */
  at(atMs: number, run: () => void): Appointment {
    if (Number.isNaN(atMs)) throw new RangeError("Cannot set a timer: the time is NaN");
    const appointment = { atMs: Math.max(atMs, this.nowMs), sequence: this.#sequence++, run };
    this.#push(appointment);
    return appointment;
  }

  /** Runs everything due in the next `ms`, in order; a throw passes through and leaves the rest for the next call. */
  runFor(ms: number): void {
    const untilMs = this.nowMs + ms;
    this.#runUntil(untilMs);
    this.nowMs = untilMs;
  }

  /** Runs until nothing is due, or that much time has passed. */
  settle(atMostMs: number): void {
    const untilMs = this.nowMs + atMostMs;
    this.#runUntil(untilMs);
    const next = this.#head();
    if (next && next.atMs < Infinity) this.nowMs = untilMs;
  }

  #runUntil(untilMs: number): void {
    for (let next = this.#head(); next && next.atMs <= untilMs; next = this.#head()) {
      this.#pop();
      this.nowMs = next.atMs;
      next.run?.();
    }
  }

  /** The next appointment that was not cancelled. */
  #head(): Appointment | undefined {
    while (this.#heap[0] && this.#heap[0].run === undefined) this.#pop();
    return this.#heap[0];
  }

  #push(appointment: Appointment): void {
    const heap = this.#heap;
    let at = heap.push(appointment) - 1;
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = heap[parentAt];
      if (!parent || !before(appointment, parent)) break;
      heap[at] = parent;
      at = parentAt;
    }
    heap[at] = appointment;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = heap[2 * at + 1];
      const right = heap[2 * at + 2];
      const child = left && right && before(right, left) ? right : left;
      if (!child || !before(child, last)) break;
      heap[at] = child;
      at = 2 * at + (child === left ? 1 : 2);
    }
    heap[at] = last;
  }
}
