import { NO_BYTES } from "#base/bytes.ts";
import { type Decoded, WireError } from "#base/errors.ts";

/** MPEG-TS in RTP (RFC 3551 §6): payload type 33, clock 90 kHz. */
export const MP2T = { payloadType: 33, clockHz: 90_000 } as const;

/** Octets of a header without CSRCs and extension. */
export const RTP_HEADER_BYTES = 12;

export interface RtpExtension {
  readonly profile: number; // 16 bits, defined by the profile
  /** A whole number of 32-bit words. */
  readonly data: Uint8Array;
}

/** One RTP data packet (RFC 3550 §5.1). `payload` and `extension.data` are views of the octets that were read. */
export interface RtpPacket {
  readonly marker: boolean;
  readonly payloadType: number; // 0..127
  readonly sequence: number; // 16 bits
  /** 32 bits, ticks of the payload type's clock; what is written is taken modulo 2^32. */
  readonly timestamp: number;
  readonly ssrc: number; // 32 bits
  readonly csrcs: readonly number[]; // at most 15
  readonly extension?: RtpExtension;
  readonly payload: Uint8Array; // without the padding
  /** Octets after the payload, the last of which says how many: 0 (none) or 1..255. */
  readonly paddingBytes: number;
}

const NO_CSRCS: readonly number[] = [];
const bad = (code: WireError["code"], at: number, what: string): Decoded<never> => ({
  status: "bad",
  error: new WireError(code, at, `Cannot read RTP packet: ${what}`),
});

/** Reads a datagram as RTP (RFC 3550 §5.1, §A.1). Never throws for what a peer sent. */
export function parseRtp(bytes: Uint8Array): Decoded<RtpPacket> {
  if (bytes.length < RTP_HEADER_BYTES) return bad("truncated", bytes.length, "shorter than its fixed header");
  const flags = octet(bytes, 0);
  if (flags >> 6 !== 2) return bad("bad-value", 0, `version is ${flags >> 6}, not 2`);
  const csrcCount = flags & 0x0f;
  let at = RTP_HEADER_BYTES + 4 * csrcCount;
  if (at > bytes.length) return bad("truncated", bytes.length, "its list of CSRCs is cut off");
  let extension: RtpExtension | undefined;
  if (flags & 0x10) {
    if (at + 4 > bytes.length) return bad("truncated", bytes.length, "its extension is cut off");
    const endAt = at + 4 + 4 * u16(bytes, at + 2);
    if (endAt > bytes.length) return bad("truncated", bytes.length, "its extension is cut off");
    extension = { profile: u16(bytes, at), data: bytes.subarray(at + 4, endAt) };
    at = endAt;
  }
  const paddingBytes = flags & 0x20 ? octet(bytes, bytes.length - 1) : 0;
  if (flags & 0x20 && (paddingBytes === 0 || at + paddingBytes > bytes.length)) {
    return bad("bad-length", bytes.length - 1, `it claims ${paddingBytes} octets of padding`);
  }
  const value: RtpPacket = {
    marker: (octet(bytes, 1) & 0x80) !== 0,
    payloadType: octet(bytes, 1) & 0x7f,
    sequence: u16(bytes, 2),
    timestamp: u32(bytes, 4),
    ssrc: u32(bytes, 8),
    csrcs: csrcCount === 0 ? NO_CSRCS : Array.from({ length: csrcCount }, (_, n) => u32(bytes, RTP_HEADER_BYTES + 4 * n)),
    ...(extension && { extension }),
    payload: bytes.subarray(at, bytes.length - paddingBytes),
    paddingBytes,
  };
  return { status: "ok", value, usedBytes: bytes.length };
}

/** The octets of any packet. Throws a `RangeError` for one that the format cannot carry: that is our own fault. */
export function writeRtp(packet: RtpPacket): Uint8Array {
  const { csrcs, extension, payload, paddingBytes } = packet;
  if (csrcs.length > 15) throw new RangeError(`An RTP packet carries 15 CSRCs at most, not ${csrcs.length}`);
  if (paddingBytes > 255) throw new RangeError(`An RTP packet carries 255 octets of padding at most, not ${paddingBytes}`);
  const words = (extension?.data ?? NO_BYTES).length / 4;
  if (!Number.isInteger(words) || words > 0xffff) throw new RangeError("An RTP extension is a number of 32-bit words");
  const payloadAt = RTP_HEADER_BYTES + 4 * csrcs.length + (extension ? 4 + 4 * words : 0);
  const bytes = new Uint8Array(payloadAt + payload.length + paddingBytes);
  writeRtpHeader(bytes, packet);
  bytes[0] = 0x80 | (paddingBytes > 0 ? 0x20 : 0) | (extension ? 0x10 : 0) | csrcs.length;
  for (const [n, csrc] of csrcs.entries()) putU32(bytes, RTP_HEADER_BYTES + 4 * n, csrc);
  if (extension) {
    const at = RTP_HEADER_BYTES + 4 * csrcs.length;
    putU16(bytes, at, extension.profile);
    putU16(bytes, at + 2, words);
    bytes.set(extension.data, at + 4);
  }
  bytes.set(payload, payloadAt);
  if (paddingBytes > 0) bytes[bytes.length - 1] = paddingBytes;
  return bytes;
}

/** The fixed part of a header, in place: how packets leave the relay, their payload being there already. */
export function writeRtpHeader(
  into: Uint8Array,
  header: Pick<RtpPacket, "marker" | "payloadType" | "sequence" | "timestamp" | "ssrc">,
): void {
  into[0] = 0x80;
  into[1] = (header.marker ? 0x80 : 0) | header.payloadType;
  putU16(into, 2, header.sequence);
  putU32(into, 4, header.timestamp);
  putU32(into, 8, header.ssrc);
}

/**
 * Makes an RTP datagram our own, in place, as a translator does that numbers anew (RFC 3550 §7.2): sequence and SSRC are
 * replaced, the timestamp moves by `shiftTicks`, the marker is set if `jumped`.
 */
export function translateRtp(datagram: Uint8Array, sequence: number, ssrc: number, shiftTicks: number, jumped: boolean): void {
  if (jumped) datagram[1] = octet(datagram, 1) | 0x80;
  putU16(datagram, 2, sequence);
  putU32(datagram, 4, u32(datagram, 4) + shiftTicks);
  putU32(datagram, 8, ssrc);
}

/** How far `to` is ahead of `from` in 16-bit sequence numbers: -32,768..32,767 (RFC 3550 §A.1). */
export const sequenceAhead = (to: number, from: number): number => ((to - from) << 16) >> 16;

const octet = (bytes: Uint8Array, at: number): number => bytes[at] ?? 0;
const u16 = (bytes: Uint8Array, at: number): number => (octet(bytes, at) << 8) | octet(bytes, at + 1);
const u32 = (bytes: Uint8Array, at: number): number => ((u16(bytes, at) << 16) | u16(bytes, at + 2)) >>> 0;
function putU16(into: Uint8Array, at: number, value: number): void {
  into[at] = value >>> 8;
  into[at + 1] = value;
}
function putU32(into: Uint8Array, at: number, value: number): void {
  putU16(into, at, value >>> 16);
  putU16(into, at + 2, value);
}
