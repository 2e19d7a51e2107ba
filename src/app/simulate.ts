import { runScenario, SCENARIOS } from "#sim/scenarios.ts";
import { UsageError } from "./console.ts";

interface SimulateFlags {
  readonly seed?: number;
  readonly copsMs: number;
  readonly trace?: boolean;
  readonly json?: boolean;
}

/** `sipcast simulate`: the same run twice; the traces must be the same. */
export function runSimulate(scenario: string, flags: SimulateFlags): void {
  if (!(scenario in SCENARIOS))
    throw new UsageError(`There is no scenario ${scenario}. There are: ${Object.keys(SCENARIOS).join(", ")}.`);
  const { seed = 1, copsMs } = flags;
  const { ladder, ...report } = runScenario(scenario, seed, copsMs);
  const again = runScenario(scenario, seed, copsMs);
  const repeats = again.traceHash === report.traceHash;
  if (flags.json)
    process.stdout.write(`${JSON.stringify({ ...report, repeats, ...(flags.trace && { ladder: ladder.split("\n") }) })}\n`);
  else {
    if (flags.trace) process.stdout.write(`${ladder}\n\n`);
    process.stdout.write(`${scenario}: ${SCENARIOS[scenario]?.about}\n`);
    process.stdout.write(`  seed ${report.seed}, COPS handling ${report.copsHandlingMs} ms\n`);
    process.stdout.write(`  viewer ${report.viewerState}${report.refusalStatus ? ` with ${report.refusalStatus}` : ""}`);
    process.stdout.write(`, set-up ${report.setupMs.length > 0 ? `${report.setupMs.join(" ms, ")} ms` : "none"}`);
    process.stdout.write(`, ${report.packets} TS packets, ${report.reservations} reservations held\n`);
    process.stdout.write(
      `  trace hash ${report.traceHash}, ${repeats ? "the same in a second run" : "DIFFERENT in a second run"}\n`,
    );
  }
  if (!repeats) process.exitCode = 1;
}
