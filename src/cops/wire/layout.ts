/**
 * Objects described by tables: what COPS objects (RFC 2748 §2.2) and the COPS-PR objects inside them (RFC 3084 §4) have
 * in common. Each is length (two octets, header included), number, type, contents, zero octets up to a 32-bit boundary.
 */
import { concat, fromHex, hex, text, utf8 } from "#base/bytes.ts";
import { WireError } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";
import { readOid, writeOid } from "./ber.ts";

/** What a field holds, and how it looks as a value. */
interface FieldTypes {
  readonly u16: number;
  readonly u32: number;
  readonly ipv4: string;
  readonly ipv6: string; // eight groups, not shortened
  readonly hex: string; // the rest, 1..`LIMITS.copsHandleBytes` octets, as lower-case hex digits
  readonly name: string; // the rest: ASCII ended by at least one NUL, filled with NULs to the boundary (RFC 2748 §2.2.11)
  readonly oid: string; // the rest: one BER object identifier, dotted
  readonly octets: Uint8Array; // the rest
  readonly zero16: never; // reserved: written as zero, not read
}
type FieldType = keyof FieldTypes;
const WIDTH_BYTES: Partial<Record<FieldType, number>> = { u16: 2, u32: 4, ipv4: 4, ipv6: 16, zero16: 2 };
const HEADER_BYTES = 4;

export interface ObjectSpec {
  /** C-Num and C-Type, or S-Num and S-Type. */
  readonly num: number;
  readonly type: number;
  /** In the order of the wire; a field of variable length stands last. */
  readonly fields: Readonly<Record<string, FieldType>>;
}
export type ObjectSpecs = Readonly<Record<string, ObjectSpec>>;
type FieldValues<F extends ObjectSpec["fields"]> = {
  readonly [K in keyof F as F[K] extends "zero16" ? never : K]: FieldTypes[F[K]];
};
/** An object of the table as a value: its name as `kind`, and its fields. */
export type ObjectOf<T extends ObjectSpecs, K extends keyof T = keyof T> = {
  [N in K]: { readonly kind: N } & FieldValues<T[N]["fields"]>;
}[K];
/** Well formed, but not in the table. */
export interface UnknownObject {
  readonly kind: "unknown";
  readonly num: number;
  readonly type: number;
}

export const padded = (lengthBytes: number): number => (lengthBytes + 3) & ~3;

/** One header, contents and padding. */
export function writeTlv(num: number, type: number, contents: Uint8Array): Uint8Array {
  const lengthBytes = HEADER_BYTES + contents.length;
  if (lengthBytes > 0xffff)
    throw new RangeError(`COPS object ${num}.${type} of ${lengthBytes} octets does not fit its length field`);
  const out = new Uint8Array(padded(lengthBytes));
  out.set([lengthBytes >> 8, lengthBytes & 0xff, num, type]);
  out.set(contents, HEADER_BYTES);
  return out;
}

export interface Tlv {
  readonly num: number;
  readonly type: number;
  /** Where the contents begin and end. */
  readonly from: number;
  readonly to: number;
}
/** Cuts `bytes[from, to)` into objects; padding included, they fill it exactly. */
export function readTlvs(bytes: Uint8Array, from: number, to: number): readonly Tlv[] | WireError {
  const found: Tlv[] = [];
  for (let at = from; at < to; ) {
    if (to - at < HEADER_BYTES) return new WireError("truncated", at, "Cannot read COPS object: its header does not fit");
    const lengthBytes = u16(bytes, at);
    if (lengthBytes < HEADER_BYTES) {
      return new WireError("bad-length", at, `Cannot read COPS object: length is ${lengthBytes}, at least 4 needed`);
    }
    const next = at + padded(lengthBytes);
    if (next > to) return new WireError("bad-length", at, `Cannot read COPS object: length is ${lengthBytes}, ${to - at} left`);
    found.push({ num: bytes[at + 2] ?? 0, type: bytes[at + 3] ?? 0, from: at + HEADER_BYTES, to: at + lengthBytes });
    at = next;
  }
  return found;
}

/** Reads and writes the objects of one table. */
export class ObjectCodec<T extends ObjectSpecs> {
  readonly #specs: T;
  readonly #kinds = new Map<number, keyof T & string>();
  constructor(specs: T) {
    this.#specs = specs;
    for (const [kind, spec] of Object.entries(specs)) this.#kinds.set(spec.num * 256 + spec.type, kind);
  }

  write(object: ObjectOf<T>): Uint8Array {
    const spec = this.#specs[object.kind] as ObjectSpec;
    const values = object as unknown as Readonly<Record<string, unknown>>;
    return writeTlv(
      spec.num,
      spec.type,
      concat(Object.entries(spec.fields).map(([name, type]) => writeField(type, values[name]))),
    );
  }

  /** Every object of `bytes[from, to)`, copied out of it. */
  read(bytes: Uint8Array, from: number, to: number): readonly (ObjectOf<T> | UnknownObject)[] | WireError {
    const tlvs = readTlvs(bytes, from, to);
    if (tlvs instanceof WireError) return tlvs;
    const objects: (ObjectOf<T> | UnknownObject)[] = [];
    for (const tlv of tlvs) {
      const object = this.#readOne(bytes, tlv);
      if (object instanceof WireError) return object;
      objects.push(object);
    }
    return objects;
  }

  #readOne(bytes: Uint8Array, tlv: Tlv): ObjectOf<T> | UnknownObject | WireError {
    const kind = this.#kinds.get(tlv.num * 256 + tlv.type);
    if (kind === undefined) return { kind: "unknown", num: tlv.num, type: tlv.type };
    const values: Record<string, unknown> = { kind };
    let at = tlv.from;
    for (const [name, type] of Object.entries((this.#specs[kind] as ObjectSpec).fields)) {
      const end = at + (WIDTH_BYTES[type] ?? tlv.to - at);
      const value = end > tlv.to ? undefined : readField(type, bytes, at, end);
      if (value === undefined) return new WireError("bad-value", at, `Cannot read ${name} of COPS object ${kind}`);
      if (type !== "zero16") values[name] = value;
      at = end;
    }
    if (at !== tlv.to)
      return new WireError("bad-length", tlv.from, `Cannot read COPS object ${kind}: ${tlv.to - at} octets too long`);
    return values as ObjectOf<T>;
  }
}

/** `undefined` when the octets are no such value. */
function readField(type: FieldType, bytes: Uint8Array, from: number, to: number): string | number | Uint8Array | undefined {
  switch (type) {
    case "u16":
      return u16(bytes, from);
    case "u32":
      return u32(bytes, from);
    case "zero16":
      return 0;
    case "ipv4":
      return bytes.subarray(from, to).join(".");
    case "ipv6":
      return Array.from({ length: 8 }, (_, group) => u16(bytes, from + 2 * group).toString(16)).join(":");
    case "hex":
      return to > from && to - from <= LIMITS.copsHandleBytes ? hex(bytes.subarray(from, to)) : undefined;
    case "name":
      return /^([\x21-\x7e]+)\0+$/.exec(text(bytes.subarray(from, to)))?.[1];
    case "oid":
      return readOid(bytes, from, to);
    case "octets":
      return bytes.slice(from, to);
  }
}

/** Our own objects: a value that does not fit throws. */
function writeField(type: FieldType, value: unknown): Uint8Array {
  switch (type) {
    case "u16":
      return numberOctets(value, 2);
    case "u32":
      return numberOctets(value, 4);
    case "zero16":
      return new Uint8Array(2);
    case "ipv4":
      return Uint8Array.from(String(value).split("."), Number);
    case "ipv6":
      return concat(ipv6Groups(String(value)).map((group) => numberOctets(Number.parseInt(group, 16), 2)));
    case "hex": {
      const octets = fromHex(String(value));
      if (octets === undefined || octets.length === 0 || octets.length > LIMITS.copsHandleBytes)
        throw new RangeError(`Not a handle: ${value}`);
      return octets;
    }
    case "name": {
      if (!/^[\x21-\x7e]+$/.test(String(value))) throw new RangeError(`Not a PEPID: ${value}`);
      return utf8(String(value).padEnd(padded(String(value).length + 1), "\0"));
    }
    case "oid":
      return writeOid(String(value));
    case "octets":
      return value as Uint8Array;
  }
}

/** Eight groups; "::" stands for as many zeros as are missing. */
function ipv6Groups(address: string): readonly string[] {
  const [front = [], back] = address.split("::").map((part) => part.split(":").filter((group) => group !== ""));
  return back ? [...front, ...Array<string>(Math.max(0, 8 - front.length - back.length)).fill("0"), ...back] : front;
}

export const u16 = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
export const u32 = (bytes: Uint8Array, at: number): number => u16(bytes, at) * 0x10000 + u16(bytes, at + 2);
/** A whole number of at most 4 octets, network byte order. */
export function numberOctets(value: unknown, octets: 2 | 4): Uint8Array {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value >= 2 ** (8 * octets)) {
    throw new RangeError(`Not a whole number of ${octets} octets: ${value}`);
  }
  return Uint8Array.from({ length: octets }, (_, at) => (value / 2 ** (8 * (octets - 1 - at))) & 0xff);
}
