/** What a client was promised, and whether that is what its servers have. All times: ms of the wall clock. */
import type { Binding } from "#sip/index.ts";

/** A REGISTER with credentials, sent. */
export interface Word {
  readonly callId: string;
  readonly cseq: number;
  /** 0 = the binding is to go. */
  readonly expiresSec: number;
  readonly sentMs: number;
}
/** One device: a user's only contact. */
export interface Account {
  readonly aor: string;
  /** The last word that was answered with a 2xx. */
  promised: (Word & { readonly answeredMs: number }) | undefined;
  /** Words since then, of which nobody knows whether they were heard: whatever was not answered, or was refused. */
  doubtful: Word[];
}
export type Fault = "lost" | "returned";

/** Lifetimes travel in whole ms and are rounded up; a restart takes the smaller of two remainders (DESIGN §5). */
const SLACK_MS = 2_000;

/** What is wrong with what one server has of a device at that time; `undefined` = nothing. */
export function faultOf(
  { promised, doubtful }: Account,
  found: Pick<Binding, "callId" | "cseq"> | undefined,
  nowMs: number,
): Fault | undefined {
  const words = promised ? [promised, ...doubtful] : doubtful;
  if (found) {
    const word = words.find(({ callId, cseq, expiresSec }) => expiresSec > 0 && callId === found.callId && cseq === found.cseq);
    if (word) return nowMs > latestEnd(word) ? "returned" : undefined;
    return promised && promised.expiresSec > 0 ? "lost" : "returned";
  }
  const mayBeGone = !promised || words.some((word) => nowMs > earliestEnd(word));
  return mayBeGone ? undefined : "lost";
}

const earliestEnd = ({ expiresSec, sentMs }: Word): number => (expiresSec === 0 ? 0 : sentMs + 1_000 * expiresSec - SLACK_MS);
/** Of one that was not answered: as if it had been heard at the last moment. */
const latestEnd = ({ expiresSec, sentMs, ...word }: Word & { readonly answeredMs?: number }): number =>
  (word.answeredMs ?? sentMs + DOUBT_MS) + 1_000 * expiresSec + SLACK_MS;
/** Servers repeat a REGISTER among themselves for so long: 64*T1 (RFC 3261 §17.1.2.2). */
const DOUBT_MS = 32_000;
