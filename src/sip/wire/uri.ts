/** SIP and SIPS URIs (RFC 3261 §19.1, §25.1). */
import { LIMITS } from "#base/limits.ts";
import { formatHostPort, formatParams, NO_PARAMS, parseHostPort } from "./lex.ts";
import type { Params, SipUri } from "./message.ts";

const UNRESERVED = "A-Za-z0-9\\-_.!~*'()";
const run = (more: string): string => `(?:[${UNRESERVED}${more}]|%[0-9A-Fa-f]{2})`;
const USER = new RegExp(`^${run("&=+$,;?/")}+$`);
/** As users mostly are: nothing escaped, no password. */
const PLAIN_USER = new RegExp(`^[${UNRESERVED}&=+$,;?/]+$`);
const PASSWORD = new RegExp(`^${run("&=+$,")}*$`);
const PARAM = new RegExp(`^(${run("[\\]/:&+$")}+)(?:=(${run("[\\]/:&+$")}+))?$`);
const PLAIN = new RegExp(`^[${UNRESERVED}]+$`);
const HEADERS = new RegExp(`^${run("[\\]/?:+$")}+=${run("[\\]/?:+$")}*(?:&${run("[\\]/?:+$")}+=${run("[\\]/?:+$")}*)*$`);
const USER_ESCAPED = new RegExp(`[^${UNRESERVED}&=+$,;?/]`, "gu");
const PASSWORD_ESCAPED = new RegExp(`[^${UNRESERVED}&=+$,]`, "gu");

/** Parameters that, being in one URI only, make two URIs differ (RFC 3261 §19.1.4). */
const DECISIVE_PARAMS = ["transport", "user", "ttl", "method", "maddr"];

/** A URI of these parts; the rest has none. `user` is given unescaped, `host` with IPv6 in brackets. */
export const sipUri = (parts: Partial<SipUri> & { readonly host: string }): SipUri => ({
  scheme: "sip",
  user: "",
  params: NO_PARAMS,
  headers: "",
  ...parts,
});

/**
 * What we call ourselves in a Contact, for peers of that transport. A WebSocket is `ws`, secure or not (RFC 7118 §5.2).
 * Departs from RFC 3261 §26.2.2: `transport=tls` is deprecated there, and without it a `sip` URI would lead to UDP.
 */
export function ownUri(user: string, at: { readonly host: string; readonly port?: number; readonly transport: string }): SipUri {
  const { transport, ...place } = at;
  return sipUri({ user, ...place, params: new Map([["transport", transport === "wss" ? "ws" : transport]]) });
}

/** `undefined` for whatever is not a whole, well-formed SIP or SIPS URI; escapes must be of UTF-8. */
export function parseUri(text: string): SipUri | undefined {
  const colon = text.indexOf(":");
  const scheme = text.slice(0, Math.max(0, colon)).toLowerCase();
  if ((scheme !== "sip" && scheme !== "sips") || text.length > LIMITS.sipUriChars) return undefined;
  const at = text.indexOf("@", colon);
  const hostAt = (at < 0 ? colon : at) + 1;
  const end = indexOrEnd(text, "?", hostAt);
  const paramsAt = Math.min(end, indexOrEnd(text, ";", hostAt));
  const userInfo = at < 0 ? NOBODY : parseUserInfo(text.slice(colon + 1, at));
  const place = parseHostPort(text.slice(hostAt, paramsAt));
  const params = parseUriParams(text.slice(paramsAt, end));
  const headers = text.slice(end + 1);
  if (userInfo === undefined || place === undefined || params === undefined) return undefined;
  if (headers !== "" && !HEADERS.test(headers)) return undefined;
  const { host, port } = place;
  const { user, password } = userInfo;
  const uri: SipUri =
    port === undefined ? { scheme, user, host, params, headers } : { scheme, user, host, port, params, headers };
  return password === undefined ? uri : { ...uri, password };
}

function indexOrEnd(text: string, char: string, from: number): number {
  const at = text.indexOf(char, from);
  return at < 0 ? text.length : at;
}

interface UserInfo {
  readonly user: string;
  readonly password?: string;
}
const NOBODY: UserInfo = { user: "" };

function parseUserInfo(text: string): UserInfo | undefined {
  if (PLAIN_USER.test(text)) return { user: text };
  const colon = text.indexOf(":");
  const user = colon < 0 ? text : text.slice(0, colon);
  const password = colon < 0 ? undefined : text.slice(colon + 1);
  if (!USER.test(user) || (password !== undefined && !PASSWORD.test(password))) return undefined;
  const plainUser = unescapeText(user);
  if (plainUser === undefined) return undefined;
  if (password === undefined) return { user: plainUser };
  const plainPassword = unescapeText(password);
  return plainPassword === undefined ? undefined : { user: plainUser, password: plainPassword };
}

function parseUriParams(text: string): Params | undefined {
  if (text === "") return NO_PARAMS;
  const params = new Map<string, string | true>();
  for (const part of text.slice(1).split(";")) {
    const found = PARAM.exec(part);
    const name = found === null ? undefined : paramName(found[1] ?? "");
    if (name === undefined || params.has(name)) return undefined;
    params.set(name, found?.[2] ?? true);
  }
  return params;
}

/** An escaped name is the plain one (RFC 3261 §19.1.2), unless what is escaped could not stand there. */
function paramName(text: string): string {
  const plain = unescapeText(text) ?? "";
  return (PLAIN.test(plain) ? plain : text).toLowerCase();
}

function unescapeText(text: string): string | undefined {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined; // escapes that are not UTF-8
  }
}

export function formatUri(uri: SipUri): string {
  const user = uri.user === "" ? "" : uri.user.replace(USER_ESCAPED, encodeURIComponent);
  const password = uri.password === undefined ? "" : `:${uri.password.replace(PASSWORD_ESCAPED, encodeURIComponent)}`;
  const userInfo = user === "" ? "" : `${user}${password}@`;
  const headers = uri.headers === "" ? "" : `?${uri.headers}`;
  return `${uri.scheme}:${userInfo}${formatHostPort(uri)}${formatParams(uri.params)}${headers}`;
}

/**
 * Equality of RFC 3261 §19.1.4: user and password with case, all else without; an explicit port or transport is not its
 * default. Departs from it: an escaped character equals the bare one even where it is reserved (`%3B` and `;` in a user).
 */
export function sameUri(a: SipUri, b: SipUri): boolean {
  return (
    a.scheme === b.scheme &&
    a.user === b.user &&
    a.password === b.password &&
    a.host === b.host &&
    a.port === b.port &&
    DECISIVE_PARAMS.every((name) => a.params.has(name) === b.params.has(name)) &&
    [...a.params].every(([name, value]) => !b.params.has(name) || sameText(value, b.params.get(name))) &&
    sameHeaders(a.headers, b.headers)
  );
}

const folded = (text: string): string => (unescapeText(text) ?? text).toLowerCase();
const sameText = (a: string | true, b: string | true | undefined): boolean =>
  typeof a === "string" && typeof b === "string" ? folded(a) === folded(b) : a === b;
const sameHeaders = (a: string, b: string): boolean =>
  a === b || a.split("&").map(folded).sort().join("&") === b.split("&").map(folded).sort().join("&");
