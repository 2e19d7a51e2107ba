import { stringify } from "yaml";
import type { SampleAccount } from "#registration/index.ts";
import { allFaults } from "./config-checks.ts";
import { readConfig, showFault } from "./config-file.ts";
import type { Config } from "./config-schema.ts";

/** What `sipcast demo` may be told. */
export interface DemoOptions {
  /** 1 or 2. */
  readonly sites: number;
  /** First UDP/TCP port; each site takes ten. 1024..60000. */
  readonly basePort: number;
  readonly webPort: number;
  /** All viewers of a site together, kbit/s. */
  readonly accessKbps: number;
  /** Between the sites, kbit/s. */
  readonly coreKbps: number;
  readonly digest: readonly ("SHA-256" | "MD5")[];
  /** Folder of what outlives the demo; without, nothing does. */
  readonly data?: string;
  /** "ip:port" of a HEP collector, and a file for captured signalling. */
  readonly hep?: string;
  readonly pcap?: string;
}

/** A sample channel: the clip is broadcast by `user` through the DS of `site` (an index). */
export interface DemoBroadcast {
  readonly channel: string;
  readonly user: string;
  readonly site: number;
  readonly clip: string;
}
/** Everything the demo starts, decided before anything is opened. */
export interface DemoPlan {
  readonly config: Config;
  readonly accounts: readonly SampleAccount[];
  readonly broadcasts: readonly DemoBroadcast[];
}

const DOMAIN = "sipcast.test";
const LOOPBACK = "127.0.0.1";
const PORTS_PER_SITE = 10;
const INGEST_PORTS = 100;
const UNICAST_VIEWERS = 25;
/** The clips' own rate is about 300 kbit/s; headroom for peaks. */
const SAMPLE_KBPS = 500;

/** Throws for options that make no configuration, such as a `hep` that is no address. */
export function planDemo(options: DemoOptions): DemoPlan {
  const parsed = readConfig(demoYaml(options), {});
  const faults = allFaults(parsed).map((fault) => showFault(fault, "demo"));
  if (faults.length > 0) throw new Error(faults.join("\n"));
  const config = parsed.value;
  return {
    config,
    accounts: sampleAccounts(config.ds.map(({ id }) => id)),
    broadcasts: [
      { channel: "news", user: "studio", site: 0, clip: "testdata/clips/news.ts" },
      { channel: "sport", user: "studio", site: config.ds.length - 1, clip: "testdata/clips/sport.ts" },
    ],
  };
}

/** The demo as a configuration file. */
export function demoYaml(options: DemoOptions): string {
  const { basePort, data, hep, pcap } = options;
  const numbers = Array.from({ length: options.sites }, (_, at) => at + 1);
  const at = (port: number): string => `${LOOPBACK}:${port}`;
  const portOf = (site: number, place: number): number => basePort + PORTS_PER_SITE * (site - 1) + place;
  return stringify({
    domain: DOMAIN,
    ...(data !== undefined && { data }),
    ...((hep !== undefined || pcap !== undefined) && { capture: { ...(hep && { hep }), ...(pcap && { pcap }) } }),
    ds: numbers.map((site) => ({
      id: `ds${site}`,
      site: `site${site}`,
      udp: at(portOf(site, 0)),
      tcp: at(portOf(site, 0)),
      ws: at(portOf(site, 1)),
      edge: `edge${site}`,
      digest: options.digest,
    })),
    edge: numbers.map((site) => ({
      id: `edge${site}`,
      site: `site${site}`,
      cops: at(portOf(site, 2)),
      media: {
        address: `127.0.${site}.1`,
        multicastInterface: LOOPBACK,
        ws: at(portOf(site, 3)),
        ingestFirst: basePort + 1_000 + INGEST_PORTS * (site - 1),
        ingestCount: INGEST_PORTS,
        unicastFirst: basePort + (basePort % 2) + 3_000 + 2 * UNICAST_VIEWERS * (site - 1),
        unicastCount: UNICAST_VIEWERS,
      },
    })),
    broker: [
      {
        cops: at(basePort + 8),
        groupPort: basePort + 4,
        edges: numbers.map((site) => ({
          id: `edge${site}`,
          site: `site${site}`,
          accessKbps: options.accessKbps,
          coreLinks: [`core${site}`],
        })),
        links: numbers.map((site) => ({ name: `core${site}`, kbps: options.coreKbps })),
      },
    ],
    registration: data === undefined ? { database: ":memory:" } : {},
    web: [{ listen: at(options.webPort) }],
  });
}

/** Fixed, because the demo listens on loopback only. */
function sampleAccounts(homes: readonly string[]): SampleAccount[] {
  const account = (user: string, at: number, channels: SampleAccount["channels"]): SampleAccount => ({
    user,
    password: `${user}-demo`.padEnd(8, "-"),
    deviceSecret: `${user}-device`,
    home: homes[at % homes.length] ?? "",
    accessKbps: 10_000,
    channels,
  });
  return [
    account("alice", 0, [{ name: "alice-tv", title: "Alice at home", kbps: 2_000 }]),
    account("bob", 1, [{ name: "bob-tv", title: "Bob's workshop", kbps: 2_000 }]),
    account("studio", 0, [
      { name: "news", title: "News", kbps: SAMPLE_KBPS },
      { name: "sport", title: "Sport", kbps: SAMPLE_KBPS },
    ]),
  ];
}
