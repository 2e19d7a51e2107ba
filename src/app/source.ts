import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { LIMITS } from "#base/limits.ts";
import type { Feed, LiveFeed, Rendition } from "#client/agents.ts";
import type { Address, Host } from "#host/host.ts";
import { parseRtp, readClip } from "#media/index.ts";
import { readClipFile, readFile } from "./clip-file.ts";
import { UsageError } from "./console.ts";
import { Encoder } from "./encoder.ts";

/** Something to broadcast. */
export interface Source extends Rendition {
  /** For a line of progress, e.g. "clip.ts, 301 kbit/s, over and over". */
  readonly about: string;
}
/** kbit/s: of whatever has no rate of its own, or all those at which one source is to be encoded. */
export interface SourceRates {
  readonly rate?: number;
  readonly rates?: readonly number[];
}

const DEFAULT_KBPS = 1_000;
const LAST_WORDS = 400; // characters of ffmpeg's that are repeated

/**
 * Opens what `sipcast broadcast` was told to send, a source for each rendition or one that is encoded at several rates. `-`
 * is standard input, `udp://HOST:PORT` a transport stream from an address or group, a file of MPEG-TS is played as it is, and
 * whatever else ffmpeg can read (a camera, SRT, RTMP, another codec) is transcoded to H.264 and AAC.
 */
export function openSources(named: readonly string[], host: Host, { rate, rates }: SourceRates): readonly Source[] {
  const [first = "", ...others] = named;
  if (Math.max(named.length, rates?.length ?? 0) > LIMITS.renditions)
    throw new UsageError(`A channel has ${LIMITS.renditions} renditions at most.`);
  if (!rates) return named.flatMap((each) => openSource(each, host, rate));
  if (others.length > 0 || first === "-")
    throw new UsageError("--rates encodes one source at each rate: a file, or what ffmpeg reads.");
  const feeds = encode(first, isFile(first), rates);
  return feeds.map((feed, at) => ({ feed, kbps: rates[at], about: `${first} ${BY_FFMPEG}, ${rates[at]} kbit/s` }));
}

/** SOURCE or SOURCE@KBPS. */
function openSource(named: string, host: Host, rate: number | undefined): Source | Source[] {
  const [, source = named, ownRate] = /^(.+)@(\d{2,5})$/.exec(named) ?? [];
  const kbps = ownRate === undefined ? rate : Number(ownRate);
  if (source === "-") return { feed: fromStdin(), kbps, about: "standard input" };
  const udp = /^udp:\/\/@?([\d.]+):(\d{1,5})$/.exec(source);
  if (udp) return { feed: fromUdp(host, { host: udp[1] ?? "", port: Number(udp[2]) }), kbps, about: source };
  const hasFile = isFile(source);
  if (hasFile && (readClip(readFile(source)).status === "ok" || !hasFfmpeg())) return { ...clipSource(source), kbps };
  return encode(source, hasFile, [kbps ?? DEFAULT_KBPS]).map((feed) => ({ feed, kbps, about: `${source} ${BY_FFMPEG}` }));
}

const BY_FFMPEG = "by ffmpeg, H.264 and AAC";
function encode(source: string, hasFile: boolean, rates: readonly number[]): readonly Feed[] {
  if (!hasFfmpeg()) throw new UsageError(`${source} needs ffmpeg, which is not installed.`);
  if (hasFile) probe(source);
  return new Encoder(source, hasFile, rates).feeds;
}
/** Throws for what is neither a file nor for ffmpeg. */
function isFile(source: string): boolean {
  const hasFile = existsSync(source) && statSync(source).isFile();
  if (!hasFile && !isForFfmpeg(source)) throw new UsageError(`There is no file ${source}.`);
  return hasFile;
}
const hasFfmpeg = (): boolean => spawnSync("ffmpeg", ["-version"], { stdio: "ignore" }).status === 0;

/** Throws, with what is wrong, for a file that cannot be taken as it is. */
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
