import { setTimeout as pause } from "node:timers/promises";
import { nodeHost } from "#host/node/index.ts";
import { type StatusPort, type StatusReport, statusServer } from "#http/index.ts";
import { ChannelHub } from "#overlay/carriers/channel.ts";
import { ipcChannel } from "#overlay/carriers/ipc.ts";
import { NatsCarrier } from "#overlay/carriers/nats.ts";
import { InProcessCarrier } from "#overlay/index.ts";
import { natsOf, originsOf } from "./config.ts";
import { type Config, type LogFormat, type LogLevel, MAIN } from "./config-schema.ts";
import { say } from "./console.ts";
import { openDataFolder } from "./data-folder.ts";
import { createLogger, type LevelledLogger } from "./logger.ts";
import { metricsText } from "./metrics.ts";
import { type OwnStatus, type RunningProcess, startProcess } from "./process.ts";
import { Children } from "./processes/children.ts";

export interface ServiceMeans {
  readonly log: { readonly format: LogFormat; readonly level: LogLevel };
  /** Whether the ladder of SIP and COPS messages is printed. */
  readonly trace: boolean;
}
/** All processes of one configuration: what `demo` and `serve` start. */
export interface RunningService {
  readonly log: LevelledLogger;
  /** The one that was started. */
  readonly main: RunningProcess;
  /** Listeners that could not be had, in sentences. */
  failures(): readonly string[];
  /** Resolves, with a sentence, when a process beside the main one finds that nothing can go on until somebody mends the disk. */
  readonly unusable: Promise<string>;
  /** Waits until every role serves or a listener failed, no longer than that; answers why not, in sentences. */
  servingWithin(ms: number): Promise<readonly string[]>;
  /** What of a configuration may change while its roles run. */
  change(origins: readonly string[], level: LogLevel): void;
  /** `/readyz` says 503, calls are ended, then everything closes. */
  stop(): Promise<void>;
}

const POLL_MS = 20;

/** Starts every role of a configuration without faults, in as many processes as it names. */
export async function startService(config: Config, means: ServiceMeans): Promise<RunningService> {
  const { operatorKey, logsOf, release } = openDataFolder(config.data);
  const log = createLogger(means.log.format, means.log.level);
  const { nats } = config.overlay;
  const machines = nats && new NatsCarrier({ ...natsOf(nats, config.domain), log });
  const carrier = machines ?? new InProcessCarrier();
  const hub = new ChannelHub(carrier, nodeHost());
  const unusable = Promise.withResolvers<string>();
  const children = new Children(
    { ...means, config, operatorKey },
    { log, join: (process) => hub.attach(ipcChannel(process)), unusable: unusable.resolve },
  );
  const whole = (own: OwnStatus) => statusOf(own, children);
  const main = await startProcess(config, {
    name: MAIN,
    carrier,
    operatorKey,
    logsOf,
    origins: [...originsOf(config)],
    log,
    trace: means.trace ? say : undefined,
    whole: (own) => (config.admin ? { report: whole(own).report } : whole(own)),
    restarts: () => children.restarts(),
    carriers: () => ({
      channel: hub.counters,
      ...(machines && { nats: { ...machines.counters, ...machines.assembler.counters } }),
    }),
  });
  const status = whole(main);
  const admin = config.admin && statusServer(status);
  if (config.admin) admin?.listen({ ...config.admin }).catch((error: Error) => main.failed("admin listener", error));
  children.start();
  const failures = (): readonly string[] => [...main.health.failures, ...children.reports().flatMap(({ failures }) => failures)];
  return {
    log,
    main,
    failures,
    unusable: unusable.promise,
    servingWithin: (ms) => servingWithin(ms, failures, status.report),
    change: (origins, level) => {
      main.setOrigins(origins);
      log.setLevel(level);
      children.change(origins, level);
    },
    stop: async () => {
      main.notice();
      children.notice();
      await pause(config.stop.noticeMs);
      await stopAll(main, children);
      await admin?.close(); // what shows how it goes ends last
      await machines?.close();
      release();
    },
  };
}

/** `/readyz` and `/metrics` of all processes. */
function statusOf({ health, metrics }: OwnStatus, children: Children): Required<StatusPort> {
  return {
    report: () => together([health.report(), ...children.reports()]),
    metrics: async () => {
      const [own, others] = await Promise.all([metrics.getMetricsAsJSON(), children.samples()]);
      return metricsText([own, ...others]);
    },
  };
}
const together = (reports: readonly StatusReport[]): StatusReport => ({
  notReady: reports.flatMap(({ notReady }) => notReady),
  degraded: reports.flatMap(({ degraded }) => degraded),
});

async function servingWithin(
  ms: number,
  failures: RunningService["failures"],
  report: StatusPort["report"],
): Promise<readonly string[]> {
  const deadlineMs = performance.now() + ms;
  while (performance.now() < deadlineMs) {
    if (failures().length > 0) return failures();
    if (report().notReady.length === 0) return [];
    await pause(POLL_MS, undefined, { ref: false }); // whoever stops meanwhile does not wait for it
  }
  return report().notReady;
}

/** DSs first: they hang up, and their goodbyes to pages pass the web role. */
async function stopAll(main: RunningProcess, children: Children): Promise<void> {
  await children.stop("with a DS");
  await main.stopRoles();
  await children.stop("others");
  await main.close();
}
