/** Signalling as a pcap file of raw IP packets: messages are whole, so headers are made up around them. */
import { concat } from "#base/bytes.ts";
import { octetsOfAddress } from "#base/ip.ts";
import { LIMITS } from "#base/limits.ts";
import { showAddress } from "#host/host.ts";
import type { SignallingMessage } from "./signalling.ts";

const LINKTYPE_RAW = 101; // begins with the IP header
const MAX_PACKET_BYTES = 0xffff;
const TCP_HEADER_BYTES = 20;
const UDP_HEADER_BYTES = 8;
const PROTOCOL = { tcp: 6, udp: 17 } as const;
const HOPS = 64;
const PSH_ACK = 0x5018; // data offset 5 words
const WINDOW = 0xffff;

/** Writes what begins the file at once, then each message as a packet. */
export class PcapWriter {
  readonly #write: (bytes: Uint8Array) => void;
  readonly #sentBytes = new Map<string, number>(); // by "from>to" of a TCP connection: the next sequence number

  constructor(write: (bytes: Uint8Array) => void) {
    this.#write = write;
    const header = new DataView(new ArrayBuffer(24));
    header.setUint32(0, 0xa1b2c3d4); // times in microseconds
    header.setUint16(4, 2); // version 2.4
    header.setUint16(6, 4);
    header.setUint32(16, MAX_PACKET_BYTES);
    header.setUint32(20, LINKTYPE_RAW);
    write(octetsOf(header));
  }

  /** Leaves out what fits no packet and what has ends of two address families. */
  add(message: SignallingMessage, wallMs: number): void {
    const [from, to] = [octetsOfAddress(message.from.host), octetsOfAddress(message.to.host)];
    if (!from || !to || from.length !== to.length) return;
    const segment = message.transport === "udp" ? udp(message) : this.#tcp(message);
    const packet = ip(Uint8Array.from(from), Uint8Array.from(to), PROTOCOL[message.transport], segment);
    if (packet.length > MAX_PACKET_BYTES) return;
    const record = new DataView(new ArrayBuffer(16));
    record.setUint32(0, Math.floor(wallMs / 1_000));
    record.setUint32(4, Math.floor((wallMs % 1_000) * 1_000));
    record.setUint32(8, packet.length);
    record.setUint32(12, packet.length);
    this.#write(concat([octetsOf(record), packet]));
  }

  /** Sequence numbers begin at 0 where the capture does. */
  #tcp({ from, to, bytes }: SignallingMessage): Uint8Array {
    const [ours, theirs] = [`${showAddress(from)}>${showAddress(to)}`, `${showAddress(to)}>${showAddress(from)}`];
    const sequence = this.#sentBytes.get(ours) ?? 0;
    const header = new DataView(new ArrayBuffer(TCP_HEADER_BYTES));
    header.setUint16(0, from.port);
    header.setUint16(2, to.port);
    header.setUint32(4, sequence);
    header.setUint32(8, this.#sentBytes.get(theirs) ?? 0);
    header.setUint16(12, PSH_ACK);
    header.setUint16(14, WINDOW);
    this.#sentBytes.set(ours, (sequence + bytes.length) >>> 0);
    const [oldest] = this.#sentBytes.keys();
    if (this.#sentBytes.size > LIMITS.captureStreams && oldest !== undefined) this.#sentBytes.delete(oldest);
    return concat([octetsOf(header), bytes]);
  }
}

function udp({ from, to, bytes }: SignallingMessage): Uint8Array {
  const header = new DataView(new ArrayBuffer(UDP_HEADER_BYTES));
  header.setUint16(0, from.port);
  header.setUint16(2, to.port);
  header.setUint16(4, UDP_HEADER_BYTES + bytes.length);
  return concat([octetsOf(header), bytes]);
}

/** Checksums of UDP and TCP are left 0, as a capture before the network card has them. */
function ip(from: Uint8Array, to: Uint8Array, protocol: number, segment: Uint8Array): Uint8Array {
  if (from.length === 16) {
    const header = new DataView(new ArrayBuffer(8));
    header.setUint8(0, 0x60); // version 6 (RFC 8200 §3)
    header.setUint16(4, segment.length);
    header.setUint8(6, protocol);
    header.setUint8(7, HOPS);
    return concat([octetsOf(header), from, to, segment]);
  }
  const header = new DataView(new ArrayBuffer(12));
  header.setUint8(0, 0x45); // version 4, five words (RFC 791 §3.1)
  header.setUint16(2, 20 + segment.length);
  header.setUint8(8, HOPS);
  header.setUint8(9, protocol);
  header.setUint16(10, checksum(concat([octetsOf(header), from, to])));
  return concat([octetsOf(header), from, to, segment]);
}

/** Of an even number of octets (RFC 1071). */
function checksum(octets: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < octets.length; at += 2) sum += ((octets[at] ?? 0) << 8) + (octets[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
const octetsOf = (view: DataView): Uint8Array => new Uint8Array(view.buffer);
