import { createHash } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { UsageError } from "../console.ts";
import { DATABASE, LOGS, OPERATOR_KEY } from "../data-folder.ts";

/** One file of a backup, which has the place that it has in a data folder. */
export interface BackupFile {
  /** Parts joined by "/". */
  readonly path: string;
  readonly octets: number;
  /** Hex. */
  readonly sha256: string;
  /** Of a log. */
  readonly records?: number;
  /** Of a log that is damaged: what stood behind its last whole record, and is not in the copy. */
  readonly lostBytes?: number;
  /** Of the database, all tables together. */
  readonly rows?: number;
}
/** `manifest.json`: written last, so that a backup that broke off has none. */
export interface Manifest {
  readonly format: typeof FORMAT;
  /** Of the program that made it. */
  readonly sipcast: string;
  /** ISO 8601, UTC. */
  readonly madeAt: string;
  readonly files: readonly BackupFile[];
}

export const FORMAT = 1;
export const MANIFEST = "manifest.json";
/** A restore writes nothing else, whatever a manifest says. */
const KNOWN_PATH = new RegExp(String.raw`^(?:${OPERATOR_KEY}|${DATABASE}|${LOGS}/[a-z][a-z0-9-]{0,31}/[\w-][\w.-]*\.log)$`);

/** The manifest of a folder whose files are all as it says. Throws a `UsageError` for any other. */
export async function readBackup(folder: string): Promise<Manifest> {
  const manifest = parseManifest(folder);
  for (const { path: name, octets, sha256 } of manifest.files) {
    if (!KNOWN_PATH.test(name)) throw new UsageError(`${folder} is no backup that can be restored: it has a file ${name}.`);
    const found = await fingerprint(path.join(folder, name)).catch(() => undefined);
    if (found === undefined) throw new UsageError(`The backup ${folder} is not whole: ${name} is missing.`);
    if (found.octets !== octets || found.sha256 !== sha256)
      throw new UsageError(`The backup ${folder} is damaged: ${name} is not what was written.`);
  }
  return manifest;
}

function parseManifest(folder: string): Manifest {
  let manifest: Manifest;
  try {
    manifest = JSON.parse(readFileSync(path.join(folder, MANIFEST), "utf8")) as Manifest;
  } catch {
    throw new UsageError(`${folder} is no whole backup: it has no ${MANIFEST} that can be read.`);
  }
  if (manifest.format !== FORMAT) throw new UsageError(`${folder} is a backup of another version of sipcast.`);
  return manifest;
}

/** Octets and SHA-256 of a file. */
export async function fingerprint(file: string): Promise<Pick<BackupFile, "octets" | "sha256">> {
  const hash = createHash("sha256");
  let octets = 0;
  await pipeline(createReadStream(file), async (chunks: AsyncIterable<Uint8Array>) => {
    for await (const chunk of chunks) {
      octets += chunk.length;
      hash.update(chunk);
    }
  });
  return { octets, sha256: hash.digest("hex") };
}

/** A line a file, aligned. */
export function listFiles(files: readonly BackupFile[]): string {
  const width = Math.max(...files.map(({ path }) => path.length));
  const line = ({ path, octets, records, rows, lostBytes }: BackupFile): string => {
    const what = records !== undefined ? `${records} records, ` : rows !== undefined ? `${rows} rows, ` : "";
    const lost = lostBytes === undefined ? "" : `; DAMAGED: ${lostBytes} octets behind these are not in the copy`;
    return `  ${path.padEnd(width)}  ${what}${octets} octets${lost}`;
  };
  return files.map(line).join("\n");
}
