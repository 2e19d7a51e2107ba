import type { EdgePolicy } from "#cops/engine/iptv.ts";
import type { TopologyEdge } from "./topology.ts";

/** Each edge has a /24 of its own from 232.0.1.0 up: 232.0.0.0/24 is reserved (RFC 4607 §10; PROTOCOL §3). */
const GROUPS_PER_EDGE = 256;
const GROUP_PORT = 5004; // RTP's (RFC 3551 §8), unless the topology says another
/** Rate class of one channel: standard and high definition, not more. kbit/s. */
const MAX_CHANNEL_KBPS = 20_000;
/** Share of its access link that an edge may promise by itself while the broker is away, percent. */
const LOCAL_QUOTA_PERCENT = 10;

/** What an edge may decide without asking [B8]; `index` is its place in the topology, 0..65,533. */
export function policyOf({ accessKbps }: TopologyEdge, index: number, groupPort = GROUP_PORT): EdgePolicy {
  const pool = index + 1;
  return {
    groupFirst: `232.${pool >> 8}.${pool & 255}.0`,
    groupCount: GROUPS_PER_EDGE,
    groupPort,
    maxChannelKbps: MAX_CHANNEL_KBPS,
    localQuotaKbps: Math.floor((accessKbps * LOCAL_QUOTA_PERCENT) / 100),
    ingestKbps: accessKbps,
    accessKbps,
  };
}
