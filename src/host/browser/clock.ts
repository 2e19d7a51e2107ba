import type { Clock, Timer } from "../host.ts";

/** The longest delay that setTimeout takes. */
const LONGEST_MS = 2 ** 31 - 1;

/** The platform's clock and timers, alike in a page and in Node. */
export const platformClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  timer: (atMs, fire) => new PlatformTimer(atMs, fire),
};

/** The platform's timers take no long delays and may be a little early: this one sets itself again. */
class PlatformTimer implements Timer {
  readonly #atMs: number;
  readonly #fire: () => void;
  #handle: ReturnType<typeof setTimeout>;

  constructor(atMs: number, fire: () => void) {
    if (Number.isNaN(atMs)) throw new RangeError("Cannot set a timer: the time is NaN");
    this.#atMs = atMs;
    this.#fire = fire;
    this.#handle = this.#set();
  }

  #set(): ReturnType<typeof setTimeout> {
    const leftMs = Math.max(0, Math.ceil(this.#atMs - performance.now()));
    return setTimeout(this.#due, Math.min(leftMs, LONGEST_MS));
  }

  readonly #due = (): void => {
    if (performance.now() >= this.#atMs) this.#fire();
    else this.#handle = this.#set();
  };

  cancel(): void {
    clearTimeout(this.#handle);
  }
}
