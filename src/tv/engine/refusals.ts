import { REFUSAL } from "#cops/engine/iptv.ts";
import type { CallEnd } from "#sip/engine/call-types.ts";
import type { Headers } from "#sip/wire/headers.ts";

export interface FinalAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** Less may fit where more did not (PROTOCOL §3). */
const FULL: ReadonlySet<string> = new Set([REFUSAL.coreFull, REFUSAL.accessFull, REFUSAL.userFull]);
export const isForBandwidth = (reason: string): boolean => FULL.has(reason);

const SILENT: ReadonlySet<string> = new Set(["edge-silent", REFUSAL.brokerSilent]);

/** What a caller is answered when no reservation could be had (PROTOCOL §4). `agent`: our host name. */
export function refusalAnswer(reason: string, agent: string): FinalAnswer {
  if (SILENT.has(reason)) return { status: 504, headers: [reasonHeader(reason)] };
  if (reason === REFUSAL.unknownEdge) return { status: 480, headers: [reasonHeader(reason)] };
  return insufficientBandwidth(reason, agent);
}

export function insufficientBandwidth(reason: string, agent: string): FinalAnswer {
  return { status: 488, headers: [["Warning", `370 ${agent} "Insufficient bandwidth"`], reasonHeader(reason)] };
}

/** 488 for a description that we cannot serve (RFC 3261 §20.43, warn-code 305). */
export function incompatibleMedia(agent: string): FinalAnswer {
  return { status: 488, headers: [["Warning", `305 ${agent} "Incompatible media format"`]] };
}

/** Nobody there who could say yes or no: not registered, or does not answer (PROTOCOL §4). */
export const UNAVAILABLE: FinalAnswer = { status: 480, headers: [] };

/** The channel that was watched, or waited for, has ended. */
export const OFF_AIR: FinalAnswer = { status: 480, headers: [["Reason", 'SIP;cause=480;text="Channel off air"']] };

/** Broadcasting on a channel of somebody else's, as a person is told it apart from not being allowed to watch. */
export const NOT_OWNER: FinalAnswer = { status: 403, headers: [["Reason", 'SIP;cause=403;text="not-owner"']] };

/** A status that is passed on to the viewer as it came: the others concern one leg alone (PROTOCOL §4). */
const PASSED_ON: ReadonlySet<number> = new Set([403, 404, 480, 486, 488, 504, 600, 603]);
const EXPLAINING = ["Warning", "Reason", "Retry-After"];

/** What another leg's end means to the viewer whose session it carried. */
export function answerOf(end: CallEnd): FinalAnswer {
  if (end.kind === "failed") return { status: 504, headers: [] };
  if (end.kind === "bye") return { status: 480, headers: explanation(end.headers) };
  if (end.kind !== "rejected" || !PASSED_ON.has(end.response.status)) return UNAVAILABLE;
  return { status: end.response.status, headers: explanation(end.response.headers) };
}
const explanation = (headers: Headers): FinalAnswer["headers"] =>
  EXPLAINING.flatMap((name) => headers.list(name.toLowerCase()).map((value) => [name, value] as const));

/** The Reason of a BYE that stands for an answer which came too late to be one (RFC 3326). */
export function reasonOf({ status, headers }: FinalAnswer): string {
  return headers.find(([name]) => name === "Reason")?.[1] ?? `SIP;cause=${status}`;
}

const reasonHeader = (reason: string): readonly [string, string] => ["Reason", `COPS;text="${reason}"`];
