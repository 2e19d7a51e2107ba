import { pino } from "pino";
import type { Logger } from "#base/log.ts";
import type { LogFormat, LogLevel } from "./config-schema.ts";

/** How a command line asks for logs. */
export interface LogFlags {
  readonly log?: LogFormat;
  readonly logLevel?: LogLevel;
}
/** A `Logger` whose least level may change while it is in use. */
export interface LevelledLogger extends Logger {
  setLevel(level: LogLevel): void;
}

/** Names of fields whose values never leave the process, whatever stands around the name. */
const SECRET_NAME = /password|secret|authorization|cookie|token|operatorkey|ha1/i;
/** Header fields that hold credentials, within a text (RFC 3261 §20.7, §20.28; RFC 6265 §4). */
const SECRET_HEADER = /\b((?:proxy-)?authorization|(?:set-)?cookie)\s*:[^\r\n]*/gi;
const REDACTED = "[redacted]";
const MAX_DEPTH = 8;

/** Pretty where somebody reads along, JSON where a machine does. */
export const defaultFormat = (): LogFormat => (process.stderr.isTTY ? "pretty" : "json");

/** Writes one line an event; each begins with the fields of `base`. */
export function createLogger(
  format: LogFormat,
  level: LogLevel,
  write: (line: string) => void = (line) => void process.stderr.write(line),
  base: Readonly<Record<string, string>> | null = null,
): LevelledLogger {
  const destination = { write: format === "pretty" ? (line: string) => write(prettyLine(line)) : write };
  const logger = pino(
    {
      level: format === "off" ? "silent" : level,
      base,
      messageKey: "event",
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: (fields) => redacted(fields, 0) as Record<string, unknown> },
    },
    destination,
  );
  const at =
    (method: LogLevel): Logger["info"] =>
    (event, fields) =>
      logger[method](fields ?? {}, event);
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    setLevel: (next) => {
      if (format !== "off") logger.level = next;
    },
  };
}

function redacted(value: unknown, depth: number): unknown {
  if (typeof value === "string") return value.replace(SECRET_HEADER, `$1: ${REDACTED}`);
  if (typeof value !== "object" || value === null) return value;
  if (depth >= MAX_DEPTH) return "[deep]";
  if (value instanceof Error) return redacted({ message: value.message, stack: value.stack }, depth);
  if (value instanceof Uint8Array) return `[${value.length} octets]`;
  if (Array.isArray(value)) return value.map((item) => redacted(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, SECRET_NAME.test(name) ? REDACTED : redacted(inner, depth + 1)]),
  );
}

/** `12:34:56.789 warn  event name=value …` */
function prettyLine(json: string): string {
  const { level, time, event, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const values = Object.entries(fields).map(([name, value]) => `${name}=${inWords(value)}`);
  const clock = String(time).slice("2026-01-01T".length, -1);
  return `${[clock, String(level).padEnd(5), event, ...values].join(" ")}\n`;
}
function inWords(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  return "message" in value ? String(value.message) : JSON.stringify(value);
}
