import type { Blocks, Chain } from "./blocks.ts";

/** Rows whose time comes within the same span are looked at together. ms. */
const SPAN_MS = 100;

/** Blocks by the time at which something is due with each: a row ends, a mark is forgotten. */
export class DueLists {
  readonly #blocks: Blocks;
  readonly #wake: (due: number, atMs: number) => void;
  readonly #chains = new Map<number, Chain>();

  /** `wake` asks that `take(due)` be called at `atMs`. */
  constructor(blocks: Blocks, wake: (due: number, atMs: number) => void) {
    this.#blocks = blocks;
    this.#wake = wake;
  }

  add(block: number): void {
    const due = this.#dueOf(block);
    let chain = this.#chains.get(due);
    if (!chain) {
      chain = { first: 0, last: 0 };
      this.#chains.set(due, chain);
      this.#wake(due, due * SPAN_MS);
    }
    this.#blocks.link(chain, block, chain.last, "due");
  }

  /** Before its times, or what it is, change. */
  delete(block: number): void {
    const due = this.#dueOf(block);
    const chain = this.#chains.get(due);
    if (!chain) return;
    this.#blocks.unlink(chain, block, "due");
    if (chain.first === 0) this.#chains.delete(due);
  }

  /** Whatever is in that list: `each` deletes it from there. */
  take(due: number, each: (block: number) => void): void {
    for (let chain = this.#chains.get(due); chain !== undefined && chain.first !== 0; ) each(chain.first);
  }

  #dueOf(block: number): number {
    return Math.ceil(this.#blocks.get(block, this.#blocks.isMark(block) ? "keepUntilMs" : "endsAtMs") / SPAN_MS);
  }
}
