/** Edges and broker as roles on a simulated network, asked by a DS's PEP (PROTOCOL §7; [B7] [B8] [B11]). */
import assert from "node:assert/strict";
import { SILENT } from "#base/log.ts";
import type { JoinRequest } from "#cops/engine/iptv.ts";
import {
  type Attributes,
  CLIENT_TYPE,
  CopsPep,
  type CopsRequest,
  copsKey,
  type Decision,
  type Handle,
  joinRequestAttributes,
  provisionGrant,
  provisionRequestAttributes,
} from "#cops/index.ts";
import type { Host } from "#host/host.ts";
import { InProcessCarrier, OverlayNode } from "#overlay/index.ts";
import type { RoleName } from "#overlay/types.ts";
import { type SimNetwork, simTest } from "#sim/index.ts";
import { type RunningBroker, startBroker } from "./broker.ts";
import { type RunningEdge, startEdge } from "./edge.ts";
import type { CopsIntegrity, RoleContext, Topology } from "./types.ts";

const TOPOLOGY: Topology = {
  edges: [
    { id: "edge1", site: "1", accessKbps: 10_000, coreLinks: ["core1"] },
    { id: "edge2", site: "2", accessKbps: 10_000, coreLinks: ["core2"] },
  ],
  links: [
    { name: "core1", kbps: 1_500 },
    { name: "core2", kbps: 10_000 },
  ],
};
const BROKER = { host: "127.0.0.100", port: 3288 };
const PROVISION = provisionRequestAttributes({
  joinId: "f0".repeat(16),
  channel: "tv1",
  user: "bob",
  kbps: 1_000,
  sender: "127.0.0.50",
});
const nameOf = (joinNumber: number): string => joinNumber.toString(16).padStart(32, "0");

/** A DS's side of COPS: asks and remembers what was decided. */
class TestDs {
  readonly decisions = new Map<Handle, Decision>();
  readonly #pep: CopsPep;
  constructor(host: Host, edgeAddress: string, integrity?: CopsIntegrity) {
    const clientTypes = Object.values(CLIENT_TYPE);
    this.#pep = new CopsPep(
      host,
      { peer: { host: edgeAddress, port: 3288 }, pepId: "ds", clientTypes, ...(integrity && { integrity: copsKey(integrity) }) },
      {
        onOpened: () => undefined,
        onDecision: (handle, decision) => this.decisions.set(handle, decision),
        onSynchronize: (clientType, handle) => this.#pep.synchronized(clientType, handle),
        onLost: () => undefined,
      },
    );
  }
  provision(attributes: Attributes): Handle {
    return this.#pep.request(CLIENT_TYPE.provisioning, { kind: "configuration", attributes });
  }
  join(attributes: Attributes): Handle {
    return this.#pep.request(CLIENT_TYPE.admission, { kind: "admission-sink", attributes } satisfies CopsRequest);
  }
  return(handle: Handle): void {
    this.#pep.delete(CLIENT_TYPE.admission, handle, "tear");
  }
  verdict(handle: Handle): string | undefined {
    const decision = this.decisions.get(handle);
    return decision?.command === "remove" ? String(decision.attributes["reason"]) : decision?.command;
  }
}

class Site {
  readonly net: SimNetwork;
  readonly carrier = new InProcessCarrier();
  broker: RunningBroker;
  readonly edges: readonly RunningEdge[];
  readonly #members = new Map<string, OverlayNode>();
  readonly #keyed: { readonly integrity?: CopsIntegrity };
  constructor(net: SimNetwork, integrity?: CopsIntegrity) {
    this.net = net;
    this.#keyed = integrity ? { integrity } : {};
    this.broker = this.startBroker();
    this.edges = [1, 2].map((number) => {
      const address = `127.0.0.${number}`;
      return startEdge(this.#context(`edge${number}`, address, "edge"), {
        id: `edge${number}`,
        site: String(number),
        cops: { host: address, port: 3288 },
        broker: BROKER,
        mediaAddress: address,
        multicastInterface: address,
        ingestPorts: { first: 40_000, count: 10 },
        unicastPorts: { first: 41_000, count: 10 },
        mediaWs: { host: address, port: 8_000 },
        origins: [],
        ...this.#keyed,
      });
    });
  }
  startBroker(): RunningBroker {
    this.broker = startBroker(this.#context("broker", BROKER.host, "broker"), {
      cops: BROKER,
      topology: TOPOLOGY,
      ...this.#keyed,
    });
    return this.broker;
  }
  ds(number: 1 | 2, name = `ds${number}`, integrity = this.#keyed.integrity): TestDs {
    const addressEnd = name === `ds${number}` ? 10 + number : 20 + number;
    return new TestDs(this.net.host(name, `127.0.0.${addressEnd}`), `127.0.0.${number}`, integrity);
  }
  /** "tv1" on air at edge 1; the attributes of a join of it. */
  onAir(ds: TestDs): (joinNumber: number, more?: Partial<JoinRequest>) => Attributes {
    const handle = ds.provision(PROVISION);
    this.net.run(500);
    const grant = provisionGrant(ds.decisions.get(handle)?.attributes ?? {});
    assert.ok(grant, "the channel was granted");
    const base = {
      channel: "tv1",
      kbps: 1_000,
      accessKbps: 0,
      sourceEdge: "edge1",
      coreGroup: grant.group,
      coreSource: grant.source,
    };
    return (joinNumber, more) => {
      const joinId = nameOf(joinNumber);
      return joinRequestAttributes({ joinId, user: joinId, delivery: "multicast", ...base, ...more });
    };
  }
  joinIds(): string[] {
    return this.broker.broker.reservations().map(({ joinId }) => joinId);
  }
  streamsAt(number: 1 | 2): string[] {
    return this.edges[number - 1]?.media.streams().map(({ stream }) => stream) ?? [];
  }
  bookedKbps(): Record<string, number> {
    return Object.fromEntries(this.broker.broker.links().map(({ name, bookedKbps }) => [name, bookedKbps]));
  }
  phase(member: string): string | undefined {
    return this.#members.get(member)?.self.phase;
  }

  #context(id: string, address: string, role: RoleName): RoleContext {
    const host = this.net.host(id, address);
    const overlay = new OverlayNode(this.carrier, host, { id, role, info: {} });
    this.#members.set(id, overlay);
    const failed = (what: string, error: Error): void => assert.fail(`${what}: ${error.message}`);
    return { host, overlay, log: SILENT, operatorKey: new Uint8Array(32), failed };
  }
}

simTest("broker and edges serve once policies are installed", (net) => {
  const site = new Site(net);
  assert.equal(site.phase("edge1"), "joining");
  net.run(1_000);
  for (const member of ["broker", "edge1", "edge2"]) assert.equal(site.phase(member), "serving", member);
});

simTest("a channel is provisioned, joined at the other edge and returned; nothing stays [B8] [B11]", (net) => {
  const site = new Site(net);
  const ds2 = site.ds(2);
  const joinOf = site.onAir(site.ds(1));
  const handles = [ds2.join(joinOf(1)), ds2.join(joinOf(2))];
  net.run(500);
  assert.deepEqual(
    handles.map((handle) => ds2.verdict(handle)),
    ["install", "install"],
  );
  assert.equal(ds2.decisions.get(handles[0] ?? "")?.attributes["group"], "232.0.2.0:5004");
  assert.deepEqual(site.bookedKbps(), { core1: 1_000, core2: 1_000, edge1: 0, edge2: 2_000 });
  assert.deepEqual([site.streamsAt(1), site.streamsAt(2)], [["tv1"], ["tv1"]]);
  for (const handle of handles) ds2.return(handle);
  net.run(500);
  assert.deepEqual(site.bookedKbps(), { core1: 0, core2: 0, edge1: 0, edge2: 0 });
  assert.deepEqual([site.streamsAt(1), site.streamsAt(2)], [["tv1"], []]);
});

simTest("a full core refuses with the reason, and nothing of the refused stays (PROTOCOL §4)", (net) => {
  const site = new Site(net);
  const ds2 = site.ds(2);
  const joinOf = site.onAir(site.ds(1));
  const first = ds2.join(joinOf(1));
  const second = ds2.join(joinOf(2, { channel: "tv9", kbps: 501 }));
  net.run(500);
  assert.deepEqual([ds2.verdict(first), ds2.verdict(second)], ["install", "core-full"]);
  assert.deepEqual(site.joinIds(), [nameOf(1)]);
  assert.deepEqual(site.streamsAt(2), ["tv1"]);
  assert.equal(site.edges[1]?.edge.reservations().length, 1);
});

simTest("what a vanished DS held is released after 60 s, unless another adopts it (PROTOCOL §7)", (net) => {
  const site = new Site(net);
  const ds2 = site.ds(2);
  const joinOf = site.onAir(site.ds(1));
  ds2.join(joinOf(1));
  ds2.join(joinOf(2));
  net.run(500);
  net.kill("ds2");
  net.run(30_000);
  const standIn = site.ds(2, "ds3");
  const adopted = standIn.join(joinOf(2));
  net.run(25_000);
  assert.equal(standIn.verdict(adopted), "install");
  assert.deepEqual(site.joinIds(), [nameOf(1), nameOf(2)]);
  net.run(120_000);
  assert.deepEqual(site.joinIds(), [nameOf(2)]);
  assert.deepEqual(site.streamsAt(2), ["tv1"]);
});

simTest("a broker that is killed finds its books again, and what was decided without it (RFC 2748 §2.5)", (net) => {
  const site = new Site(net);
  const ds2 = site.ds(2);
  const joinOf = site.onAir(site.ds(1));
  ds2.join(joinOf(1));
  net.run(500);
  net.kill("broker");
  net.run(100);
  const alone = ds2.join(joinOf(2));
  net.run(60_000);
  assert.equal(ds2.verdict(alone), "install");
  site.startBroker();
  net.run(10_000);
  assert.deepEqual(site.joinIds(), [nameOf(1), nameOf(2)]);
  assert.deepEqual(site.bookedKbps(), { core1: 1_000, core2: 1_000, edge1: 0, edge2: 2_000 });
});

simTest("what a DS gave up while the broker was silent is held nowhere (PROTOCOL §4)", (net) => {
  const site = new Site(net);
  const ds2 = site.ds(2);
  const joinOf = site.onAir(site.ds(1));
  net.cut("edge2", "broker");
  const handle = ds2.join(joinOf(1));
  net.run(2_000);
  assert.equal(ds2.verdict(handle), undefined);
  ds2.return(handle);
  net.run(1_000);
  assert.deepEqual(site.edges[1]?.edge.reservations(), []);
  net.heal("edge2", "broker");
  net.run(30_000);
  assert.deepEqual(site.joinIds(), []);
  assert.deepEqual(site.streamsAt(2), []);
});

simTest("a WebSocket viewer who never comes is taken back (PROTOCOL §12)", (net) => {
  const site = new Site(net);
  const ds2 = site.ds(2);
  const handle = ds2.join(site.onAir(site.ds(1))(1, { delivery: "websocket" }));
  net.run(500);
  assert.equal(ds2.verdict(handle), "install");
  net.run(30_000);
  assert.equal(ds2.verdict(handle), "media-gone");
  assert.deepEqual(site.joinIds(), []);
  assert.deepEqual(site.streamsAt(2), []);
});

simTest("a channel is changed on a full core: new handle, old join id, the larger of the two booked (PROTOCOL §6)", (net) => {
  const site = new Site(net);
  const [ds1, ds2] = [site.ds(1), site.ds(2)];
  const joinOf = site.onAir(ds1);
  const other = ds1.provision({ ...PROVISION, joinId: nameOf(99), channel: "tv2", kbps: 1_200 });
  net.run(500);
  const group = String(ds1.decisions.get(other)?.attributes["group"]);
  const alice = { user: "alice", accessKbps: 1_200 };
  const change = { ...alice, channel: "tv2", coreGroup: group, kbps: 1_200, replaces: nameOf(1) };
  const old = ds2.join(joinOf(1, alice));
  net.run(500);
  const tooMuch = ds2.join(joinOf(2, { ...change, kbps: 1_201 }));
  const stranger = ds2.join(joinOf(3, { ...change, user: "mallory" }));
  net.run(500);
  assert.deepEqual(
    [old, tooMuch, stranger].map((handle) => ds2.verdict(handle)),
    ["install", "user-full", "core-full"],
  );
  for (const handle of [tooMuch, stranger]) ds2.return(handle);
  const next = ds2.join(joinOf(4, change));
  net.run(500);
  assert.equal(ds2.verdict(next), "install");
  assert.deepEqual(site.bookedKbps(), { core1: 1_200, core2: 1_200, edge1: 0, edge2: 1_200 });
  assert.deepEqual(site.streamsAt(2), ["tv1", "tv2"]);
  ds2.return(old);
  net.run(500);
  assert.deepEqual([site.joinIds(), site.streamsAt(2)], [[nameOf(4)], ["tv2"]]);
  assert.deepEqual(site.bookedKbps(), { core1: 1_200, core2: 1_200, edge1: 0, edge2: 1_200 });
});

simTest("a channel change stands over a broker's restart in the middle of it (PROTOCOL §6, §7)", (net) => {
  const site = new Site(net);
  const [ds1, ds2] = [site.ds(1), site.ds(2)];
  const joinOf = site.onAir(ds1);
  const other = ds1.provision({ ...PROVISION, joinId: nameOf(99), channel: "tv2" });
  net.run(500);
  const old = ds2.join(joinOf(1, { user: "alice" }));
  net.run(500);
  const coreGroup = String(ds1.decisions.get(other)?.attributes["group"]);
  ds2.join(joinOf(2, { user: "alice", channel: "tv2", coreGroup, replaces: nameOf(1) }));
  net.run(500);
  net.kill("broker");
  site.startBroker();
  net.run(10_000);
  assert.deepEqual(site.joinIds().toSorted(), [nameOf(1), nameOf(2)]);
  assert.equal(site.bookedKbps()["core1"], 1_000);
  ds2.return(old);
  net.run(500);
  assert.deepEqual([site.joinIds(), site.bookedKbps()["core1"]], [[nameOf(2)], 1_000]);
});

simTest("an edge accounts to the broker for what it carries, every minute (RFC 2748 §2.2.15)", (net) => {
  const site = new Site(net);
  site.ds(2).join(site.onAir(site.ds(1))(1));
  net.run(500);
  const broadcaster = net
    .host("bob", "127.0.0.50")
    .datagram({ host: "127.0.0.50", port: 0 }, { datagram: () => undefined, failed: assert.fail });
  const packet = Uint8Array.from(
    { length: 12 + 7 * 188 },
    (_, at) => ([0x80, 33][at] ?? 0) || (at >= 12 && (at - 12) % 188 === 0 ? 0x47 : 0),
  );
  for (let number = 0; number < 1_100; number++) {
    packet.set([number >> 8, number & 255], 2);
    broadcaster.send(packet, { host: "127.0.0.1", port: 40_000 });
    net.run(50);
  }
  net.run(5_000);
  const [{ carriedKiB } = { carriedKiB: 0 }] = site.broker.broker.reservations();
  assert.ok(carriedKiB > 1_200 && carriedKiB <= (1_100 * 7 * 188) / 1_024, `${carriedKiB}`);
});

simTest("with a key everything is served, and whoever has none is not (RFC 2748 §4.1)", (net) => {
  const site = new Site(net, { keyId: 1, key: "a secret of the operator" });
  const ds2 = site.ds(2);
  const joinOf = site.onAir(site.ds(1));
  const handle = ds2.join(joinOf(1));
  const stranger = site.ds(2, "stranger", { keyId: 1, key: "a secret of nobody" });
  const asked = stranger.join(joinOf(2));
  net.run(10_000);
  assert.deepEqual([ds2.verdict(handle), stranger.verdict(asked)], ["install", undefined]);
});
