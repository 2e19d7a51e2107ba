/**
 * The part of the Basic Encoding Rules (X.690) that provisioning data needs (RFC 3084 §4): whole numbers, strings, object
 * identifiers, NULL; definite lengths.
 */
import { concat, utf8 } from "#base/bytes.ts";
import { WireError } from "#base/errors.ts";

export const BER = {
  integer: 0x02,
  octetString: 0x04,
  nothing: 0x05, // "not supported" (RFC 3084 §4.3)
  oid: 0x06,
  unsigned32: 0x42, // [APPLICATION 2] of SPPI (RFC 3159)
} as const;

export interface BerElement {
  readonly tag: number;
  readonly contents: Uint8Array; // a view, not a copy
}

export function writeBer(tag: number, contents: Uint8Array): Uint8Array {
  const lengthOctets: number[] = [];
  for (let left = contents.length; left > 0; left >>= 8) lengthOctets.unshift(left & 0xff);
  const length = contents.length < 0x80 ? [contents.length] : [0x80 | lengthOctets.length, ...lengthOctets];
  return concat([Uint8Array.from([tag, ...length]), contents]);
}
/** 0..2^32-1, in as few octets as two's complement allows. */
export function writeUnsigned(value: number): Uint8Array {
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) throw new RangeError(`Not an Unsigned32: ${value}`);
  const octets: number[] = [];
  for (let left = value; left > 0; left = Math.floor(left / 256)) octets.unshift(left % 256);
  if (octets.length === 0 || (octets[0] ?? 0) > 0x7f) octets.unshift(0);
  return writeBer(BER.unsigned32, Uint8Array.from(octets));
}
export const writeText = (value: string): Uint8Array => writeBer(BER.octetString, utf8(value));

/** A series of elements that fills `bytes`. */
export function readBer(bytes: Uint8Array): readonly BerElement[] | WireError {
  const elements: BerElement[] = [];
  for (let at = 0; at < bytes.length; ) {
    const head = readHead(bytes, at);
    if (head === undefined || head.to > bytes.length)
      return new WireError("bad-length", at, "Cannot read BER element: its length does not fit");
    elements.push({ tag: bytes[at] ?? 0, contents: bytes.subarray(head.from, head.to) });
    at = head.to;
  }
  return elements;
}

/** Of one octet (high-tag-number form is not used here), with a definite length of at most 65,535. */
function readHead(bytes: Uint8Array, at: number): { readonly from: number; readonly to: number } | undefined {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) return undefined;
  if (first < 0x80) return { from: at + 2, to: at + 2 + first };
  const octets = first & 0x7f;
  if (octets === 0 || octets > 2 || at + 2 + octets > bytes.length) return undefined;
  let length = 0;
  for (let index = 0; index < octets; index++) length = length * 256 + (bytes[at + 2 + index] ?? 0);
  return { from: at + 2 + octets, to: at + 2 + octets + length };
}

/** The value of an INTEGER or Unsigned32 that is not negative and fits 32 bits (RFC 3084 §4.3 writes either). */
export function unsignedOf(element: BerElement): number | undefined {
  if (element.tag !== BER.integer && element.tag !== BER.unsigned32) return undefined;
  const { contents } = element;
  if (contents.length === 0 || contents.length > 5 || (contents[0] ?? 0) > 0x7f) return undefined;
  let value = 0;
  for (const octet of contents) value = value * 256 + octet;
  return value <= 0xffff_ffff ? value : undefined;
}

/** Dotted form; sub-identifiers of 32 bits, as SMI has them. At least two. */
export function writeOid(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const octets: number[] = [];
  for (const part of [first * 40 + second, ...rest]) {
    if (!Number.isInteger(part) || part < 0 || part > 0xffff_ffff) throw new RangeError(`Not an object identifier: ${dotted}`);
    const groups = [part % 128];
    for (let left = Math.floor(part / 128); left > 0; left = Math.floor(left / 128)) groups.unshift(0x80 | (left % 128));
    octets.push(...groups);
  }
  return writeBer(BER.oid, Uint8Array.from(octets));
}
/** `undefined` unless exactly one object identifier stands in `bytes[from, to)`. */
export function readOid(bytes: Uint8Array, from: number, to: number): string | undefined {
  const elements = readBer(bytes.subarray(from, to));
  if (elements instanceof WireError || elements.length !== 1 || elements[0]?.tag !== BER.oid) return undefined;
  const parts: number[] = [];
  let part = 0;
  let open = true;
  for (const octet of elements[0].contents) {
    part = part * 128 + (octet & 0x7f);
    if (part > 0xffff_ffff) return undefined;
    open = octet > 0x7f;
    if (open) continue;
    if (parts.length === 0) parts.push(Math.min(2, Math.floor(part / 40)), part - 40 * Math.min(2, Math.floor(part / 40)));
    else parts.push(part);
    part = 0;
  }
  return open ? undefined : parts.join(".");
}
