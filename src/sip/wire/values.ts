/** Header field values (RFC 3261 §20): text to value and back. `undefined` = not well-formed, or not there. */

import { firstItem } from "./headers.ts";
import {
  formatHostPort,
  formatParams,
  isQuoted,
  NO_PARAMS,
  parseHostPort,
  parseNumber,
  parseParams,
  quote,
  unquote,
} from "./lex.ts";
import type { CSeq, NameAddr, Params, SipMessage, SipUri, Via } from "./message.ts";
import { formatUri, parseUri } from "./uri.ts";

/** `value *(;param)`: Event, Session-Expires, Content-Type, Replaces, Reason, Accept… */
export interface Parameterized {
  readonly value: string;
  readonly params: Params;
}

/** The three parts of a name-addr or addr-spec, its URI as it stood: it may be of any scheme. */
export class Addressee {
  readonly display: string;
  readonly uri: string;
  readonly params: Params;
  #isRead = false;
  #sip: SipUri | undefined;

  constructor(display: string, uri: string, params: Params) {
    this.display = display;
    this.uri = uri;
    this.params = params;
  }

  /** The URI where it is a well-formed SIP or SIPS one. */
  get sip(): SipUri | undefined {
    if (!this.#isRead) this.#sip = parseUri(this.uri);
    this.#isRead = true;
    return this.#sip;
  }
}

const BRACKETED = /^("[^"\\]*(?:\\.[^"\\]*)*"\s*|[A-Za-z0-9\-.!%*_+`'~\s\u0080-\uffff]*)<([^<>\s]+)>(.*)$/s;
const BARE = /^([^<>\s;?,"]+)(.*)$/s; // `?`, `,` and `;` of the URI itself need brackets (RFC 3261 §20)

/** Whether From or To is as every message must have it: a well-formed SIP URI, or one of another scheme. */
export const isSound = ({ sip, uri }: Addressee): boolean =>
  sip !== undefined || (!/^sips?:/i.test(uri) && /^[a-z][a-z0-9+.-]*:./i.test(uri));

export function parseAddressee(text: string): Addressee | undefined {
  const trimmed = text.trim();
  if (trimmed.startsWith("<")) return afterBracket(trimmed);
  const bracketed = BRACKETED.exec(trimmed);
  const found = bracketed ?? BARE.exec(trimmed);
  if (found === null) return undefined;
  const [display = "", uri = "", rest = ""] = bracketed === null ? ["", found[1], found[2]] : found.slice(1);
  const params = parseParams(rest);
  return params && new Addressee(display === "" ? "" : unquote(display.trim()), uri, params);
}

/** `<URI>` and parameters: as most are, and what the expressions above would make of it. */
function afterBracket(text: string): Addressee | undefined {
  const close = text.indexOf(">");
  const uri = text.slice(1, close);
  const params = parseParams(text.slice(close + 1));
  return close < 2 || params === undefined || /[<\s]/.test(uri) ? undefined : new Addressee("", uri, params);
}

/** From, To, Contact, Route, Record-Route, Path. Only SIP and SIPS URIs: for others see `parseAddressee`. */
export function parseNameAddr(text: string): NameAddr | undefined {
  return nameAddrOf(parseAddressee(text));
}
function nameAddrOf(addressee: Addressee | undefined): NameAddr | undefined {
  const uri = addressee?.sip;
  return uri && { display: addressee.display, uri, params: addressee.params };
}

export function formatNameAddr(value: NameAddr): string {
  const display = value.display === "" ? "" : `${quote(value.display)} `;
  return `${display}<${formatUri(value.uri)}>${formatParams(value.params)}`;
}

export const nameAddr = (uri: SipUri, params: Params = NO_PARAMS, display = ""): NameAddr => ({ display, uri, params });

/** Of any version, so that a request of another version can be answered 505. */
const VIA = /^SIP\s*\/\s*\d+\.\d+\s*\/\s*([A-Za-z0-9\-.!%*_+`'~]+)\s+([^;]+)(;.*)?$/is;

export function parseVia(text: string): Via | undefined {
  const found = VIA.exec(text.trim());
  if (found === null) return undefined;
  const [, transport = "", sentBy = "", rest = ""] = found;
  const place = parseHostPort(sentBy.trim().replace(/\s*:\s*(?=\d+$)/, ":"));
  const params = parseParams(rest);
  if (place === undefined || params === undefined) return undefined;
  const { host, port } = place;
  const name = transport.toUpperCase();
  return port === undefined ? { transport: name, host, params } : { transport: name, host, port, params };
}

export const formatVia = (via: Via): string => `SIP/2.0/${via.transport} ${formatHostPort(via)}${formatParams(via.params)}`;

export function parseCSeq(text: string): CSeq | undefined {
  const found = /^(\d+)\s+([A-Za-z0-9\-.!%*_+`'~]+)$/.exec(text.trim());
  const number = found ? parseNumber(found[1] ?? "", 0x7fff_ffff) : undefined;
  return number === undefined ? undefined : { number, method: found?.[2] ?? "" };
}

export const formatCSeq = (cseq: CSeq): string => `${cseq.number} ${cseq.method}`;

export function parseParameterized(text: string): Parameterized | undefined {
  const semicolon = text.indexOf(";");
  const value = (semicolon < 0 ? text : text.slice(0, semicolon)).trim();
  const params = semicolon < 0 ? NO_PARAMS : parseParams(text.slice(semicolon));
  return value === "" || params === undefined ? undefined : { value, params };
}

export const formatParameterized = ({ value, params }: Parameterized): string => `${value}${formatParams(params)}`;

/** The value of a parameter without its quotes; `undefined` where it is absent or has none. */
export function paramText(params: Params, name: string): string | undefined {
  const value = params.get(name);
  return value === undefined || value === true ? undefined : unquote(value);
}

/** Sets one parameter, at its place or last; quoted where a token would not hold it. */
export function withParam<T extends { readonly params: Params }>(of: T, name: string, value: string | true): T {
  const text = value === true || isQuoted(value) || /^[^\s;=",<>\\]+$/.test(value) ? value : quote(value);
  return { ...of, params: new Map(of.params).set(name, text) };
}

const parseTopVia = (text: string): Via | undefined => parseVia(firstItem(text));
/** The topmost Via. */
export const viaOf = (message: Pick<SipMessage, "headers">): Via | undefined => message.headers.read("via", parseTopVia);
/** From or To, whatever the scheme of its URI. */
export const addresseeOf = (message: Pick<SipMessage, "headers">, name: "from" | "to"): Addressee | undefined =>
  message.headers.read(name, parseAddressee);
export const fromOf = (message: SipMessage): NameAddr | undefined => nameAddrOf(addresseeOf(message, "from"));
export const toOf = (message: SipMessage): NameAddr | undefined => nameAddrOf(addresseeOf(message, "to"));
export const callIdOf = (message: SipMessage): string | undefined => message.headers.get("call-id");
export const cseqOf = (message: SipMessage): CSeq | undefined => message.headers.read("cseq", parseCSeq);

const tagIn = (addressee: Addressee | undefined): string | undefined => addressee && paramText(addressee.params, "tag");
/** The tag of a From or To value. */
export const tagOf = (text: string | undefined): string | undefined =>
  text === undefined ? undefined : tagIn(parseAddressee(text));
export const fromTagOf = (message: SipMessage): string | undefined => tagIn(addresseeOf(message, "from"));
export const toTagOf = (message: Pick<SipMessage, "headers">): string | undefined => tagIn(addresseeOf(message, "to"));

/** All values of a header field such as Route, Record-Route or Path, or `undefined` if one of them is not well-formed. */
export function nameAddrsOf(message: SipMessage, name: string): readonly NameAddr[] | undefined {
  const values: NameAddr[] = [];
  for (const text of message.headers.list(name)) {
    const value = parseNameAddr(text);
    if (value === undefined) return undefined;
    values.push(value);
  }
  return values;
}

/** All Contacts; `"*"` = all bindings are to go (RFC 3261 §10.2.2). */
export const contactsOf = (message: SipMessage): readonly NameAddr[] | "*" | undefined =>
  message.headers.get("contact") === "*" ? "*" : nameAddrsOf(message, "contact");
/** The first Contact: the remote target of a dialog (RFC 3261 §12.1). */
export function contactOf(message: SipMessage): NameAddr | undefined {
  const text = message.headers.first("contact");
  return text === undefined ? undefined : parseNameAddr(text);
}

/** Expires, Min-Expires, Max-Forwards, Content-Length, Retry-After (its seconds)…: a number below 2^32. */
export const numberOf = (message: Pick<SipMessage, "headers">, name: string): number | undefined =>
  message.headers.read(name, leadingNumber);
const leadingNumber = (text: string): number | undefined => parseNumber(/^\d+(?=$|[\s;(])/.exec(text)?.[0] ?? "");
/** Event, Session-Expires, Content-Type, Replaces…, read as `value *(;param)`. */
export const parameterizedOf = (message: SipMessage, name: string): Parameterized | undefined =>
  message.headers.read(name, parseParameterized);
/** Type and subtype in lower case, without parameters. */
export const contentTypeOf = (message: SipMessage): string | undefined =>
  parameterizedOf(message, "content-type")?.value.toLowerCase();
