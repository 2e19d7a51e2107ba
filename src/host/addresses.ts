import { octetsOfAddress } from "#base/ip.ts";
import type { Address } from "./host.ts";

/** 224.0.0.0/4 (RFC 5771) and ff00::/8 (RFC 4291 §2.7). */
export function isMulticast(host: string): boolean {
  const first = Number.parseInt(host, 10);
  return host.includes(":") ? /^ff/i.test(host) : first >= 224 && first <= 239;
}

/** Every address of the machine. */
export const isWildcard = (host: string): boolean => host === "0.0.0.0" || host === "::";

/** Where a ws: or wss: URL leads. */
export function addressOfUrl(url: string): Address {
  const { hostname, port, protocol } = new URL(url);
  return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || (protocol === "wss:" ? 443 : 80)) };
}

/** What `showAddress` writes: "ip:port" or "[ipv6]:port", port 1..65535; `undefined` for anything else. */
export function readAddress(text: string): Address | undefined {
  const [, v6, v4, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = v6 ?? v4;
  const port = Number(digits);
  return host !== undefined && octetsOfAddress(host) && port > 0 && port <= 65_535 ? { host, port } : undefined;
}
