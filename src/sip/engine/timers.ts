/** The timers of transactions (RFC 3261 §17, Table 4), all from three values. */
export interface TransactionTimers {
  /** Estimate of the round trip; 500 ms. */
  readonly t1Ms: number;
  /** The longest time between two copies of a non-INVITE request or an INVITE's response; 4,000 ms. */
  readonly t2Ms: number;
  /** How long a message may stay in the network; 5,000 ms. */
  readonly t4Ms: number;
}

export const DEFAULT_TIMERS: TransactionTimers = { t1Ms: 500, t2Ms: 4_000, t4Ms: 5_000 };

/** Timers B, D, F, H, J, L, M: 64*T1, 32 s by default. */
export const patienceMs = (timers: TransactionTimers): number => 64 * timers.t1Ms;

/** Timer C (RFC 3261 §16.6 step 11): how long an INVITE may ring after its last provisional response. More than 3 min. */
export const TIMER_C_MS = 181_000;

/** An INVITE without a response for so long is answered 100 Trying (RFC 3261 §17.2.1). */
export const TRYING_AFTER_MS = 200;

/** When a client's Timer E is first reset to T2, after the first copy: 3.5 s by default (RFC 4320 §4.1). */
export function timerEReachesT2Ms({ t1Ms, t2Ms }: TransactionTimers): number {
  let atMs = 0;
  for (let intervalMs = t1Ms; intervalMs < t2Ms; intervalMs *= 2) atMs += intervalMs;
  return atMs;
}

/** What a transaction is made of. */
export interface TransactionSetup {
  readonly timers: TransactionTimers;
  /** The transport loses nothing: nothing is sent twice, nothing is waited for (RFC 3261 §17). */
  readonly reliable: boolean;
  readonly startMs: number;
}

/** No outputs, shared (STYLE, "Hot path"). */
export const NONE: readonly never[] = [];
