import { type Decoded, WireError } from "#base/errors.ts";

/** One packet of a transport stream (ISO/IEC 13818-1 §2.4.3.2): a fixed length, and what each begins with. */
export const TS_PACKET_BYTES = 188;
export const TS_SYNC = 0x47;

export const PID = { pat: 0x0000, null: 0x1fff } as const;

/** Clock references count 27 MHz and wrap with their 33-bit base of 90 kHz (ISO/IEC 13818-1 §2.4.2.2). */
export const PCR_WRAP_TICKS = 2 ** 33 * 300;
/** Time stamps count 90 kHz in 33 bits. */
export const STAMP_WRAP_TICKS = 2 ** 33;
const TICKS_PER_STAMP = 300;

/** The head of one packet. Offsets are from the start of the buffer that was read. */
export interface TsPacket {
  readonly at: number;
  readonly pid: number; // 13 bits
  /** A PES packet or a section begins here. */
  readonly unitStart: boolean;
  /** A demodulator could not correct it: its other fields mean little. */
  readonly transportError: boolean;
  readonly scrambled: boolean;
  readonly continuity: number; // 4 bits
  readonly discontinuity: boolean;
  readonly randomAccess: boolean;
  /** 27 MHz ticks, 0..PCR_WRAP_TICKS; absent where there is none. */
  readonly pcrTicks: number | undefined;
  /** The payload's octets; equal where there is none. */
  readonly payloadAt: number;
  readonly payloadEnd: number;
}

const FLAG = { discontinuity: 0x80, randomAccess: 0x40, pcr: 0x10 } as const;
const PCR_AT = 6; // from the packet's start: 4 of header, length, flags

/** Reads the head of the packet at `at` (ISO/IEC 13818-1 §2.4.3.3, §2.4.3.5). Never throws for what a peer sent. */
export function parseTsPacket(bytes: Uint8Array, at = 0): Decoded<TsPacket> {
  if (at + TS_PACKET_BYTES > bytes.length) return bad("truncated", bytes.length, "shorter than 188 octets");
  if (bytes[at] !== TS_SYNC) return bad("bad-value", at, "does not begin with 0x47");
  const end = at + TS_PACKET_BYTES;
  const second = octet(bytes, at + 1);
  const control = octet(bytes, at + 3);
  const hasAdaptation = (control & 0x20) !== 0;
  const hasPayload = (control & 0x10) !== 0;
  if (!hasAdaptation && !hasPayload) return bad("bad-value", at + 3, "has neither adaptation field nor payload");
  const adaptationBytes = hasAdaptation ? octet(bytes, at + 4) : 0;
  if (hasAdaptation && adaptationBytes > (hasPayload ? 182 : 183)) {
    return bad("bad-length", at + 4, `has an adaptation field of ${adaptationBytes} octets`);
  }
  const flags = adaptationBytes > 0 ? octet(bytes, at + 5) : 0;
  if (flags & FLAG.pcr && adaptationBytes < 7) return bad("bad-length", at + 4, "has no room for its PCR");
  const value: TsPacket = {
    at,
    pid: ((second & 0x1f) << 8) | octet(bytes, at + 2),
    unitStart: (second & 0x40) !== 0,
    transportError: (second & 0x80) !== 0,
    scrambled: (control & 0xc0) !== 0,
    continuity: control & 0x0f,
    discontinuity: (flags & FLAG.discontinuity) !== 0,
    randomAccess: (flags & FLAG.randomAccess) !== 0,
    pcrTicks: flags & FLAG.pcr ? readPcr(bytes, at + PCR_AT) : undefined,
    payloadAt: hasPayload ? at + (hasAdaptation ? 5 + adaptationBytes : 4) : end,
    payloadEnd: end,
  };
  return { status: "ok", value, usedBytes: TS_PACKET_BYTES };
}

/** Whether the octets are whole packets: what a datagram, a message and a file of ours must be. */
export function isWholePackets(bytes: Uint8Array): boolean {
  if (bytes.length === 0 || bytes.length % TS_PACKET_BYTES !== 0) return false;
  for (let at = 0; at < bytes.length; at += TS_PACKET_BYTES) if (bytes[at] !== TS_SYNC) return false;
  return true;
}

/** Sets the continuity counter of the packet at `at`. */
export function putContinuity(bytes: Uint8Array, at: number, continuity: number): void {
  bytes[at + 3] = (octet(bytes, at + 3) & 0xf0) | (continuity & 0x0f);
}

/** Says that the clock and the counters go on after all (ISO/IEC 13818-1 §2.4.3.5). For packets with an adaptation field. */
export function clearDiscontinuity(bytes: Uint8Array, at: number): void {
  bytes[at + 5] = octet(bytes, at + 5) & ~FLAG.discontinuity;
}

/** Replaces the clock reference of a packet that has one. 27 MHz ticks, taken modulo the wrap. */
export function putPcr(bytes: Uint8Array, packetAt: number, ticks: number): void {
  const at = packetAt + PCR_AT;
  const wrapped = modulo(Math.round(ticks), PCR_WRAP_TICKS);
  const base = Math.floor(wrapped / TICKS_PER_STAMP);
  const extension = wrapped % TICKS_PER_STAMP;
  const high = Math.floor(base / 2);
  bytes[at] = high >>> 24;
  bytes[at + 1] = high >>> 16;
  bytes[at + 2] = high >>> 8;
  bytes[at + 3] = high;
  bytes[at + 4] = ((base & 1) << 7) | 0x7e | (extension >>> 8);
  bytes[at + 5] = extension;
}

/** CRC-32/MPEG-2 (ISO/IEC 13818-1 annex A): over a section with its own CRC it is 0. */
export function crc32Mpeg(bytes: Uint8Array, from = 0, to = bytes.length): number {
  let crc = 0xffffffff;
  for (let at = from; at < to; at++) crc = (crc << 8) ^ (CRC_TABLE[(crc >>> 24) ^ octet(bytes, at)] ?? 0);
  return crc >>> 0;
}
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let crc = index << 24;
  for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ (crc & 0x80000000 ? 0x04c11db7 : 0);
  return crc >>> 0;
});

/** The remainder that is not negative. */
export const modulo = (value: number, wrap: number): number => ((value % wrap) + wrap) % wrap;

/** How far `to` is ahead of `from` on a clock that wraps: -wrap/2..wrap/2. */
export function ticksAhead(to: number, from: number, wrap: number): number {
  const ahead = modulo(to - from, wrap);
  return ahead < wrap / 2 ? ahead : ahead - wrap;
}

const bad = (code: WireError["code"], at: number, what: string): Decoded<never> => ({
  status: "bad",
  error: new WireError(code, at, `Cannot read TS packet: it ${what}`),
});
const octet = (bytes: Uint8Array, at: number): number => bytes[at] ?? 0;

function readPcr(bytes: Uint8Array, at: number): number {
  const high = octet(bytes, at) * 2 ** 24 + ((octet(bytes, at + 1) << 16) | (octet(bytes, at + 2) << 8) | octet(bytes, at + 3));
  const low = octet(bytes, at + 4);
  return (high * 2 + (low >>> 7)) * TICKS_PER_STAMP + (((low & 1) << 8) | octet(bytes, at + 5));
}
