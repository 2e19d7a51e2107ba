/** NATS servers for tests and measurements: Debian's nats-server, as an operator runs it, on loopback. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nkeys } from "@nats-io/transport-node";
import { SILENT } from "#base/log.ts";
import { makeAuthority, makeCertificate } from "#host/node/certificates.ts";
import type { NatsOptions } from "./nats.ts";

const DAY_MS = 86_400_000;
const CLIENT_PORT = 4222;
const ROUTE_PORT = 6222;

export interface TestNats {
  /** "host:port" of each server. */
  readonly servers: readonly string[];
  /** What a carrier of this operator needs; the server of that index is the preferred one. */
  options(operator: string, preferred?: number): NatsOptions;
  /** A seed that no server knows. */
  strangersSeed(): string;
  /** The server is gone from one moment to the next. */
  kill(index: number): Promise<void>;
  start(index: number): Promise<void>;
  /** Freezes it: its connections stand, and nothing comes. */
  freeze(index: number): void;
  stop(): Promise<void>;
}

/** A mesh of so many servers, ready, on addresses of this process's own. */
export async function testNats(count: number, maxPayloadBytes = 1024 * 1024): Promise<TestNats> {
  const folder = mkdtempSync(join(tmpdir(), "sipcast-nats-"));
  const hosts = Array.from(
    { length: count },
    (_, index) => `127.${(process.pid >> 8) & 0xff}.${process.pid & 0xff}.${index + 101}`,
  );
  const fromMs = Date.now() - 1_000;
  const authority = await makeAuthority("operator", fromMs, DAY_MS);
  const user = nkeys.createUser();
  const nkeySeed = new TextDecoder().decode(user.getSeed());
  const running: ChildProcess[] = [];
  writeFileSync(join(folder, "ca.pem"), authority.cert);
  for (const [index, host] of hosts.entries()) {
    const { cert, key } = await makeCertificate(authority, [host], fromMs, DAY_MS);
    writeFileSync(join(folder, `${index}.pem`), cert);
    writeFileSync(join(folder, `${index}.key`), key);
    writeFileSync(join(folder, `${index}.conf`), configOf(folder, index, hosts, user.getPublicKey(), maxPayloadBytes));
  }
  const start = async (index: number): Promise<void> => {
    const server = spawn("nats-server", ["-c", join(folder, `${index}.conf`)], { stdio: ["ignore", "ignore", "pipe"] });
    running[index] = server;
    let said = "";
    await new Promise<void>((ready) => {
      server.stderr.on("data", (piece) => {
        said += piece;
        if (said.includes("Server is ready")) ready();
      });
      server.stderr.on("end", ready);
    });
    assert.match(said, /Server is ready/);
  };
  const kill = async (index: number): Promise<void> => {
    const server = running[index];
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    server.kill("SIGKILL");
    await once(server, "exit");
  };
  await Promise.all(hosts.map((_, index) => start(index)));
  const servers = hosts.map((host) => `${host}:${CLIENT_PORT}`);
  return {
    servers,
    options: (operator, preferred = 0) => ({
      servers: [...servers.slice(preferred), ...servers.slice(0, preferred)],
      tls: { ca: authority.cert },
      nkeySeed,
      operator,
      log: SILENT,
    }),
    strangersSeed: () => new TextDecoder().decode(nkeys.createUser().getSeed()),
    kill,
    start,
    freeze: (index) => void running[index]?.kill("SIGSTOP"),
    stop: async () => {
      await Promise.all(running.map((_, index) => kill(index)));
      rmSync(folder, { recursive: true });
    },
  };
}

function configOf(folder: string, index: number, hosts: readonly string[], user: string, maxPayloadBytes: number): string {
  const host = hosts[index];
  const tls = `tls { cert_file: "${folder}/${index}.pem", key_file: "${folder}/${index}.key", ca_file: "${folder}/ca.pem", timeout: 10 }`;
  const routes = hosts.filter((other) => other !== host).map((other) => `"nats://${other}:${ROUTE_PORT}"`);
  return `
server_name: "n${index}"
listen: "${host}:${CLIENT_PORT}"
max_payload: ${maxPayloadBytes}
${tls}
authorization { users: [ { nkey: "${user}", permissions: { publish: "sipcast.>", subscribe: "sipcast.>" } } ] }
cluster { name: "test", listen: "${host}:${ROUTE_PORT}", ${tls}, routes: [${routes.join(", ")}] }
`;
}
