import { octetsOfAddress } from "#base/ip.ts";
import type { MemberId } from "#overlay/types.ts";

export interface PlacementRule {
  readonly ds: MemberId;
  /** IPv4 or IPv6, e.g. "10.1.0.0/16". */
  readonly prefix: string;
}
interface Prefix {
  readonly ds: MemberId;
  readonly octets: readonly number[];
  readonly bits: number;
}

/** Which DS is nearest to an address [B5] [B10]. */
export class Placement {
  readonly #prefixes: readonly Prefix[]; // longest first, else in the order of the configuration

  /** Throws for a prefix that is none. */
  constructor(rules: readonly PlacementRule[]) {
    this.#prefixes = rules.map(prefixOf).sort((a, b) => b.bits - a.bits);
  }

  /**
   * Among the DSs that serve: the one with the longest prefix of the address, else the one with the fewest own subscribers
   * (`load`), else the first by id. Undefined when none serves.
   */
  nearest(address: string, serving: readonly MemberId[], load: ReadonlyMap<MemberId, number>): MemberId | undefined {
    const octets = octetsOfAddress(address);
    const near = octets && this.#prefixes.find((prefix) => serving.includes(prefix.ds) && contains(prefix, octets));
    if (near) return near.ds;
    const loadOf = (ds: MemberId): number => load.get(ds) ?? 0;
    return [...serving].sort((a, b) => loadOf(a) - loadOf(b) || (a < b ? -1 : 1))[0];
  }
}

function prefixOf({ ds, prefix }: PlacementRule): Prefix {
  const [address = "", length = ""] = prefix.split("/");
  const octets = octetsOfAddress(address);
  const bits = Number(length);
  const bad = octets === undefined || !/^\d{1,3}$/.test(length) || bits > 8 * octets.length || prefix.split("/").length !== 2;
  if (bad) throw new RangeError(`Placement of ${ds}: "${prefix}" is not an address prefix such as 10.1.0.0/16`);
  return { ds, octets, bits };
}

function contains({ octets, bits }: Prefix, address: readonly number[]): boolean {
  if (octets.length !== address.length) return false;
  return octets.every((octet, at) => {
    const ours = Math.min(8, Math.max(0, bits - 8 * at)); // bits of the prefix in this octet
    const mask = (0xff00 >> ours) & 0xff;
    return (octet & mask) === ((address[at] ?? 0) & mask);
  });
}
