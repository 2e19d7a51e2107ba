import { randomBytes } from "node:crypto";
import type { Logger } from "#base/log.ts";
import type { Host } from "#host/host.ts";
import { tap } from "#host/tap.ts";
import { InProcessCarrier } from "#overlay/index.ts";
import { startOperator } from "#roles/operator.ts";
import type { RunningRole } from "#roles/types.ts";
import { startWeb } from "#roles/web.ts";
import { Ladder } from "#trace/index.ts";
import { UsageError } from "./console.ts";
import type { DemoPlan } from "./demo-plan.ts";

export interface RunningOperator {
  /** The host of one machine of the demo, tapped where a trace is printed. */
  tapped(member: string): Host;
  stop(): Promise<void>;
}

const READY_WITHIN_MS = 10_000;
const READY_POLL_MS = 20;

/** Starts all roles of the plan in this process and waits until they serve. */
export async function runOperator(
  host: Host,
  plan: DemoPlan,
  means: { readonly log: Logger; readonly trace: ((line: string) => void) | undefined },
): Promise<RunningOperator> {
  const tapped = tracing(host, plan, means.trace);
  const faults: string[] = [];
  const parts = {
    brokers: [{ id: "broker", ...plan.broker }],
    registration: { id: "registration", ...plan.registration },
    edges: plan.sites.map(({ edge }) => edge),
    servers: plan.sites.map(({ ds }) => ds),
  };
  const operator = startOperator(parts, {
    host: tapped,
    carrier: new InProcessCarrier(),
    log: means.log,
    operatorKey: randomBytes(32),
    failed: (what, error) => faults.push(`${what}: ${error.message}`),
  });
  for (const account of plan.accounts)
    await new Promise<void>((done) => operator.registration?.registration.ensureAccount(account, done));
  const webContext = operator.context("web", "web");
  const web = startWeb(webContext, plan.web);
  const expected = ["broker", "registration", "web", ...plan.sites.flatMap(({ ds, edge }) => [ds.id, edge.id])];
  const late = (): string[] => {
    const serving = webContext.overlay.members().filter(({ phase }) => phase === "serving");
    return expected.filter((id) => !serving.some((member) => member.id === id));
  };
  const deadlineMs = host.nowMs() + READY_WITHIN_MS;
  while (faults.length === 0 && late().length > 0 && host.nowMs() < deadlineMs) await pause(READY_POLL_MS);
  const stop = (): Promise<void> => stopAll(web, operator);
  const missing = late();
  if (faults.length > 0 || missing.length > 0) {
    await stop();
    throw new UsageError(faults[0] ?? `Not ready within ${READY_WITHIN_MS / 1_000} s: ${missing.join(", ")}`);
  }
  return { tapped, stop };
}

function tracing(host: Host, plan: DemoPlan, print: ((line: string) => void) | undefined): (member: string) => Host {
  if (!print) return () => host;
  const ladder = new Ladder({ print });
  for (const { ds, edge } of plan.sites) {
    for (const at of [ds.udp, ds.ws]) ladder.name(at, ds.id);
    for (const at of [edge.cops, edge.mediaWs]) ladder.name(at, edge.id);
  }
  ladder.name(plan.broker.cops, "broker");
  return (member) => tap(host, member, (event) => ladder.add(event));
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function stopAll(...[web, operator]: [RunningRole, { stop(stopped: () => void): void }]): Promise<void> {
  return new Promise((resolve) => web.stop(() => operator.stop(resolve)));
}
