import type { BrowserHost } from "#host/host.ts";
import { fromHex, hex, utf8 } from "./bytes.ts";

/**
 * Who opened a WebSocket, said by the web role to a DS (PROTOCOL §14): `user.expiresWallMs.mac`, an HMAC-SHA-256 under
 * the operator's key. The page never sees it: the web role checks the session cookie, then sends this as cookie
 * `sipcast-user` in the handshake it passes on.
 */
export const USER_TOKEN_COOKIE = "sipcast-user";
const LIFETIME_MS = 30_000;

export function mintUserToken(host: BrowserHost, key: Uint8Array, user: string): string {
  const claim = `${user}.${host.wallMs() + LIFETIME_MS}`;
  return `${claim}.${hex(host.hmac("SHA-256", key, utf8(claim)))}`;
}

/** The user, or `undefined` for a token that is forged, malformed or too old. */
export function checkUserToken(host: BrowserHost, key: Uint8Array, token: string): string | undefined {
  const lastDot = token.lastIndexOf(".");
  const claim = token.slice(0, lastDot);
  const mac = fromHex(token.slice(lastDot + 1));
  const userEnd = claim.lastIndexOf(".");
  if (lastDot < 0 || userEnd <= 0 || mac === undefined) return undefined;
  if (!sameOctets(mac, host.hmac("SHA-256", key, utf8(claim)))) return undefined;
  const expiresWallMs = Number(claim.slice(userEnd + 1));
  return expiresWallMs >= host.wallMs() ? claim.slice(0, userEnd) : undefined;
}

/** Takes as long whatever differs. */
function sameOctets(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (const [at, octet] of a.entries()) difference |= octet ^ (b[at] ?? 0);
  return difference === 0;
}
