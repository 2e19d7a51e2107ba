import type { Fabric } from "./fabric.ts";

/** One direction of a connection: everything arrives, in order; it waits while the two machines are cut off. */
export class Pipe<Item> {
  /** Octets on their way. */
  queuedBytes = 0;
  readonly #fabric: Fabric;
  readonly #from: string;
  readonly #to: string;
  readonly #arrived: (items: readonly Item[]) => void;
  readonly #items: { item: Item; octets: number; atMs: number }[] = [];

  /** `arrived` gets everything that arrives at one instant together. */
  constructor(fabric: Fabric, from: string, to: string, arrived: (items: readonly Item[]) => void) {
    this.#fabric = fabric;
    this.#from = from;
    this.#to = to;
    this.#arrived = arrived;
  }

  push(item: Item, octets: number, handlingMs: number): void {
    const { agenda } = this.#fabric;
    const atMs = agenda.nowMs + this.#fabric.link(this.#from, this.#to).streamMs(octets, agenda.nowMs) + handlingMs;
    this.#items.push({ item, octets, atMs });
    this.queuedBytes += octets;
    agenda.at(atMs, this.#deliver);
  }

  /** What is on its way is lost. */
  clear(): void {
    this.#items.length = 0;
    this.queuedBytes = 0;
  }

  readonly #deliver = (): void => {
    const link = this.#fabric.link(this.#from, this.#to);
    if (link.isCut) {
      link.onHeal(this.#deliver);
      return;
    }
    const { nowMs } = this.#fabric.agenda;
    // what would overtake waits for what was sent before it
    const later = this.#items.findIndex(({ atMs }) => atMs > nowMs);
    const due = this.#items.splice(0, later < 0 ? this.#items.length : later);
    if (due.length === 0) return;
    for (const { octets } of due) this.queuedBytes -= octets;
    this.#arrived(due.map(({ item }) => item));
  };
}
