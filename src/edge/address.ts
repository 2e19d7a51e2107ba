import type { Address } from "#host/host.ts";

/** What `showAddress` writes: "ip:port" or "[ipv6]:port"; `undefined` for anything else. */
export function readAddress(text: string): Address | undefined {
  const [, v6, v4, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = v6 ?? v4;
  const port = Number(digits);
  return host !== undefined && port > 0 && port <= 65_535 ? { host, port } : undefined;
}
