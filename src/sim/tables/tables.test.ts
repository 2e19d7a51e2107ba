import assert from "node:assert/strict";
import { test } from "node:test";
import type { Carrier } from "#overlay/index.ts";
import { decodeFrame, encodeFrame } from "#overlay/wire/frame.ts";
import { decodePiece, encodePiece } from "#overlay/wire/piece.ts";
import { runTableScript } from "./run.ts";
import { tableScript } from "./script.ts";

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
