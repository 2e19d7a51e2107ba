/** What the attributes of an offer or answer say. */
import type { AddressFamily, SdpAttribute, SdpConnection, SdpMedia, SdpSection, SessionDescription } from "./description.ts";

export type Direction = "sendrecv" | "sendonly" | "recvonly" | "inactive";
const DIRECTIONS: readonly Direction[] = ["sendrecv", "sendonly", "recvonly", "inactive"];

export const attribute = (name: string, value?: string): SdpAttribute => (value === undefined ? { name } : { name, value });

/** The value of the first attribute of that name, "" for a flag: e.g. setup, connection (RFC 4145), websocket-uri (RFC 8124). */
export function attributeOf(section: SdpSection, name: string): string | undefined {
  const found = section.attributes.find((one) => one.name === name);
  return found && (found.value ?? "");
}

export const bandwidthOf = (section: SdpSection, type: string): number | undefined =>
  section.bandwidth.find((one) => one.type === type)?.value;

/** The medium's own connection, else the session's (RFC 8866 §5.7). */
export const connectionOf = (session: SessionDescription, media: SdpMedia): SdpConnection | undefined =>
  media.connection ?? session.connection;

/** The medium's own direction, else the session's, else sendrecv (RFC 8866 §6.7). */
export function directionOf(session: SessionDescription, media: SdpMedia): Direction {
  for (const section of [media, session])
    for (const direction of DIRECTIONS) if (attributeOf(section, direction) !== undefined) return direction;
  return "sendrecv";
}

/** Which sources of a group are wanted, or not (RFC 4570). */
export interface SourceFilter {
  readonly mode: "incl" | "excl";
  readonly family: AddressFamily | "*";
  /** A connection address; `*` = all. */
  readonly destination: string;
  readonly sources: readonly string[]; // at least one
}

/** The medium's own filter, else the session's; `undefined` where there is none that is well-formed. */
export function sourceFilterOf(session: SessionDescription, media: SdpMedia): SourceFilter | undefined {
  const value = attributeOf(media, "source-filter") ?? attributeOf(session, "source-filter") ?? "";
  const [mode, net, family, destination, ...sources] = value.trim().split(/ +/);
  if ((mode !== "incl" && mode !== "excl") || net !== "IN" || destination === undefined || sources.length === 0) return undefined;
  if (family !== "IP4" && family !== "IP6" && family !== "*") return undefined;
  return { mode, family, destination, sources };
}

export const sourceFilter = ({ mode, family, destination, sources }: SourceFilter): SdpAttribute =>
  attribute("source-filter", ` ${mode} IN ${family} ${destination} ${sources.join(" ")}`); // the space: RFC 4570 §3
