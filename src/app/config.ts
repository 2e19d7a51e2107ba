import path from "node:path";
import { BridgeMembers } from "#edge/linux/bridge.ts";
import { type Address, showAddress } from "#host/host.ts";
import type { NatsOptions } from "#overlay/carriers/nats.ts";
import type { Named, OperatorPlan } from "#roles/operator.ts";
import type { BrokerConfig, DsConfig, EdgeConfig, RegistrationConfig, WebConfig } from "#roles/types.ts";
import { type Config, MAIN } from "./config-schema.ts";
import { readText } from "./files.ts";

/** Every role of one process, in the words of the roles. */
export interface ProcessPlan extends OperatorPlan {
  readonly webs: readonly Named<WebConfig>[];
}

type Certificate = NonNullable<Config["ds"][number]["certificate"]>;
type Nats = NonNullable<Config["overlay"]["nats"]>;

/** Of an nkey: "S" for seed, "U" for user, then base 32. */
const USER_SEED = /^SU[A-Z2-7]{56}$/;
const HOME = path.resolve(import.meta.dirname, "../..");
const LOOPBACK_HOSTS = ["localhost", "127.0.0.1"];
const WILDCARDS = ["0.0.0.0", "::"];

/**
 * Turns a configuration without faults into what the roles of one process are told. All hold the same list of origins and read
 * it at each use, so that a reload is one change of `origins`.
 */
export function planOf(config: Config, origins: readonly string[], name: string = MAIN): ProcessPlan {
  const isHere = ({ process }: { readonly process: string }): boolean => process === name;
  const { registration } = config;
  return {
    servers: config.ds.filter(isHere).map((ds) => serverOf(ds, config, origins)),
    edges: config.edge.filter(isHere).map((edge) => edgeOf(edge, config, origins)),
    brokers: config.broker.filter(isHere).map((broker) => brokerOf(broker, config)),
    registration: registration && isHere(registration) ? registrationOf(registration, config) : undefined,
    webs: config.web.filter(isHere).map((web) => webOf(web, config, origins)),
  };
}

/** Names of the processes beside the main one. */
export const childrenOf = (config: Config): readonly string[] => processesOf(config).filter((name) => name !== MAIN);
/** The process that `sipcast ctl` speaks with: the main one, if it has a role. */
export function controlProcessOf(config: Config): string | undefined {
  const names = processesOf(config);
  return names.includes(MAIN) ? MAIN : names[0];
}
function processesOf({ ds, edge, broker, registration, web }: Config): readonly string[] {
  const roles = [...ds, ...edge, ...broker, ...(registration ? [registration] : []), ...web];
  return [...new Set(roles.map(({ process }) => process))];
}

/** The SQLite file of accounts; `undefined` where neither `database` nor `data` says. */
export function databaseOf({ registration, data }: Config): string | undefined {
  return registration?.database ?? (data === undefined ? undefined : path.join(data, "registration.sqlite"));
}
/** As configured, or those under which a browser on this machine, or at the listener's own address, sees the pages. */
export function originsOf({ origins, web }: Config): readonly string[] {
  if (origins.length > 0) return origins;
  const hosts = ({ host }: Address): string[] => [...LOOPBACK_HOSTS, ...(WILDCARDS.includes(host) ? [] : [host])];
  return [
    ...new Set(
      web.flatMap(({ listen }) =>
        hosts(listen).map(
          (host) => `http://${host === "localhost" ? `localhost:${listen.port}` : showAddress({ ...listen, host })}`,
        ),
      ),
    ),
  ];
}
/** RTP has even ports (RFC 3550 §11). */
export function unicastPortsOf(media: Config["edge"][number]["media"]): EdgeConfig["unicastPorts"] {
  const next = media.ingestFirst + media.ingestCount;
  return { first: media.unicastFirst ?? next + (next % 2), count: media.unicastCount };
}
/** Where the DS finds its edge. */
export function edgeCopsOf({ edge, edgeCops }: Config["ds"][number], config: Config): Address | undefined {
  return edgeCops ?? config.edge.find(({ id }) => id === edge)?.cops;
}
/** Where the edge finds its broker. */
export function brokerOfEdge({ broker }: Config["edge"][number], config: Config): Address | undefined {
  return broker ?? (config.broker.length === 1 ? config.broker[0]?.cops : undefined);
}
export const topologyOf = ({ groupPort, edges, links }: Config["broker"][number]): BrokerConfig["topology"] => ({
  groupPort,
  edges,
  links,
});

const registrationOf = ({ id, placement }: NonNullable<Config["registration"]>, config: Config): Named<RegistrationConfig> => ({
  id,
  domain: config.domain,
  database: databaseOf(config) ?? ":memory:",
  placement,
});

const brokerOf = (broker: Config["broker"][number], config: Config): Named<BrokerConfig> => ({
  id: broker.id,
  cops: broker.cops,
  ...sealOf(config),
  topology: topologyOf(broker),
});
const sealOf = ({ copsIntegrity }: Config): Pick<BrokerConfig, "integrity"> =>
  copsIntegrity ? { integrity: copsIntegrity } : {};

/** Throws where a file cannot be read: whoever reports faults has tried. */
export function pemOf({ cert, key, ca }: Certificate): NonNullable<DsConfig["certificate"]> {
  return { cert: readText(cert), key: readText(key), ...(ca !== undefined && { ca: readText(ca) }) };
}

/** How this operator's processes reach one another by NATS. Throws for a file that cannot be read, or is not what it should be. */
export function natsOf({ servers, tls, nkey }: Nats, domain: string): Omit<NatsOptions, "log"> {
  const nkeySeed = readText(nkey).trim();
  if (!USER_SEED.test(nkeySeed)) throw new Error(`${nkey} has no seed of a user's nkey: one line, "SU" and 56 more`);
  return {
    servers,
    tls: { ca: readText(tls.ca), ...(tls.cert && { cert: readText(tls.cert) }), ...(tls.key && { key: readText(tls.key) }) },
    nkeySeed,
    operator: domain,
  };
}

function serverOf(ds: Config["ds"][number], config: Config, origins: readonly string[]): DsConfig {
  const { id, site, udp, tcp, tls, ws, wss, peers, certificate, digest, askOrder } = ds;
  return {
    id,
    site,
    domain: config.domain,
    udp,
    ...(tcp && { tcp }),
    ...(tls && { tls }),
    ws,
    ...(wss && { wss }),
    peers,
    ...(certificate && { certificate: pemOf(certificate) }),
    edge: checked(edgeCopsOf(ds, config)),
    edgeId: ds.edge,
    ...sealOf(config),
    digest,
    askSequentially: askOrder === "sequential",
    origins,
  };
}

function edgeOf(edge: Config["edge"][number], config: Config, origins: readonly string[]): EdgeConfig {
  const { id, site, cops, media, members } = edge;
  return {
    id,
    site,
    cops,
    ...sealOf(config),
    broker: checked(brokerOfEdge(edge, config)),
    mediaAddress: media.address,
    multicastInterface: media.multicastInterface ?? media.address,
    ingestPorts: { first: media.ingestFirst, count: media.ingestCount },
    unicastPorts: unicastPortsOf(media),
    mediaWs: media.ws,
    ...(members && { members: new BridgeMembers(members.bridge) }),
    origins,
  };
}

function webOf(
  { id, listen, pages, sip, media }: Config["web"][number],
  config: Config,
  origins: readonly string[],
): Named<WebConfig> {
  const show = (table: Readonly<Record<string, Address>>): Record<string, string> =>
    Object.fromEntries(Object.entries(table).map(([member, at]) => [member, showAddress(at)]));
  return {
    id,
    domain: config.domain,
    listen,
    pages: pages ?? path.join(HOME, "web/dist"),
    sip: show({ ...Object.fromEntries(config.ds.map(({ id, ws }) => [id, ws])), ...sip }),
    media: show({ ...Object.fromEntries(config.edge.map(({ id, media: { ws } }) => [id, ws])), ...media }),
    origins,
  };
}

function checked<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("Cannot plan a configuration that was not checked");
  return value;
}
