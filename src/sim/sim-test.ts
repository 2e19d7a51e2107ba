import { test } from "node:test";
import { simNetwork } from "./network.ts";
import type { SimNetwork } from "./types.ts";

const DEFAULT_SEEDS = 2;

/**
 * Runs the body twice on networks of the same seed. Throws what the body throws, and an error when the two traces differ:
 * then something that is no input of the simulation (a real clock, an address of memory, chance) got into it.
 */
export function runTwice(seed: number, body: (net: SimNetwork) => void): void {
  const [first, second] = [1, 2].map(() => {
    const net = simNetwork(seed);
    body(net);
    return net.hash();
  });
  if (first !== second) throw new Error(`Two runs of seed ${seed} differ: ${first}, then ${second}`);
}

/** A node:test test over seeds 1..seeds (default 2), or over SIPCAST_SEED alone; says how to replay what fails. */
export function simTest(name: string, body: (net: SimNetwork) => void, options: { seeds?: number } = {}): void {
  test(name, (context) => {
    for (const seed of seedsToRun(options.seeds ?? DEFAULT_SEEDS)) {
      try {
        runTwice(seed, body);
      } catch (error) {
        context.diagnostic(`seed ${seed}; replay: SIPCAST_SEED=${seed} npm test -- --test-name-pattern=${JSON.stringify(name)}`);
        throw error;
      }
    }
  });
}

function seedsToRun(count: number): number[] {
  const given = process.env["SIPCAST_SEED"];
  if (given === undefined) return Array.from({ length: count }, (_, i) => i + 1);
  if (!/^\d{1,15}$/.test(given)) throw new Error(`SIPCAST_SEED is ${JSON.stringify(given)}: a whole number is needed`);
  return [Number(given)];
}
