import { PERFECT } from "../link.ts";
import { simNetwork } from "../network.ts";
import type { SimNetwork } from "../types.ts";
import { World, type WorldBroadcaster, type WorldOptions, type WorldViewer } from "../world.ts";
import { brokenBetweenServers, brokenNow, type Violation } from "./rules.ts";
import { CAST, channelOf, type FaultScript, MEMBERS, type Step } from "./script.ts";

/** What a run of a script showed. */
export interface FaultRun {
  /** The first rules that were broken, all at one moment; none = the run is good. */
  readonly violations: readonly Violation[];
  readonly atMs: number;
  readonly virtualMs: number;
  readonly traceHash: string;
  readonly ladder: string;
}
export interface RunOptions {
  readonly ladder?: boolean;
  readonly tamper?: WorldOptions["tamper"];
}
type Person = { readonly home: string } & (
  | { readonly kind: "broadcaster"; readonly agent: WorldBroadcaster }
  | { readonly kind: "viewer"; readonly agent: WorldViewer }
);

/** How often the rules of every moment are checked, besides at every step. */
const CHECK_EVERY_MS = 250;
/** How long a run settles once all is well again, by the worst that happened. */
const SETTLE_MS = {
  /** Somebody said something. */
  word: 5_000,
  /** A 2xx without its ACK, then a BYE without its answer: 64*T1 each. */
  silence: 70_000,
  /** A COPS keep-alive interval until a peer is missed, then the time that orphans are kept. */
  lostConnection: 130_000,
};
/** Within it whoever watches sees a picture. */
const PICTURE_MS = 3_000;
/** One packet a second: enough to see that it comes. */
const PATTERN = { frames: 4, framesPerSec: 1, gopFrames: 1, kbps: 1 };

/** Runs a script, heals everything, waits, and says what rule was broken first. What the product throws is a violation too. */
export function runFaultScript(script: FaultScript, { ladder = false, tamper }: RunOptions = {}): FaultRun {
  const net = simNetwork(script.seed, { ladder });
  let violations: readonly Violation[];
  try {
    violations = new Run(net, script, tamper).toItsEnd();
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    violations = [{ rule: "the product threw", what: `${message}\n${stack?.split("\n").slice(1, 6).join("\n")}` }];
  }
  return { violations, atMs: net.nowMs(), virtualMs: net.nowMs(), traceHash: net.hash(), ladder: net.ladder() };
}

class Run {
  readonly #net: SimNetwork;
  readonly #script: FaultScript;
  readonly #world: World;
  readonly #people = new Map<string, Person>();
  /** Whose calls may have ended without him, or without his DS: only a session timer would tell them. */
  readonly #inDoubt = new Set<string>();
  #settleMs = SETTLE_MS.word;
  readonly #lines = new Map<string, readonly [from: string, to: string]>(); // that are not as they were

  constructor(net: SimNetwork, script: FaultScript, tamper: WorldOptions["tamper"]) {
    this.#net = net;
    this.#script = script;
    const { coreKbps, accessKbps } = script;
    this.#world = new World(net, { sites: 2, coreKbps, accessKbps, pattern: PATTERN, ...(tamper && { tamper }) });
    for (const { user, site } of CAST.broadcasters)
      this.#people.set(user, { kind: "broadcaster", home: `ds${site}`, agent: this.#world.broadcaster(user, site) });
    for (const { user, site } of CAST.viewers)
      this.#people.set(user, { kind: "viewer", home: `ds${site}`, agent: this.#world.viewer(user, site) });
  }

  toItsEnd(): readonly Violation[] {
    const zeroMs = this.#net.nowMs();
    for (const step of this.#script.steps) {
      const broken = this.#runUntil(zeroMs + step.atMs);
      if (broken.length > 0) return broken;
      this.#take(step);
    }
    this.#healAll();
    const broken = this.#runUntil(this.#net.nowMs() + this.#settleMs);
    return broken.length > 0 ? broken : [...brokenBetweenServers(this.#world), ...this.#brokenForPeople()];
  }

  #runUntil(atMs: number): readonly Violation[] {
    const { coreKbps: core, accessKbps: access } = this.#script;
    for (;;) {
      const broken = brokenNow(this.#world, { core, access });
      const leftMs = atMs - this.#net.nowMs();
      if (broken.length > 0 || leftMs <= 0) return broken;
      this.#net.run(Math.min(CHECK_EVERY_MS, leftMs));
    }
  }

  #take(step: Step): void {
    this.#net.note(step.do);
    switch (step.do) {
      case "crash":
      case "stop":
      case "restart":
      case "set clock":
        return this.#toServer(step);
      case "cut":
      case "cut one way":
      case "heal":
      case "degrade":
      case "repair":
        return this.#toLine(step);
      default:
        return this.#toPerson(step);
    }
  }

  #toPerson(step: Step & { readonly who: string }): void {
    const person = this.#people.get(step.who);
    if (!person) return;
    if (step.do === "vanish") this.#vanish(step.who, person);
    else if (step.do === "come back") person.agent.arrive();
    else if (person.kind === "viewer") {
      if (step.do === "watch") person.agent.watch(step.channel);
      if (step.do === "leave") person.agent.leave();
    } else {
      if (step.do === "go live" && !["calling", "on air"].includes(person.agent.state)) person.agent.goLive(channelOf(step.who));
      if (step.do === "hang up") person.agent.end();
    }
  }
  #vanish(who: string, { agent }: Person): void {
    if (!agent.isThere) return;
    agent.vanish();
    this.#settleFor(SETTLE_MS.silence);
    this.#inDoubt.add(who);
  }

  #toServer(step: Step & { readonly member: string }): void {
    const { member } = step;
    if (step.do === "set clock") this.#net.setWall(member, step.aheadMs);
    else if (step.do === "restart") {
      if (!this.#world.isUp(member)) this.#world.restart(member);
    } else if (this.#world.isUp(member)) {
      this.#settleFor(SETTLE_MS.lostConnection);
      this.#doubt(({ home }) => home === member);
      if (step.do === "crash") this.#world.kill(member, step.how);
      else this.#world.stop(member);
    }
  }

  #toLine(step: Step & { readonly from: string; readonly to: string }): void {
    const { from, to } = step;
    this.#lines.set(`${from} ${to}`, [from, to]);
    if (step.do === "heal") this.#net.heal(from, to);
    else if (step.do === "repair") this.#net.setFaults(from, to, PERFECT);
    else if (step.do === "degrade") {
      this.#settleFor(SETTLE_MS.silence);
      this.#net.setFaults(from, to, step.faults);
    } else {
      this.#settleFor(SETTLE_MS.lostConnection);
      this.#doubt(({ home }, who) => home === to && who === from);
      if (step.do === "cut") this.#net.cut(from, to);
      else this.#net.cutOneWay(from, to);
    }
  }
  #settleFor(ms: number): void {
    this.#settleMs = Math.max(this.#settleMs, ms);
  }
  #doubt(whom: (person: Person, who: string) => boolean): void {
    for (const [who, person] of this.#people) if (whom(person, who)) this.#inDoubt.add(who);
  }

  /** Lines are perfect, clocks right, servers up, deciders first. Who may be misled hangs up. */
  #healAll(): void {
    for (const [from, to] of this.#lines.values()) {
      this.#net.heal(from, to);
      this.#net.setFaults(from, to, PERFECT);
    }
    for (const member of MEMBERS) {
      this.#net.setWall(member, 0);
      if (!this.#world.isUp(member)) this.#world.restart(member);
    }
    for (const who of this.#inDoubt) {
      const person = this.#people.get(who);
      if (person?.kind === "viewer") person.agent.leave();
      else person?.agent.end();
    }
  }

  /** Of those who cannot be misled: what they think is what their DS thinks, and who watches sees a picture. */
  #brokenForPeople(): Violation[] {
    const before = new Map<string, number>();
    const [ds] = this.#world.servers.values();
    const found: Violation[] = [];
    for (const [who, person] of this.#people) {
      if (this.#inDoubt.has(who) || !ds) continue;
      const { state } = person.agent;
      const thinks =
        person.kind === "viewer" ? [state === "watching" ? person.agent.channel : ""] : [state === "on air" ? who : ""];
      const { onAir, sessions } = ds.tables;
      const rows =
        person.kind === "viewer"
          ? [...sessions.rows()].filter(({ value }) => value.user === who).map(({ value }) => value.channel)
          : [...onAir.rows()].filter(({ value }) => value.owner === who).map(({ value }) => value.owner);
      if (state === "calling" || thinks.join(" ").trim() !== rows.join(" "))
        found.push({ rule: "a person and his DS differ", what: `${who} is ${state}: ${thinks}; rows: ${rows.join(" ")}` });
      if (person.kind === "viewer" && state === "watching") before.set(who, person.agent.packets);
    }
    this.#net.run(PICTURE_MS);
    for (const [who, packets] of before) {
      const person = this.#people.get(who);
      const source = [...this.#people].find(([user]) => person?.kind === "viewer" && channelOf(user) === person.agent.channel);
      if (source && this.#inDoubt.has(source[0])) continue;
      if (person?.kind === "viewer" && person.agent.packets <= packets)
        found.push({ rule: "a viewer sees no picture", what: `${who}, ${person.agent.channel}` });
    }
    return found;
  }
}
