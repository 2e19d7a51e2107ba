import assert from "node:assert/strict";
import { test } from "node:test";
import type { Carrier } from "#overlay/index.ts";
import { decodeFrame, encodeFrame } from "#overlay/wire/frame.ts";
import { decodePiece, encodePiece } from "#overlay/wire/piece.ts";
import { runTableScript } from "./run.ts";
import { type TableScript, tableScript } from "./script.ts";

const SEEDS = 150;

test(`tables through ${SEEDS} scripts: what a promise covers is found, all agree, nothing removed returns (DESIGN §5)`, () => {
  let promises = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const run = runTableScript(tableScript(seed));
    assert.deepEqual(run.violations, [], `replay: npm run sim:tables -- --seed ${seed}`);
    promises += run.promises;
  }
  assert.ok(promises > SEEDS, `${promises} promises`);
});

test("one seed is one run", () => {
  for (const seed of [1, 2, 3]) {
    const [one, two] = [runTableScript(tableScript(seed)), runTableScript(tableScript(seed))];
    assert.equal(one.traceHash, two.traceHash);
  }
});

/** An owner who lost his disk writes lower than he did before; "put" at ds3 within 200 ms of its restart: it knows nothing yet. */
const CIRCLES: { name: string; steps: TableScript["steps"] }[] = [
  {
    name: "his later word gives way to a third one's, and that to his earlier one",
    steps: [
      { atMs: 891, do: "put", at: "ds1", key: "d x", order: 3, lifetimeSec: 3_600 },
      { atMs: 1_702, do: "crash", at: "ds1", how: "process" },
      { atMs: 1_906, do: "put", at: "ds3", key: "d x", order: 4, lifetimeSec: 3_600 },
      { atMs: 2_024, do: "lose disk", at: "ds3" },
      { atMs: 2_217, do: "degrade", from: "ds3", to: "ds2", faults: { delayMs: 150, jitterMs: 200 } },
      { atMs: 2_255, do: "restart", at: "ds3" },
      { atMs: 2_357, do: "put", at: "ds3", key: "d x", order: 0, lifetimeSec: 3_600 },
    ],
  },
  {
    name: "his earlier word beats a third one's, his later one replaces it and ends",
    steps: [
      { atMs: 2_659, do: "put", at: "ds2", key: "d y", order: 5, lifetimeSec: 3_600 },
      { atMs: 5_867, do: "cut", from: "ds1", to: "ds3" },
      { atMs: 6_818, do: "put", at: "ds3", key: "d y", order: 2, lifetimeSec: 3_600 },
      { atMs: 7_213, do: "crash", at: "ds2", how: "machine" },
      { atMs: 7_682, do: "lose disk", at: "ds3" },
      { atMs: 7_852, do: "restart", at: "ds3" },
      { atMs: 7_983, do: "put", at: "ds3", key: "d y", order: 2, lifetimeSec: 5 },
    ],
  },
];
for (const { name, steps } of CIRCLES)
  test(`words of one who lost his disk beat one another in a circle, and no promise is broken: ${name}`, () =>
    assert.deepEqual(runTableScript({ seed: 1, steps }).violations, []));

/** A bug on purpose: of one piece of rows, the first that has any, each copy confirms all and keeps none. */
function dropsOneAcknowledgedPiece(carrier: Carrier): Carrier {
  let spoilt: string | undefined;
  return {
    join: (id, clock, receive) =>
      carrier.join(id, clock, (bytes) => {
        const frame = decodeFrame(bytes);
        if (frame.status !== "ok" || frame.value.kind !== "rows") return receive(bytes);
        const piece = decodePiece(frame.value.octets);
        if (piece.status !== "ok" || piece.value.records.length === 0) return receive(bytes);
        const { table, owner, after, through } = piece.value.head;
        const name = `${table} ${owner} ${after} ${through}`;
        spoilt ??= name;
        if (name !== spoilt) return receive(bytes);
        receive(encodeFrame({ ...frame.value, octets: encodePiece(piece.value.head, []) }));
      }),
  };
}
test("the rules find a copy that confirms a row and drops it (canary)", () => {
  for (let seed = 1; seed <= 100; seed++)
    if (runTableScript(tableScript(seed), dropsOneAcknowledgedPiece).violations.length > 0) return;
  assert.fail("not within 100 seeds");
});
