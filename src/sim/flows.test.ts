/** Whole flows, each against a golden ladder (testdata/flows): who says what to whom, in which order. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { SimNetwork } from "./types.ts";
import { World, type WorldBroadcaster, type WorldOptions, type WorldViewer, worldTest } from "./world.ts";

const GOLDEN = path.resolve(import.meta.dirname, "../../testdata/flows");
const SETTLE_MS = 2_000; // a key frame comes every second
const MOMENT_MS = 100;
const LONG_MS = 40_000; // more than any transaction takes: 64*T1

/** A world of two sites, and whoever is in it until the last goodbye. */
class Stage {
  readonly w: World;
  readonly #net: SimNetwork;
  readonly #goodbyes: (() => void)[] = [];

  constructor(net: SimNetwork, options: Partial<WorldOptions> = {}) {
    this.#net = net;
    this.w = new World(net, { sites: 2, ...options });
  }
  broadcaster(user: string, site: number): WorldBroadcaster {
    const broadcaster = this.w.broadcaster(user, site);
    this.#goodbyes.push(() => broadcaster.end());
    return broadcaster;
  }
  /** USER-tv is on air. */
  onAir(user: string, site: number): WorldBroadcaster {
    const broadcaster = this.broadcaster(user, site);
    broadcaster.goLive(`${user}-tv`);
    this.w.run(SETTLE_MS);
    assert.equal(broadcaster.state, "on air");
    return broadcaster;
  }
  viewer(user: string, site: number): WorldViewer {
    const viewer = this.w.viewer(user, site);
    this.#goodbyes.push(() => viewer.leave());
    return viewer;
  }
  /** Somebody more of that site watches that channel. */
  watching(user: string, site: number, channel: string): WorldViewer {
    const viewer = this.viewer(user, site);
    this.joins(viewer, channel);
    return viewer;
  }
  joins(viewer: WorldViewer, channel: string): void {
    viewer.watch(channel);
    this.w.run(SETTLE_MS);
    assert.equal(viewer.state, "watching");
    assert.ok(viewer.packets > 0, "the picture arrives");
  }
  isRefused(viewer: WorldViewer, status: number, reason: string): void {
    assert.deepEqual([viewer.state, viewer.refusal?.status], ["refused", status]);
    assert.equal(viewer.refusal?.reason, `COPS;text="${reason}"`);
  }
  /** What is said from now on. The streams that run already come first. */
  record(): () => readonly string[] {
    const lines = this.#net.record();
    this.w.run(MOMENT_MS);
    return () => [...lines()];
  }
  /** Everybody leaves: the broker, the edges and the DSs agree that nothing is held. */
  goodbye(): void {
    for (const leave of this.#goodbyes) leave();
    this.w.run(SETTLE_MS);
    assert.deepEqual(this.w.held(), { brokers: [], edges: [], streams: [], servers: [], calls: 0 });
  }
}

/** SIPCAST_UPDATE=1 writes the files instead: read what has changed before you commit it. */
function sameAsGolden(flow: string, lines: readonly string[]): void {
  const file = path.join(GOLDEN, `${flow}.ladder`);
  const told = `${lines.join("\n")}\n`;
  if (process.env["SIPCAST_UPDATE"] === "1") writeFileSync(file, told);
  assert.ok(existsSync(file), `${file} is missing: SIPCAST_UPDATE=1 writes it`);
  assert.equal(told, readFileSync(file, "utf8"), `${file} differs`);
}

interface Flow {
  /** Of its golden file. */
  readonly flow: string;
  readonly name: string;
  readonly options?: Partial<WorldOptions>;
  /** What crosses what depends on how long COPS takes: the slow flow has a file of its own. */
  readonly slowDiffers?: boolean;
  /** Returns the lines that the flow is about. */
  readonly play: (stage: Stage, net: SimNetwork) => readonly string[];
}

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
    name: "a viewer changes channel: BYE, DRQ before the 200, INVITE [B12] (PROTOCOL §6)",
    slowDiffers: true,
    play(stage) {
      stage.onAir("bob", 1);
      stage.onAir("carol", 2);
      const alice = stage.watching("alice", 2, "bob-tv");
      const lines = stage.record();
      stage.joins(alice, "carol-tv");
      const booked = stage.w.held().brokers.map(({ channel }) => channel);
      assert.deepEqual(booked, ["carol-tv"]);
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
];

for (const { flow, name, options, slowDiffers = false, play } of FLOWS) {
  for (const copsHandlingMs of [0, 100]) {
    worldTest(`${name}, COPS handling ${copsHandlingMs} ms`, (net) => {
      const stage = new Stage(net, { copsHandlingMs, ...options });
      const lines = play(stage, net);
      stage.goodbye();
      sameAsGolden(slowDiffers && copsHandlingMs > 0 ? `${flow}-slow` : flow, lines);
    });
  }
}

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
