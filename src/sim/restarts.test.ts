/** Deciders that restart or are cut off, and people who vanish: pictures go on, nothing is lost or held twice (PROTOCOL §7). */
import assert from "node:assert/strict";
import { LIMITS } from "#base/limits.ts";
import { type World, type WorldBroadcaster, type WorldViewer, world, worldTest } from "./world.ts";

const STEP_MS = 100;
/** Longer than a keep-alive timer, a reconnection, a census and a readoption. */
const SETTLED_MS = 60_000;

/** No link is promised above its capacity, at any step. */
function runInSteps(w: World, ms: number): void {
  for (let passedMs = 0; passedMs < ms; passedMs += STEP_MS) {
    w.run(STEP_MS);
    for (const { broker } of w.operator.brokers)
      for (const { name, kbps, bookedKbps } of broker.links()) assert.ok(bookedKbps <= kbps, `${name}: ${bookedKbps} of ${kbps}`);
  }
}
/** Every session has its reservation with its DS, its edge and the broker, and nobody holds anything else. */
function assertWhole(w: World, viewers: readonly WorldViewer[], channels: number): void {
  const watching = viewers.filter(({ state }) => state === "watching").length;
  const held = w.held();
  const sinks = held.edges.filter(({ kind }) => kind === "admission-sink");
  const joinIds = sinks.map(({ joinId }) => joinId).sort();
  assert.equal(sinks.length, watching, "sessions and reservations at the edges");
  assert.deepEqual(held.brokers.map(({ joinId }) => joinId).sort(), joinIds, "at the broker");
  assert.equal(held.servers.length, watching + channels, "at the DSs");
  assert.equal(held.edges.filter(({ kind }) => kind === "configuration").length, channels);
  assert.ok(held.edges.every(({ state, isOrphan }) => state === "granted" && !isOrphan));
}
function assertPictures(w: World, viewers: readonly WorldViewer[]): void {
  const before = viewers.map(({ packets }) => packets);
  w.run(1_000);
  for (const [at, { packets, state }] of viewers.entries())
    assert.ok(packets > (before[at] ?? 0), `viewer ${at + 1} is ${state}`);
}

/**
 * Bob on air at site 1, watched there and at site 2; carol at site 2, watched at site 1 only. Neither has the first group or
 * port of his edge: who had them is off air by now.
 */
function onAir(net: Parameters<typeof world>[0]) {
  const w = world(net, { sites: 2 });
  const earlier = [w.broadcaster("zed", 1), w.broadcaster("yves", 2)];
  for (const [at, broadcaster] of earlier.entries()) broadcaster.goLive(`${["zed", "yves"][at]}-tv`);
  w.run(1_000);
  const [bob, carol] = [w.broadcaster("bob", 1), w.broadcaster("carol", 2)];
  const viewers = [w.viewer("alice", 2), w.viewer("dave", 1), w.viewer("erin", 1)];
  for (const [broadcaster, channel] of [
    [bob, "bob-tv"],
    [carol, "carol-tv"],
  ] satisfies [WorldBroadcaster, string][])
    broadcaster.goLive(channel);
  w.run(1_000);
  for (const [at, channel] of ["bob-tv", "bob-tv", "carol-tv"].entries()) viewers[at]?.watch(channel);
  w.run(2_000);
  for (const broadcaster of earlier) broadcaster.end();
  w.run(1_000);
  assertWhole(w, viewers, 2);
  assertPictures(w, viewers);
  return { w, viewers };
}
/** What would be told to viewers and broadcasters if they asked again. */
const addressesOf = (w: World): string[] =>
  w
    .held()
    .streams.map(({ stream, group }) => `${stream} ${group.host}:${group.port}`)
    .sort();

for (const how of ["process", "machine"] as const) {
  for (const member of ["edge1", "edge2", "broker"]) {
    worldTest(`${member}'s ${how} dies and comes back: sessions, groups and books stand as before (RFC 2748 §2.5)`, (net) => {
      const { w, viewers } = onAir(net);
      const before = addressesOf(w);
      const joinIds = w.reservations().toSorted();
      w.kill(member, how);
      runInSteps(w, 3_000);
      w.restart(member);
      runInSteps(w, SETTLED_MS);
      assert.deepEqual(addressesOf(w), before);
      assert.deepEqual(w.reservations().toSorted(), joinIds);
      assertWhole(w, viewers, 2);
      assertPictures(w, viewers);
    });
  }
}

for (const [a, b] of [
  ["ds2", "edge2"],
  ["ds1", "edge1"],
  ["edge1", "broker"],
  ["edge2", "broker"],
] as const) {
  worldTest(`${a} and ${b} are cut off without a reset, and found again: pictures go on all the time (RFC 2748 §4.6)`, (net) => {
    const { w, viewers } = onAir(net);
    const joinIds = w.reservations().toSorted();
    net.cut(a, b);
    for (let second = 0; second < 50; second++) {
      runInSteps(w, 0);
      assertPictures(w, viewers);
    }
    net.heal(a, b);
    runInSteps(w, SETTLED_MS);
    assert.deepEqual(w.reservations().toSorted(), joinIds);
    assertWhole(w, viewers, 2);
    assertPictures(w, viewers);
  });
}

worldTest(
  "what an edge granted alone while the broker was away stands in its books afterwards (RFC 2748 §2.2.7, §2.5)",
  (net) => {
    const { w, viewers } = onAir(net);
    const late = w.viewer("frank", 2);
    w.kill("broker");
    w.run(500);
    late.watch("bob-tv");
    w.run(1_000);
    assert.equal(late.state, "watching");
    w.restart("broker");
    runInSteps(w, SETTLED_MS);
    assertWhole(w, [...viewers, late], 2);
  },
);

worldTest("a broker that was restarted promises the core again only when it knows what stands (DESIGN §6)", (net) => {
  const w = world(net, { sites: 3, coreKbps: 1_000 }); // one channel of 800 fits
  const broadcasters = ["bob", "carol"].map((name) => w.broadcaster(name, 1));
  const [alice, dave] = [w.viewer("alice", 2), w.viewer("dave", 3)];
  for (const [at, broadcaster] of broadcasters.entries()) broadcaster.goLive(["bob-tv", "carol-tv"][at] ?? "");
  w.run(1_000);
  alice.watch("bob-tv");
  w.run(1_000);
  net.cut("edge2", "broker");
  w.kill("broker");
  w.run(1_000);
  w.restart("broker");
  runInSteps(w, 8_000);
  dave.watch("carol-tv"); // what alice's edge carries is not known
  runInSteps(w, 3_000);
  assert.deepEqual([dave.state, dave.refusal?.status], ["refused", 504]);
  net.heal("edge2", "broker");
  runInSteps(w, SETTLED_MS);
  dave.watch("carol-tv");
  runInSteps(w, 2_000);
  assert.deepEqual([alice.state, dave.state, dave.refusal?.status], ["watching", "refused", 488]);
  assertWhole(w, [alice, dave], 2);
});

worldTest(
  "a broadcaster who vanishes is off air within 12 s: viewers have had BYE, nothing is reserved (PROTOCOL §12)",
  (net) => {
    const w = world(net, { sites: 2 });
    const bob = w.broadcaster("bob", 1);
    const viewers = [w.viewer("alice", 2), w.viewer("dave", 1)];
    bob.goLive("bob-tv");
    w.run(1_000);
    for (const viewer of viewers) viewer.watch("bob-tv");
    w.run(2_000);
    bob.vanish();
    runInSteps(w, LIMITS.ingestSilentMs - 100);
    assert.deepEqual(
      viewers.map(({ state }) => state),
      ["watching", "watching"],
    );
    runInSteps(w, 2_000);
    assert.deepEqual(
      viewers.map(({ state }) => state),
      ["ended", "ended"],
    );
    const { brokers, edges, streams, servers } = w.held();
    assert.deepEqual([brokers, edges, streams, servers], [[], [], [], []]);
    const late = w.viewer("erin", 2);
    late.watch("bob-tv");
    w.run(500);
    assert.equal(late.refusal?.status, 480);
    bob.arrive(); // at once: the BYE to his vanished machine is still unanswered
    w.run(500);
    bob.goLive("bob-tv");
    w.run(500);
    assert.equal(bob.state, "on air");
    w.run(60_000); // the dead dialog is forgotten; the living one stands
    late.watch("bob-tv");
    w.run(2_500);
    assert.equal(late.state, "watching");
  },
);
