import type { FastifyInstance } from "fastify";
import type { Logger } from "#base/log.ts";
import type { Host } from "#host/host.ts";
import { type NodeHost, nodeHost } from "#host/node/index.ts";
import { type TapEvent, tap } from "#host/tap.ts";
import { type StatusPort, statusServer } from "#http/index.ts";
import { InProcessCarrier } from "#overlay/index.ts";
import type { SampleAccount } from "#registration/index.ts";
import { type Operator, startOperator } from "#roles/operator.ts";
import { type RunningWeb, startWeb } from "#roles/web.ts";
import { Ladder } from "#trace/index.ts";
import { openCapture } from "./capture.ts";
import { originsOf, planOf } from "./config.ts";
import type { Config } from "./config-schema.ts";
import { openDataFolder } from "./data-folder.ts";
import { Health } from "./health.ts";
import { metricsText } from "./metrics.ts";

export interface ProcessMeans {
  readonly log: Logger;
  /** Prints a line of the ladder of SIP and COPS messages. */
  readonly trace?: ((line: string) => void) | undefined;
  /** There from the start. */
  readonly accounts?: readonly SampleAccount[];
}
export interface RunningProcess {
  readonly health: Health;
  /** The host of one member, tapped where somebody listens. */
  hostOf(member: string): Host;
  /** Waits until every role serves or a listener failed, no longer than that; answers why not, in sentences. */
  servingWithin(ms: number): Promise<readonly string[]>;
  /** What of a configuration may change while its roles run. */
  setOrigins(origins: readonly string[]): void;
  /** `/readyz` says 503, calls are ended, then everything closes. */
  stop(): Promise<void>;
}

const POLL_MS = 20;

/** Starts every role of a configuration without faults in this process: the way of `demo` and `serve` alike. */
export async function startProcess(config: Config, { log, trace, accounts = [] }: ProcessMeans): Promise<RunningProcess> {
  const data = openDataFolder(config.data);
  const health = new Health();
  const failed = (what: string, error: Error): void => {
    health.failed(what, error);
    log.error("cannot serve", { what, error });
  };
  const own = nodeHost();
  const capture = openCapture(config.capture, own, log);
  const sinks = [...(trace ? [ladderOf(config, trace)] : []), ...(capture ? [capture.sink] : [])];
  const hosts = new Map<string, NodeHost>();
  const hostOf = (member: string): Host => {
    const host = hosts.get(member) ?? nodeHost(data.logsOf(member));
    hosts.set(member, host);
    if (sinks.length === 0) return host;
    return tap(host, member, (event) => {
      for (const sink of sinks) sink(event);
    });
  };
  const origins = [...originsOf(config)];
  const plan = planOf(config, origins);
  const operator = startOperator(plan, {
    host: hostOf,
    carrier: new InProcessCarrier(),
    log,
    operatorKey: data.operatorKey,
    failed,
  });
  for (const account of accounts)
    await new Promise<void>((done) => operator.registration?.registration.ensureAccount(account, done));
  const webs = new Map<string, RunningWeb>();
  const status = statusOf(operator, health, hosts, webs);
  const { metrics: _, ...withoutMetrics } = status;
  for (const web of plan.webs)
    webs.set(web.id, startWeb(operator.context(web.id, "web"), web, config.admin ? withoutMetrics : status));
  const admin = config.admin && statusServer(status);
  if (config.admin) admin?.listen({ ...config.admin }).catch((error: Error) => failed("admin listener", error));
  health.started(operator);
  return {
    health,
    hostOf,
    servingWithin: (ms) => servingWithin(health, ms),
    setOrigins: (next) => void origins.splice(0, origins.length, ...next),
    stop: async () => {
      health.stopping();
      await pause(config.stop.noticeMs);
      await stopAll(operator, [...webs.values()], admin);
      await capture?.close();
    },
  };
}

function statusOf(
  operator: Operator,
  health: Health,
  hosts: ReadonlyMap<string, NodeHost>,
  webs: ReadonlyMap<string, RunningWeb>,
): Required<StatusPort> {
  const metrics = metricsText({
    operator,
    hosts: () => [...hosts].map(([member, { counters }]) => [member, counters]),
    webs: () =>
      [...webs].flatMap(([member, web]) => {
        const counts = web.counts();
        return counts ? [[member, counts] as const] : [];
      }),
    isReady: () => health.report().notReady.length === 0,
  });
  return { report: () => health.report(), metrics };
}

function ladderOf({ ds, edge, broker }: Config, print: (line: string) => void): (event: TapEvent) => void {
  const ladder = new Ladder({ print });
  for (const { id, udp, ws } of ds) for (const at of [udp, ws]) ladder.name(at, id);
  for (const { id, cops, media } of edge) for (const at of [cops, media.ws]) ladder.name(at, id);
  for (const { id, cops } of broker) ladder.name(cops, id);
  return (event) => ladder.add(event);
}

async function servingWithin(health: Health, ms: number): Promise<readonly string[]> {
  const deadlineMs = performance.now() + ms;
  while (performance.now() < deadlineMs) {
    if (health.failures.length > 0) return health.failures;
    if (health.report().notReady.length === 0) return [];
    await pause(POLL_MS);
  }
  return health.report().notReady;
}

/** DSs first: their goodbyes to pages pass the web role. What shows how it goes ends last. */
async function stopAll(operator: Operator, webs: readonly RunningWeb[], admin: FastifyInstance | undefined): Promise<void> {
  await new Promise<void>((stopped) => operator.stop(stopped));
  await Promise.all(webs.map((web) => new Promise<void>((stopped) => web.stop(stopped))));
  await admin?.close();
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
