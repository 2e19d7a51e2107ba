import { LIMITS } from "#base/limits.ts";
import type { PepConnection } from "#cops/engine/types.ts";
import type { Clock, Timer } from "#host/host.ts";

/**
 * Who has still to say what it holds, before the broker is told that what the edge repeated is all (PROTOCOL §7, "Restart").
 * An edge that nobody is connected to waits: it may have been restarted a moment before its DSs come back.
 */
export class Census {
  readonly #clock: Clock;
  readonly #ask: (pep: PepConnection) => void;
  readonly #done: () => void;
  readonly #present = new Set<PepConnection>();
  readonly #unheard = new Set<PepConnection>();
  /** While one is held. */
  #timer: Timer | undefined;

  /** `ask` is to have a DS repeat what it holds; `done` is told when all have, or after `LIMITS.edgeCensusMs`. */
  constructor(clock: Clock, ask: (pep: PepConnection) => void, done: () => void) {
    this.#clock = clock;
    this.#ask = ask;
    this.#done = done;
  }

  begin(): void {
    this.stop();
    this.#timer = this.#clock.timer(this.#clock.nowMs() + LIMITS.edgeCensusMs, () => this.#finish());
    for (const pep of this.#present) this.#askOne(pep);
  }
  came(pep: PepConnection): void {
    this.#present.add(pep);
    if (this.#timer) this.#askOne(pep);
  }
  heard(pep: PepConnection): void {
    this.#unheard.delete(pep);
    this.#finishIfAllAreHeard();
  }
  gone(pep: PepConnection): void {
    this.#present.delete(pep);
    this.#unheard.delete(pep);
    this.#finishIfAllAreHeard();
  }
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#unheard.clear();
  }

  #askOne(pep: PepConnection): void {
    this.#unheard.add(pep);
    this.#ask(pep);
  }
  #finishIfAllAreHeard(): void {
    if (this.#timer && this.#present.size > 0 && this.#unheard.size === 0) this.#finish();
  }
  #finish(): void {
    this.stop();
    this.#done();
  }
}
