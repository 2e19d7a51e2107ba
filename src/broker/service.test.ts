import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import { edgePolicy, type JoinRequest, joinRequestAttributes } from "#cops/engine/iptv.ts";
import { CLIENT_TYPE, type CopsRequest, type Decision, type PdpPort } from "#cops/engine/types.ts";
import type { Topology } from "#roles/types.ts";
import { type SimNetwork, simNetwork } from "#sim/index.ts";
import { Broker } from "./service.ts";

const TOPOLOGY: Topology = {
  edges: [
    { id: "edge1", site: "1", accessKbps: 10_000, coreLinks: ["a"] },
    { id: "edge2", site: "2", accessKbps: 2_000, coreLinks: ["b"] },
  ],
  links: [
    { name: "a", kbps: 1_000 },
    { name: "b", kbps: 5_000 },
  ],
};
function join(joinId: string, more: Partial<JoinRequest> = {}, kind: CopsRequest["kind"] = "admission-sink"): CopsRequest {
  const attributes = joinRequestAttributes({
    joinId,
    channel: "tv1",
    user: joinId,
    kbps: 1_000,
    accessKbps: 0,
    sourceEdge: "edge1",
    coreGroup: "232.0.1.0:5004",
    coreSource: "127.0.0.1",
    delivery: "multicast",
    ...more,
  });
  return { kind, attributes };
}

class Bench implements PdpPort {
  readonly broker: Broker;
  readonly synchronizing: string[] = [];
  readonly #last = new Map<string, Decision>();
  constructor(net: SimNetwork, topology = TOPOLOGY) {
    this.broker = new Broker(net.host("broker", "127.0.0.1"), topology, this);
  }
  decide(pep: number, handle: string, decision: Decision): void {
    this.#last.set(`${pep}/${handle}`, decision);
  }
  synchronize(pep: number, clientType: number): void {
    this.synchronizing.push(`${pep} ${clientType.toString(16)}`);
  }
  open(pep: number, edgeId: string): void {
    for (const clientType of Object.values(CLIENT_TYPE)) assert.ok(this.broker.onOpen(pep, edgeId, clientType));
  }
  /** Both edges are there and have told what they hold: nothing. Connection n is edge n's. */
  whole(): this {
    for (const pep of [1, 2]) {
      this.open(pep, `edge${pep}`);
      this.broker.onSynchronized(pep, CLIENT_TYPE.admission, undefined);
    }
    return this;
  }
  /** "install", or the reason of a Remove. */
  ask(pep: number, handle: string, request: CopsRequest): string {
    this.broker.onRequest(pep, CLIENT_TYPE.admission, handle, request);
    const decision = this.decided(pep, handle);
    return decision?.command === "remove" ? String(decision.attributes["reason"]) : String(decision?.command);
  }
  decided(pep: number, handle: string): Decision | undefined {
    return this.#last.get(`${pep}/${handle}`);
  }
  joinIds(): string[] {
    return this.broker.reservations().map(({ joinId }) => joinId);
  }
  bookedKbps(): Record<string, number> {
    return Object.fromEntries(this.broker.links().map(({ name, bookedKbps }) => [name, bookedKbps]));
  }
}
function brokerTest(name: string, body: (bench: Bench, net: SimNetwork) => void): void {
  test(`Broker ${name}`, () => {
    const net = simNetwork(1);
    body(new Bench(net), net);
  });
}
const NOTHING = { a: 0, b: 0, edge1: 0, edge2: 0 };
const ONE = { a: 1_000, b: 1_000, edge1: 0, edge2: 1_000 };

brokerTest("serves edges of its topology and their two client-types only (RFC 2748 §3.6)", ({ broker }) => {
  assert.equal(broker.onOpen(1, "edge9", CLIENT_TYPE.admission), false);
  assert.equal(broker.onOpen(1, "edge1", 1), false);
  assert.equal(broker.onOpen(1, "edge1", CLIENT_TYPE.admission), true);
});

brokerTest("gives each edge groups of its own from 232.0.1.0 up (PROTOCOL §3)", (bench) => {
  for (const [pep, edgeId, groupFirst, accessKbps] of [
    [1, "edge1", "232.0.1.0", 10_000],
    [2, "edge2", "232.0.2.0", 2_000],
  ] as const) {
    bench.open(pep, edgeId);
    assert.equal(bench.ask(pep, "h1", { kind: "configuration", attributes: {} }), "install");
    const policy = edgePolicy(bench.decided(pep, "h1")?.attributes ?? {});
    assert.equal(policy?.groupFirst, groupFirst);
    assert.equal(policy?.groupCount, 256);
    assert.equal(policy?.accessKbps, accessKbps);
    assert.equal(policy?.localQuotaKbps, accessKbps / 10);
  }
});

brokerTest("grants with the parent edge, books, and frees on DRQ [B8]", (bench) => {
  bench.whole();
  assert.equal(bench.ask(2, "h1", join("j1")), "install");
  assert.deepEqual(bench.decided(2, "h1")?.attributes, { kbps: 1_000, parentEdge: "edge1" });
  assert.deepEqual(bench.bookedKbps(), ONE);
  assert.deepEqual(bench.broker.reservations(), [
    { joinId: "j1", channel: "tv1", user: "j1", kbps: 1_000, sinkEdge: "edge2", carriedKiB: 0 },
  ]);
  bench.broker.onDelete(2, "h1", "tear");
  assert.deepEqual(bench.bookedKbps(), NOTHING);
  assert.deepEqual(bench.joinIds(), []);
});

brokerTest("refuses with the reason and keeps nothing; the DRQ that follows is harmless", (bench) => {
  bench.whole();
  bench.ask(2, "h1", join("j1"));
  assert.equal(bench.ask(2, "h2", join("j2", { channel: "tv2" })), "core-full");
  assert.equal(bench.ask(2, "h3", join("j3", { sourceEdge: "edge9" })), "unknown-edge");
  bench.broker.onDelete(2, "h2", "insufficient-resources");
  assert.deepEqual(bench.joinIds(), ["j1"]);
  assert.deepEqual(bench.bookedKbps(), ONE);
});

brokerTest("refuses what is no join, and counts it", (bench) => {
  bench.whole();
  assert.equal(bench.ask(2, "h1", { kind: "admission-sink", attributes: { joinId: "j1" } }), "malformed");
  assert.equal(bench.broker.malformedRequests, 1);
});

brokerTest("books nothing for the source's side (PROTOCOL §7)", (bench) => {
  bench.open(1, "edge1");
  assert.equal(bench.ask(1, "h1", join("j1", {}, "admission-source")), "install");
  assert.equal(bench.ask(1, "h2", join("j1", { sourceEdge: "edge9" }, "admission-source")), "unknown-edge");
  assert.deepEqual(bench.bookedKbps(), NOTHING);
});

brokerTest("knows a join by its name: under another handle it costs nothing more, and the old handle is void", (bench) => {
  bench.whole();
  bench.ask(2, "h1", join("j1"));
  assert.equal(bench.ask(2, "h2", join("j1")), "install");
  assert.deepEqual(bench.bookedKbps(), ONE);
  bench.broker.onDelete(2, "h1", "tear");
  assert.deepEqual(bench.joinIds(), ["j1"]);
  bench.broker.onDelete(2, "h2", "tear");
  assert.deepEqual(bench.joinIds(), []);
});

brokerTest("releases what a handle named before it names another join", (bench) => {
  bench.whole();
  bench.ask(2, "h1", join("j1"));
  bench.ask(2, "h1", join("j2"));
  assert.deepEqual(bench.joinIds(), ["j2"]);
  assert.deepEqual(bench.bookedKbps(), ONE);
});

brokerTest("changes a channel on a full path: the old counts as free, the larger is booked (PROTOCOL §6)", (bench) => {
  bench.whole();
  bench.ask(2, "h1", join("j1", { user: "alice", accessKbps: 1_000 }));
  assert.equal(bench.ask(2, "h2", join("j2", { user: "alice", accessKbps: 1_000, channel: "tv2", replaces: "j1" })), "install");
  assert.deepEqual(bench.bookedKbps(), ONE);
  bench.broker.onDelete(2, "h1", "tear");
  assert.deepEqual(bench.bookedKbps(), ONE);
});

brokerTest("counts an absent edge at what it last held, for edgeAbsenceMs (PROTOCOL §7)", (bench, net) => {
  bench.whole();
  bench.ask(2, "h1", join("j1"));
  bench.broker.onGone(2, "edge2");
  net.run(LIMITS.edgeAbsenceMs - 1);
  assert.deepEqual(bench.bookedKbps(), ONE);
  net.run(20);
  assert.deepEqual(bench.bookedKbps(), NOTHING);
});

brokerTest("releases what an edge that is back does not ask for again within readoptMs", (bench, net) => {
  bench.whole();
  bench.ask(2, "h1", join("j1"));
  bench.ask(2, "h2", join("j2"));
  bench.broker.onGone(2, "edge2");
  net.run(1_000);
  bench.open(3, "edge2");
  assert.equal(
    bench.ask(3, "h1", { ...join("j2"), localDecision: { command: "install", attributes: { kbps: 1_000 } } }),
    "install",
  );
  net.run(LIMITS.readoptMs - 1);
  assert.deepEqual(bench.joinIds(), ["j1", "j2"]);
  net.run(20);
  assert.deepEqual(bench.joinIds(), ["j2"]);
  net.run(LIMITS.edgeAbsenceMs);
  assert.deepEqual(bench.joinIds(), ["j2"]);
});

brokerTest("does not take the end of an old connection for the end of the new one", (bench, net) => {
  bench.whole();
  bench.ask(2, "h1", join("j1"));
  bench.ask(2, "h2", join("j2"));
  bench.open(3, "edge2");
  bench.ask(3, "h1", join("j1"));
  bench.broker.onGone(2, "edge2");
  net.run(LIMITS.readoptMs + 20);
  assert.deepEqual(bench.joinIds(), ["j1"]);
});

// ---------------------------------------------------------------------- bandwidth in doubt (PROTOCOL §7, DESIGN §6)

const FACT = { localDecision: { command: "install", attributes: { kbps: 1_000 } } } as const;
brokerTest("asks every edge that opens what it holds (RFC 2748 §2.5, §3.5)", (bench) => {
  bench.whole();
  assert.deepEqual(bench.synchronizing, ["1 9101", "2 9101"]);
});

brokerTest(
  "promises nothing on core links before every edge told what it holds, or brokerSettleMs after its start",
  (bench, net) => {
    bench.open(2, "edge2");
    assert.equal(bench.ask(2, "h1", join("j1")), "broker-silent");
    assert.equal(bench.ask(2, "h2", join("j2", { sourceEdge: "edge2" })), "install"); // crosses no core link
    bench.broker.onDelete(2, "h2", "tear");
    assert.equal(bench.ask(2, "h3", { ...join("j3"), ...FACT }), "install"); // is carried already
    bench.broker.onSynchronized(2, CLIENT_TYPE.admission, undefined);
    assert.equal(bench.ask(2, "h1", join("j1")), "broker-silent");
    bench.open(1, "edge1");
    assert.equal(bench.ask(2, "h1", join("j1")), "broker-silent");
    bench.broker.onSynchronized(1, CLIENT_TYPE.admission, undefined);
    assert.equal(bench.ask(2, "h1", join("j1")), "install");
    assert.equal(bench.bookedKbps()["a"], 1_000);
    net.run(LIMITS.brokerSettleMs);
  },
);

brokerTest("takes a known join again whatever is in doubt", (bench) => {
  bench.whole();
  bench.ask(2, "h1", join("j1"));
  bench.broker.onGone(1, "edge1");
  assert.equal(bench.ask(2, "h1", join("j1")), "install");
  assert.equal(bench.ask(2, "h2", join("j2")), "broker-silent");
});

test("Broker promises on a link only while more than half of the edges that share it are there and whole", () => {
  const net = simNetwork(1);
  const edges = [1, 2, 3, 4].map((n) => ({ id: `edge${n}`, site: String(n), accessKbps: 10_000, coreLinks: ["ring"] }));
  const bench = new Bench(net, { edges, links: [{ name: "ring", kbps: 10_000 }] });
  const verdicts: string[] = [];
  const ask = (n: number): unknown => verdicts.push(bench.ask(n, `h${n}`, join(`j${n}`, { sourceEdge: "edge4" })));
  for (const n of [1, 2, 3]) {
    bench.open(n, `edge${n}`);
    bench.broker.onSynchronized(n, CLIENT_TYPE.admission, undefined);
    ask(n);
  }
  net.run(LIMITS.brokerSettleMs - 1);
  ask(1);
  net.run(1); // edge4 was not heard of in time
  ask(1);
  bench.broker.onGone(2, "edge2");
  ask(3);
  bench.open(5, "edge2");
  ask(3);
  bench.broker.onSynchronized(5, CLIENT_TYPE.admission, undefined);
  bench.broker.onGone(2, "edge2"); // its old connection
  ask(3);
  const doubt = "broker-silent";
  assert.deepEqual(verdicts, [doubt, doubt, doubt, doubt, "install", doubt, doubt, "install"]);
});

brokerTest("knows what was carried, as the edge reported last (RFC 2748 §3.3)", (bench) => {
  bench.whole();
  bench.ask(2, "h1", join("j1"));
  bench.broker.onReport(2, "h1", "success", {});
  bench.broker.onReport(2, "h1", "accounting", { carriedKiB: 77 });
  bench.broker.onReport(2, "h9", "accounting", { carriedKiB: 78 });
  assert.deepEqual(
    bench.broker.reservations().map(({ carriedKiB }) => carriedKiB),
    [77],
  );
});
