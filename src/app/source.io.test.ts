/** What `sipcast broadcast` can send, seen by `sipcast watch`. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import dgram from "node:dgram";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { toolOrSkip } from "#host/node/test-tools.ts";
import { Bench, HOME, type Program } from "./test-program.ts";

const CLIP = path.join(HOME, "testdata/clips/sport.ts");
const bench = new Bench();
before(async () => {
  await bench.demo("--no-samples");
});
after(() => bench.close());

/** Codecs that a viewer of bob's channel receives, which is reserved for him at the rate given. */
async function codecsWatched(wish: readonly string[] = [], kbps = /\d+/): Promise<Set<string>> {
  const file = path.join(bench.folder, `watched${wish.join("")}.ts`);
  const watch = bench.sipcast("watch", "bob-tv", "-o", file, "--seconds", "2", ...wish);
  assert.equal(await watch.exit(), 0, watch.err);
  assert.match(watch.err, new RegExp(`Watching bob-tv: ${kbps.source} kbit/s reserved`));
  const probe = spawnSync("ffprobe", ["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", file], {
    encoding: "utf8",
  });
  assert.equal(probe.stderr, "");
  return new Set(probe.stdout.trim().split(/\s+/));
}
const H264_AAC = new Set(["h264", "aac"]);

test("broadcast - sends standard input, and goes off air at its end", async (t) => {
  if (!toolOrSkip(t, "ffprobe") || !toolOrSkip(t, "ffmpeg")) return;
  const pipe = `ffmpeg -v error -re -i ${CLIP} -t 6 -c copy -f mpegts - | ${path.join(HOME, "bin/sipcast")} broadcast bob-tv -`;
  const broadcast = bench.run("sh", "-c", pipe);
  await broadcast.says(/bob-tv is on air: standard input/);
  assert.deepEqual(await codecsWatched(), H264_AAC);
  assert.equal(await broadcast.exit(), 0);
  assert.match(broadcast.err, /bob-tv is off air/);
});

test("broadcast udp://… sends what comes to that address, with and without RTP around it", async (t) => {
  if (!toolOrSkip(t, "ffprobe") || !toolOrSkip(t, "ffmpeg")) return;
  for (const format of ["mpegts", "rtp_mpegts"]) {
    const port = await freeUdpPort();
    const broadcast = bench.sipcast("broadcast", "bob-tv", `udp://127.0.0.1:${port}`);
    await broadcast.says(/bob-tv is on air/);
    const url = format === "mpegts" ? `udp://127.0.0.1:${port}?pkt_size=1316` : `rtp://127.0.0.1:${port}`;
    const sender = bench.run("ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", CLIP, "-c", "copy", "-f", format, url);
    assert.deepEqual(await codecsWatched(), H264_AAC, format);
    sender.kill();
    await stopped(broadcast);
  }
});

test("broadcast of another format goes through ffmpeg: H.264 and AAC come out", async (t) => {
  if (!toolOrSkip(t, "ffprobe") || !toolOrSkip(t, "ffmpeg")) return;
  const file = path.join(bench.folder, "other.mkv");
  const inputs = ["-f", "lavfi", "-i", "testsrc=d=3:s=160x120:r=10", "-f", "lavfi", "-i", "sine=d=3"];
  const made = spawnSync("ffmpeg", ["-v", "error", ...inputs, "-c:v", "mpeg2video", "-c:a", "mp2", file], { encoding: "utf8" });
  assert.equal(made.status, 0, made.stderr);
  const broadcast = bench.sipcast("broadcast", "bob-tv", file, "--rate", "500");
  await broadcast.says(/bob-tv is on air: .*other\.mkv by ffmpeg/);
  assert.deepEqual(await codecsWatched(), H264_AAC);
  await stopped(broadcast);
});

test("broadcast --rates has one source encoded at each; watch --rate takes the best that fits [B8]", async (t) => {
  if (!toolOrSkip(t, "ffprobe") || !toolOrSkip(t, "ffmpeg")) return;
  const broadcast = bench.sipcast("broadcast", "bob-tv", CLIP, "--rates", "900,600,400");
  await broadcast.says(/on air: .* 900 kbit\/s, to [\d.:]+; .* 600 kbit\/s, to [\d.:]+; .* 400 kbit\/s, to [\d.:]+\. Ctrl/);
  const watched = [
    codecsWatched([], /900/),
    codecsWatched(["--rate", "899"], /600/),
    codecsWatched(["--rate", "400", "--unicast"], /400/),
  ];
  for (const codecs of await Promise.all(watched)) assert.deepEqual(codecs, H264_AAC);
  await stopped(broadcast);
});

test("broadcast SOURCE@KBPS goes on air with what the network grants of it", async () => {
  const broadcast = bench.sipcast("broadcast", "bob-tv", `${CLIP}@20001`, `${CLIP}@500`);
  await broadcast.says(/on air: .* over and over, which is refused; .* over and over, to [\d.:]+\. Ctrl/);
  const watch = bench.sipcast("watch", "bob-tv", "-o", path.join(bench.folder, "watched.ts"), "--rate", "499");
  assert.equal(await watch.exit(), 1);
  assert.match(watch.err, /This channel has no picture at so low a rate\./);
  await stopped(broadcast);
});

test("broadcast says why ffmpeg could not read its source", async (t) => {
  if (!toolOrSkip(t, "ffmpeg")) return;
  const broadcast = bench.sipcast("broadcast", "bob-tv", "http://127.0.0.1:9/nothing");
  assert.equal(await broadcast.exit(), 1);
  assert.match(broadcast.err, /sipcast: ffmpeg has ended: .*(refused|error)/i);
});

test("watch --player gives the stream to a program's standard input, which may be closed at any time", async () => {
  const broadcast = bench.sipcast("broadcast", "bob-tv", CLIP);
  await broadcast.says(/is on air/);
  const shown = path.join(bench.folder, "shown.ts");
  const player = path.join(bench.folder, "player");
  spawnSync("sh", ["-c", `printf '#!/bin/sh\\nhead -c 50000 > ${shown}\\n' > ${player} && chmod +x ${player}`]);
  const watch = bench.sipcast("watch", "bob-tv", "--player", player);
  assert.equal(await watch.exit(), 0, watch.err);
  assert.equal(readFileSync(shown).length, 50_000);
  assert.equal(readFileSync(shown)[0], 0x47);
  const missing = bench.sipcast("watch", "bob-tv", "--player", "no-such-player");
  assert.equal(await missing.exit(), 1);
  assert.match(missing.err, /The player no-such-player cannot be started\./);
  await stopped(broadcast);
});

async function stopped(program: Program): Promise<void> {
  assert.equal(await program.stop(), 0, program.err);
}
function freeUdpPort(): Promise<number> {
  return new Promise((resolve) => {
    const socket = dgram.createSocket("udp4").bind(0, "127.0.0.1", () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}
