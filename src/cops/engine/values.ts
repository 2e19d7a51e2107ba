/** Between `Attributes` and what the two client-types mean by them (`iptv.ts`). What a peer sent is judged here. */
import { LIMITS } from "#base/limits.ts";
import {
  type EdgePolicy,
  type JoinGrant,
  type JoinRequest,
  type ProvisionGrant,
  type ProvisionRequest,
  REFUSAL,
  type Refusal,
} from "./iptv.ts";
import type { Attributes, CopsRequest } from "./types.ts";

type Check = (value: string | number | undefined) => boolean;
const text = (pattern: RegExp): Check => {
  return (value) => typeof value === "string" && value.length <= LIMITS.copsAttributeBytes && pattern.test(value);
};
const whole = (least: number, most: number): Check => {
  return (value) => typeof value === "number" && Number.isInteger(value) && value >= least && value <= most;
};
const optional = (check: Check): Check => {
  return (value) => value === undefined || check(value);
};
const MOST_KBPS = 0xffff_ffff;
const name = text(/./);
const id = text(/^[0-9a-f]{32}$/);
const address = text(/^([0-9.]+|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*)$/);
const endpoint = text(/^([0-9.]+|\[[0-9a-fA-F:.]+\]):\d{1,5}$/);
const rate = whole(1, MOST_KBPS);
const rateOrNone = whole(0, MOST_KBPS);

type Schema<T> = { readonly [K in keyof T]-?: Check };
const JOIN_REQUEST: Schema<JoinRequest> = {
  joinId: id,
  channel: name,
  user: name,
  kbps: rate,
  accessKbps: rateOrNone,
  sourceEdge: name,
  coreGroup: endpoint,
  coreSource: address,
  delivery: text(/^(multicast|unicast|websocket)$/),
  unicastTo: optional(endpoint),
  replaces: optional(id),
};
const JOIN_GRANT: Schema<JoinGrant> = {
  kbps: rate,
  parentEdge: optional(name),
  group: optional(endpoint),
  source: optional(address),
  token: optional(name),
  mediaBase: optional(text(/^wss?:\/\//)),
};
const PROVISION_REQUEST: Schema<ProvisionRequest> = { joinId: id, channel: name, user: name, kbps: rate, sender: address };
const PROVISION_GRANT: Schema<ProvisionGrant> = { kbps: rate, group: endpoint, source: address, ingest: endpoint };
const EDGE_POLICY: Schema<EdgePolicy> = {
  groupFirst: address,
  groupCount: whole(1, 0x1000_0000), // 224/4 has no more
  groupPort: whole(1, 0xffff),
  maxChannelKbps: rate,
  localQuotaKbps: rateOrNone,
  ingestKbps: rateOrNone,
};

/** The fields of the schema, `undefined` unless each is as it should be. Others are left out. */
function read<T>(schema: Schema<T>, attributes: Attributes): T | undefined {
  const value: Record<string, string | number> = {};
  for (const [field, check] of Object.entries<Check>(schema)) {
    const found = attributes[field];
    if (!check(found)) return undefined;
    if (found !== undefined) value[field] = found;
  }
  return value as T;
}

export const joinRequest = (attributes: Attributes): JoinRequest | undefined => read(JOIN_REQUEST, attributes);
export const joinGrant = (attributes: Attributes): JoinGrant | undefined => read(JOIN_GRANT, attributes);
export const provisionRequest = (attributes: Attributes): ProvisionRequest | undefined => read(PROVISION_REQUEST, attributes);
export const provisionGrant = (attributes: Attributes): ProvisionGrant | undefined => read(PROVISION_GRANT, attributes);
export const edgePolicy = (attributes: Attributes): EdgePolicy | undefined => read(EDGE_POLICY, attributes);
/** Why a Remove came; `undefined` when it does not say, or says what we do not know. */
export function refusal(attributes: Attributes): Refusal | undefined {
  return Object.values(REFUSAL).find((known) => known === attributes["reason"]);
}

/** The other way: the fields that are there. */
export function attributesOf(value: JoinRequest | JoinGrant | ProvisionRequest | ProvisionGrant | EdgePolicy): Attributes {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined));
}

/** Whether a request says all that its kind must: if not, a PDP answers by Error 5 (RFC 2748 §2.2.8). */
export function isComplete({ kind, attributes }: CopsRequest): boolean {
  if (kind !== "configuration") return joinRequest(attributes) !== undefined;
  // A channel, or nothing: the configuration request of an edge.
  return Object.keys(attributes).length === 0 || provisionRequest(attributes) !== undefined;
}
