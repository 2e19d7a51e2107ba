import { text } from "#base/bytes.ts";
import { type Decoded, WireError } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";
import { isIpv4, isIpv6, parseNumber } from "../wire/lex.ts";
import type {
  AddressFamily,
  SdpAttribute,
  SdpBandwidth,
  SdpConnection,
  SdpMedia,
  SdpOrigin,
  SessionDescription,
} from "./description.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
interface Section {
  connection?: SdpConnection;
  readonly bandwidth: SdpBandwidth[];
  readonly attributes: SdpAttribute[];
}
interface Reading extends Section {
  origin?: SdpOrigin;
  name?: string;
  times?: { readonly startSec: number; readonly stopSec: number };
  readonly media: (Mutable<SdpMedia> & Section)[];
}

const TOKEN = /^[A-Za-z0-9!#$%&'*+.^_`{|}~-]+$/;
const LINE = /^([a-z])=([^\0\r\n]*)$/;
const IGNORED = "iueprzk"; // known, and of no use here
const MEDIA_LINES = "icbka";

/** Reads a whole description. Lines end in CRLF or LF (RFC 8866 §5); a type letter it does not know is refused. */
export function parseSdp(bytes: Uint8Array): Decoded<SessionDescription> {
  const lines = text(bytes).split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  if (lines.length > LIMITS.sdpLines) return bad("too-large", 0, `${lines.length} lines`);
  if (lines[0] !== "v=0") return bad("bad-value", 0, "The first line is not v=0");
  const reading: Reading = { bandwidth: [], attributes: [], media: [] };
  let offset = 0;
  for (const [at, line] of lines.entries()) {
    if (at > 0 && !readLine(line, reading)) return bad("bad-value", offset, `Cannot read line ${at + 1}, "${line.slice(0, 40)}"`);
    offset += line.length + 2; // CRLF and ASCII taken for granted: a hint for people
  }
  const { origin, name, times } = reading;
  if (origin === undefined || name === undefined || times === undefined)
    return bad("truncated", bytes.length, "One of o=, s= and t= is missing");
  const { media, bandwidth, attributes, connection } = reading;
  const value = { origin, name, ...times, ...(connection && { connection }), bandwidth, attributes, media };
  return { status: "ok", value, usedBytes: bytes.length };
}

const bad = (code: WireError["code"], offset: number, what: string): Decoded<never> => ({
  status: "bad",
  error: new WireError(code, offset, `Cannot read session description: ${what}`),
});

/** Takes one line in; `false` where it is malformed, unknown or out of place. */
function readLine(line: string, into: Reading): boolean {
  const [, type = "", value = ""] = LINE.exec(line) ?? [];
  const media = into.media.at(-1);
  if (type === "m") return push(into.media, readMedia(value));
  if (media !== undefined) return MEDIA_LINES.includes(type) && readShared(type, value, media);
  switch (type) {
    case "o":
      into.origin = readOrigin(value) ?? into.origin;
      return into.origin !== undefined;
    case "s":
      into.name = value;
      return true;
    case "t":
      into.times ??= readTimes(value); // of several the first counts: a session here is one
      return into.times !== undefined;
    default:
      return readShared(type, value, into);
  }
}

function readShared(type: string, value: string, into: Section): boolean {
  switch (type) {
    case "c": {
      const connection = readConnection(value);
      into.connection ??= connection; // of several (RFC 8866 §5.7) the first
      return connection !== undefined;
    }
    case "b":
      return push(into.bandwidth, readBandwidth(value));
    case "a":
      return push(into.attributes, readAttribute(value));
    default:
      return type !== "" && IGNORED.includes(type);
  }
}

function push<T>(into: T[], value: T | undefined): boolean {
  if (value === undefined) return false;
  into.push(value);
  return true;
}

function readFamily(net: string | undefined, family: string | undefined): AddressFamily | undefined {
  return net === "IN" && (family === "IP4" || family === "IP6") ? family : undefined;
}

/** An address of the family, or a host name. */
function isAddress(family: AddressFamily, address: string): boolean {
  if (family === "IP6" && address.includes(":")) return isIpv6(address);
  return isIpv4(address) ? family === "IP4" : /^[A-Za-z0-9.-]+$/.test(address) && !/^[\d.]+$/.test(address);
}

function readOrigin(value: string): SdpOrigin | undefined {
  const [user = "", sessionId = "", sessionVersion = "", net, type, address = "", ...more] = value.split(" ");
  const family = readFamily(net, type);
  const isWhole = user !== "" && /^\d+$/.test(sessionId) && /^\d+$/.test(sessionVersion) && more.length === 0;
  if (!isWhole || family === undefined || !isAddress(family, address)) return undefined;
  return { user, sessionId, sessionVersion, family, address };
}

function readTimes(value: string): { startSec: number; stopSec: number } | undefined {
  const [start = "", stop = "", ...more] = value.split(" ");
  const startSec = parseNumber(start, Number.MAX_SAFE_INTEGER);
  const stopSec = parseNumber(stop, Number.MAX_SAFE_INTEGER);
  return startSec === undefined || stopSec === undefined || more.length > 0 ? undefined : { startSec, stopSec };
}

function readConnection(value: string): SdpConnection | undefined {
  const [net, type, whole = "", ...more] = value.split(" ");
  const family = readFamily(net, type);
  const [address = "", ...numbers] = whole.split("/");
  if (family === undefined || more.length > 0 || !isAddress(family, address)) return undefined;
  const [first, second] = numbers.map((number) => parseNumber(number, 65_535));
  if (numbers.length === 0) return { family, address };
  if (first === undefined || numbers.length > (family === "IP4" ? 2 : 1)) return undefined;
  if (family === "IP6") return { family, address, count: first };
  if (first > 255) return undefined;
  if (numbers.length === 1) return { family, address, ttl: first };
  return second === undefined ? undefined : { family, address, ttl: first, count: second };
}

function readBandwidth(text: string): SdpBandwidth | undefined {
  const [type = "", number = "", ...more] = text.split(":");
  const value = parseNumber(number);
  return TOKEN.test(type) && value !== undefined && more.length === 0 ? { type, value } : undefined;
}

function readAttribute(text: string): SdpAttribute | undefined {
  const colon = text.indexOf(":");
  const name = colon < 0 ? text : text.slice(0, colon);
  if (!TOKEN.test(name)) return undefined;
  return colon < 0 ? { name } : { name, value: text.slice(colon + 1) };
}

function readMedia(text: string): (Mutable<SdpMedia> & Section) | undefined {
  const [media = "", ports = "", proto = "", ...formats] = text.trimEnd().split(" ");
  const [portText = "", countText, ...more] = ports.split("/");
  const port = parseNumber(portText, 65_535);
  const portCount = countText === undefined ? undefined : parseNumber(countText, 65_535);
  const isWhole = TOKEN.test(media) && proto.split("/").every((part) => TOKEN.test(part)) && more.length === 0;
  const areTokens = formats.length > 0 && formats.every((format) => TOKEN.test(format));
  if (!isWhole || !areTokens || port === undefined || (countText !== undefined && !portCount)) return undefined;
  return { media, port, ...(portCount && { portCount }), proto, formats, bandwidth: [], attributes: [] };
}
