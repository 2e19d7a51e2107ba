import { utf8 } from "#base/bytes.ts";
import type { SipMessage } from "./message.ts";
import { formatUri } from "./uri.ts";

/** Names whose usual spelling is not a capital after each hyphen (RFC 3261 §20 and later). */
const SPELLED = new Map(
  [
    "CSeq",
    "Call-ID",
    "Content-ID",
    "MIME-Version",
    "Min-SE",
    "RAck",
    "RSeq",
    "SIP-ETag",
    "SIP-If-Match",
    "Session-ID",
    "WWW-Authenticate",
  ].map((name) => [name.toLowerCase(), name]),
);
for (const name of [
  ...["accept", "allow", "allow-events", "authorization", "contact", "content-type", "date", "event", "expires", "from"],
  ...["max-forwards", "path", "proxy-authenticate", "proxy-authorization", "record-route", "replaces", "require", "route"],
  ...["server", "session-expires", "subscription-state", "supported", "to", "unsupported", "user-agent", "via", "warning"],
])
  SPELLED.set(name, capitalized(name));

function capitalized(name: string): string {
  return name.replace(/(?:^|-)[a-z]/g, (start) => start.toUpperCase());
}

/**
 * The octets of a message; Content-Length is written here, whatever the headers say. Throws on a line break within a value:
 * whoever built the message let a peer's text through unchecked.
 */
export function serialize(message: SipMessage): Uint8Array {
  let head =
    message.kind === "request"
      ? `${message.method} ${formatUri(message.uri)} SIP/2.0\r\n`
      : `SIP/2.0 ${message.status} ${message.reason}\r\n`;
  let lines = 1;
  for (const { name, value } of message.headers.fields()) {
    if (name === "content-length") continue;
    head += `${SPELLED.get(name) ?? capitalized(name)}: ${value}\r\n`;
    lines++;
  }
  if (lineBreaks(head) !== lines) throw new Error(`A line break within a header field of ${message.kind}`);
  const headBytes = utf8(`${head}Content-Length: ${message.body.length}\r\n\r\n`);
  if (message.body.length === 0) return headBytes;
  const bytes = new Uint8Array(headBytes.length + message.body.length);
  bytes.set(headBytes);
  bytes.set(message.body, headBytes.length);
  return bytes;
}

/** How many CRs or LFs, a CRLF counted as one. */
function lineBreaks(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 10 || (code === 13 && text.charCodeAt(at + 1) !== 10)) count++;
  }
  return count;
}
