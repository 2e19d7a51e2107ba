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
/**
 * A REGISTER that is sent home: who is bound to what, by which Path (RFC 3327 §6 has it protected). Call-ID and CSeq let it
 * count once (RFC 3261 §10.3 step 7).
 */
function wordsOf(register: SipRequest): string {
  const decisive = ["to", "call-id", "cseq", "contact", "expires", "path"].map((name) => register.headers.list(name).join());
  return ` register ${decisive.join("\n")}`;
}

/** For a request whose sender is known to be its From. */
export const peerClaim = (host: Host, key: Uint8Array, server: string, about: About): string =>
  sealClaim(host, key, server, words(about));
/** For a REGISTER whose sender is known to be its To. */
export const registerClaim = (host: Host, key: Uint8Array, server: string, register: SipRequest): string =>
  sealClaim(host, key, server, wordsOf(register));

/** The server that sends a request and vouches for its From (To of a REGISTER); `undefined` where none does, or none that can be believed. */
export function peerOf(host: Host, key: Uint8Array, request: SipRequest): string | undefined {
  const sealed = request.headers.get(PEER_HEADER.toLowerCase());
  if (sealed === undefined) return undefined;
  if (request.method === "REGISTER") return openClaim(host, key, sealed, wordsOf(request));
  const sessionId = request.headers.get("session-id") ?? "";
  return openClaim(host, key, sealed, words({ sessionId, from: fromOf(request)?.uri.user ?? "", to: request.uri.user }));
}
