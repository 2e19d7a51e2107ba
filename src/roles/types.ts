import type { Logger } from "#base/log.ts";
import type { MemberPort } from "#edge/index.ts";
import type { Address, Host } from "#host/host.ts";
import type { Overlay } from "#overlay/types.ts";

/** What every role is given. */
export interface RoleContext {
  readonly host: Host;
  readonly overlay: Overlay;
  readonly log: Logger;
  /** All servers of one operator share it: nonces and page tokens are HMACs under it. 32 octets. */
  readonly operatorKey: Uint8Array;
  /** A listener could not be had: the role cannot serve. Told at most once a listener. */
  readonly failed: (what: string, error: Error) => void;
}
/** A role that runs. `start…(context, config)` returns it. */
export interface RunningRole {
  /** Says goodbye to peers, closes everything, then calls `stopped`. */
  stop(stopped: () => void): void;
}

/** Seals what servers say to one another by COPS (RFC 2748 §4.1): the same at all of one operator. Default: nothing is sealed. */
export interface CopsIntegrity {
  readonly keyId: number; // 0..4,294,967,295
  /** A secret of 16 octets or more. */
  readonly key: string;
}
export interface BrokerConfig {
  readonly cops: Address;
  readonly integrity?: CopsIntegrity;
  readonly topology: Topology;
}
export interface Topology {
  /** UDP port of every group. Default 5004. Operators that share a machine's loopback need different ones. */
  readonly groupPort?: number;
  readonly edges: readonly {
    readonly id: string; // the edge's PEPID and member id
    readonly site: string;
    /** The site's access network, all viewers together, kbit/s. */
    readonly accessKbps: number;
    /** Names of core links from this edge to the core's hub, in order: a path between edges is the union. */
    readonly coreLinks: readonly string[];
  }[];
  readonly links: readonly { readonly name: string; readonly kbps: number }[];
}
export interface EdgeConfig {
  readonly id: string;
  readonly site: string;
  /** Where DSs connect. */
  readonly cops: Address;
  /** On both hops. */
  readonly integrity?: CopsIntegrity;
  readonly broker: Address;
  /** Address of RTP in and out; also the only source of its groups. */
  readonly mediaAddress: string;
  /** Interface for multicast, its local address. */
  readonly multicastInterface: string;
  /** First of the UDP ports for ingest, and how many. */
  readonly ingestPorts: { readonly first: number; readonly count: number };
  /** First of the UDP ports for unicast viewers, even, and how many viewers: two ports each. */
  readonly unicastPorts: { readonly first: number; readonly count: number };
  /** WebSocket delivery. */
  readonly mediaWs: Address;
  /** Of the switch between this edge and its viewers; without, those by multicast who vanish are freed by their session timers. */
  readonly members?: MemberPort;
  readonly origins: readonly string[];
}
export interface RegistrationConfig {
  readonly domain: string;
  /** SQLite file, or ":memory:". */
  readonly database: string;
  /** Which DS is nearest to whom: longest prefix wins, e.g. { ds: "ds1", prefix: "10.1.0.0/16" }. */
  readonly placement: readonly { readonly ds: string; readonly prefix: string }[];
}
export interface WebConfig {
  readonly domain: string;
  readonly listen: Address;
  /** Folder of the built page. */
  readonly pages: string;
  /** WebSocket upstreams by member id, "ip:port": SIP of each DS, media of each edge. */
  readonly sip: Readonly<Record<string, string>>;
  readonly media: Readonly<Record<string, string>>;
  /** Origins a page may come from, e.g. "http://localhost:8080". */
  readonly origins: readonly string[];
}
export interface DsConfig {
  readonly id: string;
  readonly site: string;
  readonly domain: string;
  readonly udp: Address;
  /** On the port of `udp`, so that a request which is too large for that finds its way (RFC 3261 §18.2.1). */
  readonly tcp?: Address;
  /** SIP over TLS, usually port 5061. */
  readonly tls?: Address;
  readonly ws: Address;
  readonly wss?: Address;
  /** For `tls` and `wss`: its own, which names the domain and this DS; `ca` are the authorities of other domains' (PEM). */
  readonly certificate?: { readonly cert: string; readonly key: string; readonly ca?: string };
  /** Which of its own transports other DSs are to reach it by. Default UDP; what is too large for that goes over TCP anyway. */
  readonly peers?: "udp" | "tcp" | "tls";
  /** Its edge's COPS address and member id. */
  readonly edge: Address;
  readonly edgeId: string;
  readonly integrity?: CopsIntegrity;
  /** `ask` channels exactly as the paper's trace has them: `ChannelPorts.here.isSequential`. Default false. */
  readonly askSequentially?: boolean;
  /** Offered in this order (RFC 8760). */
  readonly digest: readonly ("SHA-256" | "MD5")[];
  readonly origins: readonly string[];
}
