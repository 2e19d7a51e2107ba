import type { BrowserHost } from "#host/host.ts";
import { fromHex, hex, utf8 } from "./bytes.ts";

type Sealer = Pick<BrowserHost, "wallMs" | "hmac">;

const LIFETIME_MS = 30_000;

/** `name.expiresWallMs.mac`: whoever has the key says that it is `name`, for 30 s; the MAC is bound to `about` as well. */
export function sealClaim(host: Sealer, key: Uint8Array, name: string, about = ""): string {
  const claim = `${name}.${Math.floor(host.wallMs()) + LIFETIME_MS}`;
  return `${claim}.${hex(host.hmac("SHA-256", key, utf8(claim + about)))}`;
}

/** The name, or `undefined` for a claim that is forged, malformed, about something else or too old. */
export function openClaim(host: Sealer, key: Uint8Array, sealed: string, about = ""): string | undefined {
  const lastDot = sealed.lastIndexOf(".");
  const claim = sealed.slice(0, lastDot);
  const mac = fromHex(sealed.slice(lastDot + 1));
  const nameEnd = claim.lastIndexOf(".");
  if (lastDot < 0 || nameEnd <= 0 || mac === undefined) return undefined;
  if (!sameOctets(mac, host.hmac("SHA-256", key, utf8(claim + about)))) return undefined;
  const expiresWallMs = Number(claim.slice(nameEnd + 1));
  return expiresWallMs >= host.wallMs() ? claim.slice(0, nameEnd) : undefined;
}

/** Takes as long whatever differs. */
function sameOctets(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (const [at, octet] of a.entries()) difference |= octet ^ (b[at] ?? 0);
  return difference === 0;
}
