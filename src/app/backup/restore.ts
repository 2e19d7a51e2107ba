import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { say, UsageError } from "../console.ts";
import { DATABASE, LOCK, LOGS, lockFolder, OPERATOR_KEY } from "../data-folder.ts";
import { type BackupFile, fingerprint, listFiles, readBackup } from "./manifest.ts";

export interface RestoreFlags {
  readonly from: string;
  readonly data: string;
  readonly force?: boolean;
}

/** What a restore with `force` removes: a database's own log would spoil another. */
const REPLACED = [OPERATOR_KEY, LOGS, ...["", "-wal", "-shm", "-journal"].map((suffix) => `${DATABASE}${suffix}`)];

/** `sipcast restore`: a data folder as it was when the backup was made. Nothing is written before the whole backup has been read. */
export async function runRestore({ from, data, force = false }: RestoreFlags): Promise<void> {
  if (!existsSync(from)) throw new UsageError(`There is no folder ${from}.`);
  const { madeAt, files } = await readBackup(from);
  const release = lockFolder(data);
  try {
    const there = readdirSync(data).filter((name) => name !== LOCK);
    if (there.length > 0 && !force)
      throw new UsageError(`${data} is not empty (${there.join(", ")}). --force replaces what sipcast keeps there.`);
    for (const name of REPLACED) rmSync(path.join(data, name), { recursive: true, force: true });
    for (const file of files) await copy(file, from, data);
  } finally {
    release();
  }
  say(
    [
      `${data} has what was kept on ${madeAt}:`,
      listFiles(files),
      `Start the service on it. Where its configuration has registration.database, bring ${DATABASE} there first.`,
    ].join("\n"),
  );
}

async function copy({ path: name, sha256 }: BackupFile, from: string, data: string): Promise<void> {
  const to = path.join(data, name);
  mkdirSync(path.dirname(to), { recursive: true, mode: 0o700 });
  copyFileSync(path.join(from, name), to);
  chmodSync(to, 0o600);
  if ((await fingerprint(to)).sha256 !== sha256) throw new UsageError(`${to} is not what was written: is the disk in order?`);
}
