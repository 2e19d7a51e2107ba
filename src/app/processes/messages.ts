import type { StorageError } from "#base/errors.ts";
import type { StatusReport } from "#http/index.ts";
import type { Config, LogFormat, LogLevel } from "../config-schema.ts";
import type { MetricSamples } from "../metrics.ts";

/** What a child is told first: it reads no file, so that one that is restarted is what it was. */
export interface Start {
  readonly kind: "start";
  /** Its process's name in the configuration. */
  readonly name: string;
  readonly config: Config;
  readonly operatorKey: Uint8Array;
  readonly log: { readonly format: LogFormat; readonly level: LogLevel };
  readonly trace: boolean;
}
/** How a process is; `failures`: listeners that could not be had, part of `notReady` too. */
export interface ProcessReport extends StatusReport {
  readonly failures: readonly string[];
}
/** What a reload may change. */
export interface Change {
  readonly kind: "change";
  readonly origins: readonly string[];
  readonly level: LogLevel;
}
/** To a child, over its channel; frames of the overlay pass there too (`ipcChannel`). */
export type Down =
  | Start
  /** For its metrics. */
  | { readonly kind: "ask"; readonly id: number }
  | Change
  /** `/readyz` is to say 503 from now on. */
  | { readonly kind: "notice" }
  | { readonly kind: "stop" };
/** From a child. */
export type Up =
  | { readonly kind: "answer"; readonly id: number; readonly answer: MetricSamples }
  | { readonly kind: "report"; readonly report: ProcessReport }
  /** What it keeps on the disk fails it, and it ends. */
  | { readonly kind: "broken"; readonly code: StorageError["code"]; readonly message: string };
