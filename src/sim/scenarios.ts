import { simNetwork } from "./network.ts";
import { World, type WorldViewer } from "./world.ts";

/** What a scenario showed: figures with their units in their names. */
export interface ScenarioReport {
  readonly scenario: string;
  readonly seed: number;
  readonly copsHandlingMs: number;
  /** By virtual time: from the choice of a channel to the 2xx, one for each call that was answered. */
  readonly setupMs: readonly number[];
  readonly viewerState: string;
  readonly refusalStatus?: number;
  readonly packets: number;
  /** Bandwidth held for viewers when all was done. */
  readonly reservations: number;
  readonly traceHash: string;
  readonly ladder: string;
}
export interface Scenario {
  /** One line for a help text. */
  readonly about: string;
  run(world: World, alice: WorldViewer): number[];
  readonly coreKbps?: number;
}

const SETTLE_MS = 1_500;

/** Watches a channel and waits; its set-up time, where it was answered. */
function watch(world: World, viewer: WorldViewer, channel: string): number[] {
  viewer.watch(channel);
  world.run(SETTLE_MS);
  return viewer.setupMs === undefined ? [] : [viewer.setupMs];
}
function goLive(world: World, user: string, site: number): void {
  world.broadcaster(user, site).goLive(`${user}-tv`);
  world.run(SETTLE_MS);
}

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  "first-light": {
    about: "a channel goes live at site 1 and is watched at site 2 [B10]",
    run(world, alice) {
      goLive(world, "bob", 1);
      return watch(world, alice, "bob-tv");
    },
  },
  change: {
    about: "a viewer changes from one channel to another: BYE, then INVITE [B12]",
    run(world, alice) {
      goLive(world, "bob", 1);
      goLive(world, "carol", 2);
      return [...watch(world, alice, "bob-tv"), ...watch(world, alice, "carol-tv")];
    },
  },
  refuse: {
    about: "the core has no room for the channel: 488 with a Warning (PROTOCOL §4)",
    coreKbps: 500,
    run(world, alice) {
      goLive(world, "bob", 1);
      return watch(world, alice, "bob-tv");
    },
  },
};

/** Runs a scenario once, from its seed alone. Alice is the viewer, at site 2. */
export function runScenario(scenario: string, seed: number, copsHandlingMs: number): ScenarioReport {
  const chosen = SCENARIOS[scenario];
  if (!chosen) throw new RangeError(`There is no scenario ${scenario}`);
  const net = simNetwork(seed);
  const world = new World(net, { sites: 2, copsHandlingMs, ...(chosen.coreKbps && { coreKbps: chosen.coreKbps }) });
  const alice = world.viewer("alice", 2);
  const setupMs = chosen.run(world, alice);
  return {
    scenario,
    seed,
    copsHandlingMs,
    setupMs,
    viewerState: alice.state,
    ...(alice.refusal?.status !== undefined && { refusalStatus: alice.refusal.status }),
    packets: alice.packets,
    reservations: world.reservations().length,
    traceHash: net.hash(),
    ladder: net.ladder(),
  };
}
