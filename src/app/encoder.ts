import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import type { LiveFeed } from "#client/agents.ts";
import { UsageError } from "./console.ts";

const AUDIO_KBPS = 96;
/** Of the reserved rate: tables, headers and peaks need the rest. */
const PAYLOAD_SHARE = 0.85;
const KEY_FRAME_EVERY = 25; // frames
const LAST_WORDS = 400; // characters
/** File descriptors of ffmpeg's: of its first output, of its words, and of each further output. */
const [FIRST_FD, WORDS_FD, NEXT_FD] = [1, 2, 3];

/**
 * One source as H.264 and AAC at each of those rates (kbit/s), by one ffmpeg that runs while any of the feeds is taken. What
 * nobody takes is thrown away.
 */
export class Encoder {
  readonly feeds: readonly LiveFeed[];
  readonly #args: readonly string[];
  #ffmpeg: ChildProcess | undefined;
  readonly #takers = new Set<(fault?: Error) => void>();

  constructor(source: string, isFile: boolean, rates: readonly number[]) {
    const input = isFile ? ["-stream_loop", "-1", "-re", "-i", source] : ["-i", source];
    const outputs = rates.flatMap((kbps, at) => [...encoding(kbps), `pipe:${fdOf(at)}`]);
    this.#args = ["-nostdin", "-hide_banner", "-loglevel", "error", ...input, ...outputs];
    this.feeds = rates.map((_kbps, at) => ({ kind: "live", start: (write, ended) => this.#start(at, write, ended) }));
  }

  #start(at: number, write: (octets: Uint8Array) => void, ended: (fault?: Error) => void): () => void {
    this.#ffmpeg ??= this.#run();
    const output = outputOf(this.#ffmpeg, fdOf(at));
    output.on("data", write);
    this.#takers.add(ended);
    return () => {
      output.off("data", write);
      this.#takers.delete(ended);
      if (this.#takers.size > 0) return;
      this.#ffmpeg?.kill("SIGTERM");
      this.#ffmpeg = undefined;
    };
  }
  /** Reads its outputs until it ends, which it says why. */
  #run(): ChildProcess {
    const pipes = this.feeds.slice(1).map(() => "pipe" as const);
    const ffmpeg = spawn("ffmpeg", this.#args, { stdio: ["ignore", "pipe", "pipe", ...pipes] });
    for (const at of this.feeds.keys()) outputOf(ffmpeg, fdOf(at)).resume();
    let words = "";
    outputOf(ffmpeg, WORDS_FD)
      .setEncoding("utf8")
      .on("data", (text: string) => {
        words = lastWords(words + text);
      });
    ffmpeg.once("error", (error) => {
      words = error.message;
    });
    ffmpeg.once("close", (code) => {
      if (ffmpeg !== this.#ffmpeg) return; // was told to
      const fault = code === 0 ? undefined : new UsageError(`ffmpeg has ended: ${words.trim()}`);
      for (const ended of [...this.#takers]) ended(fault);
    });
    return ffmpeg;
  }
}

/** Of what ffmpeg said, as much as is repeated. */
export const lastWords = (said: string): string => said.slice(-LAST_WORDS);

const fdOf = (output: number): number => (output === 0 ? FIRST_FD : NEXT_FD + output - 1);
const outputOf = ({ stdio }: ChildProcess, fd: number): Readable => stdio[fd] as Readable; // `pipe`, of the child's to write

function encoding(kbps: number): string[] {
  const videoKbps = Math.max(64, Math.round(kbps * PAYLOAD_SHARE) - AUDIO_KBPS);
  const codec = ["-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-pix_fmt", "yuv420p"];
  const keyFrames = ["-g", `${KEY_FRAME_EVERY}`];
  const rate = ["-b:v", `${videoKbps}k`, "-maxrate", `${videoKbps}k`, "-bufsize", `${videoKbps}k`];
  const audio = ["-c:a", "aac", "-b:a", `${AUDIO_KBPS}k`, "-ac", "2"];
  return [...codec, ...keyFrames, ...rate, ...audio, "-f", "mpegts"];
}
