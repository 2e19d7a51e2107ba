import { spawn, spawnSync } from "node:child_process";
import type { Writable } from "node:stream";
import { UsageError } from "./console.ts";

/** Programs that show MPEG-TS from standard input at once, first choice first. */
const PLAYERS: Readonly<Record<string, readonly string[]>> = {
  ffplay: ["-loglevel", "error", "-fflags", "nobuffer", "-"],
  mpv: ["--really-quiet", "--profile=low-latency", "-"],
  vlc: ["--quiet", "--play-and-exit", "-"],
};

/**
 * Starts a player and returns what it reads; `true` = the first of ffplay, mpv and VLC that is installed. Its input is
 * closed when it has gone; one that cannot be started tells `failed`.
 */
export function startPlayer(wanted: string | true, failed: (error: Error) => void): Writable {
  const command = wanted === true ? Object.keys(PLAYERS).find(isInstalled) : wanted;
  if (command === undefined) throw new UsageError("No player found: install ffplay, mpv or VLC, or name one after --player.");
  const player = spawn(command, PLAYERS[command] ?? ["-"], { stdio: ["pipe", "ignore", "inherit"] });
  player.once("error", () => failed(new UsageError(`The player ${command} cannot be started.`)));
  return player.stdin;
}

/** These three know `-version`; mpv is content with it too. */
const isInstalled = (command: string): boolean => spawnSync(command, ["-version"], { stdio: "ignore" }).error === undefined;
