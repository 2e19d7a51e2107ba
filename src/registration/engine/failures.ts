import { LIMITS } from "#base/limits.ts";

/** Counts failed sign-ins of each source (a user, an address). A try counts as failed until it has succeeded. */
export class Failures {
  readonly #max: number;
  readonly #counts = new Map<string, { count: number; readonly untilMs: number }>(); // oldest window first

  constructor(max: number) {
    this.#max = max;
  }

  /** False when the source has used up its failures: the try is to be refused. */
  begin(source: string, nowMs: number): boolean {
    this.#forget(nowMs);
    const seen = this.#counts.get(source);
    if (seen === undefined) this.#counts.set(source, { count: 1, untilMs: nowMs + LIMITS.signInWindowMs });
    else if (seen.count >= this.#max) return false;
    else seen.count++;
    return true;
  }

  /** The try was none of guessing after all. */
  undo(source: string): void {
    const seen = this.#counts.get(source);
    if (seen && --seen.count === 0) this.#counts.delete(source);
  }

  #forget(nowMs: number): void {
    for (const [source, { untilMs }] of this.#counts) {
      if (untilMs > nowMs && this.#counts.size < LIMITS.signInSources) return;
      this.#counts.delete(source);
    }
  }
}
