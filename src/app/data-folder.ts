import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { say, UsageError } from "./console.ts";

/** What outlives a process, in one folder that is the service's alone. */
export interface DataFolder {
  /** Kept in it, so that what was signed before a restart still counts. */
  readonly operatorKey: Uint8Array;
  /** Where that member's logs are kept. */
  readonly logsOf: (member: string) => { readonly logDirectory?: string };
}

export const KEY_OCTETS = 32;
/** Its file, in that folder. */
export const OPERATOR_KEY = "operator.key";

/** Opens the folder, made with mode 0700 where there is none. Without a name nothing is kept. */
export function openDataFolder(folder: string | undefined): DataFolder {
  if (folder === undefined) return { operatorKey: randomBytes(KEY_OCTETS), logsOf: () => ({}) };
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if ((statSync(folder).mode & 0o077) !== 0) say(`${folder} can be read by others: chmod 700 ${folder}`);
    return {
      operatorKey: operatorKey(path.join(folder, OPERATOR_KEY)),
      logsOf: (member) => ({ logDirectory: path.join(folder, "logs", member) }),
    };
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
