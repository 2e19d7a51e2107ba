/** Blocks begin at multiples of this. Octets. */
const UNIT_OCTETS = 16;
/** Slabs begin small, so that an empty table costs little, and double up to this. Octets. */
const LARGEST_SLAB_OCTETS = 1024 * 1024;
const FIRST_SLAB_OCTETS = 16 * 1024;
/** Numbers of blocks that each slab has, whether or not it is that large. */
const UNITS_PER_SLAB = LARGEST_SLAB_OCTETS / UNIT_OCTETS;
/** A freed block up to so many units larger is taken where none fits better. */
const SLACK_UNITS = 4;

/**
 * Memory that the collector never walks: blocks within slabs of up to one MiB. A block is named by a number above 0 that fits 32
 * bits. Its owner knows its length, and gives it back with that.
 */
export class Arena {
  readonly #views: DataView[] = [];
  readonly #bytes: Uint8Array[] = [];
  /** By length in units: the first free block; each names the next in its first four octets. */
  readonly #free: number[] = [];
  #next = 0; // unit within the last slab, and that slab's end
  #end = 0;
  /** Of blocks that are taken. */
  usedOctets = 0;

  allocate(octets: number): number {
    const units = unitsOf(octets);
    if (units >= UNITS_PER_SLAB) throw new RangeError(`Cannot hold ${octets} octets in one block`);
    this.usedOctets += units * UNIT_OCTETS;
    return this.#reuse(units) ?? this.#extend(units);
  }

  release(block: number, octets: number): void {
    const units = unitsOf(octets);
    this.usedOctets -= units * UNIT_OCTETS;
    this.#put(block, units);
  }

  /** Of the slab that the block is in. */
  view(block: number): DataView {
    return this.#views[Math.floor(block / UNITS_PER_SLAB)] as DataView;
  }
  bytes(block: number): Uint8Array {
    return this.#bytes[Math.floor(block / UNITS_PER_SLAB)] as Uint8Array;
  }
  /** Where in it the block begins. */
  at(block: number): number {
    return (block % UNITS_PER_SLAB) * UNIT_OCTETS;
  }

  #reuse(units: number): number | undefined {
    for (let size = units; size <= units + SLACK_UNITS; size++) {
      const block = this.#free[size];
      if (!block) continue;
      this.#free[size] = this.view(block).getUint32(this.at(block));
      if (size > units) this.#put(block + units, size - units);
      return block;
    }
    return undefined;
  }

  #extend(units: number): number {
    if (this.#next + units > this.#end) this.#addSlab(units);
    const block = (this.#views.length - 1) * UNITS_PER_SLAB + this.#next;
    this.#next += units;
    return block;
  }

  #addSlab(atLeastUnits: number): void {
    const slabs = this.#views.length;
    if (this.#next < this.#end) this.#put((slabs - 1) * UNITS_PER_SLAB + this.#next, this.#end - this.#next);
    this.#next = slabs === 0 ? 1 : 0; // no block is 0
    const octets = Math.max(FIRST_SLAB_OCTETS * 2 ** slabs, (atLeastUnits + this.#next) * UNIT_OCTETS);
    const slab = new ArrayBuffer(Math.min(octets, LARGEST_SLAB_OCTETS));
    this.#views.push(new DataView(slab));
    this.#bytes.push(new Uint8Array(slab));
    this.#end = slab.byteLength / UNIT_OCTETS;
  }

  #put(block: number, units: number): void {
    this.view(block).setUint32(this.at(block), this.#free[units] ?? 0);
    this.#free[units] = block;
  }
}

const unitsOf = (octets: number): number => Math.ceil(octets / UNIT_OCTETS);
