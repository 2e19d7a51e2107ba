import { type ChildProcess, fork } from "node:child_process";
import path from "node:path";
import { LIMITS } from "#base/limits.ts";
import type { Logger } from "#base/log.ts";
import type { MetricSamples } from "../metrics.ts";
import type { Change, Down, ProcessReport, Start, Up } from "./messages.ts";

export interface ChildGround {
  readonly start: Start;
  readonly log: Logger;
  /** Joins a new process of it to the overlay. */
  readonly join: (process: ChildProcess) => void;
  /** It ended, and would end again until somebody mends what it keeps on the disk. */
  readonly unusable: (sentence: string) => void;
}

const PROGRAM = path.join(import.meta.dirname, "program.ts");
const ASK_WITHIN_MS = 1_000;

/** How long after its end a child is started again: doubled while it ends soon, anew once it ran as long as the longest. */
export function restartDelayMs(previousMs: number, ranMs: number): number {
  if (ranMs >= LIMITS.processRestartMostMs) return LIMITS.processRestartLeastMs;
  return Math.min(Math.max(2 * previousMs, LIMITS.processRestartLeastMs), LIMITS.processRestartMostMs);
}

/** A process beside the main one, over restarts. */
export class Child {
  readonly name: string;
  /** How often it ended by itself. */
  restarts = 0;
  readonly #ground: ChildGround;
  readonly #answers = new Map<number, (answer: MetricSamples) => void>();
  #process: ChildProcess | undefined;
  #report: ProcessReport | undefined;
  #broken: Extract<Up, { readonly kind: "broken" }> | undefined;
  #change: Change | undefined;
  #startedMs = 0;
  #delayMs = 0;
  #again: NodeJS.Timeout | undefined;
  #stopped: (() => void) | undefined;
  #nextId = 0;

  constructor(ground: ChildGround) {
    this.name = ground.start.name;
    this.#ground = ground;
  }

  start(): void {
    const child = fork(PROGRAM, [this.name], { serialization: "advanced", stdio: ["ignore", "inherit", "inherit", "ipc"] });
    this.#process = child;
    this.#startedMs = performance.now();
    this.#report = undefined;
    this.#broken = undefined;
    this.#ground.join(child);
    child.on("message", (message) => this.#heard(message as Up));
    child.on("error", (error) => this.#ground.log.error("process", { process: this.name, error }));
    child.once("close", (code, signal) => this.#ended(code ?? signal));
    this.tell(this.#ground.start);
    if (this.#change) this.tell(this.#change);
  }

  /** What is told to a child that is not there is lost. */
  tell(message: Down): void {
    if (this.#process?.connected) this.#process.send(message, ignoreGone);
  }

  /** For the rest of its life, and its next ones. */
  change(change: Change): void {
    this.#change = change;
    this.tell(change);
  }

  /** What it measured; `undefined` where no answer comes in time. */
  samples(): Promise<MetricSamples | undefined> {
    const id = this.#nextId++;
    return new Promise((resolve) => {
      const settle = (answer?: MetricSamples): void => {
        clearTimeout(timer);
        this.#answers.delete(id);
        resolve(answer);
      };
      const timer = setTimeout(settle, ASK_WITHIN_MS);
      this.#answers.set(id, settle);
      this.tell({ kind: "ask", id });
    });
  }

  report(): ProcessReport {
    return this.#report ?? { notReady: [`The process ${this.name} is being started.`], degraded: [], failures: [] };
  }

  /** Lets it end its calls, and resolves once it is gone. */
  stop(): Promise<void> {
    return new Promise((stopped) => {
      this.#stopped = stopped;
      clearTimeout(this.#again);
      if (this.#process) this.tell({ kind: "stop" });
      else stopped();
    });
  }

  #heard(message: Up): void {
    switch (message.kind) {
      case "answer":
        this.#answers.get(message.id)?.(message.answer);
        return;
      case "broken":
        this.#broken = message;
        return;
      case "report":
        this.#report = message.report;
        // At the first start whoever started us gives up; later, ports may only have to become free.
        if (this.restarts > 0 && message.report.failures.length > 0) this.#process?.kill("SIGKILL");
    }
  }

  #ended(how: number | string | null): void {
    this.#process = undefined;
    this.#report = undefined;
    if (this.#stopped) {
      this.#stopped();
      return;
    }
    if (this.#broken?.code === "unusable") {
      this.#ground.unusable(`The process ${this.name}: ${this.#broken.message}`);
      return;
    }
    this.restarts++;
    this.#delayMs = restartDelayMs(this.#delayMs, performance.now() - this.#startedMs);
    const cause = this.#broken && { cause: this.#broken.message };
    this.#ground.log.error("process ended", { process: this.name, how, ...cause, againInMs: this.#delayMs });
    this.#again = setTimeout(() => this.start(), this.#delayMs);
  }
}

/** That it went is told by its end. */
const ignoreGone = (): void => undefined;
