/**
 * Joins of one viewer that replace one another share a slot: one of them will go, so only the larger is booked
 * (PROTOCOL §6). Compared by identity.
 */
export interface Slot {
  joins: number;
}
/** What one join takes of one link. */
export interface Share {
  /** What crosses the link once however many take it: a channel on a core link, the join itself on an access link. */
  readonly item: string;
  readonly slot: Slot;
  readonly kbps: number;
}
/** Counts how often each value is there. */
type Bag<T> = Map<T, number>;
interface Item {
  readonly rates: Bag<number>;
  readonly slots: Bag<Slot>;
}

/**
 * What is booked on one link, kbit/s. An item counts once, at its highest rate. Items that only one slot takes count
 * together, as the largest of them. So removing a share never raises the load.
 */
export class Link {
  readonly capacityKbps: number;
  readonly #items = new Map<string, Item>();
  readonly #shares = new Map<Slot, Set<Share>>();
  #loadKbps = 0;

  constructor(capacityKbps: number) {
    this.capacityKbps = capacityKbps;
  }

  get loadKbps(): number {
    return this.#loadKbps;
  }
  get isEmpty(): boolean {
    return this.#shares.size === 0;
  }

  add(share: Share): void {
    this.#change(share, () => {
      const item = this.#items.get(share.item) ?? { rates: new Map(), slots: new Map() };
      this.#items.set(share.item, item);
      count(item.rates, share.kbps, 1);
      count(item.slots, share.slot, 1);
      const shares = this.#shares.get(share.slot);
      if (shares) shares.add(share);
      else this.#shares.set(share.slot, new Set([share]));
    });
  }

  /** Takes back a share that was added: the same object. */
  remove(share: Share): void {
    this.#change(share, () => {
      const item = this.#items.get(share.item);
      const shares = this.#shares.get(share.slot);
      if (!item || !shares?.delete(share)) throw new Error(`Cannot remove ${share.item} from a link: it is not booked there`);
      if (shares.size === 0) this.#shares.delete(share.slot);
      count(item.rates, share.kbps, -1);
      count(item.slots, share.slot, -1);
      if (item.slots.size === 0) this.#items.delete(share.item);
    });
  }

  /** Only the share's item, its slot, and the one other slot that may own the item change their weight. */
  #change(share: Share, apply: () => void): void {
    const slots = new Set([share.slot]);
    const takers = this.#items.get(share.item)?.slots;
    if (takers && takers.size <= 2) for (const slot of takers.keys()) slots.add(slot);
    const beforeKbps = this.#weightKbps(share.item, slots);
    apply();
    this.#loadKbps += this.#weightKbps(share.item, slots) - beforeKbps;
  }
  #weightKbps(itemName: string, slots: ReadonlySet<Slot>): number {
    const item = this.#items.get(itemName);
    let kbps = item && item.slots.size > 1 ? Math.max(...item.rates.keys()) : 0;
    for (const slot of slots) kbps += this.#ownedKbps(slot);
    return kbps;
  }
  /** The largest of the items that nobody but this slot takes. */
  #ownedKbps(slot: Slot): number {
    let kbps = 0;
    for (const share of this.#shares.get(slot) ?? [])
      if (this.#items.get(share.item)?.slots.size === 1) kbps = Math.max(kbps, share.kbps);
    return kbps;
  }
}

function count<T>(bag: Bag<T>, value: T, change: 1 | -1): void {
  const now = (bag.get(value) ?? 0) + change;
  if (now === 0) bag.delete(value);
  else bag.set(value, now);
}
