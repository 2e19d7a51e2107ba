import { LIMITS } from "#base/limits.ts";
import type { Clock } from "#host/host.ts";

const WINDOW_MS = 60_000;

interface Window {
  count: number;
  readonly untilMs: number;
}

/** Counts tries of each source in windows of one minute: what guessing passwords costs an address. */
export class Tries {
  readonly #clock: Clock;
  readonly #counts = new Map<string, Window>(); // oldest window first
  refused = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts one more try; false when the source has used up its minute. */
  take(source: string): boolean {
    const nowMs = this.#clock.nowMs();
    this.#forget(({ untilMs }) => untilMs <= nowMs);
    const seen = this.#counts.get(source);
    if (seen === undefined) {
      this.#forget(() => this.#counts.size >= LIMITS.passwordTrySources);
      this.#counts.set(source, { count: 1, untilMs: nowMs + WINDOW_MS });
      return true;
    }
    if (seen.count >= LIMITS.passwordTriesPerMinute) {
      this.refused++;
      return false;
    }
    seen.count++;
    return true;
  }

  /** Drops the oldest for as long as it should go. */
  #forget(shouldGo: (oldest: Window) => boolean): void {
    for (const [source, window] of this.#counts) {
      if (!shouldGo(window)) return;
      this.#counts.delete(source);
    }
  }
}
