import { LIMITS } from "#base/limits.ts";
import type { Clock } from "#host/host.ts";

const WINDOW_MS = 60_000;

/** Counts tries of each source in windows of one minute: what guessing passwords costs an address. */
export class Tries {
  readonly #clock: Clock;
  readonly #counts = new Map<string, { count: number; readonly untilMs: number }>(); // oldest window first
  refused = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts one more try; false when the source has used up its minute. */
  take(source: string): boolean {
    const nowMs = this.#clock.nowMs();
    this.#forget(nowMs);
    const seen = this.#counts.get(source);
    if (seen === undefined) this.#counts.set(source, { count: 1, untilMs: nowMs + WINDOW_MS });
    else if (seen.count >= LIMITS.passwordTriesPerMinute) {
      this.refused++;
      return false;
    } else seen.count++;
    return true;
  }

  #forget(nowMs: number): void {
    for (const [source, { untilMs }] of this.#counts) {
      if (untilMs > nowMs && this.#counts.size < LIMITS.passwordTrySources) return;
      this.#counts.delete(source);
    }
  }
}
