import assert from "node:assert/strict";
import { test } from "node:test";
import { concat } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import { parsePes } from "../wire/pes.ts";
import { parseRtp, type RtpPacket, sequenceAhead } from "../wire/rtp.ts";
import { PCR_WRAP_TICKS, PID, parseTsPacket, STAMP_WRAP_TICKS, TS_PACKET_BYTES, ticksAhead } from "../wire/ts.ts";
import { type Clip, readClip, TICKS_PER_MS } from "./clip.ts";
import { LoopedSource } from "./looped-source.ts";
import { testPattern } from "./test-pattern.ts";

const START = { ssrc: 7, sequence: 65_530, timestamp: 2 ** 32 - 1_000 };
const PATTERN = { frames: 25, framesPerSec: 25, gopFrames: 12, kbps: 400 };
const FRAME_STAMPS = 90_000 / PATTERN.framesPerSec;

function clipOf(file: Uint8Array): Clip {
  const read = readClip(file);
  if (read.status === "bad") throw read.fault;
  return read.clip;
}
/** Every RTP packet of the first `untilMs`, each taken when it was due. */
function play(clip: Clip, untilMs: number): { atMs: number; packet: RtpPacket }[] {
  const source = new LoopedSource(clip, START, 0);
  const played: { atMs: number; packet: RtpPacket }[] = [];
  while (source.nextDeadlineMs < untilMs) {
    const atMs = source.nextDeadlineMs;
    for (const datagram of source.step(atMs)) {
      const read = parseRtp(datagram);
      assert.ok(read.status === "ok");
      played.push({ atMs, packet: read.value });
    }
  }
  return played;
}
const octetsOf = (played: readonly { packet: RtpPacket }[]): Uint8Array => concat(played.map(({ packet }) => packet.payload));

/** Steps of the clock, in ms, and of each stream's decoding times, in stamp ticks; throws where a counter is not the next. */
function steps(stream: Uint8Array): { clockMs: number[]; stamps: number[] } {
  const [clocks, stamps]: [number[], number[]] = [[], []];
  const counters = new Map<number, number>();
  for (let at = 0; at < stream.length; at += TS_PACKET_BYTES) {
    const read = parseTsPacket(stream, at);
    assert.ok(read.status === "ok");
    const { pid, continuity, pcrTicks, unitStart, payloadAt, payloadEnd, discontinuity } = read.value;
    assert.equal(discontinuity, false, "no seam is told of");
    const last = counters.get(pid);
    if (last !== undefined) assert.equal(continuity, (last + 1) & 0x0f, `counter of PID ${pid} at octet ${at}`);
    counters.set(pid, continuity);
    if (pcrTicks !== undefined) clocks.push(pcrTicks);
    const pes = unitStart && parsePes(stream, payloadAt, payloadEnd);
    if (pes && pes.status === "ok" && pes.value.pts) stamps.push(pes.value.pts.ticks);
  }
  const between = (ticks: number[], wrap: number): number[] => ticks.slice(1).map((to, n) => ticksAhead(to, ticks[n] ?? 0, wrap));
  return {
    clockMs: between(clocks, PCR_WRAP_TICKS).map((ticks) => ticks / TICKS_PER_MS),
    stamps: between(stamps, STAMP_WRAP_TICKS),
  };
}
const isEvery = (values: readonly number[], wanted: number, within = 0): boolean =>
  values.length > 0 && values.every((value) => Math.abs(value - wanted) <= within);

const LOOPS: { name: string; startTicks: number }[] = [
  { name: "from 0", startTicks: 0 },
  { name: "over the wrap of the 33-bit clock", startTicks: STAMP_WRAP_TICKS - 45_000 },
];
for (const { name, startTicks } of LOOPS) {
  test(`three rounds ${name}: every frame one frame after the last, counters in order (ISO/IEC 13818-1 §2.4.3)`, () => {
    const clip = clipOf(testPattern({ ...PATTERN, startTicks }));
    const played = play(clip, 3_000);
    const stream = octetsOf(played);
    assert.equal(stream.length, 3 * clip.packets.length);
    const { clockMs, stamps } = steps(stream);
    assert.equal(stamps.length, 3 * PATTERN.frames - 1);
    assert.ok(isEvery(clockMs, 40), `clock steps ${clockMs}`);
    assert.ok(isEvery(stamps, FRAME_STAMPS), `stamp steps ${stamps}`);
    assert.ok(isEvery([clip.periodTicks], 1_000 * TICKS_PER_MS));
  });
}

test("RTP leaves when the clip's clock says, numbered and stamped likewise (RFC 2250 §2)", () => {
  const played = play(clipOf(testPattern(PATTERN)), 2_500);
  const first = played[0]?.packet;
  assert.ok(first);
  assert.deepEqual([first.sequence, first.ssrc, first.payloadType], [START.sequence, START.ssrc, 33]);
  for (const [n, { atMs, packet }] of played.entries()) {
    assert.equal(sequenceAhead(packet.sequence, first.sequence), n);
    const sinceTicks: number = (packet.timestamp - first.timestamp + 2 ** 32) % 2 ** 32;
    assert.ok(Math.abs(sinceTicks / 90 - atMs) < 0.1, `packet ${n} is stamped ${sinceTicks} at ${atMs} ms`);
    assert.ok(packet.payload.length <= LIMITS.rtpTsPackets * TS_PACKET_BYTES);
  }
  const gapsMs = played.slice(1).map(({ atMs }, n) => atMs - (played[n]?.atMs ?? 0));
  assert.ok(Math.max(...gapsMs) < 40, "no frame waits for another");
});

test("each round begins with the tables, wherever the file began", () => {
  const whole = testPattern(PATTERN);
  const clip = clipOf(whole.subarray(3 * TS_PACKET_BYTES)); // cut in the first frame; its tables are gone
  const stream = octetsOf(play(clip, clip.periodTicks / TICKS_PER_MS + 10));
  const pidAt = (at: number): number | false => {
    const read = parseTsPacket(stream, at);
    return read.status === "ok" && read.value.pid;
  };
  assert.equal(pidAt(0), PID.pat);
  assert.equal(pidAt(clip.packets.length), PID.pat);
});

const SEAMS: { name: string; second: Uint8Array }[] = [
  { name: "a second recording, later on another clock", second: testPattern({ ...PATTERN, startTicks: 900_000_000 }) },
  { name: "a second recording, earlier", second: testPattern(PATTERN) },
  { name: "a second recording that says so", second: withDiscontinuity(testPattern({ ...PATTERN, startTicks: 90_000 * 3 })) },
];
for (const { name, second } of SEAMS) {
  test(`inside the clip, ${name} goes on as if it were the first`, () => {
    const clip = clipOf(concat([testPattern({ ...PATTERN, startTicks: 90_000 }), second]));
    assert.equal(clip.eras.length, 2);
    const { clockMs, stamps } = steps(octetsOf(play(clip, 4_000)));
    assert.equal(stamps.length, 4 * PATTERN.frames - 1);
    assert.ok(isEvery(clockMs, 40), `clock steps ${clockMs}`);
    assert.ok(isEvery(stamps, FRAME_STAMPS), `stamp steps ${stamps}`);
  });
}

test("a sender that was held up by senderLateMs makes up for it, by more lets the time go", () => {
  const clip = clipOf(testPattern(PATTERN));
  const spanMs = (lateMs: number): number => {
    const source = new LoopedSource(clip, START, 0);
    source.step(lateMs);
    return lateMs - source.nextDeadlineMs;
  };
  assert.ok(spanMs(LIMITS.senderLateMs) < 0, "all that was due has left, the next is in the future");
  const source = new LoopedSource(clip, START, 0);
  assert.equal(source.step(LIMITS.senderLateMs + 1).length, 1);
  assert.ok(source.nextDeadlineMs > LIMITS.senderLateMs + 1);
});

test("a sender sends senderBurstPackets at once and not one more", () => {
  const clip = clipOf(testPattern({ ...PATTERN, kbps: 20_000 }));
  const source = new LoopedSource(clip, START, 0);
  assert.equal(source.step(200).length, LIMITS.senderBurstPackets);
  assert.ok(source.nextDeadlineMs < 200, "the rest is due still");
});

const FAULTS: { name: string; file: Uint8Array; code: string; says: RegExp }[] = [
  { name: "an empty file", file: new Uint8Array(0), code: "not-ts", says: /shorter than one packet/ },
  { name: "another file", file: new Uint8Array(1_000).fill(0x20), code: "not-ts", says: /no MPEG transport stream: octet 0 / },
  { name: "a file that loses step", file: outOfStep(), code: "not-ts", says: /octet 376 / },
  { name: "a stream without tables", file: testPattern(PATTERN).subarray(376, 1_880), code: "no-tables", says: /PAT/ },
  { name: "a stream without a map", file: testPattern(PATTERN).slice(0, 188), code: "no-tables", says: /PMT/ },
  { name: "a stream without a clock", file: testPattern({ ...PATTERN, frames: 1 }), code: "no-clock", says: /no clock \(PCR\)/ },
];
for (const { name, file, code, says } of FAULTS) {
  test(`${name} is refused in a plain sentence`, () => {
    const read = readClip(file);
    assert.ok(read.status === "bad");
    assert.equal(read.fault.code, code);
    assert.match(read.fault.message, says);
  });
}
test("a clip may have clipBytes and not one more; octets after the last whole packet are left out", () => {
  const tooLarge = readClip({ length: LIMITS.clipBytes + 1 } as Uint8Array);
  assert.equal(tooLarge.status === "bad" && tooLarge.fault.code, "too-large");
  const pattern = testPattern(PATTERN);
  assert.deepEqual(clipOf(concat([pattern, pattern.subarray(0, 100)])).packets, pattern);
});

/** The discontinuity indicator in its first packet with a clock. */
function withDiscontinuity(stream: Uint8Array): Uint8Array {
  const at = 2 * TS_PACKET_BYTES + 5;
  return stream.with(at, (stream[at] ?? 0) | 0x80);
}
function outOfStep(): Uint8Array {
  const stream = testPattern(PATTERN);
  return concat([stream.subarray(0, 376), stream.subarray(380)]);
}
