import { LIMITS } from "#base/limits.ts";
import { PERFECT } from "../link.ts";
import { simNetwork } from "../network.ts";
import type { SimNetwork } from "../types.ts";
import { thrownBy, type Violation } from "../violation.ts";
import { World, type WorldOptions } from "../world.ts";
import { Company } from "./company.ts";
import { brokenBetweenServers, brokenNow, differentBindings, stillHeld, stillOpen, unanswered } from "./rules.ts";
import { CAST, type FaultScript, MEMBERS, type Step } from "./script.ts";

/** What a run of a script showed. */
export interface FaultRun {
  /** The first rules that were broken, all at one moment; none = the run is good. */
  readonly violations: readonly Violation[];
  readonly virtualMs: number;
  readonly traceHash: string;
  readonly ladder: string;
}
export interface RunOptions {
  readonly ladder?: boolean;
  readonly tamper?: WorldOptions["tamper"];
}

/** How often the rules of every moment are checked, besides at every step. */
const CHECK_EVERY_MS = 250;
/** How often it is looked whether all has settled. */
const LOOK_EVERY_MS = 5_000;
/** What one message, handled at the paper's 100 ms, and those that follow from it take. */
const MOMENT_MS = 1_000;
/** How long a run settles at most once all is well again, by the worst that happened. */
const SETTLE_MS = {
  /** Somebody said something. */
  word: 5_000,
  /** A phone was asked for its channel: it rings, or is taken and never sends a picture. */
  ringing: LIMITS.ingestAwaitedMs + LIMITS.broadcasterAnswerMs,
  /** A 2xx without its ACK, then a BYE without its answer: 64*T1 each. */
  silence: 70_000,
  /** A COPS keep-alive interval until a peer is missed, then the time that orphans are kept. */
  lostConnection: 130_000,
  /** A dialog that one side has lost is found out by its session timer, and the other way about. */
  session: 1_000 * LIMITS.sessionExpiresSec + 70_000,
};
/** Within it whoever watches sees a picture. */
const PICTURE_MS = 3_000;
/** How long after all hung up something may be held, and transactions may live. */
const GOODBYE_MS = {
  /** An `ask` channel waits for another viewer. */
  calm: { held: LIMITS.emptyChannelMs + SETTLE_MS.word, alive: 40_000 },
  /** A proxied call that both ends have lost rings for three minutes (Timer C, RFC 3261 §16.8), and is canceled. */
  troubled: { held: SETTLE_MS.session, alive: 180_000 + SETTLE_MS.silence },
};
/** One packet a second: enough to see that it comes. */
const PATTERN = { frames: 4, framesPerSec: 1, gopFrames: 1, kbps: 1 };

/** Runs a script, heals everything, waits, and says what rule was broken first. What the product throws is a violation too. */
export function runFaultScript(script: FaultScript, { ladder = false, tamper }: RunOptions = {}): FaultRun {
  const net = simNetwork(script.seed, { ladder });
  let violations: readonly Violation[];
  try {
    violations = new Run(net, script, tamper).toItsEnd();
  } catch (error) {
    violations = [thrownBy(error)];
  }
  return { violations, virtualMs: net.nowMs(), traceHash: net.hash(), ladder: net.ladder() };
}

class Run {
  readonly #net: SimNetwork;
  readonly #script: FaultScript;
  readonly #world: World;
  readonly #company: Company;
  /** What each server holds open while nobody has a call. */
  readonly #idle: ReadonlyMap<string, ReturnType<SimNetwork["inUse"]>>;
  readonly #lines = new Map<string, readonly [from: string, to: string]>(); // that are not as they were
  /** Something may have kept a SIP request from being answered. */
  #isExcused = false;
  /** DSs whose disk did not keep what was written on it. */
  readonly #bereft = new Set<string>();
  /** Promises that DSs made alone, in lives that are over. */
  #unreplicated = 0;
  /** DSs whose wall clock stands ahead. */
  readonly #early = new Set<string>();
  /** One of them started, and took what it read for expired: after a restart the smaller remainder counts (DESIGN §5). */
  #hasForgotten = false;
  #brokenSinceMs: ReadonlyMap<string, number> = new Map(); // by rule
  #settleMs = SETTLE_MS.word;
  /** Nothing went wrong but what people do. */
  #isCalm = true;

  constructor(net: SimNetwork, script: FaultScript, tamper: WorldOptions["tamper"]) {
    this.#net = net;
    this.#script = script;
    const { coreKbps, accessKbps, copsMs: copsHandlingMs, inTurn: askSequentially, snooping, peers } = script;
    const capacity = { coreKbps, accessKbps, copsHandlingMs };
    const options = { sites: 2, ...capacity, askSequentially, snooping, pattern: PATTERN, ds: () => ({ peers }) };
    this.#world = new World(net, { ...options, ...(tamper && { tamper }) });
    this.#company = new Company(this.#world, script);
    this.#idle = new Map(MEMBERS.map((member) => [member, net.inUse(member)]));
  }

  toItsEnd(): readonly Violation[] {
    const zeroMs = this.#net.nowMs();
    for (const step of this.#script.steps) {
      const broken = this.#runUntil(zeroMs + step.atMs);
      if (broken.length > 0) return broken;
      this.#take(step);
    }
    this.#healAll();
    const everyMs = this.#script.isPatient ? this.#settleMs : LOOK_EVERY_MS;
    const broken = this.#settles(this.#settleMs, everyMs, () => this.#unsettled());
    if (broken.length > 0) return broken;
    this.#company.hangUp();
    const { held, alive } = GOODBYE_MS[this.#isCalm ? "calm" : "troubled"];
    const kept = this.#settles(held, LOOK_EVERY_MS, () => [...stillHeld(this.#world), ...this.#company.busy()]);
    return kept.length > 0 ? kept : this.#settles(alive, LOOK_EVERY_MS, () => stillOpen(this.#world, this.#idle));
  }
  #unsettled(): readonly Violation[] {
    const broken = [
      ...brokenBetweenServers(this.#world),
      ...this.#company.misled(this.#isCalm),
      ...(this.#hasForgotten ? [] : differentBindings(this.#world)),
      ...(this.#hasForgotten || this.#mayHaveLost() ? [] : this.#company.misplaced()),
    ];
    return broken.length > 0 ? broken : this.#company.blind(PICTURE_MS);
  }
  /** What only one DS had when it was promised may have gone with its disk; and what both had, with both disks (DESIGN §5). */
  #mayHaveLost(): boolean {
    if (this.#bereft.size === 0) return false;
    const now = [...this.#world.servers.keys()].map((id) => this.#world.unreplicated(id));
    return this.#bereft.size > 1 || this.#unreplicated + Math.max(...now) > 0;
  }
  /** Looks every so often until all is well; once more after a moment, since something may just be under way. */
  #settles(withinMs: number, everyMs: number, unsettled: () => readonly Violation[]): readonly Violation[] {
    const untilMs = this.#net.nowMs() + withinMs;
    for (;;) {
      const isLast = this.#net.nowMs() >= untilMs;
      const broken = this.#runUntil(isLast ? untilMs + MOMENT_MS : Math.min(untilMs, this.#net.nowMs() + everyMs));
      if (broken.length > 0) return broken;
      const rest = unsettled();
      if (rest.length === 0 || isLast) return rest;
    }
  }

  #runUntil(atMs: number): readonly Violation[] {
    const { coreKbps: core, accessKbps: access } = this.#script;
    for (;;) {
      const broken = [
        ...brokenNow(this.#world, { core, access }),
        ...this.#lagging(),
        ...(this.#isExcused ? [] : [...unanswered(this.#world), ...this.#company.unanswered()]),
      ];
      const leftMs = atMs - this.#net.nowMs();
      if (broken.length > 0 || leftMs <= 0) return broken;
      this.#net.run(Math.min(CHECK_EVERY_MS, leftMs));
    }
  }

  /** While nothing goes wrong, servers agree within moments of what people do. */
  #lagging(): readonly Violation[] {
    const isWell = this.#settleMs === SETTLE_MS.word;
    const now = isWell ? [...brokenBetweenServers(this.#world), ...differentBindings(this.#world)] : [];
    const nowMs = this.#net.nowMs();
    const since = new Map(now.map(({ rule }) => [rule, this.#brokenSinceMs.get(rule) ?? nowMs]));
    this.#brokenSinceMs = since;
    return now.filter(({ rule }) => nowMs - (since.get(rule) ?? nowMs) > SETTLE_MS.word);
  }

  #take(step: Step): void {
    this.#net.note(step.do);
    if ("member" in step) this.#toServer(step);
    else if ("from" in step) this.#toLine(step);
    else this.#toPerson(step);
  }

  #toPerson(step: Step & { readonly who: string }): void {
    if (step.do === "vanish") {
      this.#suffers(SETTLE_MS.session);
      this.#isExcused = true;
    }
    if (step.do === "watch" && CAST.phones.some(({ user }) => step.channel.startsWith(user))) this.#settleFor(SETTLE_MS.ringing);
    this.#company.take(step);
  }

  #toServer(step: Step & { readonly member: string }): void {
    const { member } = step;
    switch (step.do) {
      case "set clock":
        if (isDs(member) && step.aheadMs > 0) this.#early.add(member);
        else this.#early.delete(member);
        return this.#net.setWall(member, step.aheadMs);
      case "run clock":
        return this.#net.setRate(member, step.rate);
      case "rot":
        this.#loses(member);
        return this.#net.corruptLogs(member);
      case "fill disk":
        this.#fails(member);
        return this.#net.fillDisk(member, true);
      case "free disk":
        return this.#net.fillDisk(member, false);
      case "restart":
        return this.#restart(member);
      default:
        if (!this.#world.isUp(member)) return;
        this.#fails(member);
        if (step.do === "stop") this.#world.stop(member);
        else this.#world.kill(member, step.do === "crash" ? step.how : "machine");
        if (step.do !== "lose disk") return;
        this.#loses(member);
        this.#net.loseDisk(member);
    }
  }
  #restart(member: string): void {
    if (this.#world.isUp(member)) return;
    if (this.#early.has(member)) this.#hasForgotten = true;
    if (isDs(member)) this.#unreplicated += this.#world.unreplicated(member);
    this.#world.restart(member);
  }
  #loses(member: string): void {
    if (isDs(member)) this.#bereft.add(member);
  }
  #fails(member: string): void {
    this.#suffers(isDs(member) ? SETTLE_MS.session : SETTLE_MS.lostConnection);
    if (isDs(member)) this.#isExcused = true;
  }

  #toLine(step: Step & { readonly from: string; readonly to: string }): void {
    const { from, to } = step;
    this.#lines.set(`${from} ${to}`, [from, to]);
    if (step.do === "heal") return this.#net.heal(from, to);
    if (step.do === "repair") return this.#net.setFaults(from, to, PERFECT);
    const isSip = [from, to].some(isDs);
    if (isSip) this.#isExcused = true;
    if (step.do === "degrade") {
      this.#suffers(SETTLE_MS.silence);
      return this.#net.setFaults(from, to, step.faults);
    }
    this.#suffers(isSip ? SETTLE_MS.session : SETTLE_MS.lostConnection);
    if (step.do === "cut") this.#net.cut(from, to);
    else this.#net.cutOneWay(from, to);
  }
  #suffers(settleMs: number): void {
    this.#isCalm = false;
    this.#settleFor(settleMs);
  }
  #settleFor(ms: number): void {
    this.#settleMs = Math.max(this.#settleMs, ms);
  }

  /** Lines are perfect, clocks right, disks have room, servers are up, deciders first. */
  #healAll(): void {
    for (const [from, to] of this.#lines.values()) {
      this.#net.heal(from, to);
      this.#net.setFaults(from, to, PERFECT);
    }
    for (const member of MEMBERS) {
      this.#net.setWall(member, 0);
      this.#early.delete(member);
      this.#net.setRate(member, 1);
      this.#net.fillDisk(member, false);
      this.#restart(member);
    }
  }
}
const isDs = (member: string): boolean => member.startsWith("ds");
