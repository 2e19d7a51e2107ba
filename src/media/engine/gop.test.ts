import assert from "node:assert/strict";
import { test } from "node:test";
import { concat } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import { STREAM_TYPE, writePat, writePmt } from "../wire/psi.ts";
import { PID, parseTsPacket, TS_PACKET_BYTES, TS_SYNC } from "../wire/ts.ts";
import { GopCache, NO_KEY_FRAME } from "./gop.ts";
import { PATTERN_PID, testPattern } from "./test-pattern.ts";

const PATTERN = { frames: 20, framesPerSec: 10, gopFrames: 10, kbps: 100 };

/** Feeds whole packets, seven by seven as RTP brings them; returns where key frames began, in octets. */
function feed(cache: GopCache, stream: Uint8Array, atMs = (_at: number): number => 0): number[] {
  const keyFrames: number[] = [];
  for (let at = 0; at < stream.length; at += 7 * TS_PACKET_BYTES) {
    const keyFrameAt = cache.add(stream.subarray(at, at + 7 * TS_PACKET_BYTES), atMs(at));
    if (keyFrameAt !== NO_KEY_FRAME) keyFrames.push(at + keyFrameAt);
  }
  return keyFrames;
}
const pidsOf = (bytes: Uint8Array): number[] => {
  const pids: number[] = [];
  for (let at = 0; at < bytes.length; at += TS_PACKET_BYTES) {
    const read = parseTsPacket(bytes, at);
    if (read.status === "ok") pids.push(read.value.pid);
  }
  return pids;
};
const keyFramesOf = (stream: Uint8Array): number[] =>
  pidsOf(stream).flatMap((pid, n) => (pid === PATTERN_PID.pmt ? [(n + 1) * TS_PACKET_BYTES] : []));

for (const randomAccess of [true, false]) {
  const how = randomAccess ? "by their random access indicator" : "by their H.264 units";
  test(`GopCache gives PAT, PMT, then all since the last key frame; key frames are known ${how}`, () => {
    const cache = new GopCache();
    const stream = testPattern({ ...PATTERN, randomAccess });
    const keyFrames = feed(cache, stream);
    assert.deepEqual(keyFrames, keyFramesOf(stream));
    const opening = cache.opening();
    assert.deepEqual(pidsOf(opening).slice(0, 3), [PID.pat, PATTERN_PID.pmt, PATTERN_PID.video]);
    assert.deepEqual(opening.subarray(2 * TS_PACKET_BYTES), stream.subarray(keyFrames.at(-1)));
    assert.equal(cache.cachedBytes, stream.length - (keyFrames.at(-1) ?? 0));
  });
}

test("GopCache has nothing to give before it has seen PAT and PMT", () => {
  const cache = new GopCache();
  const stream = testPattern(PATTERN);
  assert.equal(cache.add(stream.subarray(2 * TS_PACKET_BYTES, 9 * TS_PACKET_BYTES), 0), NO_KEY_FRAME);
  assert.equal(cache.opening().length, 0);
  assert.equal(cache.isKeyless(0), false, "there may be a key frame yet");
});

test("GopCache keeps gopCacheBytes and not a packet more, and begins again with the next key frame", () => {
  const cache = new GopCache();
  const tables = 2 * TS_PACKET_BYTES;
  const most = LIMITS.gopCacheBytes - (LIMITS.gopCacheBytes % TS_PACKET_BYTES);
  const long = testPattern({ frames: 1, framesPerSec: 1, gopFrames: 1, kbps: (most / 125) * 1.01 }).subarray(0, tables + most);
  feed(cache, long);
  assert.equal(cache.cachedBytes, most);
  cache.add(long.slice(-TS_PACKET_BYTES), 0);
  assert.equal(cache.cachedBytes, 0);
  assert.deepEqual(pidsOf(cache.opening()), [PID.pat, PATTERN_PID.pmt]);
  feed(cache, testPattern(PATTERN));
  assert.ok(cache.cachedBytes > 0);
});

test("GopCache gives tables alone, and calls a stream keyless, gopCacheMs after its last key frame", () => {
  const cache = new GopCache();
  const stream = testPattern({ ...PATTERN, gopFrames: 1_000 });
  feed(cache, stream);
  const more = stream.slice(-TS_PACKET_BYTES);
  cache.add(more, LIMITS.gopCacheMs);
  assert.ok(cache.cachedBytes > 0);
  assert.equal(cache.isKeyless(LIMITS.gopCacheMs), false);
  cache.add(more, LIMITS.gopCacheMs + 1);
  assert.equal(cache.cachedBytes, 0);
  assert.equal(cache.isKeyless(LIMITS.gopCacheMs + 1), true);
});

test("GopCache calls a stream without video keyless as soon as its map says so", () => {
  const cache = new GopCache();
  const streams = [{ streamType: STREAM_TYPE.aacAdts, pid: 0x101 }];
  cache.add(section(PID.pat, writePat({ programs: [{ program: 1, pmtPid: 0x20 }] })), 0);
  cache.add(section(0x20, writePmt({ program: 1, pcrPid: 0x101, streams })), 0);
  assert.equal(cache.isKeyless(0), true);
});

test("GopCache reads a map that takes two packets, and passes over one with a wrong CRC", () => {
  const cache = new GopCache();
  const streams = Array.from({ length: 50 }, (_, n) => ({ streamType: n === 49 ? STREAM_TYPE.h264 : 6, pid: 0x100 + n }));
  const pmt = section(PATTERN_PID.pmt, writePmt({ program: 1, pcrPid: 0x100, streams }));
  assert.equal(pmt.length, 2 * TS_PACKET_BYTES);
  cache.add(section(PID.pat, writePat({ programs: [{ program: 1, pmtPid: PATTERN_PID.pmt }] })), 0);
  cache.add(pmt.with(100, 0xee), 0);
  assert.equal(cache.opening().length, 0);
  cache.add(pmt, 0);
  assert.deepEqual(cache.opening().subarray(TS_PACKET_BYTES), pmt);
  const key = Uint8Array.of(TS_SYNC, 0x41, 0x31, 0x30, 1, 0x40, ...new Uint8Array(182));
  assert.equal(cache.add(key, 0), 0);
});

/** A section over as many packets as it takes. */
function section(pid: number, octets: Uint8Array): Uint8Array {
  const payload = concat([Uint8Array.of(0), octets]);
  const packets: Uint8Array[] = [];
  for (let at = 0; at < payload.length; at += 184) {
    const packet = new Uint8Array(TS_PACKET_BYTES).fill(0xff);
    packet.set([TS_SYNC, (at === 0 ? 0x40 : 0) | (pid >> 8), pid, 0x10 | packets.length]);
    packet.set(payload.subarray(at, at + 184), 4);
    packets.push(packet);
  }
  return concat(packets);
}
