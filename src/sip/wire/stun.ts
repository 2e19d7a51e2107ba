/** As much of STUN (RFC 8489, RFC 5389) as keeps a UDP flow alive: a Binding request is answered with its source (RFC 5626 §8). */
import { concat, utf8 } from "#base/bytes.ts";
import { octetsOfAddress } from "#base/ip.ts";
import type { Address } from "#host/host.ts";

const HEADER_OCTETS = 20;
const MAGIC_COOKIE = 0x2112_a442;
const BINDING_REQUEST = 0x0001;
const BINDING_SUCCESS = 0x0101;
const BINDING_ERROR = 0x0111;
const ERROR_CODE = 0x0009;
const UNKNOWN_ATTRIBUTES = 0x000a;
const XOR_MAPPED_ADDRESS = 0x0020;
/** USERNAME, MESSAGE-INTEGRITY, REALM, NONCE: understood, and of no use, because nobody is asked who he is (RFC 5626 §8). */
const UNDERSTOOD: readonly number[] = [0x0006, 0x0008, 0x0014, 0x0015];
const OPTIONAL_FROM = 0x8000; // comprehension-optional (RFC 8489 §14)

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Whether a datagram is STUN; no SIP message looks like it (RFC 8489 §5). */
export const isStun = (bytes: Uint8Array): boolean =>
  bytes.length >= HEADER_OCTETS && (bytes[0] ?? 0) < 0x40 && viewOf(bytes).getUint32(4) === MAGIC_COOKIE;

/** The answer to a Binding request from there; `undefined` for what deserves none (RFC 8489 §6.3). */
export function answerStun(bytes: Uint8Array, from: Address): Uint8Array | undefined {
  const view = viewOf(bytes);
  const source = octetsOfAddress(from.host);
  if (view.getUint16(0) !== BINDING_REQUEST || view.getUint16(2) !== bytes.length - HEADER_OCTETS || !source) return undefined;
  const unknown: number[] = [];
  for (let at = HEADER_OCTETS; at < bytes.length; ) {
    if (at + 4 > bytes.length) return undefined;
    const type = view.getUint16(at);
    at += 4 + padded(view.getUint16(at + 2));
    if (at > bytes.length) return undefined;
    if (type < OPTIONAL_FROM && !UNDERSTOOD.includes(type)) unknown.push(type);
  }
  const cookieAndId = bytes.subarray(4, HEADER_OCTETS);
  return unknown.length > 0
    ? message(BINDING_ERROR, cookieAndId, [
        attribute(ERROR_CODE, concat([Uint8Array.of(0, 0, 4, 20), utf8("Unknown Attribute")])),
        attribute(UNKNOWN_ATTRIBUTES, Uint8Array.from(unknown.flatMap(octetsOf16))),
      ])
    : message(BINDING_SUCCESS, cookieAndId, [attribute(XOR_MAPPED_ADDRESS, xorMapped(source, from.port, cookieAndId))]);
}

/** RFC 8489 §14.2: port and address under the magic cookie, an IPv6 address under the transaction's id, too. */
const xorMapped = (source: readonly number[], port: number, cookieAndId: Uint8Array): Uint8Array =>
  Uint8Array.of(
    0,
    source.length === 4 ? 1 : 2,
    ...octetsOf16(port ^ (MAGIC_COOKIE >>> 16)),
    ...source.map((octet, at) => octet ^ (cookieAndId[at] ?? 0)),
  );

function message(type: number, cookieAndId: Uint8Array, attributes: readonly Uint8Array[]): Uint8Array {
  const body = concat(attributes);
  return concat([Uint8Array.from([...octetsOf16(type), ...octetsOf16(body.length)]), cookieAndId, body]);
}

function attribute(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + padded(value.length));
  bytes.set([...octetsOf16(type), ...octetsOf16(value.length)]);
  bytes.set(value, 4);
  return bytes;
}

const padded = (octets: number): number => (octets + 3) & ~3;
const octetsOf16 = (value: number): [number, number] => [value >> 8, value & 0xff];
