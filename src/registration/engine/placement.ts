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
    const octets = octetsOf(address);
    const near = octets && this.#prefixes.find((prefix) => serving.includes(prefix.ds) && contains(prefix, octets));
    if (near) return near.ds;
    const loadOf = (ds: MemberId): number => load.get(ds) ?? 0;
    return [...serving].sort((a, b) => loadOf(a) - loadOf(b) || (a < b ? -1 : 1))[0];
  }
}

function prefixOf({ ds, prefix }: PlacementRule): Prefix {
  const [address = "", length = ""] = prefix.split("/");
  const octets = octetsOf(address);
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

/** 4 or 16 octets; an IPv4 address written as IPv6 (RFC 4291 §2.5.5.2) is the IPv4 address. */
function octetsOf(address: string): readonly number[] | undefined {
  if (!address.includes(":")) return octetsOfV4(address);
  const octets = octetsOfV6(address);
  const mapped = octets?.slice(0, 12).every((octet, at) => octet === (at < 10 ? 0 : 0xff));
  return mapped ? octets?.slice(12) : octets;
}

function octetsOfV4(address: string): readonly number[] | undefined {
  const octets = address.split(".").map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : Number.NaN));
  return octets.length === 4 && octets.every((octet) => octet <= 255) ? octets : undefined;
}

/** RFC 4291 §2.2: up to eight groups, one run of zeroes as "::", perhaps an IPv4 address at the end. */
function octetsOfV6(address: string): readonly number[] | undefined {
  const halves = address.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail = []] = halves.map((half) => (half === "" ? [] : half.split(":").flatMap(octetsOfGroup)));
  const known = [...(head ?? []), ...tail];
  const missing = 16 - known.length;
  if (known.some(Number.isNaN) || (halves.length === 1 ? missing !== 0 : missing < 2)) return undefined;
  return [...(head ?? []), ...new Array<number>(missing).fill(0), ...tail];
}

function octetsOfGroup(group: string): readonly number[] {
  if (group.includes(".")) return octetsOfV4(group) ?? [Number.NaN];
  if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return [Number.NaN];
  const value = Number.parseInt(group, 16);
  return [value >> 8, value & 0xff];
}
