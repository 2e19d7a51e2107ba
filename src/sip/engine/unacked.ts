import { patienceMs, type TransactionTimers } from "./timers.ts";

/**
 * A 2xx to INVITE that waits for its ACK (RFC 3261 §13.3.1.4): sent again after T1, then at doubled intervals up to T2,
 * over every transport; given up after 64*T1. All times: ms on one monotonic clock.
 */
export class Unacked {
  readonly #t2Ms: number;
  readonly #giveUpAtMs: number;
  #everyMs: number;
  #resendAtMs: number;

  /** The first copy was sent at `startMs`. */
  constructor(timers: TransactionTimers, startMs: number) {
    this.#t2Ms = timers.t2Ms;
    this.#giveUpAtMs = startMs + patienceMs(timers);
    this.#everyMs = timers.t1Ms;
    this.#resendAtMs = startMs + timers.t1Ms;
  }

  get nextDeadlineMs(): number {
    return Math.min(this.#resendAtMs, this.#giveUpAtMs);
  }

  step(nowMs: number): "resend" | "give-up" | "wait" {
    if (nowMs >= this.#giveUpAtMs) return "give-up";
    if (nowMs < this.#resendAtMs) return "wait";
    this.#everyMs = Math.min(2 * this.#everyMs, this.#t2Ms);
    this.#resendAtMs = nowMs + this.#everyMs;
    return "resend";
  }
}
