/** Where a request goes next: what a proxy reads from and writes into Route and Record-Route (RFC 3261 §16.4, §16.6). */

import { octetsOfAddress } from "#base/ip.ts";
import { LIMITS } from "#base/limits.ts";
import { response } from "../wire/builders.ts";
import { Headers } from "../wire/headers.ts";
import { isIpv4 } from "../wire/lex.ts";
import type { SipRequest, SipResponse, SipUri } from "../wire/message.ts";
import { formatNameAddr, nameAddr, numberOf, parseNameAddr } from "../wire/values.ts";
import type { Destination, TransportName } from "./ports.ts";

const DEFAULT_PORT = { udp: 5060, tcp: 5060, tls: 5061, ws: 80, wss: 443 } as const;
const isTransport = (name: string): name is TransportName => Object.hasOwn(DEFAULT_PORT, name);

/** The transport that a URI asks for (RFC 3263 §4.1); `undefined` = one that nobody here knows. */
export function transportOf({ scheme, params }: SipUri): TransportName | undefined {
  const named = params.get("transport");
  const name = typeof named === "string" ? named.toLowerCase() : scheme === "sips" ? "tls" : "udp";
  if (!isTransport(name)) return undefined;
  if (scheme === "sip") return name;
  return name === "ws" || name === "wss" ? "wss" : "tls";
}
/** With the default of its transport. */
export const portOf = (uri: SipUri): number => uri.port ?? DEFAULT_PORT[transportOf(uri) ?? "udp"];

/**
 * The address that a URI means; `undefined` where it has a name, which nobody here resolves. `maddr` is not obeyed, as
 * with Via: it would let a stranger aim our requests.
 */
export function destinationOf(uri: SipUri): Destination | undefined {
  const transport = transportOf(uri);
  const host = uri.host.replace(/^\[|\]$/g, "");
  return transport && (isIpv4(host) || octetsOfAddress(host)) ? { transport, host, port: portOf(uri) } : undefined;
}

/**
 * Whether a client that wrote this host is reached only where its request came from (PROTOCOL §13): the host is a name, or an
 * address that is good inside some network only (RFC 1918, RFC 6598, RFC 3927, RFC 4193), and not the one that was seen.
 */
export function isHidden(host: string, seen: string): boolean {
  const bare = host.replace(/^\[|\]$/g, "");
  if (bare === seen) return false;
  const [a = 0, b = 0, ...more] = octetsOfAddress(bare) ?? [];
  if (more.length === 0) return true;
  if (more.length > 2) return (a & 0xfe) === 0xfc || (a === 0xfe && (b & 0xc0) === 0x80) || bare === "::1";
  const isShared = a === 100 && (b & 0xc0) === 64;
  return (
    a === 10 || a === 127 || (a === 172 && (b & 0xf0) === 16) || (a === 192 && b === 168) || (a === 169 && b === 254) || isShared
  );
}

export interface Arrived {
  readonly request: SipRequest;
  /** The last of our own Routes that it came by: its user part is a flow token. */
  readonly own: SipUri | undefined;
}

/** The request without the Routes that led it here, and as it was before a strict router (§16.4); `undefined` = malformed. */
export function arrived(request: SipRequest, isOwn: (uri: SipUri) => boolean): Arrived | undefined {
  if (!request.headers.has("route") && !request.uri.params.has("lr")) return { request, own: undefined };
  const routes = request.headers.list("route");
  let { uri } = request;
  let own: SipUri | undefined;
  if (uri.params.has("lr") && isOwn(uri)) {
    const target = parseNameAddr(routes.pop() ?? "");
    if (target === undefined) return undefined;
    own = uri;
    uri = target.uri;
  }
  for (let text = routes[0]; text !== undefined; text = routes[0]) {
    const first = parseNameAddr(text);
    if (first === undefined) return undefined;
    if (!isOwn(first.uri)) break;
    own = first.uri;
    routes.shift();
  }
  const headers = request.headers.clone().remove("route");
  for (const route of routes) headers.add("route", route);
  return { request: { ...request, uri, headers }, own };
}

/** One place that a request is sent to. */
export interface Hop {
  /** The Request-URI there. */
  readonly uri: SipUri;
  /** Goes before the Routes that the request has. */
  readonly routes: readonly string[];
  readonly to: Destination;
}

/** What is changed in a copy besides Request-URI and Route (§16.6 steps 3 and 4, RFC 5393 §5.3.3). */
export interface CopySettings {
  readonly maxForwards: number;
  readonly maxBreadth: number;
  /** From the one that faces the hop to the one that faces the sender. */
  readonly recordRoutes: readonly string[];
}

/** The copy that goes to a hop (§16.6 steps 1 to 6). Credentials for us end here (§22.3). */
export function copyFor(request: SipRequest, hop: Hop, settings: CopySettings, realm: string): SipRequest {
  const headers = new Headers();
  for (const value of settings.recordRoutes) headers.add("record-route", value);
  for (const route of hop.routes) headers.add("route", route);
  for (const { name, value } of request.headers.fields()) {
    if (name === "max-forwards" || name === "max-breadth") continue;
    if (name === "proxy-authorization" && value.includes(`realm="${realm}"`)) continue;
    headers.add(name, value);
  }
  headers.add("max-forwards", String(settings.maxForwards)).add("max-breadth", String(settings.maxBreadth));
  return strictly({ ...request, uri: hop.uri, headers });
}

/** Before a strict router the Request-URI is its own, and the real one the last Route (§16.6 step 6). */
function strictly(request: SipRequest): SipRequest {
  const text = request.headers.first("route");
  const first = text === undefined ? undefined : parseNameAddr(text);
  if (first === undefined || first.uri.params.has("lr")) return request;
  request.headers.replaceFirst("route").add("route", formatNameAddr(nameAddr(request.uri)));
  return { ...request, uri: first.uri };
}

/** Hops that the request may still take, this one included (§16.6 step 3). */
export const maxForwardsOf = (request: SipRequest): number => numberOf(request, "max-forwards") ?? 71;

/** The answer to what no proxy may send on (§16.3 steps 3 and 5): we know no option tag for proxies. */
export function refusalOf(request: SipRequest): SipResponse | undefined {
  if (maxForwardsOf(request) === 0) return response(request, 483);
  const unknown = request.headers.list("proxy-require");
  if (unknown.length === 0) return undefined;
  const answer = response(request, 420);
  answer.headers.add("unsupported", unknown.join(", "));
  return answer;
}

/** How many branches at once the request may still make (RFC 5393 §5.3.3). */
export const breadthOf = (request: SipRequest): number =>
  Math.min(numberOf(request, "max-breadth") ?? LIMITS.sipMaxBreadth, LIMITS.sipMaxBreadth);
