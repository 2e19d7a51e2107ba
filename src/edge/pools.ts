import type { Address } from "#host/host.ts";

/** Whole numbers from 0 on, the lowest free first unless one is wanted. */
class Pool {
  readonly #count: number;
  readonly #taken = new Set<number>();
  constructor(count: number) {
    this.#count = count;
  }
  /** The one wanted where it is free; `undefined` when all are taken. */
  take(wanted: number): number | undefined {
    if (Number.isInteger(wanted) && wanted >= 0 && wanted < this.#count && !this.#taken.has(wanted)) {
      this.#taken.add(wanted);
      return wanted;
    }
    for (let free = 0; free < this.#count; free++) {
      if (this.#taken.has(free)) continue;
      this.#taken.add(free);
      return free;
    }
    return undefined;
  }
  give(taken: number): void {
    this.#taken.delete(taken);
  }
}

/** Group addresses of one edge, IPv4, one port for all (PROTOCOL §3). */
export class GroupPool {
  readonly first: string;
  readonly count: number;
  readonly port: number;
  readonly #pool: Pool;
  constructor(first: string, count: number, port: number) {
    this.first = first;
    this.count = count;
    this.port = port;
    this.#pool = new Pool(count);
  }
  take(wanted?: Address): Address | undefined {
    const at = this.#pool.take(wanted?.port === this.port ? toNumber(wanted.host) - toNumber(this.first) : NaN);
    return at === undefined ? undefined : { host: fromNumber(toNumber(this.first) + at), port: this.port };
  }
  give({ host }: Address): void {
    this.#pool.give(toNumber(host) - toNumber(this.first));
  }
}

/** UDP ports of one address: one each, or with `step` 2 the first of a pair each. */
export class PortPool {
  readonly #host: string;
  readonly #first: number;
  readonly #step: number;
  readonly #pool: Pool;
  constructor(host: string, first: number, count: number, step = 1) {
    this.#host = host;
    this.#first = first;
    this.#step = step;
    this.#pool = new Pool(count);
  }
  take(wanted?: Address): Address | undefined {
    const at = this.#pool.take(wanted?.host === this.#host ? this.#placeOf(wanted) : NaN);
    return at === undefined ? undefined : { host: this.#host, port: this.#first + this.#step * at };
  }
  give(taken: Address): void {
    this.#pool.give(this.#placeOf(taken));
  }
  #placeOf({ port }: Address): number {
    return (port - this.#first) / this.#step;
  }
}

const toNumber = (ipv4: string): number => ipv4.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
const fromNumber = (ipv4: number): string => [24, 16, 8, 0].map((shift) => (ipv4 >>> shift) & 255).join(".");
