import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { BroadcasterAgent } from "#client/agents.ts";
import { nodeHost } from "#host/node/index.ts";
import { readClip } from "#media/index.ts";
import { type CallId, UdpUplink, UserAgent } from "#sip/ua.ts";
import { median } from "./processes.ts";

export interface JoinFigures {
  readonly joins: number;
  readonly atOnce: number;
  readonly failed: number;
  readonly joinsPerSec: number;
  /** The whole operator: DS, edge, broker; INVITE, its challenge, REQ and DEC twice, BYE. */
  readonly cpuMicrosPerJoin: number;
  /** From the first INVITE, its challenge included, to the 2xx. */
  readonly inviteToOkMsMedian: number;
  readonly inviteToOkMsP99: number;
}
interface DemoReady {
  readonly domain: string;
  readonly sites: readonly { readonly ds: { readonly udp: string } }[];
}

const HOME = path.resolve(import.meta.dirname, "..");
const BASE_PORT = 26_060;
const TICKS_PER_SEC = 100; // USER_HZ
const GIVE_UP_MS = 120_000;

/** Joins and leaves a channel on air over and over, as one viewer with many calls. */
export async function benchJoin(joins: number, atOnce: number): Promise<JoinFigures> {
  const args = ["demo", "--json", "--no-samples", "--base-port", String(BASE_PORT), "--web-port", String(BASE_PORT + 90)];
  const demo = spawn(process.execPath, [path.join(HOME, "src/app/main.ts"), ...args], { stdio: ["ignore", "pipe", "ignore"] });
  try {
    const { domain, sites } = await readyOf(demo.stdout);
    const [host, port] = (sites[0]?.ds.udp ?? "").split(":");
    const ds = { host: host ?? "", port: Number(port) };
    const stopBroadcast = await onAir(domain, ds);
    const before = cpuMicros(demo.pid ?? 0);
    const startMs = performance.now();
    const { tookMs, failed } = await joinAll(domain, ds, joins, atOnce);
    const elapsedMs = performance.now() - startMs;
    const cpu = cpuMicros(demo.pid ?? 0) - before;
    stopBroadcast();
    const sorted = tookMs.toSorted((a, b) => a - b);
    return {
      joins,
      atOnce,
      failed,
      joinsPerSec: (1_000 * joins) / elapsedMs,
      cpuMicrosPerJoin: cpu / joins,
      inviteToOkMsMedian: median(sorted),
      inviteToOkMsP99: sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN,
    };
  } finally {
    demo.kill("SIGTERM");
  }
}

function readyOf(stdout: NodeJS.ReadableStream): Promise<DemoReady> {
  return new Promise((resolve) => {
    let text = "";
    stdout.on("data", (piece) => {
      text += piece;
      if (text.includes("\n")) resolve(JSON.parse(text));
    });
  });
}

function onAir(domain: string, ds: { host: string; port: number }): Promise<() => void> {
  const read = readClip(readFileSync(path.join(HOME, "testdata/clips/sport.ts")));
  if (read.status === "bad") throw read.fault;
  const { clip } = read;
  return new Promise((resolve, reject) => {
    const identity = { user: "alice", domain, deviceSecret: "alice-device", ds, localHost: ds.host };
    const agent = new BroadcasterAgent(nodeHost(), identity, [{ feed: { kind: "clip", clip }, kbps: 400 }], {
      onRegistration: ({ kind }) => kind === "registered" && agent.goLive("alice-tv"),
      onState: (state) => {
        if (state.kind === "on air") resolve(() => agent.stop());
        if (state.kind === "ended") reject(new Error(`Not on air: ${state.status} ${state.reason}`));
      },
      onFault: reject,
    });
    agent.register();
  });
}

function joinAll(
  domain: string,
  ds: { host: string; port: number },
  joins: number,
  atOnce: number,
): Promise<{ tookMs: number[]; failed: number }> {
  const tookMs: number[] = [];
  const asked = new Map<CallId, number>();
  let [begun, ended, failed] = [0, 0, 0];
  return new Promise((resolve, reject) => {
    const giveUp = setTimeout(() => reject(new Error(`${ended} of ${joins} joins after ${GIVE_UP_MS / 1_000} s`)), GIVE_UP_MS);
    const next = (): void => {
      if (begun++ < joins) asked.set(agent.invite({ to: "alice-tv" }), performance.now());
    };
    const host = nodeHost();
    const config = { user: "bob", domain, credentials: { user: "bob", password: "bob-device" }, maxCalls: atOnce + 1 };
    const agent = new UserAgent(host, new UdpUplink(host, { host: ds.host, port: 0 }, [ds]), config, {
      onRegistration: ({ kind }) => {
        if (kind === "registered" && begun === 0) for (let at = 0; at < atOnce; at++) next();
      },
      onInvite: () => undefined,
      onProvisional: () => undefined,
      onEstablished: () => undefined,
      onAnswered: (call, { body }) => {
        tookMs.push(performance.now() - (asked.get(call) ?? 0));
        agent.calls.ack(call, { type: "application/sdp", bytes: body });
        agent.calls.end(call);
      },
      onEnded: (call, end) => {
        asked.delete(call);
        if (end.kind !== "local") failed++;
        if (++ended < joins) return next();
        clearTimeout(giveUp);
        agent.stop();
        resolve({ tookMs, failed });
      },
    });
    agent.register();
  });
}

/** User and system time of a process so far. */
function cpuMicros(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return ((Number(fields[11]) + Number(fields[12])) * 1_000_000) / TICKS_PER_SEC;
}
