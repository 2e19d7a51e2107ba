import { NONE, patienceMs, type TransactionSetup, timerEReachesT2Ms } from "./timers.ts";

export type NonInviteServerInput =
  | { readonly kind: "request" } // it came again
  | { readonly kind: "respond"; readonly status: number } // its user answers
  | { readonly kind: "tick" };
export type NonInviteServerOutput =
  | { readonly kind: "send-trying" } // 100, made by the driver; from now on the latest response
  | { readonly kind: "send-response" } // the one that was the input; from now on the latest response
  | { readonly kind: "resend" } // the latest response
  | { readonly kind: "ended"; readonly cause: "done" | "timeout" }; // timeout: never answered

/**
 * Server side of any transaction but INVITE's (RFC 3261 §17.2.2, as RFC 4320 §4 corrects it): the only provisional response
 * is 100, by itself, once a client's Timer E has reached T2; never 408; and who has not answered within 64*T1 is silent.
 */
export class NonInviteServerTransaction {
  readonly #setup: TransactionSetup;
  #state: "trying" | "proceeding" | "completed" | "terminated" = "trying";
  #tryingAtMs: number;
  #endAtMs: number; // the client's Timer F, then Timer J

  constructor(setup: TransactionSetup) {
    this.#setup = setup;
    this.#tryingAtMs = setup.startMs + timerEReachesT2Ms(setup.timers);
    this.#endAtMs = setup.startMs + patienceMs(setup.timers);
  }

  get state(): string {
    return this.#state;
  }
  get nextDeadlineMs(): number {
    return Math.min(this.#tryingAtMs, this.#endAtMs);
  }

  step(input: NonInviteServerInput, nowMs: number): readonly NonInviteServerOutput[] {
    switch (input.kind) {
      case "request":
        return this.#state === "proceeding" || this.#state === "completed" ? [{ kind: "resend" }] : NONE;
      case "respond":
        return this.#state === "trying" || this.#state === "proceeding" ? this.#onRespond(input.status, nowMs) : NONE;
      case "tick":
        return this.#onTick(nowMs);
    }
  }

  #onRespond(status: number, nowMs: number): readonly NonInviteServerOutput[] {
    if (status < 200) return NONE; // RFC 4320 §4.1
    if (status === 408) return this.#end("timeout"); // RFC 4320 §4.2
    if (this.#setup.reliable) return [{ kind: "send-response" }, ...this.#end("done")];
    this.#state = "completed";
    this.#tryingAtMs = Infinity;
    this.#endAtMs = nowMs + patienceMs(this.#setup.timers);
    return [{ kind: "send-response" }];
  }

  #onTick(nowMs: number): readonly NonInviteServerOutput[] {
    if (nowMs >= this.#endAtMs) return this.#end(this.#state === "completed" ? "done" : "timeout");
    if (nowMs < this.#tryingAtMs) return NONE;
    this.#state = "proceeding";
    this.#tryingAtMs = Infinity;
    return [{ kind: "send-trying" }];
  }

  #end(cause: "done" | "timeout"): readonly NonInviteServerOutput[] {
    this.#state = "terminated";
    this.#tryingAtMs = this.#endAtMs = Infinity;
    return [{ kind: "ended", cause }];
  }
}
