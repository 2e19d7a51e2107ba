/** Whole flows of open channels, each against a golden ladder: who says what to whom, in which order. */
import assert from "node:assert/strict";
import { type Flow, LONG_MS, MOMENT_MS, SETTLE_MS, Stage, testFlows } from "./flow-stage.ts";
import { worldTest } from "./world.ts";

/** While bob is on air at site 1, alice of that site joins. */
function join(stage: Stage, site: number): readonly string[] {
  stage.onAir("bob", 1);
  const alice = stage.viewer("alice", site);
  const lines = stage.record();
  stage.joins(alice, "bob-tv");
  return lines();
}
/** While bob is on air at site 1, alice of site 2 is refused for that reason. */
function refused(stage: Stage, reason: string): readonly string[] {
  const alice = stage.viewer("alice", 2);
  const lines = stage.record();
  alice.watch("bob-tv");
  stage.w.run(SETTLE_MS);
  stage.isRefused(alice, 488, reason);
  assert.match(alice.refusal?.warning ?? "", /^370 ds2\.sipcast\.test /);
  return lines();
}

const FLOWS: readonly Flow[] = [
  {
    flow: "going-live",
    name: "a channel goes on air and off again [B8] (PROTOCOL §3 form 1)",
    play(stage) {
      const bob = stage.broadcaster("bob", 1);
      const lines = stage.record();
      bob.goLive("bob-tv");
      stage.w.run(SETTLE_MS);
      assert.equal(bob.state, "on air");
      bob.end();
      stage.w.run(SETTLE_MS);
      assert.equal(bob.state, "idle");
      return lines();
    },
  },
  {
    flow: "join-same-site",
    name: "a viewer joins at the broadcaster's site [B11] (PROTOCOL §3 form 2)",
    play: (stage) => join(stage, 1),
  },
  {
    flow: "join-other-site",
    name: "a viewer joins at another site, whose edge gets one copy [B11] (PROTOCOL §8)",
    play: (stage) => join(stage, 2),
  },
  {
    flow: "join-carried",
    name: "a second viewer joins a channel that his edge carries already (PROTOCOL §8)",
    slowDiffers: true,
    play(stage) {
      stage.onAir("bob", 1);
      stage.watching("alice", 2, "bob-tv");
      const dave = stage.viewer("dave", 2);
      const lines = stage.record();
      stage.joins(dave, "bob-tv");
      return lines();
    },
  },
  {
    flow: "channel-change",
    name: "a viewer changes channel the paper's way: BYE, DRQ before the 200, INVITE [B12] (PROTOCOL §6)",
    slowDiffers: true,
    play(stage) {
      stage.onAir("bob", 1);
      stage.onAir("carol", 2);
      const alice = stage.watching("alice", 2, "bob-tv", "hang-up-first");
      const lines = stage.record();
      stage.joins(alice, "carol-tv");
      const booked = stage.w.held().brokers.map(({ channel }) => channel);
      assert.deepEqual(booked, ["carol-tv"]);
      return lines();
    },
  },
  {
    flow: "channel-change-fast",
    name: "a viewer changes channel by INVITE with Replaces: the old picture goes on until the 2xx (RFC 3891, PROTOCOL §6)",
    options: { lineKbps: 1_000 },
    slowDiffers: true,
    play(stage) {
      stage.onAir("bob", 1);
      stage.onAir("carol", 2);
      const alice = stage.watching("alice", 2, "bob-tv");
      const lines = stage.record();
      stage.joins(alice, "carol-tv");
      const booked = stage.w.held().brokers.map(({ channel }) => channel);
      assert.deepEqual(booked, ["carol-tv"], "her line has room for one");
      return lines();
    },
  },
  {
    flow: "channel-change-refused",
    name: "a change that cannot be carried leaves the old picture as it is (RFC 3891 §3, PROTOCOL §6)",
    options: { coreKbps: 1_000 },
    slowDiffers: true,
    play(stage) {
      stage.onAir("bob", 1);
      stage.onAir("carol", 1);
      stage.watching("dave", 2, "bob-tv");
      const alice = stage.watching("alice", 2, "bob-tv");
      const lines = stage.record();
      alice.watch("carol-tv");
      stage.w.run(SETTLE_MS);
      assert.deepEqual([alice.state, alice.channel, alice.refusal?.status], ["watching", "bob-tv", 488]);
      assert.ok(alice.packets > 0);
      assert.deepEqual(
        stage.w.held().brokers.map(({ user, channel }) => `${user} ${channel}`),
        ["dave bob-tv", "alice bob-tv"],
      );
      return lines();
    },
  },
  {
    flow: "refused-core",
    name: "a viewer whom the core cannot carry gets 488 (PROTOCOL §4)",
    options: { coreKbps: 500 },
    play(stage) {
      stage.onAir("bob", 1);
      return refused(stage, "core-full");
    },
  },
  {
    flow: "refused-access",
    name: "a viewer whom his site's access cannot carry gets 488 (PROTOCOL §4)",
    slowDiffers: true,
    options: { accessKbps: 1_000 },
    play(stage) {
      stage.onAir("bob", 1);
      stage.watching("dave", 2, "bob-tv");
      return refused(stage, "access-full");
    },
  },
  {
    flow: "refused-line",
    name: "a viewer whose own line is too slow gets 488 (PROTOCOL §4)",
    options: { lineKbps: 500 },
    play(stage) {
      stage.onAir("bob", 1);
      return refused(stage, "user-full");
    },
  },
  {
    flow: "edge-silent",
    name: "an edge that is silent for 2 s costs a 504, and a DRQ takes back what it may have granted (PROTOCOL §4)",
    slowDiffers: true,
    play(stage, net) {
      stage.onAir("bob", 1);
      const alice = stage.viewer("alice", 2);
      const lines = stage.record();
      net.cut("ds2", "edge2");
      alice.watch("bob-tv");
      stage.w.run(SETTLE_MS + MOMENT_MS);
      stage.isRefused(alice, 504, "edge-silent");
      net.heal("ds2", "edge2");
      stage.w.run(SETTLE_MS);
      return lines();
    },
  },
  {
    flow: "broadcaster-hangs-up",
    name: "the broadcaster hangs up while others watch: each gets a BYE that says why (RFC 3326)",
    slowDiffers: true,
    play(stage) {
      const bob = stage.onAir("bob", 1);
      const viewers = [stage.watching("alice", 1, "bob-tv"), stage.watching("dave", 2, "bob-tv")];
      const lines = stage.record();
      bob.end();
      stage.w.run(SETTLE_MS);
      for (const { state, refusal } of viewers) {
        assert.equal(state, "ended");
        assert.equal(refusal?.reason, 'SIP;cause=480;text="Channel off air"');
      }
      return lines();
    },
  },
  {
    flow: "ds-restarts",
    name: "a DS crashes under a viewer and comes back: it speaks with its edge alone, until she hangs up (PROTOCOL §7, §10)",
    slowDiffers: true,
    play(stage) {
      stage.onAir("bob", 1);
      const alice = stage.watching("alice", 2, "bob-tv");
      const lines = stage.record();
      stage.w.kill("ds2");
      stage.w.run(SETTLE_MS);
      stage.w.restart("ds2");
      stage.w.run(SETTLE_MS);
      assert.equal(alice.state, "watching");
      alice.leave();
      stage.w.run(SETTLE_MS);
      return lines();
    },
  },
];

testFlows(FLOWS);

worldTest("nobody broadcasts on somebody else's channel: 403, and a Reason that says why (PROTOCOL §2, RFC 3326)", (net) => {
  const stage = new Stage(net);
  stage.viewer("alice", 1); // who owns alice-tv
  const bob = stage.broadcaster("bob", 1);
  bob.goLive("alice-tv");
  stage.w.run(SETTLE_MS);
  assert.deepEqual([bob.ended?.status, bob.ended?.reason], [403, 'SIP;cause=403;text="not-owner"']);
  stage.goodbye();
});

worldTest("only the viewer himself replaces his session: 403 to another (RFC 3891 §3, PROTOCOL §6)", (net) => {
  const stage = new Stage(net);
  stage.onAir("bob", 1);
  const [alice, mallory] = [stage.w.phone("alice", 2), stage.w.phone("mallory", 2)];
  alice.call("bob-tv");
  stage.w.run(SETTLE_MS);
  const [to, from, callId] = ["to", "from", "call-id"].map((name) => alice.answered?.headers.get(name) ?? "");
  const tagOf = (field = ""): string => /tag=([^;]+)/.exec(field)?.[1] ?? "";
  const replaces = [
    ["Replaces", `${callId};to-tag=${tagOf(to)};from-tag=${tagOf(from)}`],
    ["Require", "replaces"],
  ] as const;
  mallory.call("bob-tv", replaces);
  stage.w.run(SETTLE_MS);
  assert.deepEqual([mallory.answered?.status, alice.calls.length], [403, 1]);
  alice.call("bob-tv", replaces);
  stage.w.run(SETTLE_MS);
  assert.deepEqual([alice.answered?.status, alice.calls.length], [200, 1]);
  alice.hangUp();
  stage.goodbye();
});

const BAD_LINE = { loss: 0.2, duplicate: 0.2, delayMs: 5, jitterMs: 40 };
worldTest(
  "on lines that lose, double and delay, a channel goes on air and is joined and left, and nothing stays (RFC 3261 §17)",
  (net) => {
    const stage = new Stage(net);
    const bob = stage.broadcaster("bob", 1);
    const alice = stage.viewer("alice", 2);
    net.setFaults("bob", "ds1", BAD_LINE);
    net.setFaults("alice", "ds2", BAD_LINE);
    bob.goLive("bob-tv");
    stage.w.run(LONG_MS);
    assert.equal(bob.state, "on air");
    alice.watch("bob-tv");
    stage.w.run(LONG_MS);
    assert.equal(alice.state, "watching");
    assert.ok(alice.packets > 0);
    alice.leave();
    bob.end();
    stage.w.run(LONG_MS);
    assert.deepEqual([alice.state, bob.state], ["idle", "idle"]);
    stage.goodbye();
  },
  { seeds: 10 },
);
