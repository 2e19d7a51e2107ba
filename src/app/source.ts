import { type ChildProcessByStdio, spawn, spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import type { Readable } from "node:stream";
import type { Feed, LiveFeed } from "#client/agents.ts";
import type { Address, Host } from "#host/host.ts";
import { parseRtp, readClip } from "#media/index.ts";
import { readClipFile, readFile } from "./clip-file.ts";
import { UsageError } from "./console.ts";

/** Something to broadcast. */
export interface Source {
  readonly feed: Feed;
  /** For a line of progress, e.g. "clip.ts, 301 kbit/s, over and over". */
  readonly about: string;
}

const DEFAULT_KBPS = 1_000;
const AUDIO_KBPS = 96;
/** Of the reserved rate: tables, headers and peaks need the rest. */
const PAYLOAD_SHARE = 0.85;
const KEY_FRAME_EVERY = 25; // frames
const LAST_WORDS = 400; // characters of ffmpeg's that are repeated

/**
 * Opens what `sipcast broadcast` was told to send: `-` is standard input, `udp://HOST:PORT` a transport stream from an
 * address or group, a file of MPEG-TS is played as it is, and whatever else ffmpeg can read (a camera, SRT, RTMP, another
 * codec) is transcoded to H.264 and AAC.
 */
export function openSource(source: string, host: Host, kbps: number = DEFAULT_KBPS): Source {
  if (source === "-") return { feed: fromStdin(), about: "standard input" };
  const udp = /^udp:\/\/@?([\d.]+):(\d{1,5})$/.exec(source);
  if (udp) return { feed: fromUdp(host, { host: udp[1] ?? "", port: Number(udp[2]) }), about: source };
  const isFile = existsSync(source) && statSync(source).isFile();
  if (!isFile && !isForFfmpeg(source)) throw new UsageError(`There is no file ${source}.`);
  if (isFile && readClip(readFile(source)).status === "ok") return clipSource(source);
  if (spawnSync("ffmpeg", ["-version"], { stdio: "ignore" }).status !== 0) {
    if (isFile) return clipSource(source); // says why it cannot be taken as it is
    throw new UsageError(`${source} needs ffmpeg, which is not installed.`);
  }
  if (isFile) probe(source);
  return { feed: fromFfmpeg(source, isFile, kbps), about: `${source} by ffmpeg, H.264 and AAC` };
}

function clipSource(file: string): Source {
  const clip = readClipFile(file);
  return { feed: { kind: "clip", clip }, about: `${file}, ${Math.round(clip.kbps)} kbit/s, over and over` };
}
const isForFfmpeg = (source: string): boolean => /^[a-z][a-z0-9+.-]*:/i.test(source) || source.startsWith("/dev/");

/** Finds out what is wrong with a file before the channel goes on air. */
function probe(file: string): void {
  const args = ["-nostdin", "-v", "error", "-i", file, "-t", "0.1", "-f", "null", "-"];
  const { status, stderr } = spawnSync("ffmpeg", args, { encoding: "utf8" });
  if (status !== 0) throw new UsageError(`${file} cannot be broadcast. ${stderr.trim().slice(-LAST_WORDS)}`);
}

function fromStdin(): LiveFeed {
  return {
    kind: "live",
    start(write, ended) {
      process.stdin.on("data", write);
      process.stdin.once("end", () => ended());
      return () => {
        process.stdin.off("data", write);
        process.stdin.destroy();
      };
    },
  };
}

/** A transport stream in datagrams, with or without RTP around it. */
function fromUdp(host: Host, at: Address): LiveFeed {
  const isGroup = Number(at.host.split(".")[0]) >= 224;
  return {
    kind: "live",
    start(write, ended) {
      const port = host.datagram(
        { ...at, shared: isGroup },
        {
          bound: () => {
            if (isGroup) port.join(at.host);
          },
          datagram: (bytes) => write(payloadOf(bytes)),
          failed: (error) => ended(new UsageError(`Cannot receive from ${at.host}:${at.port}: ${error.message}`)),
        },
      );
      return () => port.close();
    },
  };
}
function payloadOf(datagram: Uint8Array): Uint8Array {
  const rtp = datagram[0] === 0x47 ? undefined : parseRtp(datagram);
  return rtp?.status === "ok" ? rtp.value.payload : datagram;
}

function fromFfmpeg(source: string, isFile: boolean, kbps: number): LiveFeed {
  const videoKbps = Math.max(64, Math.round(kbps * PAYLOAD_SHARE) - AUDIO_KBPS);
  const input = isFile ? ["-stream_loop", "-1", "-re", "-i", source] : ["-i", source];
  const video = [
    "-c:v",
    "libx264",
    "-preset",
    "veryfast",
    "-tune",
    "zerolatency",
    "-pix_fmt",
    "yuv420p",
    "-g",
    `${KEY_FRAME_EVERY}`,
  ];
  const rate = ["-b:v", `${videoKbps}k`, "-maxrate", `${videoKbps}k`, "-bufsize", `${videoKbps}k`];
  const audio = ["-c:a", "aac", "-b:a", `${AUDIO_KBPS}k`, "-ac", "2"];
  const args = ["-nostdin", "-hide_banner", "-loglevel", "error", ...input, ...video, ...rate, ...audio, "-f", "mpegts", "-"];
  return {
    kind: "live",
    start(write, ended) {
      const ffmpeg = spawn("ffmpeg", args, { stdio: ["ignore", "pipe", "pipe"] });
      return follow(ffmpeg, write, ended);
    },
  };
}

/** Reads ffmpeg's output until it ends, which it says why, or until told to stop. */
function follow(
  ffmpeg: ChildProcessByStdio<null, Readable, Readable>,
  write: (octets: Uint8Array) => void,
  ended: (fault?: Error) => void,
) {
  let words = "";
  let isStopping = false;
  ffmpeg.stdout.on("data", write);
  ffmpeg.stderr.setEncoding("utf8").on("data", (text: string) => {
    words = (words + text).slice(-LAST_WORDS);
  });
  ffmpeg.once("error", (error) => {
    words = error.message;
  });
  ffmpeg.once("close", (code) => {
    if (!isStopping) ended(code === 0 ? undefined : new UsageError(`ffmpeg has ended: ${words.trim()}`));
  });
  return () => {
    isStopping = true;
    ffmpeg.kill("SIGTERM");
  };
}
