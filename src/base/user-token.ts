import type { BrowserHost } from "#host/host.ts";
import { openClaim, sealClaim } from "./sealed-claim.ts";

/**
 * Who opened a WebSocket, said by the web role to a DS (PROTOCOL §14): `user.expiresWallMs.mac`, an HMAC-SHA-256 under
 * the operator's key. The page never sees it: the web role checks the session cookie, then sends this as cookie
 * `sipcast-user` in the handshake it passes on.
 */
export const USER_TOKEN_COOKIE = "sipcast-user";

export const mintUserToken = (host: BrowserHost, key: Uint8Array, user: string): string => sealClaim(host, key, user);

/** The user, or `undefined` for a token that is forged, malformed or too old. */
export const checkUserToken = (host: BrowserHost, key: Uint8Array, token: string): string | undefined =>
  openClaim(host, key, token);
