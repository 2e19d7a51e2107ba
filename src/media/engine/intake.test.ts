import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import { parseRtp, RTP_HEADER_BYTES, type RtpPacket, writeRtp } from "../wire/rtp.ts";
import { TS_PACKET_BYTES } from "../wire/ts.ts";
import { Intake, type IntakeStats } from "./intake.ts";
import { Receiver } from "./receiver.ts";

const BOB = { host: "10.1.0.5", port: 6_000 };
const MALLORY = { host: "10.1.0.6", port: 6_000 };

const packetsOf = (count: number): Uint8Array => {
  const bytes = new Uint8Array(count * TS_PACKET_BYTES);
  for (let n = 0; n < count; n++) bytes.set([0x47, 1, 0, 0x10 | (n & 15)], n * TS_PACKET_BYTES);
  return bytes;
};
const rtp = (changes: Partial<RtpPacket> = {}): Uint8Array =>
  writeRtp({
    marker: false,
    payloadType: 33,
    sequence: 1,
    timestamp: 0,
    ssrc: 1,
    csrcs: [],
    payload: packetsOf(1),
    paddingBytes: 0,
    ...changes,
  });
const counters = ({ packets, foreign, malformed, restarts }: IntakeStats) => ({ packets, foreign, malformed, restarts });

const DROPPED: { name: string; datagram: Uint8Array; from?: typeof BOB; counted: "foreign" | "malformed" }[] = [
  { name: "another host's packet", datagram: rtp({ sequence: 2 }), from: MALLORY, counted: "foreign" },
  { name: "another SSRC", datagram: rtp({ sequence: 2, ssrc: 2 }), counted: "foreign" },
  { name: "what is no RTP", datagram: Uint8Array.of(1, 2, 3), counted: "malformed" },
  { name: "another payload type", datagram: rtp({ sequence: 2, payloadType: 34 }), counted: "malformed" },
  { name: "no payload", datagram: rtp({ sequence: 2, payload: packetsOf(0) }), counted: "malformed" },
  { name: "a torn TS packet", datagram: rtp({ sequence: 2, payload: packetsOf(1).subarray(1) }), counted: "malformed" },
  {
    name: "more than rtpTsPackets TS packets",
    datagram: rtp({ sequence: 2, payload: packetsOf(LIMITS.rtpTsPackets + 1) }),
    counted: "malformed",
  },
];
for (const { name, datagram, from = BOB, counted } of DROPPED) {
  test(`an ingest drops and counts ${name} (PROTOCOL §13)`, () => {
    const intake = new Intake({ senderHost: BOB.host, lockSsrc: true });
    assert.equal(intake.datagram(rtp(), BOB, 0).length, 1);
    assert.deepEqual(intake.datagram(datagram, from, 1), []);
    assert.deepEqual(counters(intake.stats), { packets: 1, foreign: 0, malformed: 0, restarts: 0, [counted]: 1 });
    assert.equal(intake.datagram(rtp({ sequence: 2 }), BOB, 2).length, 1, "and goes on");
  });
}

test("rtpTsPackets TS packets fit; CSRCs, extension and padding are taken off", () => {
  const intake = new Intake({ lockSsrc: true });
  const payload = packetsOf(LIMITS.rtpTsPackets);
  const extension = { profile: 1, data: new Uint8Array(4) };
  const [own] = intake.datagram(rtp({ payload, extension, csrcs: [9], paddingBytes: 4, marker: true }), BOB, 0);
  assert.ok(own);
  const read = parseRtp(own);
  assert.ok(read.status === "ok");
  assert.deepEqual([read.value.marker, read.value.csrcs, read.value.extension], [true, [], undefined]);
  assert.deepEqual(own.subarray(RTP_HEADER_BYTES), payload);
});

test("a viewer follows a sender that began anew with another SSRC (RFC 3550 §8.2)", () => {
  const intake = new Intake({ senderHost: BOB.host, lockSsrc: false });
  intake.datagram(rtp({ sequence: 7 }), BOB, 0);
  assert.equal(intake.datagram(rtp({ ssrc: 2, sequence: 50_000 }), BOB, 1).length, 1);
  assert.deepEqual(counters(intake.stats), { packets: 2, foreign: 0, malformed: 0, restarts: 1 });
});

test("interarrival jitter moves by a sixteenth of each difference, over the timestamp's wrap (RFC 3550 §6.4.1)", () => {
  const intake = new Intake({ lockSsrc: true });
  const startTicks = 2 ** 32 - 900;
  const arrivals: [ticks: number, atMs: number, jitterMs: number][] = [
    [0, 100, 0],
    [900, 110, 0], // 10 ms later, as sent
    [1_800, 136, 1], // 16 ms too late
    [2_700, 146, 1 - 1 / 16], // as late as the one before
  ];
  for (const [n, [ticks, atMs, jitterMs]] of arrivals.entries()) {
    intake.datagram(rtp({ sequence: n, timestamp: (startTicks + ticks) % 2 ** 32 }), BOB, atMs);
    assert.equal(intake.stats.jitterMs, jitterMs, `at ${atMs} ms`);
  }
});

test("a receiver hands out TS packets in order and says its rate each second", () => {
  const receiver = new Receiver({ lockSsrc: false });
  const sizes: number[] = [];
  for (const [atMs, sequence] of [
    [0, 1],
    [200, 3],
    [210, 2],
    [500, 5],
  ] as const) {
    sizes.push(...receiver.datagram(rtp({ sequence }), BOB, atMs).map(({ length }) => length));
  }
  assert.deepEqual(sizes, [188, 188, 188]);
  assert.equal(receiver.nextDeadlineMs, 500 + LIMITS.reorderWaitMs);
  assert.equal(receiver.step(receiver.nextDeadlineMs).length, 1);
  assert.equal(receiver.stats.kbps, 0, "no second is over");
  receiver.datagram(rtp({ sequence: 6 }), BOB, 1_000);
  assert.equal(receiver.stats.kbps, (4 * 188 * 8) / 1_000);
  assert.deepEqual([receiver.stats.packets, receiver.stats.lost], [5, 1]);
});
