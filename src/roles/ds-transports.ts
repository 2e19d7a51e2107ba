import { checkUserToken, USER_TOKEN_COOKIE } from "#base/user-token.ts";
import { type Address, type Handshake, type Host, type Refusal, showAddress } from "#host/host.ts";
import { type SipDriver, StreamTransport, UdpTransport, WsListener, type WsListenOptions, type WsPeer } from "#sip/index.ts";
import type { DsConfig, RoleContext } from "./types.ts";

/**
 * Every transport that a DS is to serve; throws where TLS has no certificate. Over TLS a peer must find the name of the
 * certificate in what we write, so Via and Contact have the DS's name there, and its address elsewhere (PROTOCOL §9).
 */
export function addTransports(sip: SipDriver, { host, operatorKey, failed }: RoleContext, config: DsConfig): void {
  const { udp, tcp, tls, ws, wss, certificate, origins } = config;
  const failure = (what: string, at: Address) => ({
    failed: (error: Error) => failed(`SIP over ${what} at ${showAddress(at)}`, error),
  });
  const accept = (handshake: Handshake): WsPeer | Refusal => admit(handshake, host, operatorKey, origins);
  const named = ({ port }: Address) => ({ sentBy: { host: `${config.id}.${config.domain}`, port } });

  sip.addTransport(new UdpTransport(host, udp, failure("UDP", udp)));
  if (tcp) sip.addTransport(new StreamTransport(host, { listen: { bind: tcp, ...failure("TCP", tcp) } }));
  sip.addTransport(new WsListener(host, ws, { accept, ...failure("WebSocket", ws) }));
  if (!tls && !wss) return;
  if (!certificate) throw new Error(`${config.id} cannot serve TLS: it has no certificate`);
  const { cert, key, ca } = certificate;
  const server = { cert, key };
  if (tls) {
    const listen = { bind: tls, ...failure("TLS", tls) };
    sip.addTransport(new StreamTransport(host, { listen, tls: { server, ...(ca !== undefined && { ca }) }, ...named(tls) }));
  }
  if (wss) {
    const options: WsListenOptions = { name: "wss", tls: server, ...named(wss), accept, ...failure("secure WebSocket", wss) };
    sip.addTransport(new WsListener(host, wss, options));
  }
}

/** Pages of the operator's own origins only; a user token, where there is one, must be right (PROTOCOL §14). */
function admit(handshake: Handshake, host: Host, key: Uint8Array, origins: readonly string[]): WsPeer | Refusal {
  const { origin, cookie = "" } = handshake.headers;
  if (origin !== undefined && !origins.includes(origin)) return { refuse: 403 };
  const token = cookie.split(/;\s*/).find((pair) => pair.startsWith(`${USER_TOKEN_COOKIE}=`));
  if (token === undefined) return { origin };
  const user = checkUserToken(host, key, token.slice(USER_TOKEN_COOKIE.length + 1));
  return user === undefined ? { refuse: 403 } : { user, origin };
}
