/** For tests: the program as a newcomer starts it, in child processes that find nothing but one another. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import type { Readable, Writable } from "node:stream";
import type { DemoReady } from "./demo-state.ts";
import { tcpFree, udpFree } from "./machine.ts";

export const HOME = path.resolve(import.meta.dirname, "../..");
const PATIENCE_MS = 20_000;
const LOOPBACK = "127.0.0.1";
/** First ports of operators. The ports of their streams are others, 1,000 and 3,000 further up (demo-plan.ts). */
const PORTS = { first: 12_000, last: 13_700, step: 100 } as const;
/** Of a hundred ports, one that no operator has: whoever listens there has them all. */
const MARK = 99;

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

/** What `sipcast serve --log json` says once it does. */
export const SERVING = /"event":"serving"/;

/** The commands of one test file, in a temporary folder of their own: a demo elsewhere on the machine is not found. */
export class Bench {
  readonly folder = mkdtempSync(path.join(os.tmpdir(), "sipcast-test-"));
  readonly #programs: Program[] = [];
  readonly #marks: net.Server[] = [];

  sipcast(...args: string[]): Program {
    return this.run(path.join(HOME, "bin/sipcast"), ...args);
  }
  run(command: string, ...args: string[]): Program {
    const program = new Program(command, args, { ...process.env, TMPDIR: this.folder, XDG_RUNTIME_DIR: this.folder });
    this.#programs.push(program);
    return program;
  }
  /** The first of a hundred ports that are this bench's until it closes, whatever runs beside. */
  async ports(): Promise<number> {
    for (let first: number = PORTS.first; first <= PORTS.last; first += PORTS.step) {
      const mark = await listener(first + MARK);
      if (mark) this.#marks.push(mark);
      if (mark && (await udpFree(LOOPBACK, first)) && (await tcpFree(LOOPBACK, first + 8))) return first;
    }
    throw new Error(`No free ports from ${PORTS.first} to ${PORTS.last}`);
  }
  async demo(...flags: string[]): Promise<{ program: Program; ready: DemoReady; basePort: number }> {
    const basePort = await this.ports();
    const program = this.sipcast("demo", "--json", "--base-port", `${basePort}`, ...flags);
    return { program, ready: JSON.parse(await program.firstLine()) as DemoReady, basePort };
  }
  /** Starts the roles of a configuration file, and waits until they serve. */
  async serve(file: string, ...flags: string[]): Promise<Program> {
    const program = this.sipcast("serve", "--config", file, "--log", "json", ...flags);
    await program.says(SERVING);
    return program;
  }
  /** Ends what still runs. */
  close(): void {
    for (const program of this.#programs) if (program.running) program.kill();
    for (const mark of this.#marks) mark.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Somebody who listens there, unless somebody does. */
function listener(port: number): Promise<net.Server | undefined> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once("error", () => resolve(undefined));
    server.listen(port, LOOPBACK, () => resolve(server.unref()));
  });
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
