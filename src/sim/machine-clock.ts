/** A machine's monotonic clock, ms: it may run faster or slower than the true time, never back. */
export class MachineClock {
  #rate = 1;
  /** When the rate last changed, as both clocks showed it. */
  #trueMs = 0;
  #ownMs = 0;
  #leastMs = 0;

  /** From now on. */
  setRate(rate: number, trueMs: number): void {
    this.#ownMs = this.read(trueMs);
    this.#trueMs = trueMs;
    this.#rate = rate;
  }
  read(trueMs: number): number {
    this.#leastMs = Math.max(this.#leastMs, this.#ownMs + (trueMs - this.#trueMs) * this.#rate);
    return this.#leastMs;
  }
  /** The true time at which it will show that, at today's rate. */
  trueMsOf(ownMs: number): number {
    return this.#rate === 1 && this.#ownMs === this.#trueMs ? ownMs : this.#trueMs + (ownMs - this.#ownMs) / this.#rate;
  }
  /** A timer for `atMs` is due: false = the rate has changed since it was set, and it is too early. */
  reaches(atMs: number, trueMs: number): boolean {
    if (this.read(trueMs) + ROUNDING_MS < atMs) return false;
    this.#leastMs = Math.max(this.#leastMs, atMs);
    return true;
  }
}

/** What a time may be off after it was divided by a rate, and multiplied again. */
const ROUNDING_MS = 1e-6;
