import { Draw } from "../draw.ts";
import type { Faults } from "../types.ts";
import { askChannelOf, CAST, channelOf, type Device, type FaultScript, MEMBERS, PEOPLE, type Step } from "./script.ts";

const DAY_MS = 24 * 60 * 60_000;
/** Of what people do, in shares of all. */
const VIEWER_DEEDS = ["watch", "watch", "watch", "watch", "leave", "leave", "vanish", "come back"] as const;
const BROADCASTER_DEEDS = ["go live", "go live", "wait", "wait", "hang up"] as const;
const PHONE_DEEDS = [
  "call",
  "call",
  "answer",
  "answer",
  "decline",
  "hang up",
  "vanish",
  "come back",
  "unregister",
  "register",
] as const;
const VIEWER_DEVICES = ["multicast", "multicast", "unicast", "page"] as const;
const LINES = ["udp", "tcp", "tls"] as const;
/** Room for everything, for two channels, for one. */
const CORE_KBPS = [1_000_000, 1_600, 800] as const;
const ACCESS_KBPS = [100_000, 1_600, 800] as const;
/** At which one picture is sent. */
const RATES: readonly (readonly number[])[] = [
  [800, 300],
  [2_000, 800, 300],
  [300, 1_600],
];
const WISHES_KBPS = [800, 300, 100] as const;
const COPS_MS = [0, 0, 100] as const;
const FAULTS: readonly Partial<Faults>[] = [
  { loss: 0.1, jitterMs: 20 },
  { loss: 0.3, duplicate: 0.1, jitterMs: 40 },
  { duplicate: 0.3, reorder: 0.3 },
  { bursts: { begin: 0.05, end: 0.2, loss: 0.9 } },
  { delayMs: 400, jitterMs: 400 },
  { kbps: 64, queueBytes: 4_096 },
];
/** A clock that is off by this share is broken: a quartz is within 0.0001. */
const SKEW = 0.01;
const SERVER_TROUBLES = ["crash", "crash", "stop", "lose disk", "full disk", "rot", "clock", "skew"] as const;
const LINE_TROUBLES = ["cut", "cut", "cut one way", "split", "weather", "weather"] as const;

/** The script that a seed stands for: in a third of them nothing goes wrong, in a third people vanish and lines get worse. */
export function faultScript(seed: number): FaultScript {
  const draw = new Draw(seed);
  const world = draw.oneOf(["well", "lines", "servers"]);
  const lengthMs = draw.between(5_000, 30_000);
  const steps: Step[] = [];
  for (const { user } of CAST.broadcasters) if (draw.chance(0.9)) steps.push(broadcasterDeed(draw, draw.between(0, 2_000), user));
  for (let left = draw.between(4, 60); left > 0; left--) steps.push(...deed(draw, draw.between(500, lengthMs)));
  for (let left = world === "well" ? 0 : draw.between(1, world === "lines" ? 2 : 4); left > 0; left--) {
    const atMs = draw.between(500, lengthMs);
    const untilMs = atMs + draw.spread(200, 45_000);
    steps.push(...(world === "lines" ? weather(draw, atMs, untilMs) : trouble(draw, atMs, untilMs)));
  }
  const taken = world === "well" ? steps.filter((step) => step.do !== "vanish") : steps;
  taken.sort((a, b) => a.atMs - b.atMs);
  const [coreKbps, accessKbps] = [draw.oneOf(CORE_KBPS), draw.oneOf(ACCESS_KBPS)];
  const [copsMs, inTurn, isPatient] = [draw.oneOf(COPS_MS), draw.chance(0.5), draw.chance(0.2)];
  const [snooping, peers] = [draw.chance(0.5), draw.oneOf(LINES)];
  return {
    seed,
    coreKbps,
    accessKbps,
    copsMs,
    inTurn,
    peers,
    devices: devices(draw),
    rates: rates(draw),
    snooping,
    isPatient,
    steps: taken,
  };
}

function devices(draw: Draw): Record<string, Device> {
  return Object.fromEntries([
    ...CAST.viewers.map(({ user }) => [user, draw.oneOf(VIEWER_DEVICES)] as const),
    ...CAST.phones.map(({ user }) => [user, draw.oneOf(LINES)] as const),
  ]);
}
function rates(draw: Draw): FaultScript["rates"] {
  return Object.fromEntries(CAST.broadcasters.flatMap(({ user }) => (draw.chance(0.5) ? [[user, draw.oneOf(RATES)]] : [])));
}

function deed(draw: Draw, atMs: number): Step[] {
  if (draw.chance(0.1)) return [broadcasterDeed(draw, atMs, draw.oneOf(CAST.broadcasters).user)];
  return draw.chance(0.2) ? phoneDeed(draw, atMs) : viewerDeed(draw, atMs);
}
function broadcasterDeed(draw: Draw, atMs: number, who: string): Step {
  const what = draw.oneOf(BROADCASTER_DEEDS);
  const refused = what === "wait" && draw.chance(0.2) ? draw.oneOf(CAST.viewers).user : undefined;
  return refused === undefined ? { atMs, do: what, who } : { atMs, do: "wait", who, refused };
}
/** Who wants something may give up at any moment. */
function viewerDeed(draw: Draw, atMs: number): Step[] {
  const who = draw.oneOf(CAST.viewers).user;
  const what = draw.oneOf(VIEWER_DEEDS);
  if (what !== "watch") return [{ atMs, do: what, who }];
  const wish = draw.chance(0.2) ? { kbps: draw.oneOf(WISHES_KBPS) } : {};
  const watch: Step = { atMs, do: what, who, channel: someChannel(draw), ...wish };
  return draw.chance(0.2) ? [watch, { atMs: atMs + draw.spread(1, 2_000), do: "leave", who }] : [watch];
}
function phoneDeed(draw: Draw, atMs: number): Step[] {
  const [who, other] = draw.two(CAST.phones.map(({ user }) => user));
  const what = draw.oneOf(PHONE_DEEDS);
  if (what !== "call") return [{ atMs, do: what, who }];
  const call: Step = { atMs, do: what, who, whom: draw.chance(0.9) ? other : draw.oneOf(PEOPLE).user };
  const later = draw.oneOf(["answer", "answer", "decline", "hang up", undefined] as const);
  if (later === undefined) return [call];
  return [call, { atMs: atMs + draw.spread(1, 5_000), do: later, who: later === "hang up" ? who : other }];
}
function someChannel(draw: Draw): string {
  if (draw.chance(0.05)) return askChannelOf(draw.oneOf(CAST.phones).user);
  return (draw.chance(0.6) ? channelOf : askChannelOf)(draw.oneOf(CAST.broadcasters).user);
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
  return draw.chance(0.6) ? serverTrouble(draw, atMs, untilMs) : lineTrouble(draw, atMs, untilMs);
}
function serverTrouble(draw: Draw, atMs: number, untilMs: number): Step[] {
  const member = draw.oneOf(MEMBERS);
  const restart: Step = { atMs: untilMs, do: "restart", member };
  const crash = (whenMs: number): Step => ({ atMs: whenMs, do: "crash", member, how: draw.oneOf(["process", "machine"]) });
  const what = draw.oneOf(SERVER_TROUBLES);
  switch (what) {
    case "crash":
      return [crash(atMs), restart];
    case "stop":
    case "lose disk":
      return [{ atMs, do: what, member }, restart];
    case "rot":
      return [{ atMs, do: what, member }, crash(atMs + draw.spread(1, 5_000)), restart];
    case "full disk":
      return [{ atMs, do: "fill disk", member }, { atMs: draw.between(atMs, untilMs), do: "free disk", member }, restart];
    case "clock": {
      const set: Step = { atMs, do: "set clock", member, aheadMs: draw.between(-DAY_MS, DAY_MS) };
      return draw.chance(0.5) ? [set, crash(atMs + 1), restart] : [set];
    }
    case "skew":
      return [{ atMs, do: "run clock", member, rate: 1 + draw.oneOf([-SKEW, SKEW]) }];
  }
}
function lineTrouble(draw: Draw, atMs: number, untilMs: number): Step[] {
  const what = draw.oneOf(LINE_TROUBLES);
  if (what === "weather") return weather(draw, atMs, untilMs);
  const [from, to] = draw.chance(0.2) ? personAndServer(draw) : draw.two(MEMBERS);
  const lines = what === "split" ? someSplit(draw) : [[from, to] as const];
  return lines.flatMap(([a, b]): Step[] => [
    { atMs, do: what === "cut one way" ? what : "cut", from: a, to: b },
    { atMs: untilMs, do: "heal", from: a, to: b },
  ]);
}
/** Every line between some servers and the others; whoever is at a site stays with its servers. */
function someSplit(draw: Draw): (readonly [string, string])[] {
  const here = MEMBERS.filter(() => draw.chance(0.5));
  return here.flatMap((from) => MEMBERS.filter((to) => !here.includes(to)).map((to) => [from, to] as const));
}
