/** The offers and answers of channel sessions, in the three forms of PROTOCOL §3 (RFC 3264, RFC 4570, RFC 8124). */
import { LIMITS } from "#base/limits.ts";
import type { JoinGrant, ProvisionGrant } from "#cops/engine/iptv.ts";
import type { Flow } from "#sip/engine/ports.ts";
import {
  attribute,
  attributeOf,
  bandwidthOf,
  directionOf,
  parseSdp,
  type SdpMedia,
  type SessionDescription,
  serializeSdp,
  sourceFilter,
} from "#sip/sdp/index.ts";
import type { SipMessage, SipRequest } from "#sip/wire/message.ts";

/** How a viewer wants the stream, and the rate he wants at most, kbit/s. */
export type ViewerOffer =
  | { readonly form: "multicast"; readonly kbps: number | undefined }
  | { readonly form: "unicast"; readonly kbps: number | undefined; readonly offer: Offer; readonly to: string }
  | { readonly form: "websocket"; readonly kbps: number | undefined; readonly offer: Offer };
/** An offer and the one m= line of it that is taken; the others are answered with port 0 (RFC 3264 §6). */
interface Offer {
  readonly session: SessionDescription;
  readonly taken: SdpMedia;
}
/** What a broadcaster offers to send, each m= line a rendition; `kbps` as its `b=AS` says. */
export interface IngestOffer {
  readonly session: SessionDescription;
  readonly renditions: readonly { readonly media: SdpMedia; readonly kbps: number | undefined }[];
}
interface Body {
  readonly type: string;
  readonly bytes: Uint8Array;
}

const SDP = "application/sdp";
const MP2T = "33"; // RTP payload type of MPEG-TS (RFC 3551)
const MULTICAST_TTL = 16;
/** Of a unicast viewer's RTCP, bit/s (RFC 3556): a report every five seconds at least. None is sent to him. */
const REPORTS_BPS = 800;
const NTP_EPOCH_SEC = 2_208_988_800; // 1900 to 1970

/** Whether an INVITE asks to go live: a `sendonly` first m= line (PROTOCOL §2). */
export function wantsToBroadcast(request: SipRequest): boolean {
  const session = sessionOf(request);
  const first = session?.media[0];
  return session !== undefined && first !== undefined && directionOf(session, first) === "sendonly";
}

/** Form 1. `undefined`: no MPEG-TS over RTP is sent. */
export function readIngestOffer(offer: SipMessage): IngestOffer | undefined {
  const session = sessionOf(offer);
  const sent = session?.media.filter((media) => isRtp(media) && media.port > 0 && sends(session, media)) ?? [];
  const renditions = sent.slice(0, LIMITS.renditions).map((media) => ({ media, kbps: bandwidthOf(media, "AS") }));
  return session && renditions.length > 0 ? { session, renditions } : undefined;
}
const sends = (session: SessionDescription, media: SdpMedia): boolean =>
  ["sendonly", "sendrecv"].includes(directionOf(session, media));

/** Answers form 1: each rendition with an ingest address of its own, or with port 0 where it has no grant. */
export function ingestDescription(
  { session, renditions }: IngestOffer,
  grants: readonly (ProvisionGrant | undefined)[],
  wallMs: number,
): Body {
  const ingests = grants.map((grant) => readEndpoint(grant?.ingest ?? ""));
  const taken = renditions.flatMap(({ media }, at): [SdpMedia, SdpMedia][] => {
    const [grant, ingest] = [grants[at], ingests[at]];
    if (!grant || !ingest) return [];
    const connection = connectionAt(ingest.host);
    const attributes = [attribute("recvonly")];
    return [[media, { ...answerTo(media), port: ingest.port, connection, bandwidth: bandwidth(grant), attributes }]];
  });
  const host = ingests.find((ingest) => ingest !== undefined)?.host ?? "0.0.0.0";
  return describe(host, wallMs, answers(session, new Map(taken)));
}

/** Takes nothing of an offer: port 0 for each of its m= lines (RFC 3264 §6). */
export function declinedDescription(offer: SipMessage, address: string, wallMs: number): Body {
  return describe(address, wallMs, sessionOf(offer)?.media.map(declined) ?? []);
}

/** A session of zero m= lines, offered and answered where a call carries no stream (PROTOCOL §1, RFC 3264 §5). */
export const noMedia = (address: string, wallMs: number): Body => describe(address, wallMs, []);

/**
 * Forms 2 and 3. `undefined`: nothing here that we can send. A unicast stream goes to the address that signals, whatever
 * `c=` says: nobody can have it sent to a third party, and one behind a NAT is reached (PROTOCOL §13).
 */
export function readViewerOffer(request: SipRequest, flow: Flow): ViewerOffer | undefined {
  const wished = rateParameter(request);
  if (request.body.length === 0) return { form: "multicast", kbps: wished };
  const session = sessionOf(request);
  const taken = session?.media.find((media) => media.port > 0 && (isRtp(media) || isWebSocket(media)));
  if (!session || !taken || !["recvonly", "sendrecv"].includes(directionOf(session, taken))) return undefined;
  const offer = { session, taken };
  const kbps = bandwidthOf(taken, "AS") ?? wished;
  if (isWebSocket(taken)) return attributeOf(taken, "setup") === "active" ? { form: "websocket", kbps, offer } : undefined;
  return { form: "unicast", kbps, offer, to: `${flow.remote.host}:${taken.port}` };
}

/** What a viewer is told of his stream; `undefined` where the grant lacks what the form needs. */
export function viewerDescription(offer: ViewerOffer, grant: JoinGrant, flow: Flow, wallMs: number): Body | undefined {
  switch (offer.form) {
    case "multicast":
      return multicastOffer(grant, wallMs);
    case "unicast": {
      const source = readEndpoint(grant.source ?? "");
      if (!source) return undefined;
      const media = {
        ...answerTo(offer.offer.taken),
        port: source.port,
        bandwidth: [...bandwidth(grant), { type: "RR", value: REPORTS_BPS }, { type: "RS", value: 0 }],
        attributes: [attribute("sendonly")],
      };
      return describe(source.host, wallMs, answers(offer.offer.session, new Map([[offer.offer.taken, media]])));
    }
    case "websocket":
      return webSocketAnswer(offer.offer, grant, flow, wallMs);
  }
}

/** Whether the ACK of a 2xx that made the offer takes nothing of it: port 0 (RFC 3264 §6). */
export function declines(ack: SipRequest): boolean {
  const media = sessionOf(ack)?.media;
  return media !== undefined && media.length > 0 && media.every(({ port }) => port === 0);
}

function multicastOffer(grant: JoinGrant, wallMs: number): Body | undefined {
  const group = readEndpoint(grant.group ?? "");
  const source = grant.source;
  if (!group || source === undefined) return undefined;
  return describe(source, wallMs, [
    {
      media: "video",
      port: group.port,
      proto: "RTP/AVP",
      formats: [MP2T],
      connection: { family: "IP4", address: group.host, ttl: MULTICAST_TTL },
      bandwidth: [...bandwidth(grant), { type: "RR", value: 0 }, { type: "RS", value: 0 }],
      attributes: [
        sourceFilter({ mode: "incl", family: "IP4", destination: group.host, sources: [source] }),
        attribute("rtpmap", `${MP2T} MP2T/90000`),
        attribute("recvonly"),
      ],
    },
  ]);
}

/** The stream is fetched under the page's own origin where there is one, else from the edge itself (PROTOCOL §14). */
function webSocketAnswer(offer: Offer, grant: JoinGrant, flow: Flow, wallMs: number): Body | undefined {
  const base = flow.origin?.replace(/^http/, "ws") ?? grant.mediaBase;
  const host = /^wss?:\/\/([^/:]+|\[[^\]]+\])(?::(\d+))?/.exec(base ?? "");
  if (grant.token === undefined || !host) return undefined;
  const port = host[2] === undefined ? (base?.startsWith("wss") ? 443 : 80) : Number(host[2]);
  const media: SdpMedia = {
    ...answerTo(offer.taken),
    port,
    bandwidth: bandwidth(grant),
    attributes: [
      attribute("sendonly"),
      attribute("setup", "passive"),
      attribute("connection", "new"),
      attribute("websocket-uri", `${base}/media/${grant.token}`),
    ],
  };
  return describe(flow.local.host, wallMs, answers(offer.session, new Map([[offer.taken, media]])));
}

const bandwidth = ({ kbps }: { readonly kbps: number }): SdpMedia["bandwidth"] => [{ type: "AS", value: kbps }];
const connectionAt = (address: string): NonNullable<SessionDescription["connection"]> => ({
  family: address.includes(":") ? "IP6" : "IP4",
  address,
});

function describe(address: string, wallMs: number, media: readonly SdpMedia[]): Body {
  const connection = connectionAt(address);
  const sessionId = String(Math.floor(wallMs / 1_000) + NTP_EPOCH_SEC);
  return {
    type: SDP,
    bytes: serializeSdp({
      origin: { user: "-", sessionId, sessionVersion: "1", ...connection },
      name: "-",
      connection,
      startSec: 0,
      stopSec: 0,
      bandwidth: [],
      attributes: [],
      media,
    }),
  };
}

const answerTo = ({ media, proto }: SdpMedia): Pick<SdpMedia, "media" | "proto" | "formats"> => ({
  media,
  proto,
  formats: [MP2T],
});

/** One m= line for each of the offer's, in its order: what is taken, with its answer, and the others with port 0 (RFC 3264 §6). */
function answers(session: SessionDescription, taken: ReadonlyMap<SdpMedia, SdpMedia>): SdpMedia[] {
  return session.media.map((media) => taken.get(media) ?? declined(media));
}
const declined = (media: SdpMedia): SdpMedia => ({ ...media, port: 0, bandwidth: [], attributes: [] });

function sessionOf(message: SipMessage): SessionDescription | undefined {
  const type = message.headers.get("content-type");
  if (message.body.length === 0 || (type !== undefined && !/^\s*application\/sdp\s*(;|$)/i.test(type))) return undefined;
  const parsed = parseSdp(message.body);
  return parsed.status === "ok" ? parsed.value : undefined;
}
const isRtp = (media: SdpMedia): boolean => media.proto === "RTP/AVP" && media.formats.includes(MP2T);
const isWebSocket = (media: SdpMedia): boolean => /^TCP\/WSS?\/MP2T$/.test(media.proto) && media.formats.includes(MP2T);

/** `;rate=KBPS` on the channel's URI (PROTOCOL §3). */
function rateParameter(request: SipRequest): number | undefined {
  const rate = request.uri.params.get("rate");
  return typeof rate === "string" && /^[1-9]\d{0,7}$/.test(rate) ? Number(rate) : undefined;
}
function readEndpoint(value: string): { readonly host: string; readonly port: number } | undefined {
  const found = /^(.+):(\d{1,5})$/.exec(value);
  return found?.[1] === undefined ? undefined : { host: found[1], port: Number(found[2]) };
}
