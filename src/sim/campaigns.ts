import { faultScript } from "./faults/generate.ts";
import { runFaultScript } from "./faults/run.ts";
import type { FaultScript } from "./faults/script.ts";
import { runTableScript } from "./tables/run.ts";
import { type TableScript, tableScript } from "./tables/script.ts";
import type { Violation } from "./violation.ts";

/** What a run of a script showed. */
export interface Run {
  /** The first rules that were broken, all at one moment; none = the run is good. */
  readonly violations: readonly Violation[];
  readonly virtualMs: number;
  readonly traceHash: string;
  readonly ladder: string;
}
/** A kind of script that a seed stands for, and how it is run. */
export interface Campaign<Script> {
  readonly script: (seed: number) => Script;
  readonly run: (script: Script, options?: { readonly ladder?: boolean }) => Run;
  /** Besides its seed and its steps. */
  readonly about: (script: Script) => string;
}
export interface AnyScript {
  readonly seed: number;
  readonly steps: readonly { readonly atMs: number; readonly do: string }[];
}

const FAULTS: Campaign<FaultScript> = {
  script: faultScript,
  run: (script, options) => runFaultScript(script, options),
  about: ({ coreKbps, accessKbps }) => `core ${coreKbps} kbit/s, access ${accessKbps} kbit/s`,
};
const TABLES: Campaign<TableScript> = {
  script: tableScript,
  run: (script) => ({ ...runTableScript(script), ladder: "" }),
  about: () => "three servers and a table",
};
/** By name: people, servers and lines; tables alone. */
const CAMPAIGNS = { faults: FAULTS, tables: TABLES };
export type CampaignName = keyof typeof CAMPAIGNS;
/** Whichever it is, for those who only hand scripts on. */
export const campaignOf = (name: CampaignName): Campaign<AnyScript> => CAMPAIGNS[name] as unknown as Campaign<AnyScript>;
