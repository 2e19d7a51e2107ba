/** MPEG transport streams and RTP: from encoders, files and other edges. */
import assert from "node:assert/strict";
import { concat } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import { CleanEnd } from "#media/engine/clean-end.ts";
import { CleanStart } from "#media/engine/clean-start.ts";
import { readClip } from "#media/engine/clip.ts";
import { GopCache } from "#media/engine/gop.ts";
import { Intake } from "#media/engine/intake.ts";
import { LiveSource } from "#media/engine/live-source.ts";
import { LoopedSource } from "#media/engine/looped-source.ts";
import { testPattern } from "#media/engine/test-pattern.ts";
import { parsePes, putStamp } from "#media/wire/pes.ts";
import { parsePat, parsePmt, writePat, writePmt } from "#media/wire/psi.ts";
import { parseRtp, RTP_HEADER_BYTES, sequenceAhead, writeRtp } from "#media/wire/rtp.ts";
import {
  crc32Mpeg,
  isWholePackets,
  modulo,
  PCR_WRAP_TICKS,
  parseTsPacket,
  putPcr,
  TS_PACKET_BYTES,
  TS_SYNC,
} from "#media/wire/ts.ts";
import { fromFile, pieces, type Target } from "./target.ts";

const START = { ssrc: 7, sequence: 65_530, timestamp: 1_000 };
const FULL_BYTES = LIMITS.rtpTsPackets * TS_PACKET_BYTES;
const CLIP = fromFile("clips", "news.ts").subarray(0, 60 * TS_PACKET_BYTES);
const PATTERN = testPattern({ frames: 4, framesPerSec: 15, gopFrames: 2, kbps: 100 });
const STREAMS = [PATTERN, CLIP];
const PAT = writePat({ programs: [{ program: 1, pmtPid: 0x1000 }] });
const PMT = writePmt({
  program: 1,
  pcrPid: 0x100,
  streams: [
    { streamType: 0x1b, pid: 0x100 },
    { streamType: 0x0f, pid: 0x101 },
  ],
});
const TS_TOKENS = [
  PATTERN.subarray(0, TS_PACKET_BYTES),
  ...[[TS_SYNC], [TS_SYNC, 0x40, 0x00, 0x10], [TS_SYNC, 0x41, 0x00, 0x30, 0x07, 0x90], [0, 0, 1, 0xe0], [0, 0, 1, 0x65]].map(
    (octets) => Uint8Array.from(octets),
  ),
];

/** Cut into whole packets, each with its sync octet: what the intake lets through. */
function packetsOf(bytes: Uint8Array): Uint8Array {
  const packets = bytes.slice(0, bytes.length - (bytes.length % TS_PACKET_BYTES));
  for (let at = 0; at < packets.length; at += TS_PACKET_BYTES) packets[at] = TS_SYNC;
  return packets;
}
function* datagramsOf(packets: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < packets.length; at += FULL_BYTES) yield packets.subarray(at, at + FULL_BYTES);
}

function packetIsRead(bytes: Uint8Array): void {
  const read = parseTsPacket(bytes);
  if (read.status !== "ok") return;
  const { payloadAt, payloadEnd, pcrTicks } = read.value;
  assert.ok(4 <= payloadAt && payloadAt <= payloadEnd && payloadEnd === TS_PACKET_BYTES, "its payload lies within it");
  if (pcrTicks !== undefined) {
    putPcr(bytes, 0, pcrTicks);
    const again = parseTsPacket(bytes);
    assert.equal(again.status === "ok" && again.value.pcrTicks, modulo(pcrTicks, PCR_WRAP_TICKS), "its clock is what was put");
  }
  const pes = parsePes(bytes, payloadAt, payloadEnd);
  if (pes.status !== "ok") return;
  const { dataAt, pts, dts } = pes.value;
  assert.ok(payloadAt < dataAt && dataAt <= payloadEnd, "its data lies within it");
  for (const stamp of [pts, dts]) if (stamp) putStamp(bytes, stamp.at, stamp.ticks);
  const again = parsePes(bytes, payloadAt, payloadEnd);
  assert.deepEqual(again.status === "ok" && [again.value.pts, again.value.dts], [pts, dts], "its stamps are what was put");
}

/** As it is, and with length and CRC put right. */
function sectionIsRead(bytes: Uint8Array): void {
  const righted = bytes.slice(0, 1_024);
  if (righted.length >= 12) {
    righted.set([0xb0 | ((righted.length - 3) >> 8), (righted.length - 3) & 0xff], 1);
    new DataView(righted.buffer).setUint32(righted.length - 4, crc32Mpeg(righted, 0, righted.length - 4));
  }
  for (const section of [bytes, righted]) {
    const pat = parsePat(section);
    const patAgain = pat.status === "ok" && parsePat(writePat(pat.value));
    if (patAgain) assert.deepEqual(patAgain.status === "ok" && patAgain.value, pat.value);
    const pmt = parsePmt(section);
    const pmtAgain = pmt.status === "ok" && parsePmt(writePmt(pmt.value));
    if (pmtAgain) assert.deepEqual(pmtAgain.status === "ok" && pmtAgain.value, pmt.value);
  }
}

function streamIsJoinedAndLeft(stream: Uint8Array): void {
  const [cache, start, end] = [new GopCache(), new CleanStart(), new CleanEnd()];
  const recorded: Uint8Array[] = [];
  for (const packets of datagramsOf(stream)) {
    const keyFrameAt = cache.add(packets, 0);
    assert.ok(
      keyFrameAt < packets.length && (keyFrameAt === -1 || keyFrameAt % TS_PACKET_BYTES === 0),
      "a key frame begins a packet",
    );
    assert.ok(cache.cachedBytes <= LIMITS.gopCacheBytes);
    const started = start.packets(packets, 0);
    for (const out of [cache.opening(), started]) assert.ok(out.length === 0 || isWholePackets(out), "whole packets leave");
    recorded.push(end.packets(packets));
  }
  const whole = concat(recorded);
  assert.deepEqual(whole, stream.subarray(0, whole.length), "what is recorded is what came");
  assert.ok(stream.length - whole.length <= LIMITS.cleanEndBytes);
}

function clipIsPlayed(file: Uint8Array): void {
  const read = readClip(file);
  if (read.status !== "ok") return;
  const { clip } = read;
  assert.ok(isWholePackets(clip.packets));
  for (const [at, point] of clip.clock.entries()) {
    const before = clip.clock[at - 1];
    assert.ok(before === undefined || (before.packet < point.packet && before.ticks < point.ticks), "its clock goes on");
  }
  assert.ok(clip.periodTicks > 0 && Number.isFinite(clip.kbps), "it takes time to play");
  const source = new LoopedSource(clip, START, 0);
  for (let steps = 0; steps < 40; steps++) {
    const dueMs = source.nextDeadlineMs;
    assert.ok(dueMs >= 0, `the next packet is due at a time, not ${dueMs}`);
    const out = source.step(dueMs);
    assert.ok(out.length > 0 && out.length <= LIMITS.senderBurstPackets, "what is due is sent");
    payloadOf(out);
    assert.ok(source.nextDeadlineMs >= dueMs, "time goes on");
  }
}

/** Of RTP packets of ours, as they follow one another. */
function payloadOf(datagrams: readonly Uint8Array[]): Uint8Array {
  return concat(
    datagrams.map((datagram) => {
      const read = parseRtp(datagram);
      if (read.status !== "ok") assert.fail("what leaves is no RTP");
      assert.ok(read.value.payload.length <= FULL_BYTES && isWholePackets(read.value.payload), "it carries one to seven packets");
      return read.value.payload;
    }),
  );
}

function streamIsSent(parts: readonly Uint8Array[]): void {
  const source = new LiveSource(START, 0);
  let came = 0;
  let left = 0;
  for (const part of parts) {
    came += part.length;
    left += payloadOf(source.octets(part, 0)).length;
    const held = came - left - source.strayBytes;
    assert.ok(held >= 0 && held < FULL_BYTES, `it holds less than what it sends at a time, not ${held}`);
  }
  left += payloadOf(source.step(Number.MAX_VALUE)).length;
  assert.ok(came - left - source.strayBytes < TS_PACKET_BYTES, "what is whole has left");
}

function rtpIsRead(bytes: Uint8Array): void {
  const read = parseRtp(bytes);
  if (read.status !== "ok") return;
  const written = writeRtp(read.value);
  const again = parseRtp(written);
  assert.deepEqual(again.status === "ok" && again.value, read.value, "it is the same when written and read again");
  assert.equal(written.length, bytes.length);
}

const FROM = { host: "10.0.0.7", port: 40_000 };
/** Datagrams, each after its length in two octets. */
function streamIsTaken(bytes: Uint8Array): void {
  for (const lockSsrc of [true, false]) {
    const intake = new Intake({ lockSsrc });
    const taken: Uint8Array[] = [];
    let datagrams = 0;
    let restarts = 0;
    const take = (packets: readonly Uint8Array[]): void => {
      payloadOf(packets);
      const last = intake.restarts === restarts ? taken.at(-1) : undefined;
      for (const [before, packet] of pairs(last, packets))
        assert.ok(sequenceAhead(sequenceOf(packet), sequenceOf(before)) > 0, "what comes out is in order");
      restarts = intake.restarts;
      taken.push(...packets);
    };
    for (let at = 0; at + 2 <= bytes.length; datagrams++) {
      const end = at + 2 + (((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0));
      take(intake.datagram(bytes.subarray(at + 2, end), FROM, datagrams));
      at = end;
    }
    take(intake.step(Number.MAX_VALUE));
    const { packets, foreign, malformed, duplicates, late } = intake.stats;
    assert.equal(packets + foreign + malformed, datagrams, "each datagram is counted once");
    assert.ok(taken.length + duplicates + late <= packets, "nothing is made up");
  }
}
const sequenceOf = (datagram: Uint8Array): number => ((datagram[2] ?? 0) << 8) | (datagram[3] ?? 0);
const pairs = (first: Uint8Array | undefined, rest: readonly Uint8Array[]): (readonly [Uint8Array, Uint8Array])[] => {
  const all = first ? [first, ...rest] : rest;
  return rest.slice(first ? 0 : 1).map((packet, at) => [all[at] ?? packet, packet] as const);
};
const rtp = (sequence: number): Uint8Array =>
  writeRtp({
    ...{ marker: false, payloadType: 33, sequence, timestamp: 90 * sequence, ssrc: 7, csrcs: [1] },
    ...{ extension: { profile: 1, data: new Uint8Array(4) }, payload: PATTERN.subarray(0, TS_PACKET_BYTES), paddingBytes: 4 },
  });
const framed = (datagram: Uint8Array): Uint8Array =>
  concat([Uint8Array.of(datagram.length >> 8, datagram.length & 0xff), datagram]);

export const MEDIA_TARGETS: readonly Target[] = [
  {
    name: "ts-packet",
    seeds: STREAMS.flatMap((stream) => [...datagramsOf(stream)]),
    tokens: TS_TOKENS,
    run: (bytes) => packetIsRead(packetsOf(bytes)),
  },
  { name: "psi", seeds: [PAT, PMT], tokens: [PAT, PMT, Uint8Array.of(0xff, 0xff)], run: sectionIsRead },
  { name: "gop", seeds: STREAMS, tokens: TS_TOKENS, run: (bytes) => streamIsJoinedAndLeft(packetsOf(bytes)) },
  {
    name: "clip",
    seeds: STREAMS,
    tokens: TS_TOKENS,
    run(bytes) {
      clipIsPlayed(bytes);
      clipIsPlayed(packetsOf(bytes));
    },
  },
  {
    name: "live-source",
    seeds: STREAMS,
    tokens: TS_TOKENS,
    run(bytes) {
      streamIsSent([bytes]);
      streamIsSent(pieces(bytes));
    },
  },
  { name: "rtp", seeds: [rtp(1), rtp(65_535)], tokens: [rtp(2).subarray(0, RTP_HEADER_BYTES)], run: rtpIsRead },
  {
    name: "intake",
    seeds: [concat([65_534, 65_535, 1, 0, 2, 2, 4].map((sequence) => framed(rtp(sequence))))],
    tokens: [0, 3, 100, 5_000].map((sequence) => framed(rtp(sequence))),
    run: streamIsTaken,
  },
];
