import { Draw } from "../draw.ts";
import type { Crash, Faults } from "../types.ts";

export const SERVERS = ["ds1", "ds2", "ds3"] as const;

/** What somebody writes, or what goes wrong. One that makes no sense when its time comes is passed over. */
export type Step = { readonly atMs: number } & (
  | { readonly do: "put"; readonly at: string; readonly key: string; readonly order: number; readonly lifetimeSec: number }
  | { readonly do: "remove"; readonly at: string; readonly key: string }
  | { readonly do: "crash"; readonly at: string; readonly how: Crash }
  /** It crashes, and what its log holds is not what was written, or nothing is left of it; `lose`: it never comes back. */
  | { readonly do: "rot" | "lose disk" | "lose"; readonly at: string }
  | { readonly do: "restart" | "fill disk" | "free disk"; readonly at: string }
  | { readonly do: "slow disk"; readonly at: string; readonly flushMs: number }
  | { readonly do: "set clock"; readonly at: string; readonly aheadMs: number }
  | { readonly do: "run clock"; readonly at: string; readonly rate: number }
  | { readonly do: "cut" | "heal" | "repair"; readonly from: string; readonly to: string }
  | { readonly do: "degrade"; readonly from: string; readonly to: string; readonly faults: Partial<Faults> }
);
/** A whole run: with the code, it says everything that happens. */
export interface TableScript {
  readonly seed: number;
  readonly steps: readonly Step[];
}

const KEYS = ["a", "b", "c", "d x", "d y", "e"] as const;
/** Some end within the run, most outlive it. */
const LIFETIMES_SEC = [5, 3_600, 3_600, 3_600] as const;
/** Less than a mark outlives its row: a clock that goes back by more may bring removed rows back (`overlayMarkMs`). */
const CLOCK_STEP_MS = 300_000;
const SKEW = 0.01;
const FLUSHES_MS = [1, 5, 20, 150] as const;
const WEATHER: readonly Partial<Faults>[] = [
  { loss: 0.1, jitterMs: 20 },
  { loss: 0.4, duplicate: 0.2, jitterMs: 60 },
  { duplicate: 0.4, reorder: 0.4, jitterMs: 10 },
  { bursts: { begin: 0.05, end: 0.1, loss: 1 } },
  { delayMs: 150, jitterMs: 200 },
];
const TROUBLES = [
  "crash",
  "crash",
  "full disk",
  "slow disk",
  "clock",
  "skew",
  "cut",
  "cut",
  "island",
  "weather",
  "weather",
] as const;
/** What one machine at most goes through in a run: after it others have the only copies until all is settled. */
const DISASTERS = ["rot", "lose disk", "lose"] as const;

/** The script that a seed stands for. */
export function tableScript(seed: number): TableScript {
  const draw = new Draw(seed);
  const lengthMs = draw.between(2_000, 12_000);
  const steps: Step[] = [];
  for (let left = draw.between(5, 40); left > 0; left--) steps.push(deed(draw, draw.between(700, lengthMs)));
  for (let left = draw.between(0, 4); left > 0; left--) steps.push(...trouble(draw, draw.between(700, lengthMs)));
  if (draw.chance(0.5)) {
    const [atMs, at] = [draw.between(700, lengthMs), draw.oneOf(SERVERS)];
    steps.push({ atMs, do: draw.oneOf(DISASTERS), at }, { atMs: atMs + draw.spread(50, 10_000), do: "restart", at });
  }
  return { seed, steps: steps.sort((a, b) => a.atMs - b.atMs) };
}

function deed(draw: Draw, atMs: number): Step {
  const [at, key] = [draw.oneOf(SERVERS), draw.oneOf(KEYS)];
  if (draw.chance(0.2)) return { atMs, do: "remove", at, key };
  return { atMs, do: "put", at, key, order: draw.between(0, 5), lifetimeSec: draw.oneOf(LIFETIMES_SEC) };
}

function trouble(draw: Draw, atMs: number): readonly Step[] {
  const [at, other] = draw.two(SERVERS);
  const line = { from: at, to: other };
  const untilMs = atMs + draw.spread(50, 10_000);
  switch (draw.oneOf(TROUBLES)) {
    case "crash":
      return [
        { atMs, do: "crash", at, how: draw.oneOf(["process", "machine"]) },
        { atMs: untilMs, do: "restart", at },
      ];
    case "full disk":
      return [
        { atMs, do: "fill disk", at },
        { atMs: untilMs, do: "free disk", at },
        { atMs: untilMs, do: "restart", at },
      ];
    case "slow disk":
      return [{ atMs, do: "slow disk", at, flushMs: draw.oneOf(FLUSHES_MS) }];
    case "clock":
      return [{ atMs, do: "set clock", at, aheadMs: draw.between(-CLOCK_STEP_MS, CLOCK_STEP_MS) }];
    case "skew":
      return [{ atMs, do: "run clock", at, rate: 1 + SKEW * (draw.chance(0.5) ? 1 : -1) }];
    case "cut":
      return [
        { atMs, do: "cut", ...line },
        { atMs: untilMs, do: "heal", ...line },
      ];
    case "island":
      return SERVERS.filter((server) => server !== at).flatMap((to): Step[] => [
        { atMs, do: "cut", from: at, to },
        { atMs: untilMs, do: "heal", from: at, to },
      ]);
    case "weather":
      return [
        { atMs, do: "degrade", ...line, faults: draw.oneOf(WEATHER) },
        { atMs: untilMs, do: "repair", ...line },
      ];
  }
}
