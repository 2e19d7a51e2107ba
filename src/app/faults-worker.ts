import { faultScript } from "#sim/faults/generate.ts";
import { type FaultRun, runFaultScript } from "#sim/faults/run.ts";

/** Seeds for a worker process, and what it answers: one result a seed, in order. */
export interface SeedBatch {
  readonly from: number;
  readonly count: number;
}
export type SeedResult = Pick<FaultRun, "violations" | "virtualMs"> & { readonly seed: number };

process.on("message", ({ from, count }: SeedBatch) => {
  const results = Array.from({ length: count }, (_, at): SeedResult => {
    const seed = from + at;
    const { violations, virtualMs } = runFaultScript(faultScript(seed));
    return { seed, violations, virtualMs };
  });
  process.send?.(results);
});
