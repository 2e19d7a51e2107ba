import { concat, NO_BYTES } from "#base/bytes.ts";
import { type Decoded, WireError } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";
import { u16, u32 } from "./layout.ts";
import { type AnyCopsObject, type CopsObject, type CopsObjectKind, copsObjects } from "./objects.ts";

/** RFC 2748 §2.1. */
export const OP_CODES = { REQ: 1, DEC: 2, RPT: 3, DRQ: 4, SSQ: 5, OPN: 6, CAT: 7, CC: 8, KA: 9, SSC: 10 } as const;
export type OpName = keyof typeof OP_CODES;
const OP_NAMES = new Map(Object.entries(OP_CODES).map(([name, code]) => [code as number, name as OpName]));

/** One message (RFC 2748 §2.1): a header and objects in the order of the wire. */
export interface CopsMessage {
  readonly op: OpName;
  readonly clientType: number; // 16 bits
  /** Solicited Message Flag Bit. */
  readonly solicited: boolean;
  readonly objects: readonly AnyCopsObject[];
}

/** The first object of that kind. */
export function objectOf<K extends CopsObjectKind>(message: CopsMessage, kind: K): CopsObject<K> | undefined {
  return message.objects.find((object) => object.kind === kind) as CopsObject<K> | undefined;
}

const HEADER_BYTES = 8;
const VERSION = 1;
const SOLICITED = 0x1;

/** Throws for what cannot be written: our own fault (an unknown object, a value out of range, over `LIMITS.copsMessageBytes`). */
export function encodeMessage(message: CopsMessage): Uint8Array {
  const parts = message.objects.map((object) => {
    if (object.kind === "unknown") throw new TypeError(`Cannot write COPS object ${object.num}.${object.type}: not known`);
    return copsObjects.write(object);
  });
  const header = new Uint8Array(HEADER_BYTES);
  const bytes = concat([header, ...parts]);
  if (bytes.length > LIMITS.copsMessageBytes) throw new RangeError(`COPS message of ${bytes.length} octets is over the limit`);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, (VERSION << 4) | (message.solicited ? SOLICITED : 0));
  view.setUint8(1, OP_CODES[message.op]);
  view.setUint16(2, message.clientType);
  view.setUint32(4, bytes.length);
  return bytes;
}

/**
 * The first message in what came of a stream. The header is judged before anything is waited for: another version or op
 * code, or a length over `LIMITS.copsMessageBytes`, is bad at once.
 */
export function decode(bytes: Uint8Array): Decoded<CopsMessage> {
  const fault = headerFault(bytes);
  if (fault) return { status: "bad", error: fault };
  if (bytes.length < HEADER_BYTES) return { status: "need-more", atLeastBytes: HEADER_BYTES - bytes.length };
  const lengthBytes = u32(bytes, 4);
  if (bytes.length < lengthBytes) return { status: "need-more", atLeastBytes: lengthBytes - bytes.length };
  const objects = copsObjects.read(bytes, HEADER_BYTES, lengthBytes);
  if (objects instanceof WireError) return { status: "bad", error: objects };
  const op = OP_NAMES.get(bytes[1] ?? 0) ?? "KA"; // headerFault knows it
  const solicited = ((bytes[0] ?? 0) & SOLICITED) !== 0; // other flags are reserved: not read (§2.1)
  return { status: "ok", value: { op, clientType: u16(bytes, 2), solicited, objects }, usedBytes: lengthBytes };
}

/** Judges as much of the header as is there. */
function headerFault(bytes: Uint8Array): WireError | undefined {
  const [first, op] = bytes;
  if (first !== undefined && first >> 4 !== VERSION)
    return new WireError("bad-value", 0, `COPS version is ${first >> 4}, 1 needed`);
  if (op !== undefined && !OP_NAMES.has(op)) return new WireError("bad-value", 1, `COPS op code ${op} is not known`);
  if (bytes.length < HEADER_BYTES) return undefined;
  const lengthBytes = u32(bytes, 4);
  if (lengthBytes > LIMITS.copsMessageBytes) return new WireError("too-large", 4, `COPS message length is ${lengthBytes}`);
  if (lengthBytes < HEADER_BYTES || lengthBytes % 4 !== 0)
    return new WireError("bad-length", 4, `COPS message length is ${lengthBytes}`);
  return undefined;
}

/** Cuts a stream into messages. Holds one message at most, and what came with its last octets. */
export class CopsFramer {
  #buffer = new Uint8Array(1024);
  #from = 0;
  #to = 0;
  #last = NO_BYTES;

  /** The message that `next` gave last, as it came. Good until `push`. */
  get octets(): Uint8Array {
    return this.#last;
  }

  /** Copies the octets. Call `next` until it needs more before pushing again. */
  push(bytes: Uint8Array): void {
    if (this.#to + bytes.length > this.#buffer.length) this.#makeRoom(bytes.length);
    this.#buffer.set(bytes, this.#to);
    this.#to += bytes.length;
  }

  next(): Decoded<CopsMessage> {
    const decoded = decode(this.#buffer.subarray(this.#from, this.#to));
    if (decoded.status !== "ok") return decoded;
    this.#last = this.#buffer.subarray(this.#from, this.#from + decoded.usedBytes);
    this.#from += decoded.usedBytes;
    return decoded;
  }

  /** Client-type of the message that `next` found bad; 0 where not even its header can be read. */
  get badClientType(): number {
    const head = this.#buffer.subarray(this.#from, this.#to);
    return head.length < HEADER_BYTES || headerFault(head) ? 0 : u16(head, 2);
  }

  #makeRoom(wanted: number): void {
    const held = this.#to - this.#from;
    const target = held + wanted > this.#buffer.length ? new Uint8Array(2 * (held + wanted)) : this.#buffer;
    target.set(this.#buffer.subarray(this.#from, this.#to));
    this.#buffer = target;
    this.#from = 0;
    this.#to = held;
  }
}
