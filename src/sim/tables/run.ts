import type { Ticket } from "#base/ticket.ts";
import { type Carrier, copiedTo, InProcessCarrier, OverlayNode, type Table } from "#overlay/index.ts";
import { PERFECT } from "../link.ts";
import { simNetwork } from "../network.ts";
import type { SimNetwork } from "../types.ts";
import { thrownBy, type Violation } from "../violation.ts";
import { SERVERS, type Step, type TableScript } from "./script.ts";

export interface TableRun {
  readonly violations: readonly Violation[];
  readonly virtualMs: number;
  readonly traceHash: string;
  /** Promises that were kept, were superseded, ended, or were excused because only their lost writer had them. */
  readonly promises: number;
}

/** One who wrote, and what: `row` is undefined for a removal. */
interface Word {
  readonly key: string;
  readonly owner: string;
  readonly order: number;
  readonly term: number;
  /** Counts all words of a run. */
  readonly number: number;
  readonly value: string | undefined;
  readonly endsAtMs: number;
  isPromised: boolean;
  /** Nobody else had it when its promise left. */
  isAlone: boolean;
}
interface Server {
  readonly node: OverlayNode;
  readonly table: Table<string>;
}

const START_MS = 700;
/** After the last fault: a silent member is missed after five hellos, and a row that lives five seconds has ended. */
const SETTLE_MS = 15_000;

/** Runs a script on the product's own overlay, heals everything, waits, and says which rule was broken. */
export function runTableScript(script: TableScript, wrap: (carrier: Carrier) => Carrier = (carrier) => carrier): TableRun {
  const net = simNetwork(script.seed, { ladder: false });
  const run = new Run(net, script, wrap);
  let violations: readonly Violation[];
  try {
    violations = run.toItsEnd();
  } catch (error) {
    violations = [thrownBy(error)];
  }
  return { violations, virtualMs: net.nowMs(), traceHash: net.hash(), promises: run.promises };
}

class Run {
  readonly #net: SimNetwork;
  readonly #script: TableScript;
  readonly #carrier: Carrier;
  readonly #servers = new Map<string, Server>(); // that run
  readonly #words: Word[] = [];
  /** Whose disk did not keep what was written on it. */
  readonly #bereft = new Set<string>();
  readonly #lost = new Set<string>();

  constructor(net: SimNetwork, script: TableScript, wrap: (carrier: Carrier) => Carrier) {
    this.#net = net;
    this.#script = script;
    this.#carrier = wrap(new InProcessCarrier((from, to) => net.fate(from, to)));
  }

  get promises(): number {
    return this.#words.filter(({ isPromised }) => isPromised).length;
  }

  toItsEnd(): readonly Violation[] {
    for (const server of SERVERS) this.#start(server);
    this.#net.run(START_MS);
    for (const step of this.#script.steps) {
      this.#net.run(Math.max(0, step.atMs - this.#net.nowMs()));
      this.#take(step);
    }
    this.#healAll();
    this.#net.run(SETTLE_MS);
    return [...this.#disagreements(), ...this.#words.flatMap((word) => this.#broken(word) ?? [])];
  }

  #start(server: string): void {
    if (this.#net.isUp(server) || this.#lost.has(server)) return;
    const host = this.#net.host(server, `127.0.0.${SERVERS.indexOf(server as (typeof SERVERS)[number]) + 1}`);
    const node = new OverlayNode(this.#carrier, host, { id: server, role: "ds", info: {} });
    this.#servers.set(server, { node, table: node.table<string>("rows", copiedTo("ds")) });
  }
  #crash(server: string, how: "process" | "machine" = "machine"): void {
    this.#net.kill(server, how);
    this.#servers.delete(server);
  }

  #take(step: Step): void {
    this.#net.note(step.do);
    switch (step.do) {
      case "put":
      case "remove":
        return this.#write(step);
      case "cut":
      case "heal":
        return this.#net[step.do](step.from, step.to);
      case "degrade":
        return this.#net.setFaults(step.from, step.to, step.faults);
      case "repair":
        return this.#net.setFaults(step.from, step.to, PERFECT);
      default:
        return this.#toServer(step);
    }
  }

  #toServer(step: Exclude<Step, { readonly from: string } | { readonly key: string }>): void {
    switch (step.do) {
      case "crash":
        return this.#crash(step.at, step.how);
      case "rot":
      case "lose disk":
      case "lose":
        return this.#disaster(step.at, step.do);
      case "restart":
        return this.#start(step.at);
      case "fill disk":
      case "free disk":
        return this.#net.fillDisk(step.at, step.do === "fill disk");
      case "slow disk":
        return this.#net.setDisk(step.at, { flushMs: step.flushMs });
      case "set clock":
        return this.#net.setWall(step.at, step.aheadMs);
      case "run clock":
        return this.#net.setRate(step.at, step.rate);
    }
  }
  #disaster(server: string, how: "rot" | "lose disk" | "lose"): void {
    this.#crash(server);
    this.#bereft.add(server);
    if (how === "rot") this.#net.corruptLogs(server);
    else this.#net.loseDisk(server);
    if (how === "lose") this.#lost.add(server);
  }

  /** A server that reads its log still, or whose disk was full, takes nothing. */
  #write(step: Extract<Step, { readonly key: string }>): void {
    const server = this.#servers.get(step.at);
    if (!server?.node.journal.isReplayed || !this.#net.isUp(step.at)) return;
    const { table } = server;
    const before = table.get(step.key);
    if (step.do === "remove" && !before) return;
    const number = this.#words.length;
    const value = step.do === "put" ? String(number) : undefined;
    const ticket = step.do === "put" ? table.put(step.key, String(number), step.order, step.lifetimeSec) : table.remove(step.key);
    const row = table.get(step.key) ?? before;
    if (!row) throw new Error(`${step.key} was put and is not there`);
    const isTakenOver = step.do === "remove" && row.owner !== step.at;
    const [term, lifeMs] = [row.term + (isTakenOver ? 1 : 0), step.do === "put" ? step.lifetimeSec * 1_000 : 0];
    const endsAtMs = this.#net.nowMs() + lifeMs;
    const { order } = row;
    const word = { key: step.key, owner: step.at, order, term, number, value, endsAtMs, isPromised: false, isAlone: false };
    this.#words.push(word);
    this.#await(server.node, ticket, word);
  }
  #await({ replication }: OverlayNode, ticket: Ticket, word: Word): void {
    const before = replication.counters.unreplicated;
    ticket.onSafe(() => {
      word.isPromised = true;
      word.isAlone = replication.counters.unreplicated > before;
    });
  }

  #healAll(): void {
    for (const [at, from] of SERVERS.entries()) {
      for (const to of SERVERS.slice(at + 1)) {
        this.#net.heal(from, to);
        this.#net.setFaults(from, to, PERFECT);
      }
      this.#net.fillDisk(from, false);
    }
    for (const server of SERVERS) this.#start(server);
  }

  /** All copies agree, so exactly one member says "mine" of every key. */
  #disagreements(): readonly Violation[] {
    const [first, ...others] = [...this.#servers].map(([id, { table }]) => ({ id, text: textOf(table) }));
    return others.flatMap(({ id, text }): Violation | [] =>
      text === first?.text ? [] : { rule: "copies differ", what: `${first?.id}: ${first?.text}; ${id}: ${text}` },
    );
  }

  /** What was promised is there, or what beats it is, or was until its life ended or it was removed. */
  #broken(word: Word): Violation | undefined {
    if (!word.isPromised || (word.isAlone && this.#bereft.has(word.owner))) return undefined;
    const [server] = this.#servers.values();
    const row = server?.table.get(word.key);
    const written = row && this.#words[Number(row.value)];
    const found = written && { ...written, order: row.order, term: row.term }; // which its owner may have raised
    if (found && this.#gaveWay(word, (to) => !beats(to, found))) return undefined;
    if (found) {
      const rule = word.value === undefined ? "a removed row came back" : "a promised row gave way to a worse one";
      return { rule, what: `${show(word)}; there is ${show(found)}` };
    }
    const hasGone = ({ value, endsAtMs }: Word): boolean => value === undefined || endsAtMs <= this.#net.nowMs();
    return this.#gaveWay(word, hasGone) ? undefined : { rule: "a promised row was lost", what: show(word) };
  }
  /**
   * It, or what beats it, or what beats that is such a word: one who lost his disk may write lower than he did before, and his
   * later word beats his earlier one all the same, so that "beats" can have circles.
   */
  #gaveWay(word: Word, isSuch: (to: Word) => boolean): boolean {
    const better = new Set([word]);
    for (const one of better) {
      if (isSuch(one)) return true;
      for (const other of this.#words) if (other.key === one.key && beats(other, one)) better.add(other);
    }
    return false;
  }
}

function beats(one: Word, other: Word): boolean {
  if (one.owner === other.owner) return one.number > other.number;
  if (one.order !== other.order) return one.order > other.order;
  return one.term === other.term ? one.owner > other.owner : one.term > other.term;
}
const show = ({ key, owner, order, term, number, value }: Word): string =>
  `${owner} ${value === undefined ? "removed" : "put"} ${key} (word ${number}, order ${order}, term ${term})`;
function textOf(table: Table<string>): string {
  const rows = [...table.rows()].map(({ key, owner, order, term, value }) => `${key}=${value} of ${owner} ${order}/${term}`);
  return rows.sort().join(", ") || "nothing";
}
