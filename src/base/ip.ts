/** Of a numeric address: 4 or 16 octets, `undefined` for anything else. An IPv4 address written as IPv6 (RFC 4291 §2.5.5.2) is the IPv4 address. */
export function octetsOfAddress(address: string): readonly number[] | undefined {
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
