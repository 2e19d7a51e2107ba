import { NONE, patienceMs, TRYING_AFTER_MS, type TransactionSetup, type TransactionTimers } from "./timers.ts";

export type InviteServerInput =
  | { readonly kind: "request" } // the INVITE came again
  | { readonly kind: "ack" }
  | { readonly kind: "respond"; readonly status: number } // its user answers
  | { readonly kind: "tick" };
export type InviteServerOutput =
  | { readonly kind: "send-trying" } // 100, made by the driver; from now on the latest response
  | { readonly kind: "send-response" } // the one that was the input; from now on the latest response
  | { readonly kind: "resend" } // the latest response
  | { readonly kind: "pass-up-ack" } // it is for a 2xx
  | { readonly kind: "ended"; readonly cause: "done" | "timeout" }; // timeout: a final response that no ACK came for

/**
 * Server side of an INVITE transaction (RFC 3261 §17.2.1, with Accepted of RFC 6026 §7.1). Made when the INVITE came, at
 * `startMs`. The retransmission of a 2xx is its user's: each `respond` sends it once. A response that cannot be sent does
 * not end it (RFC 6026 §7.1): its timers do.
 */
export class InviteServerTransaction {
  readonly #timers: TransactionTimers;
  readonly #reliable: boolean;
  #state: "proceeding" | "accepted" | "completed" | "confirmed" | "terminated" = "proceeding";
  #hasResponse = false;
  #tryingAtMs: number;
  #resendEveryMs: number;
  #resendAtMs = Infinity; // Timer G
  #endAtMs = Infinity; // Timer H, Timer I, Timer L

  constructor(setup: TransactionSetup) {
    this.#timers = setup.timers;
    this.#reliable = setup.reliable;
    this.#tryingAtMs = setup.startMs + TRYING_AFTER_MS;
    this.#resendEveryMs = setup.timers.t1Ms;
  }

  get state(): string {
    return this.#state;
  }
  get nextDeadlineMs(): number {
    return Math.min(this.#tryingAtMs, this.#resendAtMs, this.#endAtMs);
  }

  step(input: InviteServerInput, nowMs: number): readonly InviteServerOutput[] {
    switch (input.kind) {
      case "request":
        return this.#onRequest();
      case "ack":
        return this.#onAck(nowMs);
      case "respond":
        return this.#onRespond(input.status, nowMs);
      case "tick":
        return this.#onTick(nowMs);
    }
  }

  #onRequest(): readonly InviteServerOutput[] {
    const resends = this.#state === "completed" || (this.#state === "proceeding" && this.#hasResponse);
    return resends ? [{ kind: "resend" }] : NONE;
  }

  #onAck(nowMs: number): readonly InviteServerOutput[] {
    if (this.#state === "accepted") return [{ kind: "pass-up-ack" }];
    if (this.#state !== "completed") return NONE;
    if (this.#reliable) return this.#end("done");
    this.#state = "confirmed";
    this.#resendAtMs = Infinity;
    this.#endAtMs = nowMs + this.#timers.t4Ms;
    return NONE;
  }

  #onRespond(status: number, nowMs: number): readonly InviteServerOutput[] {
    const isSuccess = status >= 200 && status < 300;
    if (this.#state !== "proceeding") return this.#state === "accepted" && isSuccess ? [{ kind: "send-response" }] : NONE;
    this.#hasResponse = true;
    this.#tryingAtMs = Infinity;
    if (status < 200) return [{ kind: "send-response" }];
    this.#state = isSuccess ? "accepted" : "completed";
    this.#endAtMs = nowMs + patienceMs(this.#timers);
    if (!isSuccess && !this.#reliable) this.#resendAtMs = nowMs + this.#resendEveryMs;
    return [{ kind: "send-response" }];
  }

  #onTick(nowMs: number): readonly InviteServerOutput[] {
    if (nowMs >= this.#endAtMs) return this.#end(this.#state === "completed" ? "timeout" : "done");
    if (nowMs >= this.#tryingAtMs) {
      this.#tryingAtMs = Infinity;
      this.#hasResponse = true;
      return [{ kind: "send-trying" }];
    }
    if (nowMs < this.#resendAtMs) return NONE;
    this.#resendEveryMs = Math.min(2 * this.#resendEveryMs, this.#timers.t2Ms);
    this.#resendAtMs = nowMs + this.#resendEveryMs;
    return [{ kind: "resend" }];
  }

  #end(cause: "done" | "timeout"): readonly InviteServerOutput[] {
    this.#state = "terminated";
    this.#tryingAtMs = this.#resendAtMs = this.#endAtMs = Infinity;
    return [{ kind: "ended", cause }];
  }
}
