import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync, type Stats, statSync } from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { LIMITS } from "#base/limits.ts";
import { nodeHost } from "#host/node/index.ts";
import { type TestNats, testNats } from "#overlay/carriers/test-nats.ts";
import { ChannelHub, InProcessCarrier, ipcChannel } from "#overlay/index.ts";
import type { RowFigures } from "./tables/alone.ts";
import type { Ask, MemberPlan, MemberState, PutFigures, Up } from "./tables/member.ts";

export interface TablesFigures {
  /** One table in a process of its own, beside a plain Map of the same objects. */
  readonly memory: readonly RowFigures[];
  /** Two members on their disks: as many rows as go through the gate, and a few a second. */
  readonly gate: PutFigures;
  readonly unhurried: PutFigures;
  /** The same few on a disk that takes 20 ms for a flush. */
  readonly slowDisk: PutFigures;
  /** A member joins another one that has all rows and serves on. */
  readonly catchUp: { readonly rows: number; readonly ms: number; readonly meanwhile: PutFigures };
  /** A member that has all rows starts again from its log, nobody else there. */
  readonly restartMs: number;
  /** A few rows a second while that log, which has no room left, is rewritten. */
  readonly compaction: PutFigures;
  /** Three members at a server of NATS each, of which one is killed: until all three have the same again. */
  readonly natsLostMs: number | undefined;
}
export interface TablesOptions {
  readonly rows: number;
  /** Where logs are: a real disk. */
  readonly folder: string;
}

const SLOW_FLUSH_MS = 20;
/** Puts without their promise, where as many as possible are made; and what a DS in use has a second. */
const AT_ONCE = 1_000;
const PER_SEC = 500;
const LOOK_EVERY_MS = 50;
/** Of a binding in a log, at least. */
const ROW_OCTETS = 220;

/** What rows of the table `bindings` cost: memory, CPU, time until they are promised, and until they are everywhere. */
export async function benchTables(options: TablesOptions, said: (line: string) => void): Promise<TablesFigures> {
  const memory: RowFigures[] = [];
  for (const kind of ["map", "own", "copies"]) memory.push(await alone(kind, options.rows));
  said(`memory: ${JSON.stringify(memory)}`);
  const [gate, unhurried] = await onStage(options, async (stage) => {
    const [ds1] = await stage.both();
    await ds1.ask<PutFigures>({ ask: "put", rows: 20_000, atOnce: AT_ONCE });
    const fast = await ds1.ask<PutFigures>({ ask: "put", rows: Math.min(options.rows, 200_000), atOnce: AT_ONCE });
    return [fast, await ds1.ask<PutFigures>({ ask: "pace", perSec: PER_SEC, seconds: 5 })] as const;
  });
  said(`gate: ${JSON.stringify(gate)}, unhurried: ${JSON.stringify(unhurried)}`);
  const slowDisk = await onStage(options, async (stage) => {
    const [ds1] = await stage.both({ flushMs: SLOW_FLUSH_MS });
    return ds1.ask<PutFigures>({ ask: "pace", perSec: PER_SEC, seconds: 5 });
  });
  said(`slow disk: ${JSON.stringify(slowDisk)}`);
  const million = await onStage(options, (stage) => oneOfAll(stage, options.rows, said));
  const natsLostMs = await natsLost(options);
  said(`NATS lost: ${natsLostMs} ms`);
  return { memory, gate, unhurried, slowDisk, ...million, natsLostMs };
}

async function oneOfAll(
  stage: Stage,
  rows: number,
  said: (line: string) => void,
): Promise<Pick<TablesFigures, "catchUp" | "restartMs" | "compaction">> {
  const ds1 = stage.start("ds1");
  await ds1.caughtUp;
  await ds1.ask({ ask: "put", rows, atOnce: AT_ONCE });
  const meanwhile = ds1.ask<PutFigures>({ ask: "pace", perSec: PER_SEC, seconds: 12 });
  await pause(1_000);
  const ds2 = stage.start("ds2");
  const catchUp = { rows, ms: await ds2.caughtUp, meanwhile: await meanwhile };
  said(`catch-up: ${JSON.stringify(catchUp)}`);
  ds1.kill();
  ds2.kill();
  await pause(500);
  const again = stage.start("ds1");
  const restartMs = await again.caughtUp;
  const { rows: found } = await again.ask<MemberState>({ ask: "state" });
  if (found < rows) throw new Error(`${found} rows came back, there were ${rows}`);
  said(`restart: ${restartMs} ms`);
  await fillLog(stage, again, rows);
  const before = stage.logOf("ds1").ino;
  const compaction = again.ask<PutFigures>({ ask: "pace", perSec: PER_SEC, seconds: 12 });
  await pause(1_000);
  await again.ask({ ask: "put", rows: rows / 50, atOnce: 100 });
  const figures = await compaction;
  if (stage.logOf("ds1").ino === before) throw new Error("The log was not rewritten");
  return { catchUp, restartMs, compaction: figures };
}

/** Writes the same rows again until the log has nearly as much of no use as it may. */
async function fillLog(stage: Stage, member: Member, rows: number): Promise<void> {
  for (;;) {
    const { octets } = await member.ask<MemberState>({ ask: "state" });
    const room = 2 * octets + LIMITS.overlayLogSlackBytes - stage.logOf(member.id).size;
    if (room < (rows / 50) * ROW_OCTETS) return;
    await member.ask({ ask: "put", rows: rows / 100, atOnce: AT_ONCE });
  }
}

async function natsLost(options: TablesOptions): Promise<number> {
  const nats = await testNats(3);
  try {
    return await onStage(options, async (stage) => {
      const all = ["ds1", "ds2", "ds3"].map((id, at) => stage.start(id, { nats: optionsOf(nats, at) }));
      await Promise.all(all.map(({ caughtUp }) => caughtUp));
      const puts = all.map((one) => one.ask({ ask: "pace", perSec: 100, seconds: 4 }));
      await pause(3_000);
      await nats.kill(0);
      const lostMs = performance.now();
      await Promise.all(puts);
      for (;;) {
        const states = await Promise.all(all.map((one) => one.ask<MemberState>({ ask: "state" })));
        if (new Set(states.map(({ positions, rows }) => `${positions} ${rows}`)).size === 1) return performance.now() - lostMs;
        await pause(LOOK_EVERY_MS);
      }
    });
  } finally {
    await nats.stop();
  }
}
function optionsOf(nats: TestNats, preferred: number): MemberPlan["nats"] {
  const { log, ...rest } = nats.options("bench", preferred);
  return rest;
}

function alone(kind: string, rows: number): Promise<RowFigures> {
  const child = fork(path.join(import.meta.dirname, "tables/alone.ts"), [kind, String(rows)], { execArgv: ["--expose-gc"] });
  return new Promise((resolve, reject) => {
    child.once("message", (figures) => resolve(figures as RowFigures));
    child.once("exit", (code) => reject(new Error(`A table of kind ${kind} ended with ${code}`)));
  });
}

/** Members in processes of their own, with their logs in one folder. */
class Stage {
  readonly #folder: string;
  readonly #bindings: number;
  readonly #carrier = new InProcessCarrier();
  readonly #hub = new ChannelHub(this.#carrier, nodeHost());
  readonly #members: Member[] = [];

  constructor({ folder, rows }: TablesOptions) {
    this.#bindings = rows;
    this.#folder = mkdtempSync(path.join(folder, "sipcast-tables-"));
  }
  start(id: string, more: Pick<MemberPlan, "nats" | "flushMs"> = {}): Member {
    const plan: MemberPlan = { id, logDirectory: path.join(this.#folder, id), bindings: this.#bindings, ...more };
    const member = new Member(plan);
    if (!plan.nats) this.#hub.attach(ipcChannel(member.process));
    this.#members.push(member);
    return member;
  }
  /** The file that a member's log is in at present. */
  logOf(id: string): Stats {
    return statSync(path.join(this.#folder, id, `rows-${id}.log`));
  }
  /** ds1 and ds2, which know one another. */
  async both(more: Pick<MemberPlan, "flushMs"> = {}): Promise<readonly [Member, Member]> {
    const [ds1, ds2] = [this.start("ds1", more), this.start("ds2", more)];
    await Promise.all([ds1.caughtUp, ds2.caughtUp]);
    return [ds1, ds2];
  }
  close(): void {
    for (const member of this.#members) member.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function onStage<T>(options: TablesOptions, play: (stage: Stage) => Promise<T>): Promise<T> {
  const stage = new Stage(options);
  try {
    return await play(stage);
  } finally {
    stage.close();
  }
}

class Member {
  readonly id: string;
  readonly process: ChildProcess;
  /** Ms from its start; of its process, what it took to load is left out. */
  readonly caughtUp: Promise<number>;
  readonly #waiting = new Map<number, (told: unknown) => void>();
  #next = 1;

  constructor(plan: MemberPlan) {
    this.id = plan.id;
    this.process = fork(path.join(import.meta.dirname, "tables/member.ts"), [JSON.stringify(plan)], {
      serialization: "advanced",
    });
    this.caughtUp = new Promise((resolve) => this.#waiting.set(0, (told) => resolve((told as { readonly ms: number }).ms)));
    this.process.on("message", ({ number, told }: Partial<Up>) => {
      if (number === undefined) return; // of the overlay
      this.#waiting.get(number)?.(told);
      this.#waiting.delete(number);
    });
  }
  ask<Told>(ask: WithoutNumber<Ask>): Promise<Told> {
    const number = this.#next++;
    this.process.send({ ...ask, number });
    return new Promise((resolve) => this.#waiting.set(number, (told) => resolve(told as Told)));
  }
  kill(): void {
    this.process.kill("SIGKILL");
  }
}
type WithoutNumber<T> = T extends unknown ? Omit<T, "number"> : never;
