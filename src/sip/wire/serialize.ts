import { breaks } from "./lex.ts";
import type { SipMessage } from "./message.ts";
import { fieldStart } from "./names.ts";
import { formatUri } from "./uri.ts";

/**
 * The octets of a message; Content-Length is written here, whatever the headers say. Throws on a line break within a value:
 * whoever built the message let a peer's text through unchecked.
 */
export function serialize(message: SipMessage): Uint8Array {
  let head =
    message.kind === "request"
      ? `${message.method} ${formatUri(message.uri)} SIP/2.0`
      : `SIP/2.0 ${message.status} ${message.reason}`;
  let isBroken = breaks(head);
  for (const { name, value } of message.headers.fields()) {
    if (name === "content-length") continue;
    isBroken ||= breaks(value);
    head += fieldStart(name) + value;
  }
  if (isBroken) throw new Error(`A line break within a header field of ${message.kind}`);
  return octetsOf(`${head}\r\nContent-Length: ${message.body.length}\r\n\r\n`, message.body);
}

const POOL_BYTES = 16 * 1024;
const MOST_BYTES_A_CHAR = 3; // UTF-8 of one UTF-16 code unit
const encoder = new TextEncoder();
let pool = new Uint8Array(POOL_BYTES);
let pooledBytes = 0;

/** Messages are cut from a common block: to allocate one for each costs more than to write it. */
function octetsOf(head: string, body: Uint8Array): Uint8Array {
  const mostBytes = MOST_BYTES_A_CHAR * head.length + body.length;
  if (pooledBytes + mostBytes > pool.length) {
    pool = new Uint8Array(Math.max(POOL_BYTES, mostBytes));
    pooledBytes = 0;
  }
  const start = pooledBytes;
  pooledBytes += encoder.encodeInto(head, pool.subarray(start)).written;
  pool.set(body, pooledBytes);
  pooledBytes += body.length;
  return pool.subarray(start, pooledBytes);
}
