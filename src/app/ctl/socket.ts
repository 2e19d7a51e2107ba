import { chmodSync, lstatSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { parseJson } from "#base/json.ts";
import { LIMITS } from "#base/limits.ts";
import type { Logger } from "#base/log.ts";
import { showAddress } from "#host/host.ts";
import { listenPorts } from "../config-checks.ts";
import type { Config } from "../config-schema.ts";
import { UsageError } from "../console.ts";
import { CONTROL_SOCKET } from "../data-folder.ts";

const QUESTION_WITHIN_MS = 2_000;
/** Members are given two seconds to answer. */
const ANSWER_WITHIN_MS = 5_000;

/** Answers one question, at once or later. */
type Answerer = (question: unknown, told: (answer: unknown) => void) => void;

/** Where a service of this configuration is asked: in its data folder, or under its first address where folders of one user are. */
export function controlPath(config: Config): string {
  if (config.data !== undefined) return path.join(config.data, CONTROL_SOCKET);
  const first = listenPorts(config)[0]?.at;
  return path.join(runtimeFolder(), `${config.domain}@${first ? showAddress(first) : ""}.sock`);
}
function runtimeFolder(): string {
  const given = process.env["XDG_RUNTIME_DIR"];
  return given ? path.join(given, "sipcast") : path.join(os.tmpdir(), `sipcast-${os.userInfo().uid}`);
}

/** Sockets, in the folder of this user, that somebody answers. */
export async function livingSockets(): Promise<readonly string[]> {
  const folder = runtimeFolder();
  if (!isOurs(folder)) return [];
  const sockets = readdirSync(folder).map((name) => path.join(folder, name));
  const living = await Promise.all(sockets.map(isAnswered));
  return sockets.filter((_, at) => living[at]);
}
/** In a place that all may write to, somebody else may have made it. */
function isOurs(folder: string): boolean {
  const found = lstatSync(folder, { throwIfNoEntry: false });
  return found?.isDirectory() === true && found.uid === os.userInfo().uid && (found.mode & 0o077) === 0;
}

/** Takes one line of JSON a connection, and answers with one. A socket that cannot be had is said in the log; the service runs on. */
export async function serveControl(file: string, answer: Answerer, log: Logger): Promise<() => void> {
  const server = net.createServer((socket) => hear(socket, answer));
  server.maxConnections = LIMITS.controlConnections;
  const failed = (error: Error): void => log.warn("sipcast ctl is not answered", { socket: file, error });
  server.on("error", failed);
  try {
    await makeRoom(file);
    await new Promise<void>((settled) => {
      server
        .once("error", () => settled())
        .listen(file, () => {
          chmodSync(file, 0o600);
          settled();
        });
    });
  } catch (error) {
    failed(error as Error);
  }
  return () => void server.close();
}

/** Removes what a process that was killed left behind. */
async function makeRoom(file: string): Promise<void> {
  const folder = path.dirname(file);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (path.basename(file) !== CONTROL_SOCKET && !isOurs(folder)) throw new Error(`${folder} is not this user's alone`);
  if (await isAnswered(file)) throw new Error("another process answers there");
  rmSync(file, { force: true });
}

function isAnswered(file: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(file, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

function hear(socket: net.Socket, answer: Answerer): void {
  let text = "";
  socket.setEncoding("utf8").setTimeout(QUESTION_WITHIN_MS, () => socket.destroy());
  socket.on("error", () => socket.destroy()); // who asked is gone
  socket.on("data", (piece: string) => {
    text += piece;
    if (text.length > LIMITS.controlQuestionChars) socket.destroy();
    if (!text.endsWith("\n")) return;
    socket.setTimeout(0).pause();
    answer(parseJson(text), (told) => socket.end(`${JSON.stringify(told)}\n`));
  });
}

/** Asks the process that listens there. Throws a `UsageError` where none does. */
export function askControl(file: string, question: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => reject(new UsageError(`No sipcast process answers at ${file}: ${why}.`));
    let text = "";
    const socket = net.connect(file, () => socket.write(`${JSON.stringify(question)}\n`));
    socket.setEncoding("utf8").setTimeout(ANSWER_WITHIN_MS, () => socket.destroy(new Error("it says nothing")));
    socket.on("data", (piece: string) => {
      text += piece;
    });
    socket.on("error", (error: NodeJS.ErrnoException) =>
      fail(error.code === "ENOENT" ? "there is no such socket" : error.message),
    );
    socket.on("end", () => {
      const told = parseJson(text);
      if (told === undefined) fail("it ended");
      else resolve(told);
    });
  });
}
