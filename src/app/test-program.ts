/** For tests: the program as a newcomer starts it, in child processes that find nothing but one another. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Readable, Writable } from "node:stream";
import type { DemoReady } from "./demo-state.ts";

export const HOME = path.resolve(import.meta.dirname, "../..");
const PATIENCE_MS = 20_000;
const PORTS = { first: 12_000, last: 12_900, step: 100 } as const;

/** A child process and what it has said so far. */
export class Program {
  out = "";
  err = "";
  readonly #name: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #exited: Promise<number | string>;
  #changed: (() => void)[] = [];

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    this.#name = [path.basename(command), ...args].join(" ");
    this.#child = spawn(command, args, { env, cwd: HOME, stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stdin.on("error", () => undefined); // it has ended: whoever waits for what it says hears so
    this.#child.stdout.setEncoding("utf8").on("data", (text: string) => this.#said("out", text));
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => this.#said("err", text));
    this.#exited = once(this.#child, "close").then(([code, signal]) => {
      this.#wake();
      return code ?? signal;
    });
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }
  /** Exit code, or the signal that ended it. Throws, with what it said, when it runs longer than `withinMs`. */
  exit(withinMs = PATIENCE_MS): Promise<number | string> {
    return within(withinMs, this.#exited, () => `${this.#name} still runs: ${this.err}`);
  }
  /** Waits until it has said that on standard error. */
  async says(pattern: RegExp, withinMs = PATIENCE_MS): Promise<RegExpExecArray> {
    return this.#until(() => pattern.exec(this.err), `say ${pattern}`, withinMs);
  }
  /** Waits until it has said that on standard output. */
  async prints(pattern: RegExp, withinMs = PATIENCE_MS): Promise<RegExpExecArray> {
    return this.#until(() => pattern.exec(this.out), `print ${pattern}`, withinMs);
  }
  /** Waits for the first whole line on standard output. */
  firstLine(): Promise<string> {
    return this.#until(() => /^(.*)\n/.exec(this.out)?.[1], "print a line", PATIENCE_MS);
  }
  /** Types that. */
  type(text: string): void {
    this.#child.stdin.write(text);
  }
  get pid(): number | undefined {
    return this.#child.pid;
  }
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
  /** Asks it to end, and waits. */
  stop(signal: NodeJS.Signals = "SIGINT", withinMs = PATIENCE_MS): Promise<number | string> {
    this.signal(signal);
    return this.exit(withinMs);
  }
  kill(): void {
    this.#child.kill("SIGKILL");
  }

  #said(where: "out" | "err", text: string): void {
    this[where] += text;
    this.#wake();
  }
  #wake(): void {
    for (const wake of this.#changed.splice(0)) wake();
  }
  async #until<T>(found: () => T | null | undefined, what: string, withinMs: number): Promise<T> {
    const endMs = performance.now() + withinMs;
    for (let it = found(); ; it = found()) {
      if (it !== null && it !== undefined) return it;
      const said = (): string => `${this.#name} did not ${what}: ${this.err}${this.out}`;
      if (!this.running) throw new Error(said());
      const change = new Promise<void>((resolve) => this.#changed.push(resolve));
      await within(endMs - performance.now(), change, said);
    }
  }
}

/** The commands of one test file, in a temporary folder of their own: a demo elsewhere on the machine is not found. */
export class Bench {
  readonly folder = mkdtempSync(path.join(os.tmpdir(), "sipcast-test-"));
  readonly #programs: Program[] = [];

  sipcast(...args: string[]): Program {
    return this.run(path.join(HOME, "bin/sipcast"), ...args);
  }
  run(command: string, ...args: string[]): Program {
    const program = new Program(command, args, { ...process.env, TMPDIR: this.folder, XDG_RUNTIME_DIR: this.folder });
    this.#programs.push(program);
    return program;
  }
  /** A demo on the first free ports of the tests' range. */
  async demo(...flags: string[]): Promise<{ program: Program; ready: DemoReady; basePort: number }> {
    for (let basePort: number = PORTS.first; basePort <= PORTS.last; basePort += PORTS.step) {
      const program = this.sipcast("demo", "--json", "--base-port", `${basePort}`, ...flags);
      try {
        return { program, ready: JSON.parse(await program.firstLine()) as DemoReady, basePort };
      } catch (error) {
        if (!/taken|EADDRINUSE/.test(program.err)) throw error;
      }
    }
    throw new Error(`No free ports from ${PORTS.first} to ${PORTS.last}`);
  }
  /** Ends what still runs. */
  close(): void {
    for (const program of this.#programs) if (program.running) program.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Looks now and then until it is so; throws when it is not within the tests' patience. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS;
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error(`Not so within ${PATIENCE_MS} ms: ${what}`);
    await new Promise((later) => setTimeout(later, 50));
  }
}

async function within<T>(ms: number, wanted: Promise<T>, otherwise: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(otherwise())), ms);
  });
  try {
    return await Promise.race([wanted, late]);
  } finally {
    clearTimeout(timer);
  }
}
