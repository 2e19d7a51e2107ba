import type { Random } from "./random.ts";
import type { Faults } from "./types.ts";

/** Between two machines unless they are told otherwise. */
export const PERFECT: Faults = {
  loss: 0,
  bursts: undefined,
  duplicate: 0,
  reorder: 0,
  delayMs: 1,
  jitterMs: 0,
  kbps: Infinity,
  queueBytes: 64 * 1024,
};
const LOST: readonly number[] = [];
/** How much later a datagram comes that others are to overtake. */
const HELD_BACK_MS = 25;
const BITS_PER_OCTET = 8;

/** One direction between two machines: a queue in front of a rate, then a delay; and what goes wrong on the way. */
export class Link {
  faults: Faults;
  readonly #random: Random;
  /** While it is cut: what waits for it to heal. */
  #stalled: Set<() => void> | undefined;
  #sendingUntilMs = 0;
  #inBurst = false;

  constructor(faults: Faults, random: Random) {
    this.faults = faults;
    this.#random = random;
  }

  get isCut(): boolean {
    return this.#stalled !== undefined;
  }
  cut(): void {
    this.#stalled ??= new Set();
  }
  /** What waited for it. */
  heal(): Iterable<() => void> {
    const waiting = this.#stalled ?? [];
    this.#stalled = undefined;
    return waiting;
  }
  /** `resume` is among what waits; asked for twice, once. */
  onHeal(resume: () => void): void {
    this.#stalled?.add(resume);
  }

  /** What becomes of a datagram: the delays, ms, of the copies that arrive; none = lost. */
  datagram(octets: number, nowMs: number): readonly number[] {
    if (this.isCut || this.#loses()) return LOST;
    const { kbps, queueBytes } = this.faults;
    const queuedBytes = (Math.max(0, this.#sendingUntilMs - nowMs) * kbps) / BITS_PER_OCTET;
    if (kbps < Infinity && queuedBytes + octets > queueBytes) return LOST;
    const queueMs = this.#queueMs(octets, nowMs);
    const copies = this.#happens(this.faults.duplicate) ? 2 : 1;
    return Array.from({ length: copies }, () => queueMs + this.#travelMs());
  }

  /** What a piece of a stream takes, ms: it waits for the link however long that is, and is never lost. */
  streamMs(octets: number, nowMs: number): number {
    const { delayMs, jitterMs } = this.faults;
    return this.#queueMs(octets, nowMs) + delayMs + this.#part(jitterMs);
  }

  #queueMs(octets: number, nowMs: number): number {
    const { kbps } = this.faults;
    if (kbps === Infinity) return 0;
    this.#sendingUntilMs = Math.max(this.#sendingUntilMs, nowMs) + (octets * BITS_PER_OCTET) / kbps;
    return this.#sendingUntilMs - nowMs;
  }
  #travelMs(): number {
    const { delayMs, jitterMs, reorder } = this.faults;
    return delayMs + this.#part(jitterMs) + (this.#happens(reorder) ? HELD_BACK_MS : 0);
  }

  /** Gilbert and Elliott's two states, a step for each datagram; besides, `loss` in either. */
  #loses(): boolean {
    const { bursts, loss } = this.faults;
    if (bursts) {
      if (this.#happens(this.#inBurst ? bursts.end : bursts.begin)) this.#inBurst = !this.#inBurst;
      if (this.#inBurst && this.#happens(bursts.loss)) return true;
    }
    return this.#happens(loss);
  }

  #happens(share: number): boolean {
    return share > 0 && this.#random.share() < share;
  }
  #part(ms: number): number {
    return ms > 0 ? ms * this.#random.share() : 0;
  }
}
