import type { Crash, Faults } from "../types.ts";

/** Who is in a fault run: at each of two sites one who broadcasts and two who watch; registered when it starts. */
export const CAST = {
  broadcasters: [
    { user: "bob", site: 1 },
    { user: "carol", site: 2 },
  ],
  viewers: [
    { user: "alice", site: 1 },
    { user: "dave", site: 1 },
    { user: "erin", site: 2 },
    { user: "frank", site: 2 },
  ],
} as const;
export const MEMBERS = ["broker", "registration", "edge1", "edge2", "ds1", "ds2"] as const;
export const channelOf = (user: string): string => `${user}-tv`;

/** What somebody does, or what goes wrong. One that makes no sense when its time comes is passed over. */
export type Step = { readonly atMs: number } & (
  | { readonly do: "go live" | "hang up" | "leave" | "vanish" | "come back"; readonly who: string }
  | { readonly do: "watch"; readonly who: string; readonly channel: string }
  | { readonly do: "crash"; readonly member: string; readonly how: Crash }
  | { readonly do: "stop" | "restart"; readonly member: string }
  | { readonly do: "cut" | "cut one way" | "heal" | "repair"; readonly from: string; readonly to: string }
  | { readonly do: "degrade"; readonly from: string; readonly to: string; readonly faults: Partial<Faults> }
  | { readonly do: "set clock"; readonly member: string; readonly aheadMs: number }
);

/** A whole run: with the code, it says everything that happens. */
export interface FaultScript {
  /** Of the network's and the machines' own chance. */
  readonly seed: number;
  readonly coreKbps: number;
  readonly accessKbps: number;
  /** In order of time; 0 = everybody is registered. */
  readonly steps: readonly Step[];
}

/** A step as one line for people. */
export function showStep(step: Step): string {
  const { atMs, do: what, ...about } = step;
  const words = Object.values(about).map((value) => (typeof value === "object" ? JSON.stringify(value) : String(value)));
  return `${(atMs / 1_000).toFixed(2).padStart(7)} s  ${what} ${words.join(" ")}`;
}
