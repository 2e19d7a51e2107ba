/**
 * What the two IPTV client-types say (PROTOCOL §7). On the wire the attributes of 0x9101 are typed fields inside
 * Signaled ClientSI and Client Specific Decision Data; those of 0x9102 are instances of our PIB (RFC 3084 §4: PRID, EPD,
 * BER). Both are tables in `../wire/`: to add an attribute, add a row and its golden message.
 */

import type { Attributes } from "./types.ts";

/** A viewer's join, asked by a DS of its edge and repeated by the edge to the broker. */
export interface JoinRequest {
  /** The reservation's own name: 32 hex digits from Call-ID and the caller's tag (PROTOCOL §7). */
  readonly joinId: string;
  readonly channel: string;
  readonly user: string;
  readonly kbps: number;
  /** The user's access rate as stored at sign-up; 0 = not limited. */
  readonly accessKbps: number;
  /** Edge of the broadcaster: where the stream enters. */
  readonly sourceEdge: string;
  /** The source edge's group, "232.0.1.7:5004", and its address: what a core multicast tree is made of. */
  readonly coreGroup: string;
  readonly coreSource: string;
  readonly delivery: "multicast" | "unicast" | "websocket";
  /** Unicast only: where to send, "ip:port". */
  readonly unicastTo?: string;
  /** Multicast only: address that the viewer signals from, to find the port that he is behind. */
  readonly viewerHost?: string;
  /** Join id that this one replaces in a channel change (PROTOCOL §6). */
  readonly replaces?: string;
}
/** What Install carries back to the DS. The broker's to the edge has `parentEdge` and `kbps` only. */
export interface JoinGrant {
  readonly kbps: number;
  /** From where the edge takes its copy; the edge itself where the stream enters there. */
  readonly parentEdge?: string;
  /** Multicast: the local group "ip:port" and this edge's address as its only source. Unicast: where packets come from, "ip:port". */
  readonly group?: string;
  readonly source?: string;
  /** WebSocket: single-use, 10 s (PROTOCOL §3), and the edge's own base address "ws://ip:port". */
  readonly token?: string;
  readonly mediaBase?: string;
}
/** A channel going on air: configuration REQ of a DS to its edge, one request state a channel. */
export interface ProvisionRequest {
  readonly joinId: string;
  readonly channel: string;
  readonly user: string;
  readonly kbps: number;
  /** Where the broadcaster's RTP comes from as far as signalling knows (the SIP flow's address). */
  readonly sender: string;
  /** What was granted before, as in `ProvisionGrant`, where the edge may have forgotten: the same again, please. */
  readonly group?: string;
  readonly ingest?: string;
}
export interface ProvisionGrant {
  readonly kbps: number;
  readonly group: string; // "ip:port"
  readonly source: string; // the edge's address
  readonly ingest: string; // "ip:port": where the broadcaster sends
}
/** Policy that the broker installs in an edge when it connects (the answer to the edge's configuration REQ). */
export interface EdgePolicy {
  readonly groupFirst: string; // first group address of the edge's pool
  readonly groupCount: number;
  readonly groupPort: number;
  /** Highest rate of one channel, kbit/s. */
  readonly maxChannelKbps: number;
  /** What the edge may promise on its own while the broker is away, kbit/s. */
  readonly localQuotaKbps: number;
  /** What channels that enter here may take of the edge's links, all together, kbit/s: provisioned beforehand. */
  readonly ingestKbps: number;
  /** The edge's access link: its viewers all together never take more, whoever decides, kbit/s. */
  readonly accessKbps: number;
}
/** `reason` of a Remove decision. */
export const REFUSAL = {
  coreFull: "core-full",
  accessFull: "access-full", // the edge's access link
  userFull: "user-full", // the viewer's own line
  noGroup: "no-group",
  rateTooHigh: "rate-too-high",
  ingestFull: "ingest-full",
  unicastFull: "unicast-full", // no ports for another viewer with a stream of his own
  unknownEdge: "unknown-edge",
  mediaGone: "media-gone", // unsolicited: nobody takes the stream any more
  preempted: "preempted",
  malformed: "malformed", // the request's own fault
  brokerSilent: "broker-silent",
} as const;
export type Refusal = (typeof REFUSAL)[keyof typeof REFUSAL];

/** What a value must be: "count" is 0 or more, "rate" 1 or more; a list names the only words allowed. */
type Rule = "text" | "text?" | "count" | "rate" | readonly string[];
type Shape<T> = { readonly [K in keyof Required<T>]: Rule };

const isWhole = (value: unknown, least: number): boolean => Number.isSafeInteger(value) && Number(value) >= least;
function obeys(value: string | number | undefined, rule: Rule): boolean {
  if (rule === "text") return typeof value === "string" && value !== "";
  if (rule === "text?") return value === undefined || typeof value === "string";
  if (rule === "count") return isWhole(value, 0);
  if (rule === "rate") return isWhole(value, 1);
  return rule.includes(String(value));
}
/** The record that a peer's attributes say, without what its shape does not name; `undefined` where it breaks a rule. */
function read<T>(shape: Shape<T>): (attributes: Attributes) => T | undefined {
  const fields = Object.entries<Rule>(shape);
  return (attributes) => {
    if (!fields.every(([name, rule]) => obeys(attributes[name], rule))) return undefined;
    const present = fields.flatMap(([name]) => (attributes[name] === undefined ? [] : [[name, attributes[name]]]));
    return Object.fromEntries(present) as T;
  };
}
function write<T extends object>(record: T): Attributes {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));
}

export const joinRequest = read<JoinRequest>({
  joinId: "text",
  channel: "text",
  user: "text",
  kbps: "rate",
  accessKbps: "count",
  sourceEdge: "text",
  coreGroup: "text",
  coreSource: "text",
  delivery: ["multicast", "unicast", "websocket"],
  unicastTo: "text?",
  viewerHost: "text?",
  replaces: "text?",
});
export const joinGrant = read<JoinGrant>({
  kbps: "rate",
  parentEdge: "text?",
  group: "text?",
  source: "text?",
  token: "text?",
  mediaBase: "text?",
});
export const provisionRequest = read<ProvisionRequest>({
  joinId: "text",
  channel: "text",
  user: "text",
  kbps: "rate",
  sender: "text",
  group: "text?",
  ingest: "text?",
});
export const provisionGrant = read<ProvisionGrant>({ kbps: "rate", group: "text", source: "text", ingest: "text" });
export const edgePolicy = read<EdgePolicy>({
  groupFirst: "text",
  groupCount: "count",
  groupPort: "rate",
  maxChannelKbps: "count",
  localQuotaKbps: "count",
  ingestKbps: "count",
  accessKbps: "count",
});
export const joinRequestAttributes = write<JoinRequest>;
export const joinGrantAttributes = write<JoinGrant>;
export const provisionRequestAttributes = write<ProvisionRequest>;
export const provisionGrantAttributes = write<ProvisionGrant>;
export const edgePolicyAttributes = write<EdgePolicy>;
