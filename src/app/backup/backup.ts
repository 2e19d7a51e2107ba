import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { HEADER, isHeader, readFrames } from "#host/node/log-file.ts";
import { type ConfigFlags, readChecked } from "../check.ts";
import { databaseOf } from "../config.ts";
import { say, UsageError } from "../console.ts";
import { CONTROL_SOCKET, DATABASE, LOCK, LOGS, OPERATOR_KEY } from "../data-folder.ts";
import { VERSION } from "../version.ts";
import { type BackupFile, FORMAT, fingerprint, listFiles, MANIFEST, type Manifest } from "./manifest.ts";

export interface BackupFlags extends Partial<ConfigFlags> {
  readonly to: string;
  readonly json?: boolean;
}
/** What is copied: a data folder, and the database, which may stand elsewhere. */
interface Source {
  readonly folder: string;
  readonly database: string;
}

/** `sipcast backup`: copies what outlives the process, also while the service runs, and reads the copy back. */
export async function runBackup(flags: BackupFlags): Promise<void> {
  const source = sourceOf(flags);
  const { to } = flags;
  if (!existsSync(source.folder)) throw new UsageError(`There is no folder ${source.folder}.`);
  if (existsSync(to) && readdirSync(to).length > 0)
    throw new UsageError(`${to} is not empty: give each backup a folder of its own.`);
  const manifest = await makeBackup(source, to);
  if (flags.json) process.stdout.write(`${JSON.stringify(manifest)}\n`);
  else say(told(source, to, manifest));
}

function sourceOf({ config, data }: BackupFlags): Source {
  if (config === undefined && data === undefined) throw new UsageError("Give --data DIR, or the --config FILE that names it.");
  const read = config === undefined ? undefined : readChecked({ config, ...(data !== undefined && { data }) });
  const folder = read?.data ?? data;
  if (folder === undefined) throw new UsageError(`${config} names no folder of data: nothing outlives the process.`);
  const database = (read && databaseOf(read)) ?? path.join(folder, DATABASE);
  return { folder, database };
}

/** Copies file by file, then writes the manifest. */
async function makeBackup({ folder, database }: Source, to: string): Promise<Manifest> {
  const at = (name: string): string => path.join(to, name);
  const files: BackupFile[] = [];
  const add = async (name: string, more: Partial<BackupFile> = {}): Promise<void> => {
    chmodSync(at(name), 0o600);
    sync(at(name));
    files.push({ path: name, ...(await fingerprint(at(name))), ...more });
  };
  mkdirSync(to, { recursive: true, mode: 0o700 });
  chmodSync(to, 0o700);
  if (existsSync(path.join(folder, OPERATOR_KEY))) {
    copyFileSync(path.join(folder, OPERATOR_KEY), at(OPERATOR_KEY));
    await add(OPERATOR_KEY);
  }
  if (existsSync(database)) await add(DATABASE, { rows: copyDatabase(database, at(DATABASE)) });
  for (const name of logsOf(folder)) {
    mkdirSync(path.dirname(at(name)), { recursive: true, mode: 0o700 });
    await add(name, await copyLog(path.join(folder, name), at(name)));
  }
  if (files.length === 0) throw new UsageError(`${folder} has nothing that sipcast keeps: is it the right folder?`);
  const manifest: Manifest = { format: FORMAT, sipcast: VERSION, madeAt: new Date().toISOString(), files };
  writeFileSync(at(MANIFEST), `${JSON.stringify(manifest, undefined, 2)}\n`, { mode: 0o600 });
  sync(at(MANIFEST));
  return manifest;
}

/** One state of a database that may be in use. Reads the copy back: answers its rows, of all tables together. */
function copyDatabase(from: string, to: string): number {
  const original = new DatabaseSync(from, { readOnly: true, timeout: 5_000 });
  original.prepare("VACUUM INTO ?").run(to);
  original.close();
  const copy = new DatabaseSync(to, { readOnly: true });
  const verdict = copy.prepare("PRAGMA integrity_check").get()?.["integrity_check"];
  if (verdict !== "ok") throw new UsageError(`The copy of ${from} is damaged: ${verdict}`);
  const tables = copy.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  const rowsOf = ({ name }: Readonly<Record<string, unknown>>): number =>
    Number(copy.prepare(`SELECT count(*) AS rows FROM "${name}"`).get()?.["rows"]);
  const rows = tables.reduce((sum, table) => sum + rowsOf(table), 0);
  copy.close();
  return rows;
}

/** Names of all logs, "logs/MEMBER/NAME.log", or of other files there. */
function logsOf(folder: string, ending = ".log"): string[] {
  const logs = path.join(folder, LOGS);
  if (!existsSync(logs)) return [];
  const members = readdirSync(logs);
  return members.flatMap((member) =>
    readdirSync(path.join(logs, member))
      .filter((file) => file.endsWith(ending))
      .map((file) => `${LOGS}/${member}/${file}`),
  );
}

/** A log only grows, so that whatever of it was copied begins well; a record that was being written is cut off. */
function copyLog(from: string, to: string): Promise<Pick<BackupFile, "records" | "lostBytes">> {
  copyFileSync(from, to);
  if (!isLog(to)) throw new UsageError(`${from} is no log of this version: it is not ours to copy.`);
  let records = 0;
  return new Promise((resolve) =>
    readFrames(
      to,
      () => records++,
      ({ wholeBytes, tornBytes, isDamaged }) => {
        if (tornBytes > 0) truncateSync(to, wholeBytes);
        resolve({ records, ...(isDamaged && { lostBytes: tornBytes }) });
      },
    ),
  );
}
/** A new log has part of its header, or none. */
function isLog(file: string): boolean {
  const fd = openSync(file, "r");
  const head = new Uint8Array(HEADER.length);
  const octets = readSync(fd, head);
  closeSync(fd);
  return isHeader(head.subarray(0, octets));
}

function sync(file: string): void {
  const fd = openSync(file, "r+");
  fsyncSync(fd);
  closeSync(fd);
}

function told({ folder, database }: Source, to: string, { files }: Manifest): string {
  const ours = [OPERATOR_KEY, LOGS, LOCK, CONTROL_SOCKET];
  const others = [
    ...readdirSync(folder).filter((name) => !ours.includes(name) && !name.startsWith(path.basename(database))),
    ...logsOf(folder, ".damaged"),
  ];
  return [
    `${to} has a copy of what ${folder} keeps, read back and found whole:`,
    listFiles(files),
    "It holds secrets: the operator key, hashes of passwords and of device secrets. Keep it as safe as the server.",
    `Not in it: the configuration and the certificates that it names${others.length === 0 ? "" : `; in that folder: ${others.join(", ")}`}.`,
  ].join("\n");
}
