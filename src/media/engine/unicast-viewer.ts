import { LIMITS } from "#base/limits.ts";
import type { Address } from "#host/host.ts";

/**
 * A viewer with a stream of his own (PROTOCOL §3 form 3): where he is, and whether. He is sent the stream where he said, or,
 * his NAT having given him another port, where his first packet came from within `unicastLatchMs` (PROTOCOL §13). Then he is
 * settled, and gone once nobody listens there, or once his reports have stopped, if there were any (PROTOCOL §12). A machine:
 * `step` at `nextDeadlineMs`.
 */
export class UnicastViewer {
  #to: Address;
  #isSettled = false;
  #settlesMs = Infinity;
  #reportedMs = Infinity; // the last time
  /** Sends in a row that came back: how many, the first and the last. */
  #refusals = 0;
  #refusedSinceMs = 0;
  #refusedMs = 0;

  /** `to`: as he said. */
  constructor(to: Address) {
    this.#to = to;
  }

  get to(): Address {
    return this.#to;
  }
  get isSettled(): boolean {
    return this.#isSettled;
  }
  get nextDeadlineMs(): number {
    return Math.min(this.#isSettled ? Infinity : this.#settlesMs, this.#reportedMs + LIMITS.rtcpSilentMs);
  }

  /** The stream begins. */
  begin(nowMs: number): void {
    this.#settlesMs = nowMs + LIMITS.unicastLatchMs;
  }
  /** Something came to the port that he is sent from. */
  packet(from: Address): void {
    if (!this.#isSettled) this.#to = from;
    this.#isSettled = true;
    this.#refusals = 0;
  }
  report(nowMs: number): void {
    this.#reportedMs = nowMs;
    this.#refusals = 0;
  }
  /** Something came back. Many a system says so once a second at most: a row ends with a longer gap. */
  refused(nowMs: number): void {
    if (nowMs - this.#refusedMs > LIMITS.unicastRefusalGapMs) this.#refusals = 0;
    if (this.#refusals === 0) this.#refusedSinceMs = nowMs;
    this.#refusedMs = nowMs;
    this.#refusals++;
  }
  step(nowMs: number): void {
    if (nowMs >= this.#settlesMs) this.#isSettled = true;
  }

  isGone(nowMs: number): boolean {
    const refusedForMs = this.#refusedMs - this.#refusedSinceMs;
    const isRefused = this.#refusals >= LIMITS.unicastRefusals && refusedForMs >= LIMITS.unicastRefusedMs;
    return isRefused || nowMs - this.#reportedMs >= LIMITS.rtcpSilentMs;
  }
}
