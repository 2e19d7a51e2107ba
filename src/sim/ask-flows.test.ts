/** Whole flows of `ask` channels [B10] [B11] [B12], each against a golden ladder (PROTOCOL §5). */
import assert from "node:assert/strict";
import { LIMITS } from "#base/limits.ts";
import { type Flow, LONG_MS, MOMENT_MS, SETTLE_MS, Stage, testFlows } from "./flow-stage.ts";
import { worldTest } from "./world.ts";

const NOTHING = { brokers: [], edges: [], streams: [], servers: [], calls: 0 };
const GONE_MS = LIMITS.emptyChannelMs + SETTLE_MS;

/** Alice, of site 2, asks for bob's channel, and is told that it cannot be. */
function refused(stage: Stage, status: number): readonly string[] {
  const alice = stage.viewer("alice", 2);
  const lines = stage.record();
  alice.watch("bob-ask");
  stage.w.run(SETTLE_MS);
  assert.deepEqual([alice.state, alice.refusal?.status], ["refused", status]);
  return lines();
}

const FLOWS: readonly Flow[] = [
  {
    flow: "ask-first-join",
    name: "the first join of an idle channel, as the paper draws it [B10]",
    options: { askSequentially: true },
    slowDiffers: true,
    play(stage) {
      const bob = stage.waiting("bob", 1);
      const alice = stage.viewer("alice", 2);
      const lines = stage.record();
      stage.joins(alice, "bob-ask");
      assert.equal(bob.state, "on air");
      alice.leave();
      stage.w.run(SETTLE_MS);
      assert.equal(bob.state, "waiting");
      return lines();
    },
  },
  {
    flow: "ask-first-join-same-site",
    name: "the first join where viewer and broadcaster share a DS; the channel stays for 10 s after its last viewer [B10]",
    slowDiffers: true,
    play(stage) {
      const bob = stage.waiting("bob", 1);
      const alice = stage.viewer("alice", 1);
      const lines = stage.record();
      stage.joins(alice, "bob-ask");
      alice.leave();
      stage.w.run(LIMITS.emptyChannelMs - SETTLE_MS);
      assert.equal(bob.state, "on air");
      stage.w.run(2 * SETTLE_MS);
      assert.equal(bob.state, "waiting");
      return lines();
    },
  },
  {
    flow: "ask-join-on-air",
    name: "a join on air, as the paper draws it: COPS on both sides, no provisioning [B11]",
    options: { askSequentially: true },
    slowDiffers: true,
    play(stage) {
      stage.waiting("bob", 1);
      stage.watching("dave", 1, "bob-ask");
      const alice = stage.viewer("alice", 2);
      const lines = stage.record();
      stage.joins(alice, "bob-ask");
      return lines();
    },
  },
  {
    flow: "ask-join-on-air-parallel",
    name: "a join on air asks both edges while the broadcaster is asked [B11]",
    slowDiffers: true,
    play(stage) {
      stage.waiting("bob", 1);
      stage.watching("dave", 1, "bob-ask");
      const alice = stage.viewer("alice", 2);
      const lines = stage.record();
      stage.joins(alice, "bob-ask");
      stage.w.run(MOMENT_MS);
      return lines();
    },
  },
  ...(["hang-up-first", "replace"] as const).map(
    (change): Flow => ({
      flow: `ask-channel-change-${change}`,
      name: `a viewer changes from one \`ask\` channel to another, ${change} [B12] (PROTOCOL §6)`,
      options: { askSequentially: true },
      slowDiffers: true,
      play(stage) {
        stage.waiting("bob", 1);
        stage.waiting("carol", 1);
        stage.watching("dave", 1, "bob-ask");
        stage.watching("erin", 1, "carol-ask");
        const alice = stage.watching("alice", 2, "bob-ask", change);
        const lines = stage.record();
        stage.joins(alice, "carol-ask");
        const booked = stage.w.held().brokers.filter(({ user }) => user === "alice");
        assert.deepEqual(
          booked.map(({ channel }) => channel),
          ["carol-ask"],
        );
        return lines();
      },
    }),
  ),
  {
    flow: "ask-refused",
    name: "the broadcaster declines one viewer, and another watches (PROTOCOL §4)",
    slowDiffers: true,
    play(stage) {
      const bob = stage.waiting("bob", 1, "alice");
      const lines = refused(stage, 603);
      assert.deepEqual(stage.w.held(), NOTHING);
      stage.watching("dave", 2, "bob-ask");
      assert.equal(bob.state, "on air");
      return lines;
    },
  },
  {
    flow: "ask-refused-on-air",
    name: "the broadcaster on air declines a viewer: both sides give back what they asked for [B11]",
    slowDiffers: true,
    play(stage) {
      stage.waiting("bob", 1, "alice");
      stage.watching("dave", 1, "bob-ask");
      return refused(stage, 603);
    },
  },
  {
    flow: "ask-not-registered",
    name: "a broadcaster who is not registered: 480 (PROTOCOL §4)",
    play: (stage) => {
      stage.w.signUp("bob", 1);
      return refused(stage, 480);
    },
  },
  {
    flow: "ask-no-answer",
    name: "a broadcaster who does not answer for 30 s: CANCEL, 480 (PROTOCOL §5)",
    slowDiffers: true,
    play(stage) {
      stage.w.phone("bob", 1);
      const alice = stage.viewer("alice", 2);
      const lines = stage.record();
      alice.watch("bob-ask");
      stage.w.run(LIMITS.broadcasterAnswerMs - SETTLE_MS);
      assert.equal(alice.state, "calling");
      stage.w.run(2 * SETTLE_MS);
      assert.deepEqual([alice.state, alice.refusal?.status], ["refused", 480]);
      assert.deepEqual(stage.w.held(), NOTHING);
      return lines();
    },
  },
  {
    flow: "ask-canceled",
    name: "the viewer gives up while the broadcaster rings: CANCEL on each leg, DRQ of what was asked (PROTOCOL §5)",
    slowDiffers: true,
    play(stage) {
      const bob = stage.w.phone("bob", 1);
      const alice = stage.viewer("alice", 2);
      const lines = stage.record();
      alice.watch("bob-ask");
      stage.w.run(SETTLE_MS);
      assert.equal(bob.calls.length, 1);
      alice.leave();
      stage.w.run(SETTLE_MS);
      assert.equal(bob.calls.length, 0);
      assert.deepEqual(stage.w.held(), NOTHING);
      return lines();
    },
  },
  {
    flow: "ask-source-refused",
    name: "the broadcaster's side cannot carry the channel: ACK with port 0, BYE, 488 to the viewer (PROTOCOL §5)",
    options: { accessKbps: 500 },
    slowDiffers: true,
    play(stage) {
      const bob = stage.waiting("bob", 1);
      const lines = refused(stage, 488);
      assert.equal(bob.state, "waiting");
      assert.deepEqual(stage.w.held(), NOTHING);
      return lines;
    },
  },
  {
    flow: "ask-sink-refused",
    name: "the viewer's side cannot carry it after the broadcaster's 200: ACK and BYE, DRQ on both sides, 488 (PROTOCOL §1)",
    options: { coreKbps: 500 },
    slowDiffers: true,
    play(stage) {
      const bob = stage.waiting("bob", 1);
      const lines = refused(stage, 488);
      assert.deepEqual([bob.state, bob.sent], ["waiting", 0]);
      assert.deepEqual(stage.w.held(), NOTHING);
      return lines;
    },
  },
  {
    flow: "ask-viewer-vanished",
    name: "a viewer vanishes without BYE: his session timer ends every leg, and nothing stays (RFC 4028 §10, PROTOCOL §12)",
    slowDiffers: true,
    play(stage) {
      const bob = stage.waiting("bob", 1);
      const alice = stage.watching("alice", 2, "bob-ask");
      alice.vanish();
      stage.w.run(1_000 * (LIMITS.sessionExpiresSec - 32) - 3 * SETTLE_MS);
      assert.equal(stage.w.held().brokers.length, 1);
      const lines = stage.record();
      stage.w.run(LONG_MS + GONE_MS);
      assert.equal(bob.state, "waiting");
      assert.deepEqual(stage.w.held(), NOTHING);
      return lines();
    },
  },
  {
    flow: "ask-broadcaster-hangs-up",
    name: "the broadcaster hangs up while others watch: each leg gets a BYE that says why (RFC 3326)",
    slowDiffers: true,
    play(stage) {
      const bob = stage.waiting("bob", 1);
      const viewers = [stage.watching("alice", 1, "bob-ask"), stage.watching("dave", 2, "bob-ask")];
      const lines = stage.record();
      bob.end();
      stage.w.run(SETTLE_MS);
      for (const { state, refusal } of viewers) {
        assert.equal(state, "ended");
        assert.equal(refusal?.reason, 'SIP;cause=480;text="Channel off air"');
      }
      assert.deepEqual(stage.w.held(), NOTHING);
      return lines();
    },
  },
];
testFlows(FLOWS);

worldTest("who asks while the first viewer still waits gets his place when the channel is on air", (net) => {
  const stage = new Stage(net, { copsHandlingMs: 100 });
  const bob = stage.waiting("bob", 1);
  const viewers = [stage.viewer("alice", 2), stage.viewer("dave", 2), stage.viewer("erin", 1)];
  for (const viewer of viewers) viewer.watch("bob-ask");
  stage.w.run(SETTLE_MS);
  assert.deepEqual([bob.state, ...viewers.map(({ state }) => state)], ["on air", "watching", "watching", "watching"]);
  viewers[0]?.leave();
  stage.w.run(GONE_MS);
  assert.equal(bob.state, "on air", "the first one's dialog carries the stream for the others");
  assert.equal(viewers[1]?.state, "watching");
  bob.end();
  stage.goodbye();
});

worldTest("the next in turn is asked for when the broadcaster declines the first, or the first gives up", (net) => {
  const stage = new Stage(net);
  const bob = stage.w.phone("bob", 1);
  const [alice, dave, erin] = [stage.viewer("alice", 2), stage.viewer("dave", 2), stage.viewer("erin", 1)];
  for (const viewer of [alice, dave, erin]) {
    viewer.watch("bob-ask");
    stage.w.run(MOMENT_MS);
  }
  bob.decline(603);
  stage.w.run(MOMENT_MS);
  assert.equal(alice.refusal?.status, 603);
  dave.leave();
  stage.w.run(MOMENT_MS);
  bob.answer();
  stage.w.run(SETTLE_MS);
  assert.deepEqual([dave.state, erin.state], ["idle", "watching"]);
  erin.leave();
  stage.w.run(GONE_MS);
  stage.goodbye();
});

worldTest(
  "a session that both ends keep alive goes on, on every leg (RFC 4028 §7.2)",
  (net) => {
    const stage = new Stage(net);
    const bob = stage.waiting("bob", 1);
    const viewers = [stage.watching("dave", 1, "bob-ask"), stage.watching("alice", 2, "bob-ask")];
    const lines = net.record();
    stage.w.run(3_000 * LIMITS.sessionExpiresSec);
    assert.deepEqual(
      [bob, ...viewers].map(({ state }) => state),
      ["on air", "watching", "watching"],
    );
    assert.ok(lines().some((line) => line.includes("UPDATE")) && !lines().some((line) => /BYE|INVITE/.test(line)));
    bob.end();
    stage.goodbye();
  },
  { seeds: 1 },
);

worldTest("a broadcaster hears whither to send after 2 s at most, though the viewer's ACK is lost (PROTOCOL §5)", (net) => {
  const stage = new Stage(net);
  const bob = stage.waiting("bob", 1);
  const alice = stage.viewer("alice", 2);
  alice.watch("bob-ask");
  for (let ms = 0; ms < 1_000 && alice.state !== "watching"; ms++) stage.w.run(1);
  net.cut("alice", "ds2");
  stage.w.run(LIMITS.ingestAckMs - MOMENT_MS);
  assert.equal(bob.state, "waiting");
  stage.w.run(2 * MOMENT_MS);
  assert.equal(bob.state, "on air");
  stage.w.run(2 * LONG_MS + GONE_MS);
  assert.deepEqual([bob.state, stage.w.held()], ["waiting", NOTHING]);
});

worldTest("a viewer comes back before the channel is given up, and the broadcaster goes on", (net) => {
  const stage = new Stage(net);
  const bob = stage.waiting("bob", 1);
  const alice = stage.watching("alice", 2, "bob-ask");
  alice.leave();
  stage.w.run(LIMITS.emptyChannelMs / 2);
  stage.joins(alice, "bob-ask");
  stage.w.run(2 * LIMITS.emptyChannelMs);
  assert.deepEqual([bob.state, alice.state], ["on air", "watching"]);
  bob.end();
  stage.goodbye();
});

/** Lines slow enough that every message of a set-up has a moment of its own. */
const STEP_MS = 7;
worldTest(
  "a viewer may give up at any moment of a first join or a join on air: nothing stays (PROTOCOL §5)",
  (net) => {
    const stage = new Stage(net, { copsHandlingMs: 10 });
    const bob = stage.waiting("bob", 1);
    const alice = stage.viewer("alice", 2);
    for (const [one, other] of [
      ["alice", "ds2"],
      ["ds2", "ds1"],
      ["ds1", "bob"],
    ] as const)
      net.setFaults(one, other, { delayMs: 10 });
    for (const isOnAir of [false, true]) {
      if (isOnAir) stage.watching("dave", 1, "bob-ask");
      for (let afterMs = 0; afterMs < 250; afterMs += STEP_MS) {
        alice.watch("bob-ask");
        stage.w.run(afterMs);
        alice.leave();
        stage.w.run(GONE_MS);
        assert.equal(alice.state, "idle");
        const others = stage.w.held().brokers.filter(({ user }) => !(isOnAir && user === "dave"));
        assert.deepEqual(others, [], `${afterMs} ms`);
        if (!isOnAir) assert.deepEqual([bob.state, stage.w.held()], ["waiting", NOTHING], `${afterMs} ms`);
      }
    }
    bob.end();
    stage.goodbye();
  },
  { seeds: 1 },
);

const BAD_LINE = { loss: 0.2, duplicate: 0.2, delayMs: 5, jitterMs: 40 };
worldTest(
  "on lines that lose, double and delay, a channel is asked for and left, and nothing stays (RFC 3261 §17)",
  (net) => {
    const stage = new Stage(net);
    const bob = stage.waiting("bob", 1);
    const alice = stage.viewer("alice", 2);
    net.setFaults("bob", "ds1", BAD_LINE);
    net.setFaults("ds1", "ds2", { ...BAD_LINE, loss: 0 }); // the directory goes that way too
    net.setFaults("alice", "ds2", BAD_LINE);
    alice.watch("bob-ask");
    stage.w.run(LONG_MS);
    assert.equal(alice.state, "watching");
    alice.leave();
    stage.w.run(LONG_MS + GONE_MS);
    assert.deepEqual([alice.state, bob.state], ["idle", "waiting"]);
    bob.end();
    stage.goodbye();
  },
  { seeds: 10 },
);
