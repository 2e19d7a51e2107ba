import type { Crash, Faults } from "../types.ts";
import type { Line } from "../world.ts";

/** Who is in a fault run: at each of two sites one who broadcasts, two who watch and one with a phone; registered when it starts. */
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
  phones: [
    { user: "gina", site: 1 },
    { user: "harry", site: 2 },
  ],
} as const;
export const PEOPLE: readonly { readonly user: string; readonly site: number }[] = Object.values(CAST).flat();
export const MEMBERS = ["broker", "registration", "edge1", "edge2", "ds1", "ds2"] as const;
/** Everybody has a channel for whoever comes, and one whose viewers are asked for. */
export const channelOf = (user: string): string => `${user}-tv`;
export const askChannelOf = (user: string): string => `${user}-ask`;
/** How a viewer takes the stream, or a phone reaches its DS. */
export type Device = "multicast" | "unicast" | "page" | Line;

/** What somebody does, or what goes wrong. One that makes no sense when its time comes is passed over. */
export type Step = { readonly atMs: number } & (
  | { readonly do: "go live" | "hang up" | "leave" | "vanish" | "come back" | "answer" | "decline"; readonly who: string }
  | { readonly do: "register" | "unregister"; readonly who: string }
  /** To be asked for viewers, except for that one. */
  | { readonly do: "wait"; readonly who: string; readonly refused?: string }
  /** At `kbps` at most, where given; a page takes what it gets. */
  | { readonly do: "watch"; readonly who: string; readonly channel: string; readonly kbps?: number }
  | { readonly do: "call"; readonly who: string; readonly whom: string }
  | { readonly do: "crash"; readonly member: string; readonly how: Crash }
  /** `rot`: what its logs hold is not what was written. `lose disk`: it crashes, and comes back on a new machine. */
  | { readonly do: "stop" | "restart" | "rot" | "lose disk" | "fill disk" | "free disk"; readonly member: string }
  | { readonly do: "cut" | "cut one way" | "heal" | "repair"; readonly from: string; readonly to: string }
  | { readonly do: "degrade"; readonly from: string; readonly to: string; readonly faults: Partial<Faults> }
  | { readonly do: "set clock"; readonly member: string; readonly aheadMs: number }
  /** Its monotonic clock: 1 = true. */
  | { readonly do: "run clock"; readonly member: string; readonly rate: number }
);

/** A whole run: with the code, it says everything that happens. */
export interface FaultScript {
  /** Of the network's and the machines' own chance. */
  readonly seed: number;
  readonly coreKbps: number;
  readonly accessKbps: number;
  /** What COPS takes at an edge. */
  readonly copsMs: number;
  /** `ask` channels as in the paper's trace. */
  readonly inTurn: boolean;
  /** How the DSs reach one another. */
  readonly peers: Line;
  /** By user; default `multicast` and `udp`. */
  readonly devices: Readonly<Record<string, Device>>;
  /** By broadcaster: the rates that he sends at, kbit/s; default the channel's own. */
  readonly rates: Readonly<Record<string, readonly number[]>>;
  /** Switches tell the edges who has joined their groups. */
  readonly snooping: boolean;
  /** Settles as long as the worst may take, not until all is well: what breaks later is found too. */
  readonly isPatient: boolean;
  /** In order of time; 0 = everybody is registered. */
  readonly steps: readonly Step[];
}

/** A step as one line for people. */
export function showStep(step: { readonly atMs: number; readonly do: string }): string {
  const { atMs, do: what, ...about } = step;
  const words = Object.values(about).map((value) => (typeof value === "object" ? JSON.stringify(value) : String(value)));
  return `${(atMs / 1_000).toFixed(2).padStart(7)} s  ${what} ${words.join(" ")}`;
}
