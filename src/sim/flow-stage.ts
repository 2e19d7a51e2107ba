/** Whole flows against golden ladders (testdata/flows): for tests. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Rates } from "#client/descriptions.ts";
import type { ChannelChange } from "#client/viewer.ts";
import type { SimNetwork } from "./types.ts";
import { World, type WorldBroadcaster, type WorldOptions, type WorldViewer, worldTest } from "./world.ts";

const GOLDEN = path.resolve(import.meta.dirname, "../../testdata/flows");
export const SETTLE_MS = 2_000; // a key frame comes every second
export const MOMENT_MS = 100;
export const LONG_MS = 40_000; // more than any transaction takes: 64*T1

/** A world of two sites, and whoever is in it until the last goodbye. */
export class Stage {
  readonly w: World;
  readonly #net: SimNetwork;
  readonly #goodbyes: (() => void)[] = [];

  constructor(net: SimNetwork, options: Partial<WorldOptions> = {}) {
    this.#net = net;
    this.w = new World(net, { sites: 2, ...options });
  }
  broadcaster(user: string, site: number, rates?: Rates): WorldBroadcaster {
    const broadcaster = this.w.broadcaster(user, site, rates);
    this.#goodbyes.push(() => broadcaster.end());
    return broadcaster;
  }
  /** USER-ask can be asked for. */
  waiting(user: string, site: number, ...refused: readonly string[]): WorldBroadcaster {
    const broadcaster = this.broadcaster(user, site);
    broadcaster.wait(`${user}-ask`, ...refused);
    return broadcaster;
  }
  /** USER-tv is on air. */
  onAir(user: string, site: number, rates?: Rates): WorldBroadcaster {
    const broadcaster = this.broadcaster(user, site, rates);
    broadcaster.goLive(`${user}-tv`);
    this.w.run(SETTLE_MS);
    assert.equal(broadcaster.state, "on air");
    return broadcaster;
  }
  viewer(user: string, site: number, change?: ChannelChange): WorldViewer {
    const viewer = this.w.viewer(user, site, change);
    this.#goodbyes.push(() => viewer.leave());
    return viewer;
  }
  /** Somebody more of that site watches that channel. */
  watching(user: string, site: number, channel: string, change?: ChannelChange): WorldViewer {
    const viewer = this.viewer(user, site, change);
    this.joins(viewer, channel);
    return viewer;
  }
  joins(viewer: WorldViewer, channel: string, kbps?: number): void {
    viewer.watch(channel, kbps);
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

export interface Flow {
  /** Of its golden file. */
  readonly flow: string;
  readonly name: string;
  readonly options?: Partial<WorldOptions>;
  /** What crosses what depends on how long COPS takes: the slow flow has a file of its own. */
  readonly slowDiffers?: boolean;
  /** Returns the lines that the flow is about. */
  readonly play: (stage: Stage, net: SimNetwork) => readonly string[];
}

/** Plays each with COPS at once and at 100 ms; after it everybody leaves, and nobody holds anything. */
export function testFlows(flows: readonly Flow[]): void {
  for (const { flow, name, options, slowDiffers = false, play } of flows) {
    for (const copsHandlingMs of [0, 100]) {
      worldTest(`${name}, COPS handling ${copsHandlingMs} ms`, (net) => {
        const stage = new Stage(net, { copsHandlingMs, ...options });
        const lines = play(stage, net);
        stage.goodbye();
        sameAsGolden(slowDiffers && copsHandlingMs > 0 ? `${flow}-slow` : flow, lines);
      });
    }
  }
}
