import path from "node:path";
import type { Registry } from "prom-client";
import type { Logger } from "#base/log.ts";
import type { Host } from "#host/host.ts";
import { type NodeHost, nodeHost } from "#host/node/index.ts";
import { type TapEvent, tap } from "#host/tap.ts";
import type { StatusPort } from "#http/index.ts";
import type { Carrier } from "#overlay/index.ts";
import { type Operator, startOperator } from "#roles/operator.ts";
import { type RunningWeb, startWeb } from "#roles/web.ts";
import { Ladder } from "#trace/index.ts";
import { openCapture } from "./capture.ts";
import { childrenOf, controlProcessOf, planOf } from "./config.ts";
import { type Config, MAIN } from "./config-schema.ts";
import { answer, answerMembers } from "./ctl/control.ts";
import { controlPath, serveControl } from "./ctl/socket.ts";
import type { LogsOf } from "./data-folder.ts";
import { Health } from "./health.ts";
import { type MetricSources, metricsOf } from "./metrics.ts";

export interface ProcessMeans {
  /** Which of the configuration's processes this is. */
  readonly name: string;
  readonly carrier: Carrier;
  readonly operatorKey: Uint8Array;
  readonly logsOf: LogsOf;
  /** The list that all roles read at each use. */
  readonly origins: string[];
  readonly log: Logger;
  /** Prints a line of the ladder of SIP and COPS messages. */
  readonly trace: ((line: string) => void) | undefined;
  /** What the page's listeners say of how it goes. Default: how this process is, without its metrics. */
  readonly whole?: (own: OwnStatus) => StatusPort;
  readonly carriers: MetricSources["carriers"];
  /** How often each other process had to be started again. */
  readonly restarts?: MetricSources["restarts"];
}
/** How one process is. */
export interface OwnStatus {
  readonly health: Health;
  readonly metrics: Registry;
}
/** The roles of one process. */
export interface RunningProcess extends OwnStatus {
  readonly operator: Operator;
  /** A listener could not be had, or broke. */
  failed(what: string, error: Error): void;
  /** The host of one member, tapped where somebody listens. */
  hostOf(member: string): Host;
  /** What of a configuration may change while its roles run. */
  setOrigins(origins: readonly string[]): void;
  /** `/readyz` says 503 from now on. */
  notice(): void;
  /** Ends calls and roles; pages are served on. */
  stopRoles(): Promise<void>;
  /** Closes what is left. */
  close(): Promise<void>;
}

/** Starts those roles of a configuration without faults that are of one process. */
export async function startProcess(config: Config, means: ProcessMeans): Promise<RunningProcess> {
  const { name, log, trace, origins } = means;
  const health = new Health();
  const failed = (what: string, error: Error): void => {
    health.failed(what, error);
    log.error("cannot serve", { what, error });
  };
  const capture = openCapture(captureOf(config, name), nodeHost(), log);
  const sinks = [...(trace ? [ladderOf(config, trace)] : []), ...(capture ? [capture.sink] : [])];
  const hosts = new Map<string, NodeHost>();
  const hostOf = (member: string): Host => {
    const host = hosts.get(member) ?? nodeHost(means.logsOf(member));
    hosts.set(member, host);
    if (sinks.length === 0) return host;
    return tap(host, member, (event) => {
      for (const sink of sinks) sink(event);
    });
  };
  const plan = planOf(config, origins, name);
  const operator = startOperator(plan, { ...means, host: hostOf, failed });
  const webs = new Map<string, RunningWeb>();
  const sources = sourcesOf(operator, health, hosts, webs);
  const metrics = metricsOf({ restarts: () => [], ...means, ...sources }, childrenOf(config).length > 0 ? name : undefined);
  const status = means.whole?.({ health, metrics }) ?? { report: () => health.report() };
  for (const web of plan.webs) webs.set(web.id, startWeb(operator.context(web.id, "web"), web, status));
  health.started(operator);
  for (const [id, overlay] of operator.overlays) {
    answerMembers(overlay);
    overlay.onTwin(() => {
      log.error("ended: another machine has a member of this name, and had it before", { member: id });
      process.exit(1);
    });
  }
  const [member] = operator.overlays.values();
  const isControlled = member && name === controlProcessOf(config);
  const closeControl = isControlled && (await serveControl(controlPath(config), (...asked) => answer(member, ...asked), log));
  return {
    health,
    metrics,
    operator,
    failed,
    hostOf,
    setOrigins: (next) => void origins.splice(0, origins.length, ...next),
    notice: () => health.stopping(),
    stopRoles: () => new Promise((stopped) => operator.stop(stopped)),
    close: async () => {
      await Promise.all([...webs.values()].map((web) => new Promise<void>((stopped) => web.stop(stopped))));
      if (closeControl) closeControl();
      await capture?.close();
    },
  };
}

/** Each process has a file of its own. */
function captureOf({ capture }: Config, name: string): Config["capture"] {
  if (capture.pcap === undefined || name === MAIN) return capture;
  const { dir, name: file, ext } = path.parse(capture.pcap);
  return { ...capture, pcap: path.join(dir, `${file}-${name}${ext}`) };
}

function sourcesOf(
  operator: Operator,
  health: Health,
  hosts: ReadonlyMap<string, NodeHost>,
  webs: ReadonlyMap<string, RunningWeb>,
): Omit<MetricSources, "carriers" | "restarts"> {
  return {
    operator,
    hosts: () => [...hosts].map(([member, { counters }]) => [member, counters]),
    webs: () =>
      [...webs].flatMap(([member, web]) => {
        const counts = web.counts();
        return counts ? [[member, counts] as const] : [];
      }),
    isReady: () => health.report().notReady.length === 0,
  };
}

function ladderOf({ ds, edge, broker }: Config, print: (line: string) => void): (event: TapEvent) => void {
  const ladder = new Ladder({ print });
  for (const { id, udp, ws } of ds) for (const at of [udp, ws]) ladder.name(at, id);
  for (const { id, cops, media } of edge) for (const at of [cops, media.ws]) ladder.name(at, id);
  for (const { id, cops } of broker) ladder.name(cops, id);
  return (event) => ladder.add(event);
}
