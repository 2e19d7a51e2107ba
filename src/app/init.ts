import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import path from "node:path";
import { makeAuthority, makeCertificate } from "#host/node/certificates.ts";
import { say, UsageError } from "./console.ts";
import { KEY_OCTETS, OPERATOR_KEY } from "./data-folder.ts";
import { natsAdvice, natsFiles, natsId } from "./init-nats.ts";

export interface InitFlags {
  readonly domain: string;
  /** Ids of the DSs. */
  readonly ds: readonly string[];
  /** Addresses or names of the machines that run a NATS server. */
  readonly nats?: readonly string[];
  readonly force?: boolean;
}

const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3_650;
const SERVER_DAYS = 730;
const CLOCK_SLACK_MS = 3_600_000; // clocks that go slow still find them valid
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const isDomain = (name: string): boolean => name.length <= 253 && name.split(".").every((label) => LABEL.test(label));

/**
 * `sipcast init`: an authority of the operator's own, a certificate for each DS, and the key that all servers share. Each DS
 * may stand for every other (PROTOCOL §9), so each certificate names the domain and all of them, with a key of its own.
 */
export async function runInit(folder: string, { domain, ds, nats = [], force = false }: InitFlags): Promise<void> {
  const names = ds.map((id) => `${id}.${domain}`);
  const bad = [domain, ...names, ...nats.filter((host) => !isIP(host))].find((name) => !isDomain(name));
  if (bad !== undefined) throw new UsageError(`${bad} is no domain name in small letters, e.g. tv.example.`);
  const twice = [ds, nats].flatMap((all) => all.filter((one, at) => all.indexOf(one) !== at))[0];
  if (twice !== undefined) throw new UsageError(`${twice} is named twice.`);
  const nowMs = Date.now() - CLOCK_SLACK_MS;
  const authority = await makeAuthority(`${domain} authority`, nowMs, AUTHORITY_DAYS * DAY_MS);
  const files = new Map<string, string | Uint8Array>([
    ["ca.pem", authority.cert],
    ["ca.key", authority.key],
    [OPERATOR_KEY, randomBytes(KEY_OCTETS)],
  ]);
  const certify = async (id: string, ...own: readonly [string, ...string[]]): Promise<void> => {
    const { cert, key } = await makeCertificate(authority, own, nowMs, SERVER_DAYS * DAY_MS);
    files.set(`${id}.pem`, cert).set(`${id}.key`, key);
  };
  for (const [at, id] of ds.entries()) {
    const own = names[at] ?? "";
    await certify(id, own, domain, ...names.filter((name) => name !== own));
  }
  for (const [at, host] of nats.entries()) await certify(natsId(at), host);
  for (const [file, content] of natsFiles(path.resolve(folder), domain, nats)) files.set(file, content);
  write(folder, files, force);
  say([...advice(folder, domain, ds), ...(nats.length > 0 ? natsAdvice(path.resolve(folder), nats) : [])].join("\n"));
}

/** All or nothing: one that is there already keeps every other from being written, unless it is to be replaced. */
function write(folder: string, files: ReadonlyMap<string, string | Uint8Array>, force: boolean): void {
  const taken = [...files.keys()].filter((file) => existsSync(path.join(folder, file)));
  if (taken.length > 0 && !force)
    throw new UsageError(`${folder} has ${taken.join(", ")} already. --force replaces them: every certificate is void then.`);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const [file, content] of files) {
      rmSync(path.join(folder, file), { force: true });
      writeFileSync(path.join(folder, file), content, { mode: 0o600, flag: "wx" });
    }
  } catch (error) {
    throw new UsageError(`Cannot write to ${folder}: ${(error as Error).message}`);
  }
}

function advice(folder: string, domain: string, ds: readonly string[]): string[] {
  const [first = ""] = ds;
  const at = (file: string): string => path.join(folder, file);
  return [
    `${folder} has what the servers of ${domain} need.`,
    "",
    `1. Bring ${OPERATOR_KEY} into the folder \`data\` of every server, and to each DS its own two files:`,
    ...ds.map((id) => `     ${id}: ${id}.pem, ${id}.key`),
    "2. Say so in the configuration of that DS, e.g.",
    "     tls: 192.0.2.1:5061",
    "     certificate:",
    `       cert: ${at(`${first}.pem`)}`,
    `       key: ${at(`${first}.key`)}`,
    `       ca: ${at("ca.pem")}`,
    `3. Let phones and browsers trust ${at("ca.pem")}.`,
    `4. Take ${at("ca.key")} off this machine: whoever has it can be any of your servers.`,
    "",
    `Certificates of servers are good for ${SERVER_DAYS} days.`,
  ];
}
