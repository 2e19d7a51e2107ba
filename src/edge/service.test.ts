import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import { edgePolicyAttributes } from "#cops/engine/iptv.ts";
import { CLIENT_TYPE } from "#cops/engine/types.ts";
import { type SimNetwork, simNetwork } from "#sim/index.ts";
import { EdgeBench, join, POLICY, provision } from "./testing.ts";

function edgeTest(name: string, body: (bench: EdgeBench, net: SimNetwork) => void): void {
  test(`Edge ${name}`, () => {
    const net = simNetwork(1);
    body(new EdgeBench(net.host("edge1", "127.0.0.1")), net);
  });
}
/** Nothing is held, carried or asked for. */
function assertEmpty({ edge, media, broker }: EdgeBench): void {
  assert.deepEqual(edge.reservations(), []);
  assert.deepEqual([...media.streams.keys()], []);
  assert.deepEqual(broker.joinIds(), []);
}

// ---------------------------------------------------------------------- channels

edgeTest("asks for its policy, reports it and says that it is provisioned (RFC 3084 §3.2)", (bench) => {
  bench.policed();
  assert.deepEqual(bench.broker.log, ["REQ b1 policy", "RPT b1 success"]);
  assert.equal(bench.provisionedCount, 1);
});

edgeTest("takes no policy that breaks its shape", (bench) => {
  bench.connect();
  bench.answer(undefined, { command: "install", attributes: { groupFirst: "232.0.1.0" } });
  assert.equal(bench.provisionedCount, 0);
  assert.equal(bench.edge.malformed, 1);
  assert.equal(bench.broker.log.at(-1), "RPT b1 failure");
});

edgeTest("grants a channel by itself: lowest group, ingest port, its own address [B8]", (bench) => {
  bench.policed().ask("h1", provision("p1"));
  assert.deepEqual(bench.ds.grant(1, "h1"), {
    kbps: 1_000,
    group: "232.0.1.0:5004",
    source: "127.0.0.1",
    ingest: "127.0.0.1:40000",
  });
  const stream = bench.media.streams.get("tv1");
  assert.deepEqual(stream?.source, { kind: "ingest", at: { host: "127.0.0.1", port: 40_000 }, senderHost: "127.0.0.9" });
  assert.deepEqual(bench.broker.joinIds(), []);
});

edgeTest("lets a channel wait for the first policy", (bench) => {
  bench.ask("h1", provision("p1"));
  assert.equal(bench.ds.verdict(1, "h1"), undefined);
  bench.policed();
  assert.equal(bench.ds.verdict(1, "h1"), "install");
});

const REFUSED_CHANNELS: {
  name: string;
  running: number;
  asked: Parameters<typeof provision>[1];
  policy?: Partial<typeof POLICY>;
  wants: string;
}[] = [
  { name: "above the highest rate", running: 0, asked: { kbps: 5_001 }, wants: "rate-too-high" },
  { name: "beyond what may enter here", running: 1, asked: { kbps: 5_000 }, policy: { ingestKbps: 5_999 }, wants: "ingest-full" },
  { name: "without a free port", running: 4, asked: {}, policy: { groupCount: 9 }, wants: "ingest-full" },
  { name: "without a free group", running: 3, asked: {}, wants: "no-group" },
];
for (const { name, running, asked, policy, wants } of REFUSED_CHANNELS)
  edgeTest(`refuses a channel ${name} and keeps nothing of it`, (bench) => {
    bench.policed({ ...POLICY, ...policy });
    for (let n = 0; n < running; n++) bench.ask(`r${n}`, provision(`r${n}`, { channel: `running${n}` }));
    for (const handle of ["h1", "h2"]) {
      bench.ask(handle, provision(handle, asked));
      assert.equal(bench.ds.verdict(1, handle), wants); // the second time too: the first took neither port nor group
    }
    assert.equal(bench.media.streams.size, running);
    for (let n = 0; n < running; n++) bench.edge.onDelete(1, `r${n}`, "tear");
    assertEmpty(bench);
  });

edgeTest("ends a channel that went off air for whoever watches it here", (bench) => {
  bench.policed().ask("h1", provision("p1"));
  bench.joined("h2", "j1", { channel: "tv1", sourceEdge: "edge1" });
  bench.edge.onDelete(1, "h1", "tear");
  assert.equal(bench.ds.verdict(1, "h2"), "media-gone");
  assertEmpty(bench);
});

edgeTest("gives a channel to its newest source", (bench) => {
  bench.policed({ ...POLICY, ingestKbps: 1_000 }).ask("h1", provision("p1"));
  bench.ask("h2", provision("p2"), 2);
  assert.deepEqual([bench.ds.verdict(1, "h1"), bench.ds.verdict(2, "h2")], ["preempted", "install"]);
  bench.edge.onDelete(1, "h1", "pdp-directive");
  assert.deepEqual([...bench.media.streams.keys()], ["tv1"]);
});

edgeTest("ends its copy of a channel that now enters here", (bench) => {
  bench.policed().joined("h1", "j1", { channel: "tv1" });
  bench.ask("h2", provision("p1"));
  assert.deepEqual([bench.ds.verdict(1, "h1"), bench.ds.verdict(1, "h2")], ["media-gone", "install"]);
  assert.equal(bench.media.streams.get("tv1")?.source.kind, "ingest");
});

// ---------------------------------------------------------------------- joins

edgeTest("repeats a join to the broker and grants what the media plane delivers [B11]", (bench) => {
  bench.policed().ask("h1", join("j1"));
  assert.equal(bench.ds.verdict(1, "h1"), undefined);
  assert.equal(bench.media.streams.size, 0);
  assert.deepEqual(bench.broker.live.get("b2"), join("j1"));
  bench.install("j1");
  assert.deepEqual(bench.ds.grant(1, "h1"), { kbps: 1_000, parentEdge: "edge2", group: "232.0.1.0:5004", source: "127.0.0.1" });
  const group = { host: "232.0.2.0", port: 5004 };
  assert.deepEqual(bench.media.streams.get("tv2")?.source, { kind: "group", group, source: "127.0.0.2" });
  assert.equal(bench.broker.log.at(-1), "RPT b2 success");
});

edgeTest("takes one copy of a channel for all, until the last has gone", (bench) => {
  bench.policed().joined("h1", "j1");
  bench.joined("h2", "j2", { delivery: "unicast", unicastTo: "127.0.0.7:6000" });
  assert.deepEqual([...bench.media.streams.keys()], ["tv2"]);
  assert.deepEqual(bench.media.streams.get("tv2")?.sinks, new Map([["j2", "127.0.0.1:41000 to 127.0.0.7:6000"]]));
  assert.deepEqual(bench.ds.grant(1, "h2"), {
    kbps: 1_000,
    parentEdge: "edge2",
    group: "232.0.1.0:5004",
    source: "127.0.0.1:41000",
  });
  bench.edge.onDelete(1, "h1", "tear");
  assert.equal(bench.media.streams.size, 1);
  bench.edge.onDelete(1, "h2", "tear");
  assertEmpty(bench);
});

edgeTest("serves viewers at the source from the channel's own group", (bench) => {
  bench.policed().ask("h1", provision("p1"));
  bench.joined("h2", "j1", { channel: "tv1", sourceEdge: "edge1" });
  assert.equal((bench.ds.grant(1, "h2") as { group: string }).group, "232.0.1.0:5004");
  bench.edge.onDelete(1, "h2", "tear");
  assert.deepEqual([...bench.media.streams.keys()], ["tv1"]);
});

edgeTest("refuses a channel that should enter here and does not, without asking the broker", (bench) => {
  bench.policed().ask("h1", join("j1", { sourceEdge: "edge1" }));
  assert.equal(bench.ds.verdict(1, "h1"), "unknown-edge");
  assertEmpty(bench);
});

edgeTest("gives a WebSocket viewer a token of its own, 128 random bits", (bench) => {
  bench.policed().joined("h1", "j1", { delivery: "websocket" });
  bench.joined("h2", "j2", { delivery: "websocket" });
  const { token, mediaBase } = bench.ds.grant(1, "h1") as { token: string; mediaBase: string };
  assert.match(token, /^edge1\.[0-9a-f]{32}$/);
  assert.equal(mediaBase, "ws://127.0.0.1:8000");
  assert.equal(bench.media.streams.get("tv2")?.sinks.get("j1"), token);
  assert.notEqual(bench.media.streams.get("tv2")?.sinks.get("j2"), token);
});

edgeTest("answers the source's side with the channel's group and delivers nothing for it", (bench) => {
  bench.policed().ask("h1", provision("p1"));
  bench.ask("h2", join("j1", { channel: "tv1", sourceEdge: "edge1" }, "admission-source"));
  bench.ask("h3", join("j1", { channel: "tv1", sourceEdge: "edge1" }));
  for (const handle of ["b2", "b3"]) bench.edge.onDecision(handle, { command: "install", attributes: { kbps: 1_000 } });
  assert.deepEqual(bench.ds.grant(1, "h2"), { kbps: 1_000, group: "232.0.1.0:5004", source: "127.0.0.1" });
  assert.equal(bench.edge.reservations().length, 3);
  bench.edge.onDelete(1, "h2", "tear");
  bench.edge.onDelete(1, "h3", "tear");
  assert.deepEqual(bench.broker.joinIds(), []);
});

edgeTest("passes a refusal on and keeps nothing (PROTOCOL §4, §7)", (bench) => {
  bench.policed().ask("h1", join("j1"));
  bench.remove("j1", "core-full");
  assert.equal(bench.ds.verdict(1, "h1"), "core-full");
  assert.equal(bench.broker.log.at(-1), "DRQ b2 insufficient-resources");
  assertEmpty(bench);
  bench.edge.onDelete(1, "h1", "insufficient-resources"); // what the DS does then
});

edgeTest("takes a grant back when the broker does (RFC 2748 §3.3)", (bench) => {
  bench.policed().joined("h1", "j1", { delivery: "websocket" });
  bench.remove("j1", "preempted");
  assert.equal(bench.ds.verdict(1, "h1"), "preempted");
  assert.equal(bench.broker.log.at(-1), "DRQ b2 pdp-directive");
  assertEmpty(bench);
});

edgeTest("takes a grant back when nobody takes the stream (PROTOCOL §12)", (bench) => {
  bench.policed().joined("h1", "j1", { delivery: "websocket" });
  bench.edge.onSinkGone("tv2", "j1");
  assert.equal(bench.ds.verdict(1, "h1"), "media-gone");
  assertEmpty(bench);
  bench.edge.onSinkGone("tv2", "j1");
});

edgeTest("refuses a join for which it has no group, and returns it to the broker", (bench) => {
  bench.policed({ ...POLICY, groupCount: 1 }).joined("h1", "j1");
  bench.joined("h2", "j2", { channel: "tv3", coreGroup: "232.0.2.1:5004" });
  assert.equal(bench.ds.verdict(1, "h2"), "no-group");
  assert.deepEqual(bench.broker.log.slice(-2), ["RPT b3 failure", "DRQ b3 insufficient-resources"]);
});

edgeTest("leaves the copy of a channel that went on air anew to nobody", (bench) => {
  bench.policed().joined("h1", "j1");
  bench.joined("h2", "j2", { coreGroup: "232.0.2.9:5004" });
  assert.deepEqual([bench.ds.verdict(1, "h1"), bench.ds.verdict(1, "h2")], ["media-gone", "install"]);
  bench.edge.onDelete(1, "h2", "tear");
  assertEmpty(bench);
});

edgeTest("returns to the broker what a DS gave up before it was decided (PROTOCOL §4)", (bench) => {
  bench.policed().ask("h1", join("j1"));
  bench.edge.onDelete(1, "h1", "timeout");
  assert.equal(bench.broker.log.at(-1), "DRQ b2 timeout");
  bench.edge.onDecision("b2", { command: "install", attributes: { kbps: 1_000 } }); // too late
  assert.equal(bench.ds.verdict(1, "h1"), undefined);
  assertEmpty(bench);
});

const MALFORMED: { name: string; request: ReturnType<typeof join> }[] = [
  { name: "without a join id", request: join("") },
  { name: "with no rate", request: join("j1", { kbps: 0 }) },
  { name: "with a core group that is no address", request: join("j1", { coreGroup: "group" }) },
  { name: "for unicast to nowhere", request: join("j1", { delivery: "unicast" }) },
  { name: "for a channel with half a kilobit", request: provision("p1", { kbps: 0.5 }) },
];
for (const { name, request } of MALFORMED)
  edgeTest(`refuses a request ${name}`, (bench) => {
    bench.policed().ask("h1", request);
    assert.equal(bench.ds.verdict(1, "h1"), "malformed");
    assert.equal(bench.edge.malformed, 1);
    assertEmpty(bench);
  });

edgeTest("accepts its two client-types and no other", (bench) => {
  assert.equal(bench.edge.onOpen(1, "ds1", CLIENT_TYPE.admission), true);
  assert.equal(bench.edge.onOpen(1, "ds1", CLIENT_TYPE.provisioning), true);
  assert.equal(bench.edge.onOpen(1, "ds1", 1), false);
});

// ---------------------------------------------------------------------- names and take-over

edgeTest("answers a repeated request alike and books once (PROTOCOL §7)", (bench) => {
  bench.policed().joined("h1", "j1", { delivery: "websocket" });
  const before = bench.ds.grant(1, "h1");
  bench.ask("h1", join("j1", { delivery: "websocket" }));
  assert.deepEqual(bench.ds.grant(1, "h1"), before);
  assert.equal(bench.ds.count, 2);
  assert.deepEqual(bench.broker.joinIds(), ["j1"]);
});

edgeTest("lets another DS adopt a reservation by its name, once: the old handle is void", (bench) => {
  bench.policed().joined("h1", "j1");
  bench.ask("h9", join("j1"), 2);
  assert.equal(bench.ds.verdict(2, "h9"), "install");
  bench.edge.onDelete(1, "h1", "tear");
  bench.edge.onGone(1, "ds1");
  assert.equal(bench.edge.reservations().length, 1);
  bench.edge.onDelete(2, "h9", "tear");
  assertEmpty(bench);
});

edgeTest("lets a join be adopted while the broker still thinks", (bench) => {
  bench.policed().ask("h1", join("j1"));
  bench.edge.onGone(1, "ds1");
  bench.ask("h2", join("j1"), 2);
  bench.install("j1");
  assert.deepEqual([bench.ds.verdict(1, "h1"), bench.ds.verdict(2, "h2")], [undefined, "install"]);
});

edgeTest("decides a changed request anew", (bench) => {
  bench.policed().joined("h1", "j1");
  bench.joined("h1", "j1", { delivery: "unicast", unicastTo: "127.0.0.7:6000" });
  assert.deepEqual(bench.media.sinks(), ["j1"]);
  assert.deepEqual(bench.broker.joinIds(), ["j1"]);
});

edgeTest("releases what a handle named before it names another join", (bench) => {
  bench.policed().joined("h1", "j1");
  bench.joined("h1", "j2");
  assert.deepEqual(bench.broker.joinIds(), ["j2"]);
});

edgeTest("keeps what a vanished DS held for orphanHoldMs, then releases it (PROTOCOL §7)", (bench, net) => {
  bench.policed().joined("h1", "j1");
  bench.ask("h2", provision("p1"));
  bench.edge.onGone(1, "ds1");
  net.run(LIMITS.orphanHoldMs - 1);
  assert.deepEqual(
    bench.edge.reservations().map(({ isOrphan }) => isOrphan),
    [true, true],
  );
  assert.equal(bench.media.streams.size, 2);
  net.run(20);
  assertEmpty(bench);
  assert.equal(bench.broker.log.at(-1), "DRQ b2 timeout");
});

edgeTest("does not release what was adopted in time", (bench, net) => {
  bench.policed().joined("h1", "j1");
  bench.edge.onGone(1, "ds1");
  net.run(LIMITS.orphanHoldMs - 1);
  bench.ask("h5", join("j1"), 2);
  net.run(10 * LIMITS.orphanHoldMs);
  assert.equal(bench.edge.reservations().length, 1);
});

// ---------------------------------------------------------------------- the broker is away

edgeTest("decides alone within its quota what adds nothing to the core (RFC 2748 §2.2.7)", (bench) => {
  bench.policed().joined("h1", "j1");
  bench.lose();
  for (const n of [2, 3, 4]) bench.ask(`h${n}`, join(`j${n}`));
  bench.ask("h5", join("j5", { channel: "tv3", coreGroup: "232.0.2.1:5004" }));
  bench.ask("h6", join("j6", { coreGroup: "232.0.2.9:5004" }));
  assert.deepEqual(
    ["h2", "h3", "h4", "h5", "h6"].map((handle) => bench.ds.verdict(1, handle)),
    ["install", "install", "broker-silent", "broker-silent", "broker-silent"],
  );
  assert.deepEqual([...bench.media.streams.keys()], ["tv2"]);
});

edgeTest("decides alone never beyond its access link or a viewer's line", (bench) => {
  bench.policed({ ...POLICY, accessKbps: 2_500 }).joined("h1", "j1");
  bench.lose();
  bench.ask("h2", join("j2", { user: "j1", accessKbps: 1_999 }));
  bench.ask("h3", join("j3"));
  bench.ask("h4", join("j4"));
  assert.deepEqual(
    ["h2", "h3", "h4"].map((handle) => bench.ds.verdict(1, handle)),
    ["user-full", "install", "access-full"],
  );
});

edgeTest("decides alone what waited when the broker went", (bench) => {
  bench.policed().joined("h1", "j1");
  bench.ask("h2", join("j2"));
  bench.lose();
  assert.equal(bench.ds.verdict(1, "h2"), "install");
});

edgeTest("asks again for all it holds when the broker is back, and yields to its Remove (RFC 2748 §2.5)", (bench) => {
  bench.policed().joined("h1", "j1");
  bench.lose();
  bench.ask("h2", join("j2"));
  bench.policed();
  assert.deepEqual(bench.broker.log.slice(-3, -1), ["REQ b4 j1 LPDP", "REQ b5 j2 LPDP"]);
  const decisions = bench.ds.count;
  bench.install("j1");
  assert.equal(bench.ds.count, decisions); // the DS knows it
  bench.remove("j2", "access-full");
  assert.equal(bench.ds.verdict(1, "h2"), "access-full");
  assert.deepEqual(bench.broker.joinIds(), ["j1"]);
});

edgeTest("has its quota again once the broker confirmed what was promised", (bench) => {
  bench.policed().joined("h1", "j1");
  for (const round of [1, 2]) {
    bench.lose();
    const joinIds = [`a${round}`, `b${round}`];
    for (const joinId of joinIds) bench.ask(joinId, join(joinId));
    assert.deepEqual(
      joinIds.map((joinId) => bench.ds.verdict(1, joinId)),
      ["install", "install"],
      `round ${round}`,
    );
    bench.policed();
    for (const joinId of bench.broker.joinIds()) bench.install(String(joinId));
  }
});

edgeTest("changes the channel alone as the broker would: the larger of the two counts (PROTOCOL §6)", (bench) => {
  bench.policed({ ...POLICY, accessKbps: 2_000 }).joined("h1", "j1", { user: "alice", accessKbps: 1_000 });
  bench.joined("h2", "j2", { user: "carol", channel: "tv3", coreGroup: "232.0.2.1:5004" });
  bench.lose();
  const change = { channel: "tv3", coreGroup: "232.0.2.1:5004", replaces: "j1" };
  bench.ask("h3", join("j3", { ...change, user: "mallory" }));
  bench.ask("h4", join("j4", { ...change, user: "alice", accessKbps: 1_000 }));
  assert.deepEqual([bench.ds.verdict(1, "h3"), bench.ds.verdict(1, "h4")], ["access-full", "install"]);
  bench.edge.onDelete(1, "h1", "tear");
  assert.deepEqual([...bench.media.streams.keys()], ["tv3"]);
});

// ---------------------------------------------------------------------- synchronization (PROTOCOL §7, "Restart")

const ADMISSION_SSC = "SSC 9101";
edgeTest("answers the broker's SSQ once every DS has answered its own (RFC 2748 §3.5)", (bench, net) => {
  bench.policed();
  for (const pep of [1, 2]) bench.edge.onOpen(pep, `ds${pep}`, CLIENT_TYPE.admission);
  bench.edge.onSynchronize(CLIENT_TYPE.admission, undefined);
  bench.edge.onOpen(3, "ds3", CLIENT_TYPE.admission); // came meanwhile
  assert.deepEqual(bench.ds.synchronizing, [1, 2, 3]);
  bench.edge.onSynchronized(1, CLIENT_TYPE.admission, undefined);
  bench.edge.onSynchronized(2, CLIENT_TYPE.admission, undefined);
  assert.notEqual(bench.broker.log.at(-1), ADMISSION_SSC);
  bench.edge.onGone(3, "ds3");
  assert.equal(bench.broker.log.at(-1), ADMISSION_SSC);
  net.run(LIMITS.edgeCensusMs + 20);
  assert.equal(bench.broker.log.filter((line) => line === ADMISSION_SSC).length, 1);
});

edgeTest("waits edgeCensusMs for DSs that say nothing, or are not there yet", (bench, net) => {
  bench.policed();
  bench.edge.onSynchronize(CLIENT_TYPE.admission, undefined);
  net.run(1_000);
  bench.edge.onOpen(1, "ds1", CLIENT_TYPE.admission);
  net.run(LIMITS.edgeCensusMs - 1_001);
  assert.notEqual(bench.broker.log.at(-1), ADMISSION_SSC);
  net.run(20);
  assert.equal(bench.broker.log.at(-1), ADMISSION_SSC);
});

edgeTest("answers for its policy and for one join at once", (bench) => {
  bench.policed().joined("h1", "j1");
  bench.edge.onSynchronize(CLIENT_TYPE.provisioning, undefined);
  bench.edge.onSynchronize(CLIENT_TYPE.admission, "b2");
  assert.deepEqual(bench.broker.log.slice(-2), ["SSC 9102", "SSC 9101 b2"]);
});

edgeTest("says nothing to a broker that went away meanwhile", (bench, net) => {
  bench.policed();
  bench.edge.onSynchronize(CLIENT_TYPE.admission, undefined);
  bench.lose();
  net.run(2 * LIMITS.edgeCensusMs);
  assert.ok(!bench.broker.log.includes(ADMISSION_SSC));
});

edgeTest("gives a DS after a restart what it had: group, ingest port, token; channels before joins", (bench, net) => {
  bench.connect();
  bench.edge.onSynchronize(CLIENT_TYPE.admission, undefined);
  bench.edge.onOpen(1, "ds1", CLIENT_TYPE.admission);
  const granted = { kbps: 1_000, group: "232.0.1.2:5004", source: "127.0.0.1" };
  const localDecision = { command: "install", attributes: { ...granted, token: "edge1.t", mediaBase: "ws://x" } } as const;
  bench.ask("h2", { ...join("j1", { channel: "tv1", sourceEdge: "edge1", delivery: "websocket" }), localDecision });
  bench.ask("h1", provision("p1", { group: granted.group, ingest: "127.0.0.1:40003" }));
  assert.deepEqual(bench.ds.last.size, 0);
  bench.answer(undefined, { command: "install", attributes: edgePolicyAttributes(POLICY) });
  assert.equal(bench.broker.log.at(-1), "REQ b2 j1 LPDP"); // the broker hears that it is so already
  bench.install("j1");
  assert.deepEqual(bench.ds.grant(1, "h1"), { ...granted, ingest: "127.0.0.1:40003" });
  assert.deepEqual(bench.ds.grant(1, "h2"), {
    ...granted,
    parentEdge: "edge2",
    token: "edge1.t",
    mediaBase: "ws://127.0.0.1:8000",
  });
  assert.equal(bench.media.streams.get("tv1")?.sinks.get("j1"), "edge1.t");
  assert.deepEqual(bench.ds.synchronizing, [1]);
  bench.edge.onSynchronized(1, CLIENT_TYPE.admission, undefined);
  assert.equal(bench.broker.log.at(-1), ADMISSION_SSC);
  net.run(10);
});

edgeTest("gives another group where the one that a DS had is taken, or is none of its own", (bench) => {
  bench.policed().ask("h1", provision("p1"));
  bench.ask("h2", provision("p2", { channel: "tv5", group: "232.0.1.0:5004", ingest: "127.0.0.1:40000" }));
  bench.ask("h3", provision("p3", { channel: "tv6", group: "10.0.0.1:5004", ingest: "127.0.0.9:40000" }));
  const groups = ["h1", "h2", "h3"].map((handle) => (bench.ds.grant(1, handle) as { group: string }).group);
  assert.deepEqual(groups, ["232.0.1.0:5004", "232.0.1.1:5004", "232.0.1.2:5004"]);
});

edgeTest("knows a channel that is repeated with what it was granted (PROTOCOL §7)", (bench) => {
  bench.policed().ask("h1", provision("p1"));
  const before = bench.ds.grant(1, "h1");
  bench.edge.onGone(1, "ds1");
  bench.ask("h9", provision("p1", { group: "232.0.1.0:5004", ingest: "127.0.0.1:40000" }), 2);
  assert.deepEqual(bench.ds.grant(2, "h9"), before);
  assert.equal(bench.media.streams.size, 1);
});

// ---------------------------------------------------------------------- what is carried

edgeTest("takes a channel off air whose broadcaster vanished (PROTOCOL §12)", (bench) => {
  bench.policed().ask("h1", provision("p1"));
  bench.joined("h2", "j1", { channel: "tv1", sourceEdge: "edge1" });
  bench.edge.onSourceSilent("tv1");
  assert.deepEqual([bench.ds.verdict(1, "h1"), bench.ds.verdict(1, "h2")], ["media-gone", "media-gone"]);
  assertEmpty(bench);
  bench.edge.onSourceSilent("tv1");
});

edgeTest(
  "reports what it carries as often as the broker asked for, and only what the broker granted (RFC 2748 §2.2.15)",
  (bench, net) => {
    bench.policed().joined("h1", "j1");
    bench.edge.onOpened(CLIENT_TYPE.admission, 60);
    bench.ask("h2", join("j2"));
    net.run(60_000);
    assert.equal(bench.broker.log.at(-1), "RPT b2 accounting 4");
    net.run(60_000);
    assert.equal(bench.broker.log.filter((line) => line.includes("accounting")).length, 2);
    bench.lose();
    net.run(600_000);
    assert.equal(bench.broker.log.filter((line) => line.includes("accounting")).length, 2);
  },
);
