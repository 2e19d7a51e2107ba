import { type Decoded, WireError } from "#base/errors.ts";
import { modulo, STAMP_WRAP_TICKS } from "./ts.ts";

/** The head of a PES packet (ISO/IEC 13818-1 §2.4.3.6). Offsets are from the start of the buffer that was read. */
export interface PesHeader {
  readonly streamId: number;
  /** 90 kHz ticks in 33 bits, and where their five octets stand. */
  readonly pts: Stamp | undefined;
  readonly dts: Stamp | undefined; // absent where it equals the PTS
  /** The first octet of the elementary stream; at the end of the buffer where that is in a later TS packet. */
  readonly dataAt: number;
}
export interface Stamp {
  readonly at: number;
  readonly ticks: number;
}

const FIXED_BYTES = 9; // up to PES_header_data_length
/** Streams whose packets have no optional header (ISO/IEC 13818-1 table 2-21): map, padding, private 2, ECM and so on. */
const BARE: ReadonlySet<number> = new Set([0xbc, 0xbe, 0xbf, 0xf0, 0xf1, 0xf2, 0xf8, 0xff]);

/** Reads the head of the PES packet in `bytes[at..end)`, the payload of a TS packet with `unitStart`. */
export function parsePes(bytes: Uint8Array, at = 0, end = bytes.length): Decoded<PesHeader> {
  if (at + 6 > end) return bad("truncated", end, "shorter than its start code");
  if (octet(bytes, at) !== 0 || octet(bytes, at + 1) !== 0 || octet(bytes, at + 2) !== 1) {
    return bad("bad-value", at, "does not begin with 0x000001");
  }
  const streamId = octet(bytes, at + 3);
  if (BARE.has(streamId)) return ok({ streamId, pts: undefined, dts: undefined, dataAt: at + 6 }, at);
  if (at + FIXED_BYTES > end) return bad("truncated", end, "has a cut-off head");
  if (octet(bytes, at + 6) >> 6 !== 2) return bad("bad-value", at + 6, "is not MPEG-2's");
  const flags = octet(bytes, at + 7) >> 6;
  const headerBytes = octet(bytes, at + 8);
  const stampBytes = flags === 3 ? 10 : flags === 2 ? 5 : 0;
  if (headerBytes < stampBytes) return bad("bad-length", at + 8, "has no room for its time stamps");
  if (at + FIXED_BYTES + stampBytes > end) return bad("truncated", end, "has cut-off time stamps");
  const ptsAt = at + FIXED_BYTES;
  return ok(
    {
      streamId,
      pts: stampBytes >= 5 ? { at: ptsAt, ticks: readStamp(bytes, ptsAt) } : undefined,
      dts: stampBytes === 10 ? { at: ptsAt + 5, ticks: readStamp(bytes, ptsAt + 5) } : undefined,
      dataAt: Math.min(at + FIXED_BYTES + headerBytes, end),
    },
    at,
  );
}

/** Replaces the 33 bits of a PTS or DTS, leaving prefix and marker bits. 90 kHz ticks, taken modulo the wrap. */
export function putStamp(bytes: Uint8Array, at: number, ticks: number): void {
  const wrapped = modulo(Math.round(ticks), STAMP_WRAP_TICKS);
  const high = Math.floor(wrapped / 2 ** 30);
  const low = wrapped % 2 ** 30;
  bytes[at] = (octet(bytes, at) & 0xf0) | (high << 1) | 1;
  bytes[at + 1] = low >>> 22;
  bytes[at + 2] = ((low >>> 14) & 0xfe) | 1;
  bytes[at + 3] = low >>> 7;
  bytes[at + 4] = ((low << 1) & 0xfe) | 1;
}

/** The octets of a PES header with a PTS, and with a DTS where one is given; unbounded length, as video has it. */
export function writePesHeader(streamId: number, pts: number, dts?: number): Uint8Array {
  const stampBytes = dts === undefined ? 5 : 10;
  const bytes = new Uint8Array(FIXED_BYTES + stampBytes);
  bytes.set([0, 0, 1, streamId, 0, 0, 0x80, dts === undefined ? 0x80 : 0xc0, stampBytes, dts === undefined ? 0x20 : 0x30]);
  putStamp(bytes, FIXED_BYTES, pts);
  if (dts !== undefined) {
    bytes[FIXED_BYTES + 5] = 0x10;
    putStamp(bytes, FIXED_BYTES + 5, dts);
  }
  return bytes;
}

/**
 * Whether H.264 in `bytes[at..end)`, the first octets of a picture, begins one that can be decoded without those before:
 * an IDR slice or a sequence parameter set (ITU-T H.264 §7.4.1.2.3). For streams without random access indicators.
 */
export function startsH264KeyFrame(bytes: Uint8Array, at: number, end: number): boolean {
  for (let n = at; n + 3 < end; n++) {
    if (bytes[n] !== 0 || bytes[n + 1] !== 0 || bytes[n + 2] !== 1) continue;
    const nalType = octet(bytes, n + 3) & 0x1f;
    if (nalType === NAL.idr || nalType === NAL.sps) return true;
    if (nalType >= NAL.slice && nalType < NAL.idr) return false;
  }
  return false;
}
const NAL = { slice: 1, idr: 5, sps: 7 } as const;

const ok = (value: PesHeader, at: number): Decoded<PesHeader> => ({ status: "ok", value, usedBytes: value.dataAt - at });
const bad = (code: WireError["code"], at: number, what: string): Decoded<never> => ({
  status: "bad",
  error: new WireError(code, at, `Cannot read PES packet: it ${what}`),
});
const octet = (bytes: Uint8Array, at: number): number => bytes[at] ?? 0;
const readStamp = (bytes: Uint8Array, at: number): number =>
  ((octet(bytes, at) >> 1) & 0x07) * 2 ** 30 +
  ((octet(bytes, at + 1) << 22) |
    ((octet(bytes, at + 2) >> 1) << 15) |
    (octet(bytes, at + 3) << 7) |
    (octet(bytes, at + 4) >> 1));
