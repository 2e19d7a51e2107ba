import { readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { showAddress } from "#host/host.ts";
import type { DemoPlan } from "./demo-plan.ts";

/** The line that `sipcast demo --json` prints once ready (DESIGN §7): a contract. */
export interface DemoReady {
  readonly ready: true;
  readonly web: string;
  readonly domain: string;
  readonly sites: readonly {
    readonly name: string;
    readonly ds: { readonly udp: string; readonly tcp?: string; readonly ws: string };
    readonly edge: { readonly cops: string };
  }[];
  readonly broker: { readonly cops: string };
  readonly accounts: readonly {
    readonly user: string;
    readonly aor: string;
    readonly password: string;
    readonly deviceSecret: string;
  }[];
  readonly channels: readonly string[];
}
/** What other commands on this machine need to find a running demo. */
export interface RunningDemo {
  readonly ready: DemoReady;
  readonly pid: number;
  /** Channel → the sample account that owns it. */
  readonly owners: Readonly<Record<string, string>>;
  /** Sample account → SIP address of its DS, "ip:port". */
  readonly homes: Readonly<Record<string, string>>;
}

const FILE = path.join(os.tmpdir(), `sipcast-demo-${os.userInfo().uid}.json`);

/** Lets `watch` and `broadcast` find this demo; returns how to withdraw it. The last demo started is the one found. */
export function publishDemo(ready: DemoReady, plan: DemoPlan): () => void {
  const owners = Object.fromEntries(plan.accounts.flatMap(({ user, channels }) => channels.map(({ name }) => [name, user])));
  const addresses = new Map(plan.config.ds.map(({ id, udp }) => [id, showAddress(udp)]));
  const homes = Object.fromEntries(plan.accounts.map(({ user, home }) => [user, addresses.get(home) ?? ""]));
  const running: RunningDemo = { ready, pid: process.pid, owners, homes };
  rmSync(FILE, { force: true });
  writeFileSync(FILE, JSON.stringify(running), { mode: 0o600, flag: "wx" });
  return () => {
    if (findDemo()?.pid === process.pid) rmSync(FILE, { force: true });
  };
}

/** The demo running on this machine, if there is one. */
export function findDemo(): RunningDemo | undefined {
  try {
    const running = JSON.parse(readFileSync(FILE, "utf8")) as RunningDemo;
    process.kill(running.pid, 0); // throws when there is no such process
    return running;
  } catch {
    return undefined;
  }
}
