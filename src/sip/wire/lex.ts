/** The lexical rules that header fields share (RFC 3261 §25.1). */
import type { Params } from "./message.ts";

const TOKEN_CHAR = "[A-Za-z0-9\\-.!%*_+`'~]";
const QUOTED_STRING = '"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"';
const TOKEN = new RegExp(`^${TOKEN_CHAR}+$`);
const QUOTED = new RegExp(`^${QUOTED_STRING}$`, "s");
/** One `;name=value`; a value is a token, a host (so with `:` and brackets), a quoted string. */
const PARAM = new RegExp(`\\s*;\\s*(${TOKEN_CHAR}+)(?:\\s*=\\s*(${QUOTED_STRING}|[^\\s;=",<>]+))?`, "sy");

export const isToken = (text: string): boolean => TOKEN.test(text);
export const isQuoted = (text: string): boolean => QUOTED.test(text);

/** Whether there is a line break in it. */
export const breaks = (text: string): boolean => text.includes("\n") || text.includes("\r");

/** Text without its quotes and backslashes; text that is not quoted as it is. */
export const unquote = (text: string): string => (isQuoted(text) ? text.slice(1, -1).replace(/\\(.)/gs, "$1") : text);
export const quote = (text: string): string => `"${text.replace(/["\\]/g, "\\$&")}"`;

/** Digits only, at most `max`; `undefined` for anything else. */
export function parseNumber(text: string, max = 0xffff_ffff): number | undefined {
  if (text === "" || text.length > 16) return undefined;
  let number = 0;
  for (let at = 0; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return undefined;
    number = 10 * number + digit;
  }
  return number <= max ? number : undefined;
}

export const NO_PARAMS: Params = new Map();

/** `text` = nothing, or `;name=value` as often as it likes; no name may come twice (RFC 3261 §7.3.1). */
export function parseParams(text: string): Params | undefined {
  const rest = text.trimEnd();
  if (rest === "") return NO_PARAMS;
  const params = new Map<string, string | true>();
  PARAM.lastIndex = 0;
  while (PARAM.lastIndex < rest.length) {
    const found = PARAM.exec(rest);
    if (found === null) return undefined;
    const name = (found[1] ?? "").toLowerCase();
    if (params.has(name)) return undefined;
    params.set(name, found[2] ?? true);
  }
  return params;
}

export function formatParams(params: Params): string {
  let out = "";
  for (const [name, value] of params) out += value === true ? `;${name}` : `;${name}=${value}`;
  return out;
}

const HOST_NAME = /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?$/; // `_` is no host name's, and met all the same
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;

export const isIpv4 = (text: string): boolean => IPV4.test(text);

/** An IPv6 address without brackets (RFC 4291 §2.2). */
export function isIpv6(text: string): boolean {
  const halves = text.split("::");
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === "" ? [] : half.split(":")));
  const last = groups.at(-1) ?? "";
  const v4Groups = last.includes(".") ? 1 : 0;
  if (v4Groups === 1 && !(isIpv4(last) && text.endsWith(last))) return false;
  const hexGroups = v4Groups === 1 ? groups.slice(0, -1) : groups;
  if (!hexGroups.every((group) => /^[0-9A-Fa-f]{1,4}$/.test(group))) return false;
  const count = groups.length + v4Groups;
  return halves.length === 2 ? count <= 7 : count === 8;
}

/** `host [":" port]` (RFC 3261 §25.1), the host in lower case. */
export function parseHostPort(text: string): { host: string; port?: number } | undefined {
  const colon = text.indexOf(":", text.indexOf("]") + 1);
  const host = hostIn(colon < 0 ? text : text.slice(0, colon));
  if (host === undefined || colon < 0) return host === undefined ? undefined : { host };
  const port = text.length - colon > 6 ? undefined : parseNumber(text.slice(colon + 1), 65_535);
  return port === undefined ? undefined : { host, port };
}
function hostIn(text: string): string | undefined {
  const host = text.toLowerCase();
  if (!host.startsWith("[")) return HOST_NAME.test(host) ? host : undefined;
  const mended = host.replace(/:::(?=\d+\.)/, "::"); // a fault of RFC 3261's grammar (RFC 5118 §4.10)
  return mended.endsWith("]") && isIpv6(mended.slice(1, -1)) ? mended : undefined;
}

export const formatHostPort = ({ host, port }: { readonly host: string; readonly port?: number | undefined }): string =>
  port === undefined ? host : `${host}:${port}`;
