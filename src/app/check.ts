import type { ConfigFault } from "#base/config.ts";
import { allFaults } from "./config-checks.ts";
import { readConfigFile, showFault } from "./config-file.ts";
import type { Config } from "./config-schema.ts";
import { say, UsageError } from "./console.ts";
import { bridgeFaults } from "./machine.ts";

export interface ConfigFlags {
  readonly config: string;
  readonly data?: string;
}
/** `sipcast check`. What is wrong with this machine alone is told, and is no fault of the file. */
export async function runCheck(flags: ConfigFlags): Promise<void> {
  for (const fault of await bridgeFaults(readChecked(flags))) say(fault);
  process.stdout.write("OK\n");
}

/** Throws with every fault, a line each. What the command line says counts as if the environment said it. */
export function readChecked({ config: file, data }: ConfigFlags): Config {
  const parsed = readConfigFile(file, data === undefined ? process.env : { ...process.env, SIPCAST__DATA: data });
  const faults = allFaults(parsed);
  if (faults.length > 0) throw new UsageError(describe(faults, file));
  return parsed.value;
}
function describe(faults: readonly ConfigFault[], file: string): string {
  const lines = faults.map((fault) => showFault(fault, file));
  return [`${faults.length} ${faults.length === 1 ? "fault" : "faults"} in the configuration`, ...lines].join("\n");
}
