import { fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Draw } from "#sim/draw.ts";
import type { Binding } from "#sip/index.ts";
import { type Account, type Fault, faultOf } from "./survive/ledger.ts";
import type { LoadPlan, LoadReport } from "./survive/load.ts";
import { KillableOperator, SERVERS, type ServerId } from "./survive/operator.ts";

export interface SurviveOptions {
  /** Of load, and of kills. */
  readonly seconds: number;
  readonly users: number;
  readonly seed: number;
  /** A kill comes so long after the one before. */
  readonly everySec: { readonly least: number; readonly most: number };
  /** Machines that NATS joins, of whose servers one is killed now and then; else processes of one machine. */
  readonly nats: boolean;
  /** Where the servers' folders are made: a real disk. */
  readonly folder: string;
  readonly basePort: number;
}
export interface SurviveFigures extends Omit<LoadReport, "accounts" | "tookMs"> {
  readonly seed: number;
  readonly devices: number;
  readonly kills: Readonly<Record<string, number>>;
  /** Promised bindings that a server lacks; removed or expired ones that it has: by device and server. */
  readonly lost: number;
  readonly returned: number;
  /** Devices of which servers have different rows. */
  readonly disagreements: number;
  /** Promises that left when only one server had them, as far as servers that were killed still said. */
  readonly unreplicated: number;
  /** From the last restart until nothing was wrong any more. */
  readonly settledMs: number;
  readonly tookMs: { readonly median: number; readonly p99: number; readonly most: number };
  /** What is wrong, in sentences, and what servers complained of. */
  readonly faults: readonly string[];
}

/** After the last fault all is in order within this time (DESIGN §5, "Settled"). */
const SETTLE_MS = 15_000;
const LOOK_EVERY_MS = 500;
/** Questions to the servers at once. */
const AT_ONCE = 8;
const NATS_DOWN_MS = 3_000;
const SHARES = { nats: 0.25, both: 0.2 } as const;

/** Kills servers under load, counts what they promised and what they have: DESIGN §5, "What a 2xx promises". */
export async function benchSurvive(options: SurviveOptions, said: (line: string) => void): Promise<SurviveFigures> {
  const { seed, folder, basePort, nats } = options;
  const users = Array.from({ length: options.users }, (_, at) => ({ user: `u${at}`, secret: `secret ${at}` }));
  const operator = await KillableOperator.start(folder, basePort, users, nats);
  try {
    const { ports, domain } = operator;
    const load = startLoad({ ports, domain, users, seed, seconds: options.seconds });
    const killer = new Killer(operator, options, said);
    await killer.run();
    const { accounts, tookMs, ...counts } = await load.stop();
    const last = performance.now();
    const verdict = await settled(operator, accounts);
    return {
      ...counts,
      seed,
      devices: accounts.length,
      kills: killer.kills,
      ...verdict,
      unreplicated: await killer.unreplicated(),
      settledMs: performance.now() - last,
      tookMs: { median: at(tookMs, 0.5), p99: at(tookMs, 0.99), most: at(tookMs, 1) },
      faults: [...verdict.faults, ...operator.complaints()],
    };
  } finally {
    await operator.stop();
  }
}

function startLoad(plan: LoadPlan): { stop(): Promise<LoadReport> } {
  const child = fork(path.join(import.meta.dirname, "survive/load.ts"), [JSON.stringify(plan)]);
  return {
    stop: async () => {
      const report = once(child, "message");
      child.send("stop");
      return (await report)[0] as LoadReport;
    },
  };
}

/** Draws from the seed who is killed, and when: on a busy machine later, and as often. */
class Killer {
  readonly kills: Record<string, number> = Object.fromEntries(SERVERS.map((id) => [id, 0]));
  readonly #operator: KillableOperator;
  readonly #options: SurviveOptions;
  readonly #said: (line: string) => void;
  readonly #draw: Draw;
  /** What servers had counted when they were killed. */
  #unreplicated = 0;

  constructor(operator: KillableOperator, options: SurviveOptions, said: (line: string) => void) {
    this.#operator = operator;
    this.#options = options;
    this.#said = said;
    this.#draw = new Draw(options.seed);
  }

  async run(): Promise<void> {
    const { seconds, everySec } = this.#options;
    const startMs = performance.now();
    for (let atMs = 0; ; ) {
      atMs += this.#draw.between(1_000 * everySec.least, 1_000 * everySec.most);
      await pause(Math.max(0, startMs + Math.min(atMs, 1_000 * seconds) - performance.now()));
      if (atMs >= 1_000 * seconds) return;
      if (this.#operator.nats && this.#draw.chance(SHARES.nats)) await this.#killNats(this.#draw.between(0, SERVERS.length - 1));
      else await this.#kill(this.#draw.chance(SHARES.both) ? this.#draw.two(SERVERS) : [this.#draw.oneOf(SERVERS)]);
    }
  }

  async unreplicated(): Promise<number> {
    return this.#unreplicated + (await this.#countedBy(SERVERS));
  }

  async #kill(servers: readonly ServerId[]): Promise<void> {
    this.#unreplicated += await this.#countedBy(servers);
    for (const id of servers) {
      this.#operator.kill(id);
      this.#note(id);
    }
  }
  async #killNats(index: number): Promise<void> {
    const { nats } = this.#operator;
    await nats?.kill(index);
    this.#note(`nats${index + 1}`);
    await pause(NATS_DOWN_MS);
    await nats?.start(index);
  }
  #note(who: string): void {
    this.kills[who] = (this.kills[who] ?? 0) + 1;
    this.#said(`killed ${who}`);
  }
  async #countedBy(servers: readonly string[]): Promise<number> {
    const { tables } = await this.#operator.ask({ ask: "tables" });
    const counts = tables.filter(({ name, at }) => name === "bindings" && servers.includes(at));
    return counts.reduce((sum, { unreplicated }) => sum + unreplicated, 0);
  }
}

interface Verdict {
  readonly lost: number;
  readonly returned: number;
  readonly disagreements: number;
  readonly faults: readonly string[];
}

/** Once nothing is wrong, or after it should have been. */
async function settled(operator: KillableOperator, accounts: readonly Account[]): Promise<Verdict> {
  const endMs = performance.now() + SETTLE_MS;
  for (;;) {
    await operator.serving();
    const verdict = await judge(operator, accounts);
    if (verdict.faults.length === 0 || performance.now() > endMs) return verdict;
    await pause(LOOK_EVERY_MS);
  }
}

async function judge(operator: KillableOperator, accounts: readonly Account[]): Promise<Verdict> {
  const counts: Record<Fault | "disagreement", number> = { lost: 0, returned: 0, disagreement: 0 };
  const faults: string[] = [];
  const found = (fault: keyof typeof counts, what: string): void => {
    counts[fault]++;
    faults.push(`${fault}: ${what}`);
  };
  const left = [...accounts];
  const look = async (): Promise<void> => {
    for (let account = left.pop(); account; account = left.pop()) {
      const rows = await operator.rowsOf(account.aor);
      const nowMs = Date.now();
      const bound = rows.filter(({ table, at }) => table === "bindings" && (SERVERS as readonly string[]).includes(at));
      const texts = SERVERS.map((id) => {
        const row = bound.find(({ at }) => at === id);
        const fault = faultOf(account, row?.value as Binding | undefined, nowMs);
        if (fault) found(fault, `${account.aor} at ${id}: ${JSON.stringify(row)}; ${JSON.stringify(account)}`);
        return row && `${row.owner} ${row.order}/${row.term} ${JSON.stringify(row.value)}`;
      });
      if (new Set(texts).size > 1) found("disagreement", `${account.aor}: ${texts.join(" | ")}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, look));
  return { lost: counts.lost, returned: counts.returned, disagreements: counts.disagreement, faults };
}

/** Of rising values the one at that share. */
const at = (rising: readonly number[], share: number): number =>
  Math.round(rising[Math.min(rising.length - 1, Math.floor(share * rising.length))] ?? Number.NaN);
