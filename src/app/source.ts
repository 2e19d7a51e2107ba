import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { LIMITS } from "#base/limits.ts";
import type { Feed, Rendition } from "#client/agents.ts";
import { readAddress } from "#host/addresses.ts";
import type { Address, Host } from "#host/host.ts";
import { readClip } from "#media/index.ts";
import { readClipFile } from "./clip-file.ts";
import { UsageError } from "./console.ts";
import { Encoder, lastWords } from "./encoder.ts";
import { readFile } from "./files.ts";
import { fromStdin, fromUdp } from "./live-feed.ts";

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

/**
 * Opens what `sipcast broadcast` was told to send, a source for each rendition or one that is encoded at several rates. `-`
 * is standard input, `udp://HOST:PORT` a transport stream from an address or group, a file of MPEG-TS is played as it is, and
 * whatever else ffmpeg can read (a camera, SRT, RTMP, another codec) is transcoded to H.264 and AAC.
 */
export function openSources(named: readonly string[], host: Host, { rate, rates }: SourceRates): readonly Source[] {
  const [first = "", ...others] = named;
  if (Math.max(named.length, rates?.length ?? 0) > LIMITS.renditions)
    throw new UsageError(`A channel has ${LIMITS.renditions} renditions at most.`);
  if (!rates) return distinct(named.flatMap((each) => openSource(each, host, rate)));
  if (others.length > 0 || first === "-")
    throw new UsageError("--rates encodes one source at each rate: a file, or what ffmpeg reads.");
  const feeds = encode(first, isFile(first), rates);
  return feeds.map((feed, at) => ({ feed, kbps: rates[at], about: `${first} ${BY_FFMPEG}, ${rates[at]} kbit/s` }));
}

/** A viewer gets the best that fits: of two at one rate nobody would get the second. */
function distinct(sources: readonly Source[]): readonly Source[] {
  if (new Set(sources.map(({ kbps }) => kbps)).size < sources.length)
    throw new UsageError("Give each rendition a rate of its own, as SOURCE@KBPS.");
  return sources;
}

/** SOURCE or SOURCE@KBPS. */
function openSource(named: string, host: Host, rate: number | undefined): Source | Source[] {
  const [, source = named, ownRate] = /^(.+)@(\d{2,5})$/.exec(named) ?? [];
  const kbps = ownRate === undefined ? rate : Number(ownRate);
  if (source === "-") return { feed: fromStdin(), kbps, about: "standard input" };
  const udp = udpAddress(source);
  if (udp) return { feed: fromUdp(host, udp), kbps, about: source };
  const hasFile = isFile(source);
  if (hasFile && (readClip(readFile(source)).status === "ok" || !hasFfmpeg())) return { ...clipSource(source), kbps };
  return encode(source, hasFile, [kbps ?? DEFAULT_KBPS]).map((feed) => ({ feed, kbps, about: `${source} ${BY_FFMPEG}` }));
}

/** Throws for a URL that names no address. */
function udpAddress(source: string): Address | undefined {
  const [, text] = /^udp:\/\/@?(.*)$/i.exec(source) ?? [];
  const address = readAddress(text ?? "");
  if (text === undefined || address) return address;
  throw new UsageError(`${source} names no address and port, as udp://127.0.0.1:5000 or udp://239.1.2.3:5000 does.`);
}

const BY_FFMPEG = "by ffmpeg, H.264 and AAC";
function encode(source: string, hasFile: boolean, rates: readonly number[]): readonly Feed[] {
  if (!hasFfmpeg()) throw new UsageError(`${source} needs ffmpeg, which is not installed.`);
  if (hasFile || isDevice(source)) probe(source);
  return new Encoder(source, hasFile, rates).feeds;
}
/** Throws for what is neither a file nor for ffmpeg. */
function isFile(source: string): boolean {
  const found = existsSync(source) ? statSync(source) : undefined;
  if (found?.isDirectory()) throw new UsageError(`${source} is a folder: name a file in it.`);
  if (found?.isFIFO()) throw new UsageError(`${source} is a pipe: give it as standard input, with - for its name.`);
  if (!found?.isFile() && !udpAddress(source) && !isForFfmpeg(source)) throw new UsageError(`There is no file ${source}.`);
  return found?.isFile() ?? false;
}
const hasFfmpeg = (): boolean => spawnSync("ffmpeg", ["-version"], { stdio: "ignore" }).status === 0;

/** Throws, with what is wrong, for a file that cannot be taken as it is. */
function clipSource(file: string): Source {
  const clip = readClipFile(file);
  return { feed: { kind: "clip", clip }, about: `${file}, ${Math.round(clip.kbps)} kbit/s, over and over` };
}
const isForFfmpeg = (source: string): boolean => /^[a-z][a-z0-9+.-]*:/i.test(source) || isDevice(source);
const isDevice = (source: string): boolean => source.startsWith("/dev/");

/** Finds out what is wrong with a file or a device before the channel goes on air. */
function probe(source: string): void {
  const args = ["-nostdin", "-v", "error", "-i", source, "-t", "0.1", "-f", "null", "-"];
  const { status, stderr } = spawnSync("ffmpeg", args, { encoding: "utf8" });
  if (status !== 0) throw new UsageError(`${source} cannot be broadcast. ${lastWords(stderr).trim()}`);
}
