import type { MemberTable } from "../absences.ts";

interface Link {
  readonly linkinfo?: {
    readonly info_kind?: string;
    readonly info_data?: { readonly mcast_snooping?: number; readonly mcast_querier?: number };
  };
}
interface Groups {
  readonly mdb: readonly Entry[];
  readonly router: Readonly<Record<string, readonly unknown[]>>;
}
interface Entry {
  readonly port: string;
  readonly grp: string;
  readonly src?: string;
  readonly filter_mode?: "include" | "exclude";
}
interface Station {
  readonly mac: string;
  readonly ifname: string;
  readonly state?: string;
}
interface Neighbour {
  readonly dst: string;
  readonly lladdr?: string;
}

/**
 * Why a bridge's table of groups does not tell who listens; `undefined`: it does. `link`: `ip -j -d link show dev BRIDGE`;
 * `mdb`: `bridge -j -d mdb show dev BRIDGE`. Throws for what is no JSON.
 */
export function bridgeFault(bridge: string, link: string, mdb: string): string | undefined {
  const info = first<Link>(link).linkinfo;
  if (info?.info_kind !== "bridge") return `${bridge} is no bridge`;
  const { mcast_snooping: snoops, mcast_querier: asks } = info.info_data ?? {};
  const set = (option: string): string => `ip link set ${bridge} type bridge ${option} 1`;
  if (snoops !== 1) return `${bridge} does not snoop IGMP (RFC 4541): ${set("mcast_snooping")}`;
  const hasRouter = Object.values(first<Groups>(mdb).router).some((ports) => ports.length > 0); // queries come from there
  if (asks !== 1 && !hasRouter)
    return `nobody asks behind ${bridge} who listens, so that members are forgotten: ${set("mcast_querier")}`;
  return undefined;
}

/** `mdb` as above; `fdb`: `bridge -j fdb show br BRIDGE`; `neighbours`: `ip -j neigh show`. */
export function bridgeTable(mdb: string, fdb: string, neighbours: string): MemberTable {
  // An entry of a group that includes sources stands beside one for each of them, and outlives those.
  const joined = first<Groups>(mdb).mdb.filter(({ src, filter_mode }) => src !== undefined || filter_mode !== "include");
  const members = new Set(joined.map(({ port, grp }) => `${port} ${grp}`));
  const stations = (JSON.parse(fdb) as readonly Station[]).filter(({ state }) => state !== "permanent"); // those are its own
  const ports = new Map(stations.map(({ mac, ifname }) => [mac, ifname]));
  const macs = new Map((JSON.parse(neighbours) as readonly Neighbour[]).map(({ dst, lladdr }) => [dst, lladdr]));
  return {
    portOf: (host) => ports.get(macs.get(host) ?? ""),
    hasMember: (port, group) => members.has(`${port} ${group}`),
  };
}

/** Both tools put one thing that was asked for into a list. */
function first<T>(json: string): T {
  const [only] = JSON.parse(json) as readonly T[];
  if (only === undefined) throw new Error("iproute2 answered an empty list");
  return only;
}
