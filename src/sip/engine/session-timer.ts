/** Session timers (RFC 4028): what is said of them in a message, and when the next thing is due. It sends nothing. */
import { LIMITS } from "#base/limits.ts";
import type { SipRequest, SipResponse } from "../wire/message.ts";
import { numberOf, parameterizedOf, paramText } from "../wire/values.ts";
import type { Fields } from "./call-messages.ts";

/** What both sides have agreed to. */
export interface Agreed {
  readonly intervalSec: number;
  /** Who is to refresh. */
  readonly refresher: "us" | "them";
}

/** Where a Session-Expires is below it: 422 (§9). Also what a request means that has no Min-SE (§5). */
const LEAST_SEC = LIMITS.sessionMinSec;
/** Slightly before the expiration whoever waits for a refresh hangs up (§10). */
const EARLY_MS = 32_000;

/** Of our session refresh request. `minSec`: the largest Min-SE that was heard of in this call, 0 = none (§7.4). */
export function timerRequest(minSec: number, agreed?: Agreed): Fields {
  const intervalSec = Math.max(agreed?.intervalSec ?? LIMITS.sessionExpiresSec, minSec);
  const refresher = agreed ? `;refresher=${agreed.refresher === "us" ? "uac" : "uas"}` : "";
  const least = ["Min-SE", String(Math.max(minSec, LEAST_SEC))] as const;
  return [["Session-Expires", `${intervalSec}${refresher}`], least];
}

/** After the 2xx to it. One who knows no session timers leaves the refreshing to us (§7.2). */
export function agreedByAnswer(asked: SipRequest, answer: SipResponse): Agreed {
  const intervalSec = numberOf(answer, "session-expires");
  if (intervalSec === undefined) return { intervalSec: numberOf(asked, "session-expires") ?? 0, refresher: "us" };
  return { intervalSec, refresher: refresherOf(answer) === "uas" ? "them" : "us" };
}

export type TimerAnswer =
  | { readonly status: "ok"; readonly agreed: Agreed; readonly fields: Fields }
  /** To be answered 422 with these. */
  | { readonly status: "too-small"; readonly fields: Fields };

/** What to answer a session refresh request with (§9): never a longer interval than was asked for. */
export function timerAnswer(request: SipRequest): TimerAnswer {
  const wishSec = numberOf(request, "session-expires");
  const knowsTimers = request.headers.listHas("supported", "timer");
  if (wishSec !== undefined && wishSec < LEAST_SEC && knowsTimers) {
    return { status: "too-small", fields: [["Min-SE", String(LEAST_SEC)]] };
  }
  const mostSec = Math.max(LIMITS.sessionExpiresSec, numberOf(request, "min-se") ?? LEAST_SEC);
  const intervalSec = Math.min(wishSec ?? mostSec, mostSec);
  const isOurs = !knowsTimers || refresherOf(request) === "uas"; // Table 2
  const expires = ["Session-Expires", `${intervalSec};refresher=${isOurs ? "uas" : "uac"}`] as const;
  const fields: Fields = knowsTimers ? [expires, ["Require", "timer"]] : [expires];
  return { status: "ok", agreed: { intervalSec, refresher: isOurs ? "us" : "them" }, fields };
}

const refresherOf = (message: SipRequest | SipResponse): string | undefined => {
  const expires = parameterizedOf(message, "session-expires");
  return expires && paramText(expires.params, "refresher")?.toLowerCase();
};

/** One agreement, from the 2xx that made it on: superseded by the next. All times: ms on one monotonic clock. */
export class SessionTimer {
  readonly agreed: Agreed;
  /** When the session expires, if nobody refreshes it (§10). */
  readonly expiresAtMs: number;
  readonly #endAtMs: number;
  readonly #refreshEveryMs: number;
  #refreshAtMs: number;

  constructor(agreed: Agreed, agreedAtMs: number) {
    const intervalMs = 1_000 * agreed.intervalSec;
    const isOurs = agreed.refresher === "us";
    this.agreed = agreed;
    this.expiresAtMs = agreedAtMs + intervalMs;
    this.#endAtMs = this.expiresAtMs - (isOurs ? 0 : Math.min(EARLY_MS, intervalMs / 3));
    this.#refreshEveryMs = isOurs ? intervalMs / 4 : Infinity;
    this.#refreshAtMs = agreedAtMs + 2 * this.#refreshEveryMs; // at half of it (§7.2); once more where that is not answered 2xx
  }

  get nextDeadlineMs(): number {
    return Math.min(this.#refreshAtMs, this.#endAtMs);
  }

  step(nowMs: number): "refresh" | "expired" | "wait" {
    if (nowMs >= this.#endAtMs) return "expired";
    if (nowMs < this.#refreshAtMs) return "wait";
    this.#refreshAtMs += this.#refreshEveryMs;
    return "refresh";
  }
}
