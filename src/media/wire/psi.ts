import { type Decoded, WireError } from "#base/errors.ts";
import { crc32Mpeg } from "./ts.ts";

/** A section of PAT or PMT is at most 1,021 octets after its first three (ISO/IEC 13818-1 §2.4.4.3, §2.4.4.8). */
export const MAX_SECTION_BYTES = 1_024;

/** Stream types that are pictures (ISO/IEC 13818-1 table 2-34). */
export const STREAM_TYPE = {
  mpeg1Video: 0x01,
  mpeg2Video: 0x02,
  aacAdts: 0x0f,
  mpeg4Video: 0x10,
  h264: 0x1b,
  h265: 0x24,
} as const;
const VIDEO: ReadonlySet<number> = new Set([
  STREAM_TYPE.mpeg1Video,
  STREAM_TYPE.mpeg2Video,
  STREAM_TYPE.mpeg4Video,
  STREAM_TYPE.h264,
  STREAM_TYPE.h265,
]);
export const isVideo = (streamType: number): boolean => VIDEO.has(streamType);

/** Program association: which PID describes which programme. Program 0 (the network) is left out. */
export interface Pat {
  readonly programs: readonly { readonly program: number; readonly pmtPid: number }[];
}
/** Program map: the elementary streams of one programme. Descriptors are passed over. */
export interface Pmt {
  readonly program: number;
  readonly pcrPid: number;
  readonly streams: readonly { readonly streamType: number; readonly pid: number }[];
}

const TABLE_ID = { pat: 0x00, pmt: 0x02 } as const;
const HEADER_BYTES = 8; // up to last_section_number
const CRC_BYTES = 4;

/**
 * The length of the section that begins a payload with `unitStart`, from the payload's own start and with the pointer field
 * (ISO/IEC 13818-1 §2.4.4.1); `undefined` where the first octets are not there.
 */
export function sectionEnd(payload: Uint8Array): number | undefined {
  const at = 1 + octet(payload, 0);
  return at + 3 > payload.length ? undefined : at + 3 + (u16(payload, at + 1) & 0x0fff);
}

/** Reads a PAT section, its CRC included (ISO/IEC 13818-1 §2.4.4.3). `section` begins at table_id. */
export function parsePat(section: Uint8Array): Decoded<Pat> {
  const fault = sectionFault(section, TABLE_ID.pat);
  if (fault) return fault;
  const end = section.length - CRC_BYTES;
  const programs: { program: number; pmtPid: number }[] = [];
  for (let at = HEADER_BYTES; at + 4 <= end; at += 4) {
    const program = u16(section, at);
    if (program !== 0) programs.push({ program, pmtPid: u16(section, at + 2) & 0x1fff });
  }
  return { status: "ok", value: { programs }, usedBytes: section.length };
}

/** Reads a PMT section, its CRC included (ISO/IEC 13818-1 §2.4.4.8). `section` begins at table_id. */
export function parsePmt(section: Uint8Array): Decoded<Pmt> {
  const fault = sectionFault(section, TABLE_ID.pmt);
  if (fault) return fault;
  const end = section.length - CRC_BYTES;
  const streams: { streamType: number; pid: number }[] = [];
  let at = HEADER_BYTES + 4 + (u16(section, HEADER_BYTES + 2) & 0x0fff);
  while (at + 5 <= end) {
    streams.push({ streamType: octet(section, at), pid: u16(section, at + 1) & 0x1fff });
    at += 5 + (u16(section, at + 3) & 0x0fff);
  }
  if (at !== end) return bad("bad-length", at, "its lists do not fill it");
  return {
    status: "ok",
    value: { program: u16(section, 3), pcrPid: u16(section, HEADER_BYTES) & 0x1fff, streams },
    usedBytes: section.length,
  };
}

/** The octets of a PAT section. */
export function writePat(pat: Pat): Uint8Array {
  const body: number[] = [];
  for (const { program, pmtPid } of pat.programs) body.push(program >> 8, program, 0xe0 | (pmtPid >> 8), pmtPid);
  return writeSection(TABLE_ID.pat, 1, body);
}

/** The octets of a PMT section without descriptors. */
export function writePmt(pmt: Pmt): Uint8Array {
  const body = [0xe0 | (pmt.pcrPid >> 8), pmt.pcrPid, 0xf0, 0];
  for (const { streamType, pid } of pmt.streams) body.push(streamType, 0xe0 | (pid >> 8), pid, 0xf0, 0);
  return writeSection(TABLE_ID.pmt, pmt.program, body);
}

function writeSection(tableId: number, extension: number, body: readonly number[]): Uint8Array {
  const length = HEADER_BYTES - 3 + body.length + CRC_BYTES;
  if (length + 3 > MAX_SECTION_BYTES)
    throw new RangeError(`A section of ${length + 3} octets is longer than ${MAX_SECTION_BYTES}`);
  const section = Uint8Array.from([
    tableId,
    0xb0 | (length >> 8),
    length,
    extension >> 8,
    extension,
    0xc1,
    0,
    0,
    ...body,
    0,
    0,
    0,
    0,
  ]);
  const crcAt = section.length - CRC_BYTES;
  new DataView(section.buffer).setUint32(crcAt, crc32Mpeg(section, 0, crcAt));
  return section;
}

function sectionFault(section: Uint8Array, tableId: number): Decoded<never> | undefined {
  if (section.length < HEADER_BYTES + CRC_BYTES) return bad("truncated", section.length, "shorter than its head and CRC");
  if (section.length > MAX_SECTION_BYTES) return bad("too-large", 1, `it has ${section.length} octets`);
  if (octet(section, 0) !== tableId) return bad("bad-value", 0, `its table id is ${octet(section, 0)}, not ${tableId}`);
  if ((u16(section, 1) & 0x0fff) + 3 !== section.length) return bad("bad-length", 1, "its length is not the length it has");
  if (crc32Mpeg(section) !== 0) return bad("bad-value", section.length - CRC_BYTES, "its CRC is wrong");
  return undefined;
}

const bad = (code: WireError["code"], at: number, what: string): Decoded<never> => ({
  status: "bad",
  error: new WireError(code, at, `Cannot read PSI section: ${what}`),
});
const octet = (bytes: Uint8Array, at: number): number => bytes[at] ?? 0;
const u16 = (bytes: Uint8Array, at: number): number => (octet(bytes, at) << 8) | octet(bytes, at + 1);
