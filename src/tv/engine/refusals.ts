import { REFUSAL } from "#cops/engine/iptv.ts";

export interface FinalAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

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

const reasonHeader = (reason: string): readonly [string, string] => ["Reason", `COPS;text="${reason}"`];
