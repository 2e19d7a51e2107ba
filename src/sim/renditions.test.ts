/** One picture at several rates: what fits wish and grant is watched, and nothing of what did not fit stays (PROTOCOL §3) [B8]. */
import assert from "node:assert/strict";
import { LIMITS } from "#base/limits.ts";
import { MOMENT_MS, SETTLE_MS, Stage, testFlows } from "./flow-stage.ts";
import { type WorldViewer, worldTest } from "./world.ts";

const RATES = [2_000, 800, 300];
const GONE_MS = LIMITS.emptyChannelMs + SETTLE_MS;

/** What the broker holds, e.g. "alice bob-tv~2 800". */
const booked = (stage: Stage): string[] => stage.w.held().brokers.map(({ user, channel, kbps }) => `${user} ${channel} ${kbps}`);
const renditionsOf = (stage: Stage, channel: string): string[] =>
  stage.w.servers
    .get("ds2")
    ?.tables.onAir.get(channel)
    ?.value.renditions.map(({ stream, kbps }) => `${stream} ${kbps}`) ?? [];
const streamsAt = (stage: Stage, edge: string): string[] =>
  stage.w.edges
    .get(edge)
    ?.media.streams()
    .map(({ stream }) => stream)
    .sort() ?? [];
const tells = (viewer: WorldViewer): unknown[] => [viewer.state, viewer.channel, viewer.kbps];

testFlows([
  {
    flow: "going-live-renditions",
    name: "a channel goes on air with three renditions, each a request state of its own [B8] (PROTOCOL §3 form 1)",
    play(stage) {
      const bob = stage.broadcaster("bob", 1, RATES);
      const lines = stage.record();
      bob.goLive("bob-tv");
      stage.w.run(SETTLE_MS);
      assert.deepEqual(renditionsOf(stage, "bob-tv"), ["bob-tv 2000", "bob-tv~2 800", "bob-tv~3 300"]);
      bob.end();
      stage.w.run(SETTLE_MS);
      assert.deepEqual([bob.state, renditionsOf(stage, "bob-tv")], ["idle", []]);
      return lines();
    },
  },
  {
    flow: "join-lower-rendition",
    name: "a viewer whose line is too slow for the best rendition gets the next, by a REQ of its own (PROTOCOL §3)",
    options: { lineKbps: 1_000 },
    slowDiffers: true,
    play(stage) {
      stage.onAir("bob", 1, RATES);
      const alice = stage.viewer("alice", 2);
      const lines = stage.record();
      stage.joins(alice, "bob-tv");
      assert.equal(alice.kbps, 800);
      assert.deepEqual(booked(stage), ["alice bob-tv~2 800"]);
      return lines();
    },
  },
  {
    flow: "ask-first-join-renditions",
    name: "a broadcaster who is asked offers more than was provisioned while he rang [B10] (PROTOCOL §5)",
    options: { lineKbps: 1_000 },
    slowDiffers: true,
    play(stage) {
      const bob = stage.broadcaster("bob", 1, RATES);
      bob.wait("bob-ask");
      const alice = stage.viewer("alice", 2);
      const lines = stage.record();
      stage.joins(alice, "bob-ask");
      assert.deepEqual(renditionsOf(stage, "bob-ask"), ["bob-ask 2000", "bob-ask~2 800", "bob-ask~3 300"]);
      assert.deepEqual([bob.state, alice.kbps], ["on air", 800]);
      const join = lines();
      const dave = stage.viewer("dave", 1);
      stage.joins(dave, "bob-ask", 300);
      assert.equal(dave.kbps, 300);
      for (const viewer of [alice, dave]) viewer.leave();
      stage.w.run(GONE_MS);
      assert.deepEqual([bob.state, stage.w.held().streams], ["waiting", []]);
      return join;
    },
  },
]);

for (const [wishKbps, gets] of [
  [undefined, 2_000],
  [2_000, 2_000],
  [1_999, 800],
  [300, 300],
  [299, undefined],
] as const) {
  for (const channel of ["bob-tv", "bob-ask"]) {
    worldTest(`who wishes ${wishKbps ?? "nothing"} of ${channel} gets ${gets ?? "a refusal"} (PROTOCOL §3)`, (net) => {
      const stage = new Stage(net);
      const bob = stage.broadcaster("bob", 1, [300, 2_000, 800]); // in any order
      if (channel === "bob-tv") bob.goLive(channel);
      else bob.wait(channel);
      stage.w.run(SETTLE_MS);
      const alice = stage.viewer("alice", 2);
      alice.watch(channel, wishKbps);
      stage.w.run(SETTLE_MS);
      if (gets === undefined) stage.isRefused(alice, 488, "rate-wished");
      else assert.deepEqual(tells(alice), ["watching", channel, gets]);
      assert.deepEqual(
        stage.w.held().brokers.map(({ kbps }) => kbps),
        gets === undefined ? [] : [gets],
      );
      alice.leave();
      stage.w.run(GONE_MS);
      stage.goodbye();
    });
  }
}

worldTest("where none fits, the answer is of the last refusal, and nothing is booked or carried (PROTOCOL §4)", (net) => {
  const stage = new Stage(net, { coreKbps: 1_000, lineKbps: 200 });
  stage.onAir("bob", 1, RATES);
  const alice = stage.viewer("alice", 2);
  alice.watch("bob-tv");
  stage.w.run(SETTLE_MS);
  stage.isRefused(alice, 488, "user-full"); // 2,000 does not fit the core either
  assert.deepEqual([booked(stage), streamsAt(stage, "edge2")], [[], []]);
  assert.deepEqual(
    stage.w.operator.brokers.flatMap(({ broker }) => broker.links().filter(({ bookedKbps }) => bookedKbps > 0)),
    [],
  );
  stage.goodbye();
});

worldTest("a refusal for another reason than bandwidth is not tried again lower: 504 after 2 s (PROTOCOL §4)", (net) => {
  const stage = new Stage(net);
  stage.onAir("bob", 1, RATES);
  const alice = stage.viewer("alice", 2);
  net.cut("ds2", "edge2");
  alice.watch("bob-tv");
  stage.w.run(LIMITS.edgeSilenceMs + MOMENT_MS);
  stage.isRefused(alice, 504, "edge-silent");
  net.heal("ds2", "edge2");
  stage.w.run(SETTLE_MS);
  stage.goodbye();
});

worldTest("each rendition has a group of its own, and goes when its last viewer leaves (PROTOCOL §8)", (net) => {
  const stage = new Stage(net);
  stage.onAir("bob", 1, RATES);
  const viewers = ["alice", "dave", "erin"].map((user) => stage.viewer(user, 2));
  for (const [at, viewer] of viewers.entries()) stage.joins(viewer, "bob-tv", [2_000, 300, 300][at]);
  assert.deepEqual(streamsAt(stage, "edge2"), ["bob-tv", "bob-tv~3"]);
  const links = stage.w.operator.brokers[0]?.broker.links().map(({ bookedKbps }) => bookedKbps);
  assert.deepEqual(links, [2_300, 2_300, 0, 2_600], "each crosses a core link once; each viewer takes of the access");
  const left = [["bob-tv~3"], ["bob-tv~3"], []];
  for (const [at, viewer] of viewers.entries()) {
    viewer.leave();
    stage.w.run(SETTLE_MS);
    assert.deepEqual(streamsAt(stage, "edge2"), left[at]);
  }
  stage.goodbye();
});

worldTest(
  "a viewer changes between renditions of a channel: the old picture goes on until the new one is granted (PROTOCOL §6)",
  (net) => {
    const stage = new Stage(net, { coreKbps: 2_000, lineKbps: 2_000 });
    stage.onAir("bob", 1, RATES);
    const [dave, alice] = [stage.viewer("dave", 2), stage.viewer("alice", 2)];
    stage.joins(dave, "bob-tv", 800);
    stage.joins(alice, "bob-tv");
    assert.equal(alice.kbps, 800, "2,000 and 800 do not fit the core, but who takes what is carried adds nothing");
    alice.watch("bob-tv", 2_000); // in the place of 800
    stage.w.run(SETTLE_MS);
    assert.deepEqual(
      [tells(alice), booked(stage)],
      [
        ["watching", "bob-tv", 800],
        ["dave bob-tv~2 800", "alice bob-tv~2 800"],
      ],
    );
    dave.leave();
    stage.w.run(SETTLE_MS);
    stage.joins(alice, "bob-tv");
    assert.deepEqual([alice.kbps, booked(stage)], [2_000, ["alice bob-tv 2000"]], "her line has room for one");
    stage.joins(alice, "bob-tv", 300);
    assert.deepEqual([alice.kbps, booked(stage), streamsAt(stage, "edge2")], [300, ["alice bob-tv~3 300"], ["bob-tv~3"]]);
    stage.goodbye();
  },
);

worldTest("a change for which no rendition fits leaves the old picture as it is (RFC 3891 §3, PROTOCOL §6)", (net) => {
  const stage = new Stage(net, { coreKbps: 1_000 });
  stage.onAir("bob", 1, [300]);
  stage.onAir("carol", 1, [2_000, 1_200]);
  const alice = stage.viewer("alice", 2);
  stage.joins(alice, "bob-tv");
  const before = alice.packets;
  alice.watch("carol-tv");
  stage.w.run(SETTLE_MS);
  assert.deepEqual([tells(alice), alice.refusal?.status], [["watching", "bob-tv", 300], 488]);
  assert.ok(alice.packets > before);
  assert.deepEqual(booked(stage), ["alice bob-tv 300"]);
  stage.goodbye();
});

worldTest("a rendition that cannot be provisioned is refused alone, all of them together are 488 (PROTOCOL §3)", (net) => {
  const stage = new Stage(net, { accessKbps: 1_000 }); // so much may enter at an edge
  const bob = stage.onAir("bob", 1, RATES);
  assert.deepEqual(renditionsOf(stage, "bob-tv"), ["bob-tv~2 800"]);
  const alice = stage.viewer("alice", 2);
  stage.joins(alice, "bob-tv");
  assert.equal(alice.kbps, 800);
  const carol = stage.broadcaster("carol", 2, [3_000, 2_000]);
  carol.goLive("carol-tv");
  stage.w.run(SETTLE_MS);
  assert.deepEqual([carol.ended?.status, carol.ended?.reason], [488, 'COPS;text="ingest-full"']);
  alice.leave();
  bob.end();
  stage.w.run(SETTLE_MS);
  stage.goodbye();
});

worldTest("a rendition that falls silent takes its own viewers along, the last one the channel (PROTOCOL §12)", (net) => {
  const stage = new Stage(net);
  const bob = stage.onAir("bob", 1, [2_000, 300]);
  const [alice, dave] = [stage.viewer("alice", 2), stage.viewer("dave", 1)];
  stage.joins(alice, "bob-tv");
  stage.joins(dave, "bob-tv", 300);
  const silence = (stream: string): void => {
    stage.w.edges.get("edge1")?.edge.onSourceSilent(stream);
    stage.w.run(SETTLE_MS);
  };
  silence("bob-tv");
  assert.deepEqual([alice.state, tells(dave), bob.state], ["ended", ["watching", "bob-tv", 300], "on air"]);
  assert.deepEqual(renditionsOf(stage, "bob-tv"), ["bob-tv~2 300"]);
  stage.joins(alice, "bob-tv");
  assert.equal(alice.kbps, 300);
  silence("bob-tv~2");
  assert.deepEqual([alice.state, dave.state, bob.state, renditionsOf(stage, "bob-tv")], ["ended", "ended", "ended", []]);
  stage.goodbye();
});

for (const member of ["edge1", "edge2", "broker"]) {
  worldTest(`${member} dies and comes back: renditions, groups and viewers stand as before (PROTOCOL §7)`, (net) => {
    const stage = new Stage(net);
    stage.onAir("bob", 1, RATES);
    const viewers = [stage.viewer("alice", 2), stage.viewer("dave", 2)];
    for (const [at, viewer] of viewers.entries()) stage.joins(viewer, "bob-tv", RATES[at]);
    const standing = (): unknown[] => [
      renditionsOf(stage, "bob-tv"),
      booked(stage).sort(),
      stage.w
        .held()
        .streams.map(({ stream, group }) => `${stream} ${group.host}`)
        .sort(),
    ];
    const before = standing();
    stage.w.kill(member);
    stage.w.run(3_000);
    stage.w.restart(member);
    stage.w.run(60_000);
    assert.deepEqual(standing(), before);
    assert.deepEqual(viewers.map(tells), [
      ["watching", "bob-tv", 2_000],
      ["watching", "bob-tv", 800],
    ]);
    stage.goodbye();
  });
}
