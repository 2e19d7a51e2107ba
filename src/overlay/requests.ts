import { Deadlines, type Timed } from "#base/deadlines.ts";
import { LIMITS } from "#base/limits.ts";
import type { Clock } from "#host/host.ts";
import type { Reply } from "./types.ts";

interface Pending extends Timed {
  readonly id: number;
  readonly answered: (reply: Reply) => void;
}

/** Requests that wait for their answer: each is answered once, by a member or by the clock. */
export class Requests {
  readonly #clock: Clock;
  readonly #limit: number;
  readonly #pending = new Map<number, Pending>();
  readonly #wheel: Deadlines<Pending>;
  /** Answers that nobody waited for, or no longer. */
  late = 0;
  timedOut = 0;

  constructor(clock: Clock, limit: number = LIMITS.overlayRequests) {
    this.#clock = clock;
    this.#limit = limit;
    this.#wheel = new Deadlines(clock, ({ id }) => {
      this.timedOut++;
      this.settle(id, { ok: false, cause: "timeout" });
    });
  }

  /** Above the limit a request times out at once, unsent: false. */
  open(id: number, answered: (reply: Reply) => void, timeoutMs: number): boolean {
    const full = this.#pending.size >= this.#limit;
    const pending: Pending = { id, answered, wheelAtMs: Infinity };
    this.#pending.set(id, pending);
    this.#wheel.set(pending, this.#clock.nowMs() + (full ? 0 : timeoutMs));
    return !full;
  }

  settle(id: number, reply: Reply): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) {
      this.late++;
      return;
    }
    this.#pending.delete(id);
    this.#wheel.delete(pending);
    pending.answered(reply);
  }

  /** Nobody is answered any more. */
  clear(): void {
    this.#pending.clear();
    this.#wheel.clear();
  }
}
