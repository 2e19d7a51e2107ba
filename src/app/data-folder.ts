import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { say, UsageError } from "./console.ts";

/** What outlives a process, in one folder that is the service's alone. */
export interface DataFolder {
  /** Kept in it, so that what was signed before a restart still counts. */
  readonly operatorKey: Uint8Array;
  /** Where that member's logs are kept. */
  readonly logsOf: LogsOf;
  /** Lets another process have it; the end of this one does, too. */
  release(): void;
}
export type LogsOf = (member: string) => { readonly logDirectory?: string };

const SQLITE_BUSY = 5;
export const KEY_OCTETS = 32;
/** Its file, in that folder. */
export const OPERATOR_KEY = "operator.key";
export const DATABASE = "registration.sqlite";
export const LOGS = "logs";
export const LOCK = "lock";
/** Where `sipcast ctl` is answered. */
export const CONTROL_SOCKET = "control.sock";

/** Opens the folder, made with mode 0700 where there is none, for this process alone. Without a name nothing is kept. */
export function openDataFolder(folder: string | undefined): DataFolder {
  const logsOf = logsIn(folder);
  if (folder === undefined) return { operatorKey: randomBytes(KEY_OCTETS), logsOf, release: () => undefined };
  const release = lockFolder(folder);
  return usable(folder, () => {
    if ((statSync(folder).mode & 0o077) !== 0) say(`${folder} can be read by others: chmod 700 ${folder}`);
    return { operatorKey: operatorKey(path.join(folder, OPERATOR_KEY)), logsOf, release };
  });
}

export const logsIn =
  (folder: string | undefined): LogsOf =>
  (member) =>
    folder === undefined ? {} : { logDirectory: path.join(folder, LOGS, member) };

/**
 * Makes the folder where there is none, and keeps every other process out of it until `release`. The lock is the kernel's, by
 * way of SQLite, on a file that stays empty: it goes with its process, however that ends.
 */
export function lockFolder(folder: string): () => void {
  return usable(folder, () => {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const lock = new DatabaseSync(path.join(folder, LOCK), { timeout: 0 });
    try {
      lock.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
    } catch (error) {
      lock.close();
      if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw error;
      throw new UsageError(`${folder} is in use by another sipcast process: stop that one, or take another folder.`);
    }
    HELD.add(lock);
    return () => {
      HELD.delete(lock);
      lock.close();
    };
  });
}
/** A lock that nothing refers to would be closed by the collector. */
const HELD = new Set<DatabaseSync>();

function usable<T>(folder: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(`Cannot use the folder ${folder}: ${(error as Error).message}`);
  }
}

function operatorKey(file: string): Uint8Array {
  try {
    writeFileSync(file, randomBytes(KEY_OCTETS), { mode: 0o600, flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const key = readFileSync(file);
  if (key.length !== KEY_OCTETS)
    throw new UsageError(`${file} has ${key.length} octets, ${KEY_OCTETS} needed: it is no operator key.`);
  return key;
}
