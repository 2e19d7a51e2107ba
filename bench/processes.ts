import { type ChildProcess, fork, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";

/** Server and generator have a core each: what one takes is not the other's. */
export const SERVER_CPU = 0;
export const GENERATOR_CPU = 1;
/** A run in which other processes took more of a core than this is not counted (DESIGN §9). */
export const MAX_FOREIGN_SHARE = 0.15;

export interface Server {
  readonly pids: readonly number[];
  stop(): Promise<void>;
}
/** One line of the generator each: `TAG metric value`. */
export type Metrics = Readonly<Record<string, number>>;

/** A server of ours, pinned to its core. */
export async function startOurs(kind: "floor" | "relay" | "ds" | "durable" | "proxy", port: number): Promise<Server> {
  const folder = mkdtempSync(path.join(os.tmpdir(), "sipcast-bench-"));
  const child = fork(path.join(import.meta.dirname, "server.ts"), [kind, String(port), folder]);
  pin(child);
  await new Promise<void>((resolve, reject) => {
    child.once("message", () => resolve());
    child.once("exit", (code) => reject(new Error(`The ${kind} under test ended with ${code}`)));
  });
  const stop = async (): Promise<void> => {
    await ended(child, "SIGTERM");
    rmSync(folder, { recursive: true, force: true });
  };
  return { pids: [child.pid ?? 0], stop };
}

/** Kamailio with a configuration of the peer kit, pinned to the same core. */
export async function startKamailio(kit: string, config: string, port: number, flags: readonly string[]): Promise<Server> {
  const run = "/tmp/kamperf"; // the kit's configurations put their control socket there
  mkdirSync(run, { recursive: true });
  const definitions = [
    `PORT=${port}`,
    "SHMFORCE=no",
    "CHILDREN=2",
    "PRESCACHE=2",
    "RLSDBMODE=0",
    "RLSMAXBODY=60000",
    "TCPCHILDREN=2",
  ];
  const args = [
    "-DD",
    "-f",
    path.resolve(kit, "cfg", `${config}.cfg`),
    "-x",
    "fm",
    "-X",
    "fm",
    "-m",
    "4096",
    "-M",
    "64",
    "-Y",
    run,
  ];
  for (const definition of [...definitions, ...flags]) args.push("-A", definition);
  const child = spawn("taskset", ["-c", String(SERVER_CPU), "kamailio", ...args], { stdio: "ignore" });
  await pause(4_000); // it says nothing when it is ready
  const pid = child.pid ?? 0;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(/\s+/).map(Number);
  return { pids: [pid, ...children], stop: () => ended(child, "SIGTERM") };
}

/** Compiles the kit's generator; returns its path. Throws when there is no compiler. */
export function compileGenerator(kit: string, into: string): string {
  const binary = path.join(into, "load");
  const built = spawnSync("gcc", ["-O2", "-o", binary, path.join(kit, "gen/load.c")], { encoding: "utf8" });
  if (built.status !== 0) throw new Error(`The peer kit's generator cannot be compiled: ${built.stderr ?? built.error?.message}`);
  return binary;
}

/** One run of the generator against a server. */
export function generate(binary: string, server: Server, args: readonly string[]): Promise<Metrics> {
  const all = ["-c", String(GENERATOR_CPU), binary, ...args, `pids=${server.pids.join(",")}`];
  const child = spawn("taskset", all, { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (piece) => {
    output += piece;
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", () => {
      const lines = output.split("\n").map((line) => line.split(" "));
      resolve(Object.fromEntries(lines.flatMap(([, metric, value]) => (metric && value ? [[metric, Number(value)]] : []))));
    });
  });
}

/** NaN of none. */
export const median = (values: readonly number[]): number => {
  if (values.length === 0) return Number.NaN;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] ?? Number.NaN) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
};

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function pin(child: ChildProcess): void {
  spawnSync("taskset", ["-acp", String(SERVER_CPU), String(child.pid)], { stdio: "ignore" });
}
function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null) return resolve();
    child.once("exit", () => resolve());
    child.kill(signal);
  });
}
