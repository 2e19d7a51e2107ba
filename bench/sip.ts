import { existsSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import {
  compileGenerator,
  generate,
  MAX_FOREIGN_SHARE,
  type Metrics,
  median,
  type Server,
  startKamailio,
  startOurs,
} from "./processes.ts";
import { CALLEE_PORT, CALLER_PORT } from "./users.ts";

/** One kind of work, for the generator and for Kamailio's configuration. */
interface Workload {
  readonly name: string;
  readonly mode: readonly string[];
  /** What the generator does first, unmeasured, with who keeps state. */
  readonly setup?: readonly string[];
  readonly ours: "ds" | "durable" | "proxy";
  readonly floor: "floor" | "relay";
  readonly kamailio: { readonly config: string; readonly flags: readonly string[] };
  /** What the generator counts as operations of the floor in one of the servers': so often the floor's cost is paid. */
  readonly exchanges: number;
}
export interface SipFigures {
  readonly workload: string;
  readonly server: "sipcast" | "kamailio" | "floor";
  readonly runs: number;
  readonly cpuMicrosPerOperation: number;
  readonly operationsPerSec: number;
  readonly instructionsPerOperation: number | undefined;
  readonly failed: number;
}

const PORT = 25_060;
const WORKLOADS: readonly Workload[] = [
  {
    name: "OPTIONS",
    mode: ["opt", "w=64"],
    ours: "ds",
    floor: "floor",
    kamailio: { config: "options", flags: [] },
    exchanges: 1,
  },
  {
    name: "REGISTER with digest, challenged each time",
    mode: ["reg", "auth=2", "n=100000", "w=64"],
    ours: "ds",
    floor: "floor",
    kamailio: { config: "registrar", flags: ["WITH_AUTH"] },
    exchanges: 2,
  },
  {
    name: "the same, on the disk and at a second DS", // Kamailio's is in memory here, too
    mode: ["reg", "auth=2", "n=100000", "w=64"],
    ours: "durable",
    floor: "floor",
    kamailio: { config: "registrar", flags: ["WITH_AUTH"] },
    exchanges: 2,
  },
  {
    name: "call through the proxy, INVITE to BYE",
    mode: ["inv", "n=1000", "w=32"],
    setup: ["reg", "n=1000", "once=1", "w=64"],
    ours: "proxy",
    floor: "relay",
    kamailio: { config: "proxy", flags: [] },
    exchanges: 1,
  },
];

/** CPU per operation of a DS beside Kamailio and beside the I/O floor, in turn, so that a change of speed meets all alike. */
export async function benchSip(kit: string, runs: number, seconds: number, said: (line: string) => void): Promise<SipFigures[]> {
  if (!existsSync(path.join(kit, "gen/load.c"))) throw new Error(`No peer kit in ${kit}: say where it is with --peer DIR`);
  const scratch = mkdtempSync(path.join(os.tmpdir(), "bench-"));
  try {
    const generator = compileGenerator(kit, scratch);
    const figures: SipFigures[] = [];
    for (const workload of WORKLOADS) {
      const measured = new Map<SipFigures["server"], Metrics[]>();
      for (let run = 0; run < runs; run++) {
        for (const server of ["floor", "sipcast", "kamailio"] as const) {
          said(`${workload.name}: ${server}, run ${run + 1} of ${runs}`);
          const metrics = await once(generator, server, workload, kit, seconds);
          measured.set(server, [...(measured.get(server) ?? []), metrics]);
        }
      }
      for (const [server, all] of measured) figures.push(summary(workload, server, all));
    }
    return figures;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function start(server: SipFigures["server"], { kamailio, ours, floor }: Workload, kit: string): Promise<Server> {
  if (server === "kamailio") return startKamailio(kit, kamailio.config, PORT, kamailio.flags);
  return startOurs(server === "floor" ? floor : ours, PORT);
}

async function once(
  generator: string,
  kind: SipFigures["server"],
  workload: Workload,
  kit: string,
  seconds: number,
): Promise<Metrics> {
  const server = await start(kind, workload, kit);
  const ends = ["tag=bench", `port=${PORT}`, `lport=${CALLER_PORT}`, `uas=${CALLEE_PORT}`];
  try {
    if (workload.setup && kind !== "floor") await generate(generator, server, [...workload.setup, "warm=0", ...ends]);
    return await generate(generator, server, [...workload.mode, "warm=2", `dur=${seconds}`, ...ends]);
  } finally {
    await server.stop();
  }
}

function summary(workload: Workload, server: SipFigures["server"], all: readonly Metrics[]): SipFigures {
  const quiet = all.filter((metrics) => foreignShare(metrics) <= MAX_FOREIGN_SHARE);
  const of = (metric: string): number => median(quiet.flatMap((metrics) => metrics[metric] ?? []));
  const times = server === "floor" ? workload.exchanges : 1;
  const instructions = of("instructions_per_op");
  return {
    workload: workload.name,
    server,
    runs: quiet.length,
    cpuMicrosPerOperation: times * of("cpu_us_per_op"),
    operationsPerSec: of("rate_per_s") / times,
    instructionsPerOperation: !(instructions > 0) ? undefined : times * instructions,
    failed: quiet.reduce((sum, metrics) => sum + (metrics["failed"] ?? 0), 0),
  };
}

/**
 * What others took of the cores. The generator takes a process for its first thread (schedstat): what Node's other threads
 * took, collecting garbage, is not foreign, and is in `cpu_us_per_op`.
 */
function foreignShare(metrics: Metrics): number {
  const of = (metric: string): number => metrics[metric] ?? 0;
  const ownThreads = ((of("cpu_us_per_op") - of("cpu_us_per_op_schedstat")) * of("rate_per_s")) / 1_000_000;
  return of("foreign_cpu_share") - ownThreads;
}
