/** A process beside the main one: runs the roles that it is told, and goes when that one does. */
import { StorageError } from "#base/errors.ts";
import { ChannelCarrier } from "#overlay/carriers/channel.ts";
import { ipcChannel } from "#overlay/carriers/ipc.ts";
import { originsOf } from "../config.ts";
import { endBy, say } from "../console.ts";
import { logsIn } from "../data-folder.ts";
import { createLogger, type LevelledLogger } from "../logger.ts";
import { type RunningProcess, startProcess } from "../process.ts";
import type { Down, ProcessReport, Start, Up } from "./messages.ts";

const REPORT_EVERY_MS = 100;

const carrier = new ChannelCarrier(ipcChannel(process)); // before the first message
const up = (message: Up): void => void process.send?.(message);

process.once("message", (message: Down) => {
  if (message.kind === "start") obey(message);
});
// What ends the main process of a terminal or a service comes here too: that one says when it is our turn.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
process.on("disconnect", () => process.exit(1));
process.on("uncaughtException", (error) => {
  if (!(error instanceof StorageError)) endBy(error);
  const broken: Up = { kind: "broken", code: error.code, message: error.message };
  process.send?.(broken, () => process.exit(1));
});

function obey({ name, config, operatorKey, log: { format, level }, trace }: Start): void {
  const log = createLogger(format, level, undefined, { process: name });
  const origins = [...originsOf(config)];
  const logsOf = logsIn(config.data);
  const carriers = () => ({ channel: carrier.counters });
  const own = { name, carrier, carriers, operatorKey, logsOf, origins, log, trace: trace ? say : undefined };
  const starting = startProcess(config, own);
  void starting.then(reportChanges);
  process.on("message", (message: Down) => void starting.then((running) => told(running, log, message)));
}

async function told(running: RunningProcess, log: LevelledLogger, message: Down): Promise<void> {
  switch (message.kind) {
    case "ask":
      up({ kind: "answer", id: message.id, answer: await running.metrics.getMetricsAsJSON() });
      return;
    case "change":
      running.setOrigins(message.origins);
      log.setLevel(message.level);
      return;
    case "notice":
      running.notice();
      return;
    case "stop":
      await running.stopRoles();
      await running.close();
      process.exit(0);
  }
}

/** Tells how this process is, whenever that is another than before. */
function reportChanges({ health }: RunningProcess): void {
  let told = "";
  setInterval(() => {
    const report: ProcessReport = { ...health.report(), failures: health.failures };
    const text = JSON.stringify(report);
    if (text === told) return;
    told = text;
    up({ kind: "report", report });
  }, REPORT_EVERY_MS);
}
