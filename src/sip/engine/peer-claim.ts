/** How servers of one operator know each other's requests: by an HMAC under the operator's key. */
import { openClaim, sealClaim } from "#base/sealed-claim.ts";
import type { Clock, Entropy } from "#host/host.ts";
import type { SipRequest } from "../wire/message.ts";
import { fromOf } from "../wire/values.ts";

/** A private header field: `SERVER.expiresWallMs.mac`, good for 30 s. */
export const PEER_HEADER = "Sipcast-Peer";

/** What a claim is bound to: it vouches for this caller's request to this user, in this session, and for no other. */
interface About {
  readonly sessionId: string;
  readonly from: string;
  readonly to: string;
}
type Host = Pick<Clock, "wallMs"> & Pick<Entropy, "hmac">;

const words = ({ sessionId, from, to }: About): string => ` peer ${sessionId} ${from} ${to}`;

export const peerClaim = (host: Host, key: Uint8Array, server: string, about: About): string =>
  sealClaim(host, key, server, words(about));

/** The server that sends a request and vouches for its From; `undefined` where none does, or none that can be believed. */
export function peerOf(host: Host, key: Uint8Array, request: SipRequest): string | undefined {
  const sealed = request.headers.get(PEER_HEADER.toLowerCase());
  if (sealed === undefined) return undefined;
  const sessionId = request.headers.get("session-id") ?? "";
  return openClaim(host, key, sealed, words({ sessionId, from: fromOf(request)?.uri.user ?? "", to: request.uri.user }));
}
