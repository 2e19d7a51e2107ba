/** For tests and measurements: a disk under load. */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import os from "node:os";
import path from "node:path";

/**
 * From now on every fdatasync of this process keeps its thread of the pool for that much longer, as one that waits for its disk
 * does: it reads from a pipe (fifo(7)) in which nothing is yet. Call what it returns to have the disk as it was.
 */
export function slowDisk(ms: number): () => void {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sipcast-slow-"));
  const pipe = path.join(folder, "pipe");
  if (spawnSync("mkfifo", [pipe]).status !== 0) throw new Error("Cannot make a pipe");
  const fd = fs.openSync(pipe, "r+"); // both ends: opening one waits for the other
  fs.rmSync(folder, { recursive: true });
  const { fdatasync } = fs;
  replace((file: number, done: fs.NoParamCallback) => {
    setTimeout(() => fs.write(fd, "x", () => undefined), ms);
    fs.read(fd, Buffer.alloc(1), 0, 1, null, () => fdatasync(file, done));
  });
  return () => {
    replace(fdatasync);
    fs.writeSync(fd, "x".repeat(64)); // nobody waits for ever
    fs.closeSync(fd);
  };
}

function replace(fdatasync: object): void {
  Object.assign(fs, { fdatasync });
  syncBuiltinESMExports(); // whoever imported it by name has it from now on
}
