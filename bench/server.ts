/**
 * The server under test, in a process of its own: `floor` answers every datagram with the least that the generator takes,
 * `relay` hands datagrams from one end of a call to the other; `ds` is a DS with 100,000 subscribers, `durable` the same with its
 * log in a folder and another member that copies, `proxy` a DS's proxy for everybody. Tells its parent "ready" once it answers,
 * and ends with its parent's channel.
 */
import { fork, spawnSync } from "node:child_process";
import dgram from "node:dgram";
import path from "node:path";
import { SILENT } from "#base/log.ts";
import { nodeHost } from "#host/node/index.ts";
import { ChannelHub, InProcessCarrier, ipcChannel, OverlayNode } from "#overlay/index.ts";
import { startDs } from "#roles/ds.ts";
import type { RoleContext } from "#roles/types.ts";
import { ha1 } from "#sip/index.ts";
import { startOpenProxy } from "./open-proxy.ts";
import { GENERATOR_CPU } from "./processes.ts";
import type { MemberPlan } from "./tables/member.ts";
import { BENCH_DOMAIN, BENCH_USERS, benchSecret, benchUser, CALLEE_PORT, CALLER_PORT } from "./users.ts";

const [kind = "", portText = "", folder = ""] = process.argv.slice(2);
const port = Number(portText);
process.on("disconnect", () => process.exit());
const host = nodeHost(kind === "durable" ? { logDirectory: path.join(folder, "ds1") } : {});
const carrier = new InProcessCarrier();
if (kind === "floor") floor();
else if (kind === "relay") relay();
else if (kind === "proxy") startOpenProxy(host, context("ds1", "ds").overlay, port, ready);
else ds();

/** The I/O floor (DESIGN §9): receives and sends the same datagrams, and does nothing else. */
function floorSocket(): dgram.Socket {
  return dgram.createSocket({ type: "udp4", recvBufferSize: 16 << 20, lookup: (address, _, done) => done(null, address, 4) });
}
function floor(): void {
  const socket = floorSocket();
  const ok = Buffer.from("SIP/2.0 200 OK\r\n");
  socket.on("message", (request, from) => {
    const response = Buffer.concat([ok, request.subarray(request.indexOf(10) + 1)]);
    socket.send(response, 0, response.length, from.port, from.address);
  });
  socket.bind(port, BENCH_DOMAIN, ready);
}
function relay(): void {
  const socket = floorSocket();
  socket.on("message", (message, from) => {
    socket.send(message, 0, message.length, from.port === CALLER_PORT ? CALLEE_PORT : CALLER_PORT, from.address);
  });
  socket.bind(port, BENCH_DOMAIN, ready);
}

function context(id: string, role: "registration" | "ds"): RoleContext {
  return {
    host,
    overlay: new OverlayNode(carrier, host, { id, role, info: {} }),
    log: SILENT,
    operatorKey: new Uint8Array(32),
    failed: (what, error) => {
      throw new Error(`${what}: ${error.message}`);
    },
  };
}

function ds(): void {
  const registration = context("registration", "registration");
  const subscribers = Array.from({ length: BENCH_USERS }, (_, number) => {
    const [user, secret] = [benchUser(number), benchSecret(number)];
    const hash = (algorithm: "MD5" | "SHA-256"): string => ha1(host, algorithm, user, BENCH_DOMAIN, secret);
    return { user, home: "ds1", accessKbps: 0, ha1: [{ id: "1", md5: hash("MD5"), sha256: hash("SHA-256") }] };
  });
  const page = 500;
  registration.overlay.handle("registration.catch-up", (ask, _from, reply) => {
    const first = Number((ask as { after?: string }).after ?? 0);
    const some = { subscribers: subscribers.slice(first, first + page), channels: [], version: "1" };
    reply(first + page < BENCH_USERS ? { ...some, next: String(first + page) } : some);
  });
  registration.overlay.setPhase("serving");
  const running = context("ds1", "ds");
  const awaited = new Set(kind === "durable" ? ["ds1", "ds2"] : ["ds1"]);
  registration.overlay.onMembers(({ id, phase }) => {
    if ((id === "ds1" && phase !== "serving") || !awaited.delete(id)) return;
    if (awaited.size === 0) ready();
  });
  if (kind === "durable") startCopier();
  startDs(running, {
    id: "ds1",
    site: "site1",
    domain: BENCH_DOMAIN,
    udp: { host: BENCH_DOMAIN, port },
    ws: { host: BENCH_DOMAIN, port: port + 1 },
    edge: { host: BENCH_DOMAIN, port: port + 2 }, // nobody there: no channel is called
    edgeId: "edge1",
    digest: ["MD5"],
    origins: [],
  });
}

/** Another DS's overlay, on the generator's core: what it takes is not the server's. */
function startCopier(): void {
  const plan: MemberPlan = { id: "ds2", logDirectory: path.join(folder, "ds2"), bindings: 0 };
  const args = [JSON.stringify(plan)];
  const copier = fork(path.join(import.meta.dirname, "tables/member.ts"), args, { serialization: "advanced" });
  spawnSync("taskset", ["-acp", String(GENERATOR_CPU), String(copier.pid)], { stdio: "ignore" });
  new ChannelHub(carrier, host).attach(ipcChannel(copier));
}

function ready(): void {
  process.send?.("ready");
}
