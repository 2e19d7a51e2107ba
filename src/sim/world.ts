import { SILENT } from "#base/log.ts";
import { BroadcasterAgent, type Identity, ViewerAgent } from "#client/agents.ts";
import type { Outcome } from "#client/outcome.ts";
import type { Host } from "#host/host.ts";
import { type Clip, readClip, testPattern } from "#media/index.ts";
import { InProcessCarrier } from "#overlay/index.ts";
import { quickPasswords } from "#registration/index.ts";
import { type Operator, type OperatorPlan, startOperator } from "#roles/operator.ts";
import type { SimNetwork } from "./types.ts";

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
}
/** Somebody who broadcasts, as a test sees him. */
export interface WorldBroadcaster {
  readonly state: string;
  readonly ended: Outcome | undefined;
  /** RTP packets sent. */
  readonly sent: number;
  goLive(channel: string): void;
  end(): void;
}
export interface WorldViewer {
  /** `refused`: a final answer other than 2xx; `ended`: nobody answered, or it ended later. */
  readonly state: string;
  readonly refusal: Outcome | undefined;
  /** TS packets received, and since the present stream began. */
  readonly packets: number;
  /** From the choice of the channel to its 2xx, ms. */
  readonly setupMs: number | undefined;
  watch(channel: string): void;
  leave(): void;
}

const DOMAIN = "sipcast.test";
const SIP_PORT = 5060;
const WS_PORT = 5061;
const COPS_PORT = 3288;
const MEDIA_PORT = 5063;
const INGEST_PORTS = { first: 6000, count: 100 };
const ACCESS_KBPS = 100_000;
const CORE_KBPS = 1_000_000;
const LINE_KBPS = 10_000;
const CHANNEL_KBPS = 800;
/** 320x240 at 15 frames/s [B15]. */
const PATTERN = { frames: 60, framesPerSec: 15, gopFrames: 15, kbps: 300 };
const START_MS = 1_000;
const TS_PACKET_BYTES = 188;

/** A whole operator and its users on a simulated network, started and serving. */
export class World {
  readonly operator: Operator;
  readonly net: SimNetwork;
  readonly #plan: OperatorPlan;
  readonly #lineKbps: number;
  readonly #clip: Clip;
  #people = 0;

  constructor(net: SimNetwork, options: WorldOptions) {
    this.net = net;
    this.#plan = planWorld(options);
    this.#lineKbps = options.lineKbps ?? LINE_KBPS;
    this.#clip = patternClip();
    const hosts = new Map<string, Host>();
    const hostOf = (member: string): Host => {
      const host = hosts.get(member) ?? net.host(member, addressOf(member));
      hosts.set(member, host);
      return host;
    };
    for (const edge of this.#plan.edges) net.setHandling(edge.id, COPS_PORT, options.copsHandlingMs ?? 0);
    this.operator = startOperator(this.#plan, {
      host: hostOf,
      carrier: new InProcessCarrier(),
      log: SILENT,
      operatorKey: new Uint8Array(32).fill(7),
      passwords: quickPasswords(hostOf("registration")),
      failed: (what, error) => {
        throw new Error(`${what}: ${error.message}`);
      },
    });
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

  /** Somebody of that site who owns the channel NAME-tv and is registered. */
  broadcaster(user: string, site: number): WorldBroadcaster {
    const { net } = this;
    const identity = this.#person(user, site);
    let state = "idle";
    let ended: Outcome | undefined;
    const agent = new BroadcasterAgent(net.host(user, identity.localHost), identity, this.#clip, {
      onRegistration: ({ kind }) => net.note(`${user} ${kind}`),
      onState: (now) => {
        state = now.kind;
        ended = now.kind === "ended" ? now : undefined;
        net.note(`${user} ${state}`);
      },
      onFault: raise,
    });
    agent.register();
    this.run(START_MS);
    return {
      get state() {
        return state;
      },
      get ended() {
        return ended;
      },
      get sent() {
        return agent.sent;
      },
      goLive: (channel) => agent.goLive(channel),
      end: () => agent.end(),
    };
  }

  /** Somebody of that site who watches by multicast and is registered. */
  viewer(user: string, site: number): WorldViewer {
    const { net } = this;
    const identity = this.#person(user, site);
    let state = "idle";
    let refusal: Outcome | undefined;
    let setupMs: number | undefined;
    let packets = 0;
    const delivery = { form: "multicast", multicastInterface: identity.localHost } as const;
    const agent = new ViewerAgent(net.host(user, identity.localHost), identity, delivery, {
      onRegistration: ({ kind }) => net.note(`${user} ${kind}`),
      onState: (now) => {
        const isRefused = now.kind === "ended" && now.status !== undefined;
        state = isRefused ? "refused" : now.kind;
        refusal = now.kind === "ended" ? now : undefined;
        setupMs = now.kind === "watching" ? now.setupMs : undefined;
        packets = 0;
        net.note(`${user} ${state}`);
      },
      onPackets: (octets) => {
        packets += octets.length / TS_PACKET_BYTES;
      },
      onFault: raise,
    });
    agent.register();
    this.run(START_MS);
    return {
      get state() {
        return state;
      },
      get refusal() {
        return refusal;
      },
      get packets() {
        return packets;
      },
      get setupMs() {
        return setupMs;
      },
      watch: (channel) => agent.watch(channel),
      leave: () => agent.leave(),
    };
  }

  /** Signs somebody up whose DS is that of the site [B10]. */
  #person(user: string, site: number): Identity {
    const ds = this.#plan.servers[site - 1];
    if (!ds) throw new Error(`There is no site ${site} in this world`);
    const deviceSecret = `${user} device`;
    const channels = [{ name: `${user}-tv`, title: `${user}'s channel`, kbps: CHANNEL_KBPS }];
    const account = { user, password: `${user} password`, deviceSecret, home: ds.id, accessKbps: this.#lineKbps, channels };
    this.operator.registration?.registration.ensureAccount(account, () => undefined);
    this.#people++;
    return { user, domain: DOMAIN, deviceSecret, ds: ds.udp, localHost: `10.0.${site}.${100 + this.#people}` };
  }
}

export const world = (net: SimNetwork, options: WorldOptions): World => new World(net, options);

function raise(error: Error): never {
  throw error;
}

function patternClip(): Clip {
  const read = readClip(testPattern(PATTERN));
  if (read.status === "bad") throw read.fault;
  return read.clip;
}

/** "ds1" is 10.0.1.1, "edge2" is 10.0.2.2; what no site has stands in 10.0.0. */
function addressOf(member: string): string {
  const [, role = "", site = "0"] = /^([a-z]+)(\d*)$/.exec(member) ?? [];
  return `10.0.${site || 0}.${["ds", "edge", "broker", "registration"].indexOf(role) + 1}`;
}

function planWorld({ sites, coreKbps = CORE_KBPS, accessKbps = ACCESS_KBPS }: WorldOptions): OperatorPlan {
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
      ws: { host, port: WS_PORT },
      edge: { host: edges[at] ?? "", port: COPS_PORT },
      edgeId: `edge${at + 1}`,
      digest: ["SHA-256", "MD5"],
      origins: [],
    })),
    edges: edges.map((host, at) => ({
      id: `edge${at + 1}`,
      site: `site${at + 1}`,
      cops: { host, port: COPS_PORT },
      broker,
      mediaAddress: host,
      multicastInterface: host,
      ingestPorts: INGEST_PORTS,
      mediaWs: { host, port: MEDIA_PORT },
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
