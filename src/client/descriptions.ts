/** The session descriptions of a client, in the three forms of PROTOCOL §3 (RFC 3264, RFC 4570, RFC 8124). */
import type { Address, Clock } from "#host/host.ts";
import {
  attribute,
  attributeOf,
  bandwidthOf,
  connectionOf,
  parseSdp,
  type SdpMedia,
  type SessionDescription,
  serializeSdp,
  sourceFilterOf,
} from "#sip/sdp/index.ts";
import type { SipUri } from "#sip/wire/message.ts";
import { sipUri } from "#sip/wire/uri.ts";

export interface Body {
  readonly type: string;
  readonly bytes: Uint8Array;
}
/** Where a viewer's stream comes from. */
export type StreamDescription =
  | { readonly form: "multicast"; readonly group: Address; readonly source: string; readonly kbps: number }
  | { readonly form: "unicast"; readonly source: Address; readonly kbps: number }
  | { readonly form: "websocket"; readonly url: string; readonly kbps: number };

/** The URI of a channel, with the highest rate that is wished, kbit/s (PROTOCOL §3). */
export const channelUri = (channel: string, domain: string, kbps: number | undefined): SipUri =>
  sipUri({ user: channel, host: domain, params: new Map(kbps === undefined ? [] : [["rate", `${kbps}`]]) });

const MP2T = "33";

const DISCARD_PORT = 9; // of who only sends, or connects himself (RFC 4145 §4.1)

/** What a broadcaster wants reserved for each rendition, kbit/s; `undefined`: the channel's own rate. */
export type Rates = readonly (number | undefined)[];

/** Form 1: MPEG-TS over RTP from `localHost`, an m= line for each rendition. */
export const ingestOffer = (clock: Clock, localHost: string, rates: Rates = [undefined]): Body =>
  session(
    clock,
    localHost,
    rates.map((kbps) => {
      const bandwidth = kbps === undefined ? [] : [{ type: "AS", value: kbps }];
      return video({ port: DISCARD_PORT, proto: "RTP/AVP", bandwidth, attributes: [attribute("sendonly")] });
    }),
  );

/** Zero m= lines: agrees to a viewer, and carries nothing (PROTOCOL §5). */
export const noMedia = (clock: Clock, address: string): Body => session(clock, address, []);

/** Form 3 for a unicast stream to `to`. */
export const unicastOffer = (clock: Clock, to: Address): Body =>
  describe(clock, to.host, { port: to.port, proto: "RTP/AVP", bandwidth: [], attributes: [attribute("recvonly")] });

/** Form 3 for a page: it connects to the stream. `secure` where the page came by https. */
export const webSocketOffer = (clock: Clock, secure: boolean): Body =>
  describe(clock, "0.0.0.0", {
    port: DISCARD_PORT,
    proto: secure ? "TCP/WSS/MP2T" : "TCP/WS/MP2T",
    bandwidth: [],
    attributes: [attribute("recvonly"), attribute("setup", "active"), attribute("connection", "new")],
  });

/** Form 2's answer, in the ACK: repeats the group's m= line (RFC 3264 §6.2). */
export function multicastAnswer(clock: Clock, offer: Uint8Array, from: string): Body | undefined {
  const session = read(offer);
  return session && { type: "application/sdp", bytes: serializeSdp({ ...session, origin: originAt(clock, from) }) };
}

/** Where a broadcaster is to send, from the answer to form 1: in the order of his offer, `undefined` for what is refused. */
export function readIngests(answer: Uint8Array): readonly (Address | undefined)[] {
  const session = read(answer);
  return (session?.media ?? []).map((media) => {
    const connection = session && connectionOf(session, media);
    return connection && media.port > 0 ? { host: connection.address, port: media.port } : undefined;
  });
}

/** A viewer's stream, from the 2xx to his INVITE; `undefined` where nothing usable is described. */
export function readStream(description: Uint8Array): StreamDescription | undefined {
  const [session, media] = firstMedia(description);
  if (!session || !media || media.port === 0) return undefined;
  const kbps = bandwidthOf(media, "AS") ?? 0;
  const url = attributeOf(media, "websocket-uri");
  if (url !== undefined) return { form: "websocket", url, kbps };
  const connection = connectionOf(session, media);
  if (!connection) return undefined;
  const at = { host: connection.address, port: media.port };
  const source = sourceFilterOf(session, media)?.sources[0];
  return source === undefined ? { form: "unicast", source: at, kbps } : { form: "multicast", group: at, source, kbps };
}

type Video = Pick<SdpMedia, "port" | "proto" | "bandwidth" | "attributes">;
const video = (media: Video): SdpMedia => ({ media: "video", formats: [MP2T], ...media });
const describe = (clock: Clock, address: string, media: Video): Body => session(clock, address, [video(media)]);
function session(clock: Clock, address: string, media: readonly SdpMedia[]): Body {
  const origin = originAt(clock, address);
  const connection = { family: origin.family, address };
  const described = { origin, name: "-", connection, startSec: 0, stopSec: 0, bandwidth: [], attributes: [], media };
  return { type: "application/sdp", bytes: serializeSdp(described) };
}

function originAt(clock: Clock, address: string): SessionDescription["origin"] {
  const sessionId = String(Math.floor(clock.wallMs()));
  return { user: "-", sessionId, sessionVersion: "1", family: address.includes(":") ? "IP6" : "IP4", address };
}

function read(bytes: Uint8Array): SessionDescription | undefined {
  const parsed = parseSdp(bytes);
  return parsed.status === "ok" ? parsed.value : undefined;
}
function firstMedia(bytes: Uint8Array): [SessionDescription, SdpMedia] | [undefined, undefined] {
  const session = read(bytes);
  const media = session?.media[0];
  return session && media ? [session, media] : [undefined, undefined];
}
