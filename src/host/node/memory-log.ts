import type { Log } from "../host.ts";
import { nodeClock } from "./clock.ts";

/** The log of a host that keeps nothing: whatever is appended counts as durable on the next turn, and is forgotten. */
export class MemoryLog implements Log {
  durableTicket = 0;
  #appended = 0;
  #onDurable: (ticket: number) => void = () => undefined;

  append(): number {
    this.#appended++;
    if (this.#appended === this.durableTicket + 1) this.#later(() => this.#flushed());
    return this.#appended;
  }
  onDurable(handler: (ticket: number) => void): void {
    this.#onDurable = handler;
  }
  replay(_record: (bytes: Uint8Array) => void, done: (tornBytes: number) => void): void {
    this.#later(() => done(0));
  }
  onStall(): void {}
  rewrite(): void {}
  close(): void {}

  #flushed(): void {
    this.durableTicket = this.#appended;
    this.#onDurable(this.durableTicket);
  }
  #later(act: () => void): void {
    nodeClock.timer(nodeClock.nowMs(), act);
  }
}
