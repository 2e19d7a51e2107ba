import { Random } from "../random.ts";
import type { Faults } from "../types.ts";
import { CAST, channelOf, type FaultScript, MEMBERS, type Step } from "./script.ts";

const DAY_MS = 24 * 60 * 60_000;
const PEOPLE = [...CAST.broadcasters, ...CAST.viewers];
/** Of what people do, in shares of all. */
const VIEWER_DEEDS = ["watch", "watch", "watch", "watch", "leave", "leave", "vanish", "come back"] as const;
const BROADCASTER_DEEDS = ["go live", "go live", "hang up"] as const;
/** Room for everything, for two channels, for one. */
const CORE_KBPS = [1_000_000, 1_600, 800] as const;
const ACCESS_KBPS = [100_000, 1_600, 800] as const;
const FAULTS: readonly Partial<Faults>[] = [
  { loss: 0.1, jitterMs: 20 },
  { loss: 0.3, duplicate: 0.1, jitterMs: 40 },
  { duplicate: 0.3, reorder: 0.3 },
  { bursts: { begin: 0.05, end: 0.2, loss: 0.9 } },
  { delayMs: 400, jitterMs: 400 },
  { kbps: 64, queueBytes: 4_096 },
];

/** The script that a seed stands for: half of them have nothing go wrong but people and lines. */
export function faultScript(seed: number): FaultScript {
  const draw = new Draw(seed);
  const withCrashes = draw.chance(0.5);
  const lengthMs = draw.between(5_000, 30_000);
  const steps: Step[] = [];
  for (const { user } of CAST.broadcasters)
    if (draw.chance(0.9)) steps.push({ atMs: draw.between(0, 2_000), do: "go live", who: user });
  for (let left = draw.between(4, 60); left > 0; left--) steps.push(deed(draw, draw.between(500, lengthMs)));
  for (let left = draw.between(0, withCrashes ? 4 : 2); left > 0; left--) {
    const atMs = draw.between(500, lengthMs);
    const untilMs = atMs + draw.spread(200, 45_000);
    steps.push(...(withCrashes ? trouble(draw, atMs, untilMs) : weather(draw, atMs, untilMs)));
  }
  steps.sort((a, b) => a.atMs - b.atMs);
  return { seed, coreKbps: draw.oneOf(CORE_KBPS), accessKbps: draw.oneOf(ACCESS_KBPS), steps };
}

function deed(draw: Draw, atMs: number): Step {
  if (draw.chance(0.1)) return { atMs, do: draw.oneOf(BROADCASTER_DEEDS), who: draw.oneOf(CAST.broadcasters).user };
  const who = draw.oneOf(CAST.viewers).user;
  const what = draw.oneOf(VIEWER_DEEDS);
  return what === "watch"
    ? { atMs, do: what, who, channel: channelOf(draw.oneOf(CAST.broadcasters).user) }
    : { atMs, do: what, who };
}

/** A line that gets worse for a while. */
function weather(draw: Draw, atMs: number, untilMs: number): Step[] {
  const [from, to] = draw.chance(0.7) ? personAndServer(draw) : draw.two(MEMBERS);
  return [
    { atMs, do: "degrade", from, to, faults: draw.oneOf(FAULTS) },
    { atMs: untilMs, do: "repair", from, to },
  ];
}
function personAndServer(draw: Draw): [string, string] {
  const { user, site } = draw.oneOf(PEOPLE);
  return [user, `${draw.oneOf(["ds", "edge"])}${site}`];
}

function trouble(draw: Draw, atMs: number, untilMs: number): Step[] {
  const member = draw.oneOf(MEMBERS);
  const restart: Step = { atMs: untilMs, do: "restart", member };
  const [from, to] = draw.chance(0.2) ? personAndServer(draw) : draw.two(MEMBERS);
  switch (draw.oneOf(["crash", "crash", "stop", "cut", "cut", "cut one way", "weather", "clock"])) {
    case "crash":
      return [{ atMs, do: "crash", member, how: draw.oneOf(["process", "machine"]) }, restart];
    case "stop":
      return [{ atMs, do: "stop", member }, restart];
    case "cut":
      return [
        { atMs, do: "cut", from, to },
        { atMs: untilMs, do: "heal", from, to },
      ];
    case "cut one way":
      return [
        { atMs, do: "cut one way", from, to },
        { atMs: untilMs, do: "heal", from, to },
      ];
    case "clock": {
      const back: Step = { atMs, do: "set clock", member, aheadMs: draw.between(-DAY_MS, DAY_MS) };
      return [back, { atMs: atMs + 1, do: "crash", member, how: "process" }, restart];
    }
    default:
      return weather(draw, atMs, untilMs);
  }
}

/** What is drawn from a seed. */
class Draw {
  readonly #random: Random;
  constructor(seed: number) {
    this.#random = new Random(seed, "script");
  }
  chance(share: number): boolean {
    return this.#random.share() < share;
  }
  /** A whole number, both ends included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.#random.share() * (most - least + 1));
  }
  /** Short as often as long: even in its logarithm. */
  spread(least: number, most: number): number {
    return Math.round(least * (most / least) ** this.#random.share());
  }
  oneOf<T>(of: readonly T[]): T {
    return of[this.between(0, of.length - 1)] as T;
  }
  two<T>(of: readonly T[]): [T, T] {
    const first = this.oneOf(of);
    return [first, this.oneOf(of.filter((other) => other !== first))];
  }
}
