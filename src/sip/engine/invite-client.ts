import { NONE, patienceMs, TIMER_C_MS, type TransactionSetup, type TransactionTimers } from "./timers.ts";

export type InviteClientInput =
  | { readonly kind: "response"; readonly status: number }
  | { readonly kind: "cancel" } // its user wants CANCEL
  | { readonly kind: "transport-error" }
  | { readonly kind: "tick" };
export type InviteClientOutput =
  | { readonly kind: "send-request" } // once more
  | { readonly kind: "send-ack" } // for a final response other than 2xx, each time it comes
  | { readonly kind: "send-cancel" }
  | { readonly kind: "pass-up" } // the response that was the input
  | { readonly kind: "ended"; readonly cause: "done" | "timeout" | "transport" };

/**
 * Client side of an INVITE transaction (RFC 3261 §17.1.1, with Accepted of RFC 6026 §7.2, and when to send CANCEL, §9.1).
 * The driver sends the first copy at `startMs`, performs outputs in order, and calls `step` no later than `nextDeadlineMs`.
 */
export class InviteClientTransaction {
  readonly #timers: TransactionTimers;
  readonly #reliable: boolean;
  #state: "calling" | "proceeding" | "accepted" | "completed" | "terminated" = "calling";
  #resendEveryMs: number;
  #resendAtMs: number; // Timer A
  #endAtMs: number; // Timer B; 64*T1 after CANCEL; Timer D, Timer M
  #cancelAtMs = Infinity; // Timer C
  #cancel: "unwanted" | "wanted" | "sent" = "unwanted";

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
    return Math.min(this.#resendAtMs, this.#endAtMs, this.#cancelAtMs);
  }

  step(input: InviteClientInput, nowMs: number): readonly InviteClientOutput[] {
    if (this.#state === "terminated") return NONE;
    switch (input.kind) {
      case "response":
        return this.#onResponse(input.status, nowMs);
      case "cancel":
        return this.#onCancel(nowMs);
      case "transport-error":
        return this.#end("transport");
      case "tick":
        return this.#onTick(nowMs);
    }
  }

  #onResponse(status: number, nowMs: number): readonly InviteClientOutput[] {
    if (this.#state === "completed") return status >= 300 ? [{ kind: "send-ack" }] : NONE;
    if (this.#state === "accepted") return status >= 200 && status < 300 ? [{ kind: "pass-up" }] : NONE;
    this.#resendAtMs = Infinity;
    this.#cancelAtMs = Infinity;
    if (status < 200) return this.#onProvisional(nowMs);
    this.#endAtMs = nowMs + patienceMs(this.#timers);
    if (status < 300) {
      this.#state = "accepted";
      return [{ kind: "pass-up" }];
    }
    this.#state = "completed";
    if (!this.#reliable) return [{ kind: "send-ack" }, { kind: "pass-up" }];
    return [{ kind: "send-ack" }, { kind: "pass-up" }, ...this.#end("done")];
  }

  #onProvisional(nowMs: number): readonly InviteClientOutput[] {
    this.#state = "proceeding";
    if (this.#cancel === "sent") return [{ kind: "pass-up" }];
    this.#endAtMs = Infinity;
    if (this.#cancel === "wanted") return [{ kind: "pass-up" }, ...this.#sendCancel(nowMs)];
    this.#cancelAtMs = nowMs + TIMER_C_MS;
    return [{ kind: "pass-up" }];
  }

  /** No CANCEL before a provisional response, none after a final one (RFC 3261 §9.1). */
  #onCancel(nowMs: number): readonly InviteClientOutput[] {
    if (this.#cancel !== "unwanted") return NONE;
    this.#cancel = "wanted";
    return this.#state === "proceeding" ? this.#sendCancel(nowMs) : NONE;
  }

  #sendCancel(nowMs: number): readonly InviteClientOutput[] {
    this.#cancel = "sent";
    this.#cancelAtMs = Infinity;
    this.#endAtMs = nowMs + patienceMs(this.#timers);
    return [{ kind: "send-cancel" }];
  }

  #onTick(nowMs: number): readonly InviteClientOutput[] {
    if (nowMs >= this.#endAtMs) return this.#end(this.#state === "calling" || this.#state === "proceeding" ? "timeout" : "done");
    if (nowMs >= this.#cancelAtMs) return this.#onCancel(nowMs);
    if (nowMs < this.#resendAtMs) return NONE;
    this.#resendEveryMs *= 2;
    this.#resendAtMs = nowMs + this.#resendEveryMs;
    return [{ kind: "send-request" }];
  }

  #end(cause: "done" | "timeout" | "transport"): readonly InviteClientOutput[] {
    this.#state = "terminated";
    this.#resendAtMs = this.#endAtMs = this.#cancelAtMs = Infinity;
    return [{ kind: "ended", cause }];
  }
}
