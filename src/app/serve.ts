import { type ConfigFlags, readChecked } from "./check.ts";
import { originsOf } from "./config.ts";
import type { Config } from "./config-schema.ts";
import { UsageError, untilStopped } from "./console.ts";
import { defaultFormat, type LogFlags } from "./logger.ts";
import { type RunningService, startService } from "./service.ts";

interface ServeFlags extends ConfigFlags, LogFlags {
  readonly trace?: boolean;
}

/** Before it is said what is still missing; peers on other machines may come later. */
const EXPECTED_WITHIN_MS = 10_000;
/** Of goodbyes and closing, after `stop.noticeMs`: then the process ends anyhow. */
const STOP_WITHIN_MS = 10_000;

/** `sipcast serve`: the roles of a configuration file, until SIGTERM or Ctrl-C; SIGHUP reads the file again. */
export async function runServe(flags: ServeFlags): Promise<void> {
  const config = readChecked(flags);
  const running = await startService(config, {
    log: { format: flags.log ?? config.log.format ?? defaultFormat(), level: flags.logLevel ?? config.log.level },
    trace: flags.trace ?? false,
  });
  const { log } = running;
  const reload = (): void => reloaded(flags, config, running);
  process.on("SIGHUP", reload);
  const ended = Promise.race([untilStopped(), running.unusable]);
  const missing = await Promise.race([running.servingWithin(EXPECTED_WITHIN_MS), ended.then(() => undefined)]);
  const failures = running.failures();
  if (failures.length > 0) {
    await running.stop();
    throw new UsageError(failures.join("\n"));
  }
  if (missing?.length === 0) log.info("serving", { config: flags.config });
  else if (missing) log.warn("not serving yet", { reasons: missing });
  const fault = await ended;
  process.off("SIGHUP", reload);
  log.info("stopping", fault === undefined ? {} : { fault });
  const giveUp = setTimeout(() => {
    log.error("stopped without all goodbyes");
    process.exit(1);
  }, config.stop.noticeMs + STOP_WITHIN_MS);
  await running.stop();
  clearTimeout(giveUp);
  if (fault !== undefined) throw new UsageError(fault);
}

/** Takes over the log level and the origins; names what else has changed. A file with faults changes nothing. */
function reloaded(flags: ServeFlags, before: Config, running: RunningService): void {
  const { log } = running;
  try {
    const now = readChecked(flags);
    running.change(originsOf(now), flags.logLevel ?? now.log.level);
    const lasting = (config: Config) => ({ ...config, origins: undefined, log: { ...config.log, level: undefined } });
    const restart = changes(lasting(before), lasting(now), "");
    log.info("reloaded", { config: flags.config });
    if (restart.length > 0) log.warn("changes that need a restart", { keys: restart });
  } catch (error) {
    log.error("not reloaded", { error });
  }
}

/** Paths at which two values differ. */
export function changes(a: unknown, b: unknown, path: string): string[] {
  const isTree = (value: unknown): value is object => typeof value === "object" && value !== null;
  if (!isTree(a) || !isTree(b)) return a === b ? [] : [path];
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return names.flatMap((name) => {
    const below = Array.isArray(a) ? `${path}[${name}]` : path === "" ? name : `${path}.${name}`;
    return changes((a as Record<string, unknown>)[name], (b as Record<string, unknown>)[name], below);
  });
}
