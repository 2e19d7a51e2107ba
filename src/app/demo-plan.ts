import type { BrokerConfig, DsConfig, EdgeConfig, RegistrationConfig, WebConfig } from "#roles/types.ts";

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
  readonly digest: DsConfig["digest"];
}

export interface DemoSite {
  readonly name: string;
  readonly ds: DsConfig;
  readonly edge: EdgeConfig;
}
export interface DemoAccount {
  readonly user: string;
  readonly password: string;
  readonly deviceSecret: string;
  readonly home: string;
  readonly accessKbps: number;
  readonly channels: readonly { readonly name: string; readonly title: string; readonly kbps: number }[];
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
  readonly domain: string;
  readonly sites: readonly DemoSite[];
  readonly broker: BrokerConfig;
  readonly registration: RegistrationConfig;
  readonly web: WebConfig;
  readonly accounts: readonly DemoAccount[];
  readonly broadcasts: readonly DemoBroadcast[];
}

const DOMAIN = "sipcast.test";
const LOOPBACK = "127.0.0.1";
const PORTS_PER_SITE = 10;
const INGEST_PORTS = 100;
/** The clips' own rate is about 300 kbit/s; headroom for peaks. */
const SAMPLE_KBPS = 500;

export function planDemo(options: DemoOptions, pages: string): DemoPlan {
  const origins = ["localhost", LOOPBACK].map((host) => `http://${host}:${options.webPort}`);
  const brokerCops = { host: LOOPBACK, port: options.basePort + 8 };
  const sites = Array.from({ length: options.sites }, (_, at) => planSite(options, at, brokerCops, origins));
  return {
    domain: DOMAIN,
    sites,
    broker: {
      cops: brokerCops,
      topology: {
        groupPort: options.basePort + 4,
        edges: sites.map(({ edge, name }, at) => ({
          id: edge.id,
          site: name,
          accessKbps: options.accessKbps,
          coreLinks: [`core${at + 1}`],
        })),
        links: sites.map((_, at) => ({ name: `core${at + 1}`, kbps: options.coreKbps })),
      },
    },
    registration: { domain: DOMAIN, database: ":memory:", placement: [] },
    web: {
      domain: DOMAIN,
      listen: { host: LOOPBACK, port: options.webPort },
      pages,
      sip: Object.fromEntries(sites.map(({ ds }) => [ds.id, `${ds.ws.host}:${ds.ws.port}`])),
      media: Object.fromEntries(sites.map(({ edge }) => [edge.id, `${edge.mediaWs.host}:${edge.mediaWs.port}`])),
      origins,
    },
    accounts: sampleAccounts(sites),
    broadcasts: [
      { channel: "news", user: "studio", site: 0, clip: "testdata/clips/news.ts" },
      { channel: "sport", user: "studio", site: sites.length - 1, clip: "testdata/clips/sport.ts" },
    ],
  };
}

function planSite(options: DemoOptions, at: number, broker: EdgeConfig["broker"], origins: readonly string[]): DemoSite {
  const number = at + 1;
  const name = `site${number}`;
  const port = options.basePort + PORTS_PER_SITE * at;
  const edgeCops = { host: LOOPBACK, port: port + 2 };
  return {
    name,
    ds: {
      id: `ds${number}`,
      site: name,
      domain: DOMAIN,
      udp: { host: LOOPBACK, port },
      tcp: { host: LOOPBACK, port },
      ws: { host: LOOPBACK, port: port + 1 },
      edge: edgeCops,
      edgeId: `edge${number}`,
      digest: options.digest,
      origins,
    },
    edge: {
      id: `edge${number}`,
      site: name,
      cops: edgeCops,
      broker,
      mediaAddress: `127.0.${number}.1`,
      multicastInterface: LOOPBACK,
      ingestPorts: { first: options.basePort + 1_000 + INGEST_PORTS * at, count: INGEST_PORTS },
      mediaWs: { host: LOOPBACK, port: port + 3 },
      origins,
    },
  };
}

/** Fixed, because the demo listens on loopback only. */
function sampleAccounts(sites: readonly DemoSite[]): DemoAccount[] {
  const homes = sites.map(({ ds }) => ds.id);
  const account = (user: string, at: number, channels: DemoAccount["channels"]): DemoAccount => ({
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
