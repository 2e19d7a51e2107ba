import { SILENT } from "#base/log.ts";
import type { Delivery, Identity } from "#client/agents.ts";
import type { Rates } from "#client/descriptions.ts";
import type { ChannelChange } from "#client/viewer.ts";
import type { MemberPort } from "#edge/index.ts";
import type { Host } from "#host/host.ts";
import { type Clip, readClip, type TestPattern, testPattern } from "#media/index.ts";
import { copiedTo, InProcessCarrier, type OverlayNode, type Table } from "#overlay/index.ts";
import { quickPasswords, type SampleAccount } from "#registration/index.ts";
import type { RunningBroker } from "#roles/broker.ts";
import type { RunningDs } from "#roles/ds.ts";
import type { RunningEdge } from "#roles/edge.ts";
import { type Operator, type OperatorPlan, startOperator } from "#roles/operator.ts";
import type { DsConfig } from "#roles/types.ts";
import type { Binding } from "#sip/index.ts";
import type { Uplink } from "#sip/ua.ts";
import { type Line, uplinkOf, WorldBroadcaster, WorldPage, WorldPhone, WorldViewer } from "./people.ts";
import { simCertificate } from "./sim-tls.ts";
import type { Crash, SimNetwork } from "./types.ts";

export { type Line, WorldBroadcaster, WorldPage, WorldPhone, WorldViewer } from "./people.ts";
export { simTest as worldTest } from "./sim-test.ts";

/** What a world may be told; the defaults are the paper's [B15]. */
export interface WorldOptions {
  readonly sites: number;
  /** What COPS takes at an edge, ms: 0, or the paper's 100. */
  readonly copsHandlingMs?: number;
  /** Each site's link to the core, kbit/s. */
  readonly coreKbps?: number;
  /** All viewers of a site together, kbit/s. */
  readonly accessKbps?: number;
  /** Each person's own line, kbit/s. */
  readonly lineKbps?: number;
  /** What broadcasters send; default: the paper's picture in size and rate. */
  readonly pattern?: TestPattern;
  /** Each site's switch snoops IGMP, and its edge sees who has joined (PROTOCOL §12). Default false. */
  readonly snooping?: boolean;
  /** What a DS is configured with besides, by its id and address. */
  readonly ds?: (id: string, host: string) => Partial<DsConfig>;
  /** `ask` channels exactly as in the paper's trace. */
  readonly askSequentially?: boolean;
  /** Is given every edge that has started, to break it: what checks a world must notice. */
  readonly tamper?: (edge: RunningEdge) => void;
}

const DOMAIN = "sipcast.test";
const SIP_PORT = 5060;
const WS_PORT = 5061;
const TLS_PORT = 5062;
const CERTIFICATE_AUTHORITY = "Operator";
const OPERATOR_KEY = new Uint8Array(32).fill(7);
const COPS_PORT = 3288;
const MEDIA_PORT = 5063;
const INGEST_PORTS = { first: 6000, count: 100 };
const UNICAST_PORTS = { first: 7000, count: 100 };
const ACCESS_KBPS = 100_000;
const CORE_KBPS = 1_000_000;
const LINE_KBPS = 10_000;
const CHANNEL_KBPS = 800;
/** 320x240 at 15 frames/s [B15]. */
const PATTERN = { frames: 60, framesPerSec: 15, gopFrames: 15, kbps: 300 };
const START_MS = 1_000;
const GOODBYE_MS = 50;

/** A whole operator and its users on a simulated network, started and serving. */
export class World {
  readonly operator: Operator;
  readonly net: SimNetwork;
  readonly #plan: OperatorPlan;
  readonly #lineKbps: number;
  readonly #clip: Clip;
  readonly #hosts = new Map<string, Host>(); // of servers
  readonly #tamper: (edge: RunningEdge) => void;
  /** In place of the database, which registration loses when it crashes. */
  readonly #accounts: SampleAccount[] = [];

  constructor(net: SimNetwork, options: WorldOptions) {
    this.net = net;
    this.#plan = planWorld(options, net);
    this.#lineKbps = options.lineKbps ?? LINE_KBPS;
    this.#clip = patternClip(options.pattern ?? PATTERN);
    this.#tamper = options.tamper ?? (() => undefined);
    for (const edge of this.#plan.edges) net.setHandling(edge.id, COPS_PORT, options.copsHandlingMs ?? 0);
    this.operator = startOperator(this.#plan, {
      host: (member) => this.#hostOf(member),
      carrier: new InProcessCarrier((from, to) => net.fate(from, to)),
      log: SILENT,
      operatorKey: OPERATOR_KEY,
      passwords: {
        hash: (...asked) => this.#passwords().hash(...asked),
        verify: (...asked) => this.#passwords().verify(...asked),
      },
      failed: (what, error) => {
        throw new Error(`${what}: ${error.message}`);
      },
    });
    for (const edge of this.operator.edges) this.#tamper(edge);
    this.run(START_MS);
  }

  run(ms: number): void {
    this.net.run(ms);
  }
  /** Join ids that the broker holds bandwidth for. */
  reservations(): readonly string[] {
    return this.operator.brokers.flatMap(({ broker }) => broker.reservations().map(({ joinId }) => joinId));
  }
  /** Everything that anybody holds: bandwidth, streams, request states, calls. */
  held() {
    const { brokers, edges, servers } = this.operator;
    return {
      brokers: brokers.flatMap(({ broker }) => broker.reservations()),
      edges: edges.flatMap(({ edge }) => edge.reservations()),
      streams: edges.flatMap(({ media }) => media.streams()),
      servers: servers.flatMap(({ admission }) => admission.reservations()),
      calls: servers.reduce((sum, { calls }) => sum + calls.count, 0),
    };
  }

  /** A server crashes: its process, or the machine under it. */
  kill(member: string, how?: Crash): void {
    this.net.kill(member, how);
  }
  /** A server stops as its operator stops it: it says goodbye first. */
  stop(member: string): void {
    this.operator.stopOne(member, () => undefined);
    this.run(GOODBYE_MS);
    this.kill(member);
  }
  isUp(member: string): boolean {
    return this.net.isUp(member);
  }
  /** Of those that are up, by member id. */
  get brokers(): ReadonlyMap<string, RunningBroker> {
    return this.#up(this.#plan.brokers, this.operator.brokers);
  }
  /** One a site, in order. */
  get edges(): ReadonlyMap<string, RunningEdge> {
    return this.#up(this.#plan.edges, this.operator.edges);
  }
  get servers(): ReadonlyMap<string, RunningDs> {
    return this.#up(this.#plan.servers, this.operator.servers);
  }
  /** Who is registered where, as that DS knows it. */
  bindings(ds: string): Table<Binding> {
    return this.#overlay(ds).table<Binding>("bindings", copiedTo("ds"));
  }
  /** Promises of that member's present life, or its last one, that left before another one had a copy. */
  unreplicated(member: string): number {
    return this.#overlay(member).replication.counters.unreplicated;
  }
  #overlay(member: string): OverlayNode {
    const overlay = this.operator.overlays.get(member);
    if (!overlay) throw new RangeError(`There is no ${member} in this world`);
    return overlay;
  }
  #up<Role>(plans: readonly { readonly id: string }[], roles: readonly Role[]): ReadonlyMap<string, Role> {
    const named = plans.map(({ id }, at) => [id, roles[at] as Role] as const);
    return new Map(named.filter(([id]) => this.isUp(id)));
  }
  /** Starts a server that was killed or stopped, on its machine's disk and clock as they are. */
  restart(member: string): void {
    this.operator.start(member);
    const edge = this.edges.get(member);
    if (edge) this.#tamper(edge);
    if (member === "registration") for (const account of this.#accounts) this.#ensure(account);
  }

  /** Somebody of that site who owns the channels NAME-tv (open) and NAME-ask, and is registered; he sends at those rates, kbit/s. */
  broadcaster(user: string, site: number, rates: Rates = [undefined]): WorldBroadcaster {
    return this.#present(new WorldBroadcaster(this.net, this.signUp(user, site), this.#clip, rates));
  }
  /** Somebody of that site who watches, by multicast or with a stream of his own, and is registered. */
  viewer(user: string, site: number, change: ChannelChange = "replace", form: Delivery["form"] = "multicast"): WorldViewer {
    return this.#present(new WorldViewer(this.net, this.signUp(user, site), form, change));
  }
  /** Somebody of that site who watches in a page and is registered. */
  page(user: string, site: number): WorldPage {
    const identity = this.signUp(user, site);
    return this.#present(new WorldPage(this.net, identity, `ws://${identity.ds.host}:${WS_PORT}`, OPERATOR_KEY));
  }
  /** Somebody of that site with a SIP phone, registered. */
  phone(user: string, site: number, line: Line = "udp"): WorldPhone {
    const identity = this.signUp(user, site);
    const tls = { host: identity.ds.host, port: TLS_PORT };
    const connect = (host: Host): Uplink => uplinkOf(line, host, identity, tls, CERTIFICATE_AUTHORITY);
    return this.#present(new WorldPhone(this.net, identity, line, connect));
  }
  #present<P extends { arrive(): void }>(person: P): P {
    person.arrive();
    this.run(START_MS);
    return person;
  }

  /** On the clock of registration's present life. */
  #passwords(): ReturnType<typeof quickPasswords> {
    return quickPasswords(this.#hostOf("registration"));
  }
  #hostOf(member: string): Host {
    const known = this.#hosts.get(member);
    if (known && this.isUp(member)) return known;
    const host = this.net.host(member, addressOf(member));
    this.#hosts.set(member, host);
    return host;
  }

  /** Signs somebody up whose DS is that of the site [B10], with a machine of his own there, and no client on it yet. */
  signUp(user: string, site: number): Identity {
    const ds = this.#plan.servers[site - 1];
    if (!ds) throw new Error(`There is no site ${site} in this world`);
    const deviceSecret = `${user} device`;
    const channels = [
      { name: `${user}-tv`, title: `${user}'s channel`, kbps: CHANNEL_KBPS },
      { name: `${user}-ask`, title: `${user} asked`, mode: "ask", kbps: CHANNEL_KBPS },
    ] as const;
    const account = { user, password: `${user} password`, deviceSecret, home: ds.id, accessKbps: this.#lineKbps, channels };
    this.#accounts.push(account);
    this.#ensure(account);
    return { user, domain: DOMAIN, deviceSecret, ds: ds.udp, localHost: `10.0.${site}.${100 + this.#accounts.length}` };
  }
  #ensure(account: SampleAccount): void {
    this.operator.registration?.registration.ensureAccount(account, () => undefined);
  }
}

export const world = (net: SimNetwork, options: WorldOptions): World => new World(net, options);

function patternClip(pattern: TestPattern): Clip {
  const read = readClip(testPattern(pattern));
  if (read.status === "bad") throw read.fault;
  return read.clip;
}

/** "ds1" is 10.0.1.1, "edge2" is 10.0.2.2; what no site has stands in 10.0.0. */
function addressOf(member: string): string {
  const [, role = "", site = "0"] = /^([a-z]+)(\d*)$/.exec(member) ?? [];
  return `10.0.${site || 0}.${["ds", "edge", "broker", "registration"].indexOf(role) + 1}`;
}

/** A switch that has every machine behind a port of its own, named by its address. */
const switchOf = (net: SimNetwork): MemberPort => ({
  look: (seen) => seen({ portOf: (host) => host, hasMember: (port, group) => net.hasJoined(port, group) }),
});

function planWorld(options: WorldOptions, net: SimNetwork): OperatorPlan {
  const { sites, coreKbps = CORE_KBPS, accessKbps = ACCESS_KBPS, askSequentially = false, snooping = false } = options;
  const broker = { host: addressOf("broker"), port: COPS_PORT };
  const numbers = Array.from({ length: sites }, (_, at) => at + 1);
  const hosts = (role: string): readonly string[] => numbers.map((number) => addressOf(`${role}${number}`));
  const [servers, edges] = [hosts("ds"), hosts("edge")];
  return {
    servers: servers.map((host, at) => ({
      id: `ds${at + 1}`,
      site: `site${at + 1}`,
      domain: DOMAIN,
      udp: { host, port: SIP_PORT },
      tcp: { host, port: SIP_PORT },
      tls: { host, port: TLS_PORT },
      certificate: {
        ...simCertificate(CERTIFICATE_AUTHORITY, `DNS:${DOMAIN}`, `DNS:ds${at + 1}.${DOMAIN}`),
        ca: CERTIFICATE_AUTHORITY,
      },
      ws: { host, port: WS_PORT },
      edge: { host: edges[at] ?? "", port: COPS_PORT },
      edgeId: `edge${at + 1}`,
      digest: ["SHA-256", "MD5"],
      askSequentially,
      origins: [],
      ...options.ds?.(`ds${at + 1}`, host),
    })),
    edges: edges.map((host, at) => ({
      id: `edge${at + 1}`,
      site: `site${at + 1}`,
      cops: { host, port: COPS_PORT },
      broker,
      mediaAddress: host,
      multicastInterface: host,
      ingestPorts: INGEST_PORTS,
      unicastPorts: UNICAST_PORTS,
      mediaWs: { host, port: MEDIA_PORT },
      ...(snooping && { members: switchOf(net) }),
      origins: [],
    })),
    brokers: [
      {
        id: "broker",
        cops: broker,
        topology: {
          edges: numbers.map((number) => ({
            id: `edge${number}`,
            site: `site${number}`,
            accessKbps,
            coreLinks: [`core${number}`],
          })),
          links: numbers.map((number) => ({ name: `core${number}`, kbps: coreKbps })),
        },
      },
    ],
    registration: { id: "registration", domain: DOMAIN, database: ":memory:", placement: [] },
  };
}
