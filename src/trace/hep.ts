/**
 * HEP version 3 ("EEP"): how capture agents send signalling to Homer and its like. "HEP3", the length of all, then chunks of
 * vendor, type, length and value, all in network byte order.
 */
import { concat, utf8 } from "#base/bytes.ts";
import { octetsOfAddress } from "#base/ip.ts";
import type { SignallingMessage } from "./signalling.ts";

export interface HepAgent {
  /** Told to the collector with every message. 1..4,294,967,295. */
  readonly agentId: number;
}

const CHUNK_HEADER_BYTES = 6;
const HEADER_BYTES = 6;
const GENERIC = 0; // vendor of the chunk types below
const CHUNK = {
  ipFamily: 1,
  ipProtocol: 2,
  source4: 3,
  destination4: 4,
  source6: 5,
  destination6: 6,
  sourcePort: 7,
  destinationPort: 8,
  seconds: 9,
  microseconds: 10,
  protocol: 11,
  agentId: 12,
  payload: 15,
  nodeName: 19,
} as const;
const FAMILY = { v4: 2, v6: 10 } as const;
const IP_PROTOCOL = { tcp: 6, udp: 17 } as const;
/** HEP names none for COPS: 200 is ours. */
const PROTOCOL = { sip: 1, cops: 200 } as const;

/** One message as one HEP packet; `undefined` where its ends are not of one address family. */
export function hepPacket(message: SignallingMessage, wallMs: number, { agentId }: HepAgent): Uint8Array | undefined {
  const [from, to] = [octetsOfAddress(message.from.host), octetsOfAddress(message.to.host)];
  if (!from || !to || from.length !== to.length) return undefined;
  const isV4 = from.length === 4;
  const chunks = [
    chunk(CHUNK.ipFamily, u8(isV4 ? FAMILY.v4 : FAMILY.v6)),
    chunk(CHUNK.ipProtocol, u8(IP_PROTOCOL[message.transport])),
    chunk(isV4 ? CHUNK.source4 : CHUNK.source6, Uint8Array.from(from)),
    chunk(isV4 ? CHUNK.destination4 : CHUNK.destination6, Uint8Array.from(to)),
    chunk(CHUNK.sourcePort, u16(message.from.port)),
    chunk(CHUNK.destinationPort, u16(message.to.port)),
    chunk(CHUNK.seconds, u32(Math.floor(wallMs / 1_000))),
    chunk(CHUNK.microseconds, u32(Math.floor((wallMs % 1_000) * 1_000))),
    chunk(CHUNK.protocol, u8(PROTOCOL[message.protocol])),
    chunk(CHUNK.agentId, u32(agentId)),
    chunk(CHUNK.nodeName, utf8(message.node)),
    chunk(CHUNK.payload, message.bytes),
  ];
  const lengthBytes = HEADER_BYTES + chunks.reduce((sum, { length }) => sum + length, 0);
  if (lengthBytes > 0xffff) return undefined; // no room in the length, nor in a datagram
  return concat([utf8("HEP3"), u16(lengthBytes), ...chunks]);
}

function chunk(type: number, value: Uint8Array): Uint8Array {
  return concat([u16(GENERIC), u16(type), u16(CHUNK_HEADER_BYTES + value.length), value]);
}
const u8 = (value: number): Uint8Array => Uint8Array.of(value);
const u16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 0xff);
const u32 = (value: number): Uint8Array => Uint8Array.of(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
