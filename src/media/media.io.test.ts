import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { concat } from "#base/bytes.ts";
import type { Address } from "#host/host.ts";
import { nodeHost } from "#host/node/index.ts";
import { toolOrSkip } from "#host/node/test-tools.ts";
import { TICKS_PER_MS } from "./engine/clip.ts";
import { LoopedSource } from "./engine/looped-source.ts";
import { type Clip, MediaDriver, RtpReceiver, RtpSender, readClip } from "./index.ts";
import { RTP_HEADER_BYTES } from "./wire/rtp.ts";
import { TS_PACKET_BYTES } from "./wire/ts.ts";

const CLIPS = ["news", "sport"];
const ROUNDS = 3;
const [FRAMES, SOUNDS] = [360, 1_125]; // in a round: scripts/make-clip.sh
const [FRAME_STAMPS, SOUND_STAMPS] = [6_000, 1_920];

function clipOf(name: string): Clip {
  const read = readClip(readFileSync(new URL(`../../testdata/clips/${name}.ts`, import.meta.url)));
  if (read.status === "bad") throw read.fault;
  return read.clip;
}
function rounds(clip: Clip): Uint8Array {
  const source = new LoopedSource(clip, { ssrc: 1, sequence: 0, timestamp: 0 }, 0);
  const parts: Uint8Array[] = [];
  let octets = 0;
  while (octets < ROUNDS * clip.packets.length) {
    for (const datagram of source.step(source.nextDeadlineMs)) {
      octets += datagram.length - RTP_HEADER_BYTES;
      parts.push(datagram.subarray(RTP_HEADER_BYTES));
    }
  }
  return concat(parts);
}
/** What the program prints; fails when it complains. */
function run(program: string, args: readonly string[]): string {
  const { stdout, stderr, status } = spawnSync(program, ["-v", "error", ...args], { encoding: "utf8" });
  assert.deepEqual({ stderr, status }, { stderr: "", status: 0 });
  return stdout;
}

for (const name of CLIPS) {
  test(`ffmpeg takes ${ROUNDS} rounds of ${name}.ts for one stream without a seam`, (t) => {
    if (!toolOrSkip(t, "ffmpeg") || !toolOrSkip(t, "ffprobe")) return;
    const clip = clipOf(name);
    assert.equal(clip.periodTicks, 24_000 * TICKS_PER_MS);
    const folder = mkdtempSync(join(tmpdir(), "sipcast-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "rounds.ts");
    writeFileSync(file, rounds(clip));
    run("ffmpeg", ["-i", file, "-f", "null", "-"]);
    const stepsOf = (stream: string): number[] => {
      const lines = run("ffprobe", ["-select_streams", stream, "-show_entries", "packet=dts", "-of", "csv=p=0", file]);
      const stamps = lines
        .split("\n")
        .filter(Boolean)
        .map((line) => Number.parseInt(line, 10));
      return stamps.slice(1).map((to, n) => to - (stamps[n] ?? 0));
    };
    assert.deepEqual(stepsOf("v"), new Array(ROUNDS * FRAMES - 1).fill(FRAME_STAMPS));
    assert.deepEqual(stepsOf("a"), new Array(ROUNDS * SOUNDS - 1).fill(SOUND_STAMPS));
  });
}

test("on loopback a clip goes through an ingest to its source-specific group, and to nobody who joined another source", async (t) => {
  const host = nodeHost();
  const fail = (error: Error): never => assert.fail(error);
  const [edge, group]: [string, Address] = ["127.0.1.1", { host: "232.0.1.77", port: 45_004 }];
  const ingest: Address = { host: edge, port: 46_000 };
  const config = { address: edge, multicastInterface: "127.0.0.1", ws: { host: edge, port: 0 }, origins: [] };
  const media = new MediaDriver(host, config, { onSinkGone: () => undefined, onSourceSilent: () => undefined }, (_, error) =>
    fail(error),
  );
  media.open("news", { kind: "ingest", at: ingest, senderHost: "127.0.1.5" }, group);
  const parts: Uint8Array[] = [];
  const join = (source: string, packets: (octets: Uint8Array) => void): RtpReceiver =>
    new RtpReceiver(host, { kind: "group", group, source }, "127.0.0.1", packets, fail);
  const receivers = [join(edge, (octets) => parts.push(octets)), join("127.0.1.2", () => assert.fail("another source's"))];
  await sleep(20);
  const clip = clipOf("news");
  const sender = new RtpSender(host, { host: "127.0.1.5", port: 0 }, ingest, clip, fail);
  t.after(() => {
    for (const running of [sender, ...receivers, media]) running.stop();
  });
  const endMs = performance.now() + 10_000;
  while (parts.length < 30 && performance.now() < endMs) await sleep(20);
  const octets = concat(parts);
  assert.ok(parts.length >= 30);
  assert.deepEqual(
    receivers.map(({ stats }) => stats.foreign),
    [0, 0],
    "the kernel keeps other sources away, not the receiver",
  );
  const fromKeyFrame = octets.subarray(2 * TS_PACKET_BYTES); // after PAT and PMT
  assert.ok(Buffer.from(clip.packets).includes(fromKeyFrame), "the first round leaves as it is");
});
