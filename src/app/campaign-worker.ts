import { type CampaignName, campaignOf, type Run } from "#sim/campaigns.ts";

/** Seeds for a worker process, and what it answers: one result a seed, in order. */
export interface SeedBatch {
  readonly what: CampaignName;
  readonly from: number;
  readonly count: number;
}
export type SeedResult = Pick<Run, "violations" | "virtualMs"> & { readonly seed: number };

process.on("message", ({ what, from, count }: SeedBatch) => {
  const { script, run } = campaignOf(what);
  const results = Array.from({ length: count }, (_, at): SeedResult => {
    const seed = from + at;
    const { violations, virtualMs } = run(script(seed));
    return { seed, violations, virtualMs };
  });
  process.send?.(results);
});
