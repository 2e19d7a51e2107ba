import { concat, utf8 } from "#base/bytes.ts";

const SENDER_REPORT = 200;
const RECEIVER_REPORT = 201;
const SOURCE_DESCRIPTION = 202;
const CNAME = 1;
const HEADER_BYTES = 4;
const WORD_BYTES = 4;

/** What a receiver says of a sender (RFC 3550 §6.4.1); of sender reports it knows none. */
export interface ReportBlock {
  readonly ssrc: number; // the sender's, 32 bits
  /** Since the report before, 0..1; what is lost is at most all. */
  readonly lostShare: number;
  /** Packets since the beginning, taken into 24 bits with sign. */
  readonly lost: number;
  /** Highest sequence number, extended by the count of its cycles: 32 bits. */
  readonly highest: number;
  /** Interarrival jitter, ticks of the payload type's clock. */
  readonly jitterTicks: number;
}

/** Whether a datagram is RTCP: reports first, packets of version 2 that fill it (RFC 3550 §6.1, §A.2). */
export function isCompoundRtcp(bytes: Uint8Array): boolean {
  const [first = 0, type] = bytes;
  if ((type !== SENDER_REPORT && type !== RECEIVER_REPORT) || first & 0x20) return false; // padding stands in the last one
  let at = 0;
  while (at + HEADER_BYTES <= bytes.length) {
    if ((bytes[at] ?? 0) >> 6 !== 2) return false;
    at += WORD_BYTES * (1 + (bytes[at + 2] ?? 0) * 256 + (bytes[at + 3] ?? 0));
  }
  return at === bytes.length;
}

/** A receiver report with its CNAME (RFC 3550 §6.4.2, §6.5.1); `block` absent before the first packet. `cname`: 1..255 octets. */
export function writeReceiverReport(ssrc: number, cname: string, block: ReportBlock | undefined): Uint8Array {
  const name = utf8(cname);
  if (name.length < 1 || name.length > 255) throw new RangeError(`A CNAME of ${name.length} octets cannot be written`);
  const items = new Uint8Array(WORD_BYTES * Math.ceil((2 + name.length + 1) / WORD_BYTES)); // ends with a zero octet at least
  items.set([CNAME, name.length]);
  items.set(name, 2);
  return concat([
    packet(RECEIVER_REPORT, block ? 1 : 0, [u32(ssrc), ...(block ? [writeBlock(block)] : [])]),
    packet(SOURCE_DESCRIPTION, 1, [u32(ssrc), items]),
  ]);
}

function packet(type: number, count: number, parts: readonly Uint8Array[]): Uint8Array {
  const body = concat(parts);
  return concat([new Uint8Array([0x80 | count, type]), u32(body.length / WORD_BYTES).subarray(2), body]);
}
function writeBlock({ ssrc, lostShare, lost, highest, jitterTicks }: ReportBlock): Uint8Array {
  const fraction = Math.min(255, Math.floor(lostShare * 256));
  const cumulative = u32(Math.min(lost, 0x7fffff)).subarray(1);
  const noSenderReport = new Uint8Array(2 * WORD_BYTES);
  return concat([u32(ssrc), new Uint8Array([fraction]), cumulative, u32(highest), u32(jitterTicks), noSenderReport]);
}
function u32(value: number): Uint8Array {
  const octets = new Uint8Array(WORD_BYTES);
  new DataView(octets.buffer).setUint32(0, value);
  return octets;
}
