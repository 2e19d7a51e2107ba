import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import { testPattern } from "#media/index.ts";
import { synced } from "./live-feed.ts";

const CLIP = testPattern({ kbps: 500, frames: 25, framesPerSec: 25, gopFrames: 25 });
const NOISE = Uint8Array.from({ length: LIMITS.liveSourceSyncBytes + 1 }, (_, at) => (at * at * 31 + at * 7 + (at >> 3)) & 0xff);

/** A source that brings those pieces, and perhaps its end: octets passed on, and how it ended. */
function play(pieces: Iterable<Uint8Array>, hasEnd = false) {
  let octets = 0;
  let fault: string | undefined;
  const feed = synced("It", {
    kind: "live",
    start(write, ended) {
      for (const piece of pieces) write(piece);
      if (hasEnd) ended();
      return () => undefined;
    },
  });
  feed.start(
    ({ length }) => {
      octets += length;
    },
    (error) => {
      fault = error?.message;
    },
  );
  return { octets, fault };
}
function* cut(octets: Uint8Array, everyBytes: number): Iterable<Uint8Array> {
  for (let at = 0; at < octets.length; at += everyBytes) yield octets.subarray(at, at + everyBytes);
}

for (const everyBytes of [100, 188, 1_316, 65_536])
  test(`a live source in pieces of ${everyBytes} octets passes whole once it shows to be a transport stream`, () => {
    assert.deepEqual(play(cut(CLIP.subarray(50), everyBytes)), { octets: CLIP.length - 50, fault: undefined });
  });

for (const [name, octets] of Object.entries({ noise: NOISE, zeros: NOISE.map(() => 0) }))
  test(`a live source of ${name} ends at its limit, and nothing of it is sent (liveSourceSyncBytes)`, () => {
    const atLimit = octets.subarray(0, LIMITS.liveSourceSyncBytes);
    assert.deepEqual(play(cut(atLimit, 65_536)), { octets: 0, fault: undefined });
    assert.deepEqual(play(cut(octets, 65_536)), { octets: 0, fault: "It is no MPEG transport stream." });
  });

test("a live source that ends as what it began as ends without a fault; one that was none ends with one", () => {
  assert.deepEqual(play([CLIP], true), { octets: CLIP.length, fault: undefined });
  assert.deepEqual(play([], true), { octets: 0, fault: "It is no MPEG transport stream." });
});
