/**
 * Attributes of client-type 0x9101 (PROTOCOL §7), the contents of Signaled ClientSI and Client Specific Decision Data.
 * Each is length (two octets, header included), number (two octets), value, zero octets up to a 32-bit boundary.
 * To add an attribute, add a row and its golden message; a reader ignores and counts numbers that it does not know.
 */
import { concat, fromHex, hex, utf8 } from "#base/bytes.ts";
import { WireError } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";
import { numberOctets, readTlvs, u32, writeTlv } from "./layout.ts";

/** `id` is 16 octets, in attributes 32 hex digits. */
export type AttributeType = "u32" | "utf8" | "id";
interface AttributeSpec {
  readonly number: number;
  readonly type: AttributeType;
}
export const ATTRIBUTES = {
  joinId: { number: 1, type: "id" },
  channel: { number: 2, type: "utf8" },
  user: { number: 3, type: "utf8" },
  kbps: { number: 4, type: "u32" },
  accessKbps: { number: 5, type: "u32" },
  sourceEdge: { number: 6, type: "utf8" },
  coreGroup: { number: 7, type: "utf8" },
  coreSource: { number: 8, type: "utf8" },
  delivery: { number: 9, type: "utf8" },
  unicastTo: { number: 10, type: "utf8" },
  replaces: { number: 11, type: "id" },
  parentEdge: { number: 12, type: "utf8" },
  group: { number: 13, type: "utf8" },
  source: { number: 14, type: "utf8" },
  token: { number: 15, type: "utf8" },
  mediaBase: { number: 16, type: "utf8" },
  reason: { number: 17, type: "utf8" },
  carriedKiB: { number: 18, type: "u32" },
  viewerHost: { number: 19, type: "utf8" },
} as const satisfies Record<string, AttributeSpec>;
const BY_NUMBER = new Map(Object.entries(ATTRIBUTES).map(([name, { number, type }]) => [number as number, { name, type }]));

/** Values by name, as `Attributes` of the engine. */
export type AttributeValues = Readonly<Record<string, string | number>>;
export interface ReadAttributes {
  readonly values: AttributeValues;
  /** How many were not known. */
  readonly ignored: number;
}

/** Throws for a name that is not in the table and a value out of its range. */
export function writeAttributes(values: AttributeValues): Uint8Array {
  return concat(
    Object.entries(values).map(([name, value]) => {
      const spec: AttributeSpec | undefined = ATTRIBUTES[name as keyof typeof ATTRIBUTES];
      if (spec === undefined) throw new TypeError(`Not an admission attribute: ${name}`);
      return writeTlv(spec.number >> 8, spec.number & 0xff, writeValue(spec.type, name, value));
    }),
  );
}

export function readAttributes(data: Uint8Array): ReadAttributes | WireError {
  const tlvs = readTlvs(data, 0, data.length);
  if (tlvs instanceof WireError) return tlvs;
  const values: Record<string, string | number> = {};
  let ignored = 0;
  for (const { num, type, from, to } of tlvs) {
    const spec = BY_NUMBER.get(num * 256 + type);
    if (spec === undefined) {
      ignored++;
      continue;
    }
    const value = spec.name in values ? undefined : readValue(spec.type, data.subarray(from, to));
    if (value === undefined) return new WireError("bad-value", from, `Cannot read attribute ${spec.name}`);
    values[spec.name] = value;
  }
  return { values, ignored };
}

function writeValue(type: AttributeType, name: string, value: string | number): Uint8Array {
  if (type === "u32") return numberOctets(value, 4);
  const octets = type === "id" ? fromHex(String(value)) : utf8(String(value));
  const fits = type === "id" ? octets?.length === ID_BYTES : (octets?.length ?? 0) <= LIMITS.copsAttributeBytes;
  if (octets === undefined || !fits) throw new RangeError(`Not a value of attribute ${name}: ${value}`);
  return octets;
}

function readValue(type: AttributeType, octets: Uint8Array): string | number | undefined {
  if (type === "u32") return octets.length === 4 ? u32(octets, 0) : undefined;
  if (type === "id") return octets.length === ID_BYTES ? hex(octets) : undefined;
  return textOf(octets);
}

export const ID_BYTES = 16;
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** `undefined` when ill-formed, too long, or with control characters in it. */
export function textOf(octets: Uint8Array): string | undefined {
  if (octets.length > LIMITS.copsAttributeBytes) return undefined;
  try {
    const value = strict.decode(octets);
    return /[\0-\x1f\x7f]/.test(value) ? undefined : value;
  } catch {
    return undefined; // the only way to ask for well-formedness
  }
}
