import { NO_BYTES, text } from "#base/bytes.ts";
import { WireError } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";
import { HeaderField, Headers } from "./headers.ts";
import { breaks, isToken, parseNumber } from "./lex.ts";
import type { SipMessage, SipUri } from "./message.ts";
import { canonicalName, knownName } from "./names.ts";
import { parseUri } from "./uri.ts";

/** A request that cannot be served but perhaps answered: with this status and reason, from these header fields. */
export interface Unserved {
  readonly status: number; // 400, 414, 416, 505, 513
  readonly reason: string;
  readonly method: string;
  readonly headers: Headers;
}

export type Parsed =
  | { readonly status: "ok"; readonly value: SipMessage; readonly usedBytes: number }
  /** `unserved` is there for what is a request by its start line. */
  | { readonly status: "bad"; readonly error: WireError; readonly unserved?: Unserved };

interface Fault {
  readonly code: WireError["code"];
  readonly status: number;
  readonly reason: string;
}
const fault = (reason: string, status = 400, code: WireError["code"] = "bad-value"): Fault => ({ code, status, reason });

/**
 * One whole message of a datagram or a WebSocket message (RFC 3261 §7, RFC 7118 §5), or of a stream, where Content-Length
 * must stand (RFC 3261 §18.3). Only the start line is read, and the head split into header fields; what they hold is for
 * those who ask (values.ts, check.ts). Octets after Content-Length are dropped.
 */
export function parseMessage(bytes: Uint8Array, carriedBy: "datagram" | "stream" = "datagram"): Parsed {
  const start = leadingBreaks(bytes);
  const readable = bytes.subarray(start, start + LIMITS.sipMessageBytes);
  const headLength = lengthOfHead(readable);
  const head = text(headLength === undefined ? readable : readable.subarray(0, headLength));
  const lineEnd = head.indexOf("\r\n");
  const headers = new Headers();
  const headersFault = lineEnd < 0 ? undefined : readHeaders(head, lineEnd + 2, headers);
  const line = readStartLine(lineEnd < 0 ? head : head.slice(0, lineEnd));
  const bodyAt = start + (headLength ?? readable.length) + 4;
  const body = measureBody(headers, Math.max(0, bytes.length - bodyAt), carriedBy);
  const first =
    (bytes.length - start > LIMITS.sipMessageBytes ? fault("Message Too Large", 513, "too-large") : undefined) ??
    line.fault ??
    (headLength === undefined ? fault("No empty line after the header fields", 400, "truncated") : undefined) ??
    headersFault ??
    body.fault;
  if (first !== undefined || line.start === undefined) {
    const { code, status, reason } = first ?? fault("Bad Request");
    const error = new WireError(code, start, reason);
    return line.method === undefined
      ? { status: "bad", error }
      : { status: "bad", error, unserved: { status, reason, method: line.method, headers } };
  }
  // A copy: the octets are the host's again once we return.
  const octets = body.length === 0 ? NO_BYTES : bytes.slice(bodyAt, bodyAt + body.length);
  return { status: "ok", value: { ...line.start, headers, body: octets }, usedBytes: bodyAt + body.length };
}

const CR = 13;
const LF = 10;

/** CRLFs before the start line are skipped (RFC 3261 §7.5). */
function leadingBreaks(bytes: Uint8Array): number {
  let at = 0;
  while (bytes[at] === CR && bytes[at + 1] === LF) at += 2;
  return at;
}

/** Octets before the empty line, which is looked for from `from` on. */
export function lengthOfHead(bytes: Uint8Array, from = 0): number | undefined {
  for (let at = bytes.indexOf(CR, from); at >= 0; at = bytes.indexOf(CR, at + 1))
    if (bytes[at + 1] === LF && bytes[at + 2] === CR && bytes[at + 3] === LF) return at;
  return undefined;
}

type Start =
  | { readonly kind: "request"; readonly method: string; readonly uri: SipUri }
  | { readonly kind: "response"; readonly status: number; readonly reason: string };
interface StartLine {
  readonly start?: Start;
  readonly fault?: Fault;
  /** Of what is meant as a request. */
  readonly method?: string;
}

const REQUEST_LINE = /^(\S+)\s+(\S.*)\s(SIP\/\S*)\s*$/is;
const STATUS_LINE = /^SIP\/2\.0 ([1-6]\d\d)(?: ([^\r\n]*))?$/i;

function readStartLine(line: string): StartLine {
  const status = STATUS_LINE.exec(line);
  if (status !== null) return { start: { kind: "response", status: Number(status[1]), reason: status[2] ?? "" } };
  const found = /^SIP\//i.test(line) ? null : REQUEST_LINE.exec(line);
  if (found === null) return { fault: fault("Not a SIP message") };
  const [, method = "", uriText = "", version = ""] = found;
  if (version.toUpperCase() !== "SIP/2.0") return { method, fault: fault("Version Not Supported", 505) };
  if (line !== `${method} ${uriText} ${version}` || /\s/.test(uriText) || !isToken(method))
    return { method, fault: fault("Malformed Request-Line") };
  if (uriText.length > LIMITS.sipUriChars) return { method, fault: fault("Request-URI Too Long", 414, "too-large") };
  const uri = parseUri(uriText);
  if (uri !== undefined) return { method, start: { kind: "request", method, uri } };
  const foreign = /^[a-z][a-z0-9+.-]*:/i.test(uriText) && !/^sips?:/i.test(uriText);
  return { method, fault: foreign ? fault("Unsupported URI Scheme", 416) : fault("Malformed Request-URI") };
}

/** Adds every field that can be read, so that even a bad request can be answered; tells the first fault. */
function readHeaders(head: string, from: number, into: Headers): Fault | undefined {
  let first: Fault | undefined;
  let count = 0;
  for (let at = from; at < head.length; ) {
    if (++count > LIMITS.sipHeaderFields) return first ?? fault("Too many header fields", 400, "too-large");
    let end = breakAfter(head, at);
    let line = head.slice(at, end);
    while (head[end + 2] === " " || head[end + 2] === "\t") {
      const foldAt = end + 2;
      end = breakAfter(head, foldAt);
      line = `${line} ${head.slice(foldAt, end).trim()}`;
    }
    at = end + 2;
    first = readField(line, into) ?? first;
  }
  return first;
}

const breakAfter = (head: string, at: number): number => {
  const found = head.indexOf("\r\n", at);
  return found < 0 ? head.length : found;
};

function readField(line: string, into: Headers): Fault | undefined {
  if (line.length > LIMITS.sipHeaderChars) return fault("Header field too long", 400, "too-large");
  const colon = line.indexOf(":");
  const name = line.slice(0, Math.max(0, colon)).trimEnd();
  const known = knownName(name);
  if (known === undefined && !isToken(name)) return fault("Malformed header field name");
  const value = line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1).trim();
  // NUL may stand in a quoted string, after a backslash (RFC 3261 §25.1).
  if (breaks(value) || (value.includes("\0") && /(?<!\\)\0/.test(value))) return fault(`Control character in ${name}`);
  into.addField(new HeaderField(known ?? canonicalName(name), value));
  return undefined;
}

/** How much of what follows the head is body: Content-Length, or all of a datagram (RFC 3261 §18.3). */
function measureBody(
  headers: Headers,
  availableBytes: number,
  carriedBy: "datagram" | "stream",
): { readonly length: number; readonly fault?: Fault } {
  const none = (reason: string, status = 400, code: Fault["code"] = "bad-length") => ({
    length: 0,
    fault: fault(reason, status, code),
  });
  if (!headers.has("content-length"))
    return carriedBy === "datagram" ? { length: availableBytes } : none("Missing Content-Length");
  const length = headers.read("content-length", parseNumber);
  const isOther = ({ name, value }: HeaderField): boolean => name === "content-length" && parseNumber(value) !== length;
  if (length === undefined || headers.fields().some(isOther)) return none("Malformed Content-Length");
  if (length <= availableBytes) return { length };
  return carriedBy === "stream"
    ? none("Message Too Large", 513, "too-large")
    : none("Body shorter than Content-Length", 400, "truncated");
}
