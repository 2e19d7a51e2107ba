/**
 * Streams in an edge: RTP with MPEG-TS (RFC 2250, payload type 33) in, a source-specific group, unicast and WebSocket out.
 * `RelayStream` (engine/relay-stream.ts) is one stream; `driver.ts` puts it on a Host.
 */
import type { Address } from "#host/host.ts";

/** Names one stream carried by this edge: the channel's name. */
export type StreamId = string;

export type StreamSource =
  /** A broadcaster's RTP to a port of ours, locked to the sender's address and the first SSRC (PROTOCOL §13). */
  | { readonly kind: "ingest"; readonly at: Address; readonly senderHost: string }
  /** One copy from another edge's group (PROTOCOL §8). */
  | { readonly kind: "group"; readonly group: Address; readonly source: string };

export interface MediaPort {
  /** Starts carrying a stream: takes it from `source`, sends it to `group`. Stream ids are unique. */
  open(stream: StreamId, source: StreamSource, group: Address): void;
  close(stream: StreamId): void;
  /** A pair of ports for one viewer, RTP at `at` (even) and RTCP above it; `sink` names it. Only his host `to` is heard. */
  addUnicast(stream: StreamId, sink: string, at: Address, to: Address): void;
  /** Sends to him from now on; before, he may not want it yet. Harmless for who has begun. */
  beginUnicast(stream: StreamId, sink: string): void;
  /** Lets one WebSocket with this token take the stream once, within 10 s; PAT, PMT and the cached GOP first. */
  addWebSocket(stream: StreamId, sink: string, token: string): void;
  removeSink(stream: StreamId, sink: string): void;
  /** Octets of payload that came in of a stream since it was opened. */
  carriedBytes(stream: StreamId): number;
}
export interface MediaUser {
  /**
   * Nobody takes it any more (PROTOCOL §12): a WebSocket went and did not come for 10 s, or its token was never used; at a
   * unicast viewer's nobody listens, or his reports have stopped.
   */
  onSinkGone(stream: StreamId, sink: string): void;
  /** An ingest had no packet for `LIMITS.ingestAwaitedMs` since it was opened or `ingestSilentMs` since its last: its broadcaster is gone. */
  onSourceSilent(stream: StreamId): void;
}
