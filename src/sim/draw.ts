import { Random } from "./random.ts";

/** What is drawn from a seed. */
export class Draw {
  readonly #random: Random;
  constructor(seed: number) {
    this.#random = new Random(seed, "script");
  }
  chance(share: number): boolean {
    return this.#random.share() < share;
  }
  /** A whole number, both ends included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.#random.share() * (most - least + 1));
  }
  /** Short as often as long: even in its logarithm. */
  spread(least: number, most: number): number {
    return Math.round(least * (most / least) ** this.#random.share());
  }
  oneOf<T>(of: readonly T[]): T {
    return of[this.between(0, of.length - 1)] as T;
  }
  two<T>(of: readonly T[]): [T, T] {
    const first = this.oneOf(of);
    return [first, this.oneOf(of.filter((other) => other !== first))];
  }
}
