import { NONE, patienceMs, type TransactionSetup, type TransactionTimers } from "./timers.ts";

export type NonInviteClientInput =
  | { readonly kind: "response"; readonly status: number }
  | { readonly kind: "transport-error" }
  | { readonly kind: "tick" };
export type NonInviteClientOutput =
  | { readonly kind: "send-request" } // once more
  | { readonly kind: "pass-up" } // the response that was the input
  | { readonly kind: "ended"; readonly cause: "done" | "timeout" | "transport" };

/**
 * Client side of any transaction but INVITE's (RFC 3261 §17.1.2). The driver sends the first copy at `startMs`, performs
 * outputs in order, and calls `step` no later than `nextDeadlineMs`.
 */
export class NonInviteClientTransaction {
  readonly #timers: TransactionTimers;
  readonly #reliable: boolean;
  #state: "trying" | "proceeding" | "completed" | "terminated" = "trying";
  #resendEveryMs: number;
  #resendAtMs: number; // Timer E
  #endAtMs: number; // Timer F, then Timer K

  constructor(setup: TransactionSetup) {
    this.#timers = setup.timers;
    this.#reliable = setup.reliable;
    this.#resendEveryMs = setup.timers.t1Ms;
    this.#resendAtMs = setup.reliable ? Infinity : setup.startMs + setup.timers.t1Ms;
    this.#endAtMs = setup.startMs + patienceMs(setup.timers);
  }

  get state(): string {
    return this.#state;
  }
  get nextDeadlineMs(): number {
    return Math.min(this.#resendAtMs, this.#endAtMs);
  }

  step(input: NonInviteClientInput, nowMs: number): readonly NonInviteClientOutput[] {
    if (this.#state === "terminated") return NONE;
    switch (input.kind) {
      case "response":
        return this.#state === "completed" ? NONE : this.#onResponse(input.status, nowMs);
      case "transport-error":
        return this.#end("transport");
      case "tick":
        return this.#onTick(nowMs);
    }
  }

  #onResponse(status: number, nowMs: number): readonly NonInviteClientOutput[] {
    if (status < 200) {
      this.#state = "proceeding";
      return [{ kind: "pass-up" }];
    }
    if (this.#reliable) return [{ kind: "pass-up" }, ...this.#end("done")];
    this.#state = "completed"; // absorbs what comes again
    this.#resendAtMs = Infinity;
    this.#endAtMs = nowMs + this.#timers.t4Ms;
    return [{ kind: "pass-up" }];
  }

  #onTick(nowMs: number): readonly NonInviteClientOutput[] {
    if (nowMs >= this.#endAtMs) return this.#end(this.#state === "completed" ? "done" : "timeout");
    if (nowMs < this.#resendAtMs) return NONE;
    const nextMs = this.#state === "trying" ? 2 * this.#resendEveryMs : Infinity; // once proceeding, straight to T2
    this.#resendEveryMs = Math.min(nextMs, this.#timers.t2Ms);
    this.#resendAtMs = nowMs + this.#resendEveryMs;
    return [{ kind: "send-request" }];
  }

  #end(cause: "done" | "timeout" | "transport"): readonly NonInviteClientOutput[] {
    this.#state = "terminated";
    this.#resendAtMs = this.#endAtMs = Infinity;
    return [{ kind: "ended", cause }];
  }
}
