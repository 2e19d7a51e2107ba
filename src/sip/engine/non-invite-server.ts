import { NONE, patienceMs, type TransactionSetup, timerEReachesT2Ms } from "./timers.ts";

export type NonInviteServerInput =
  | { readonly kind: "request" } // it came again
  | { readonly kind: "respond"; readonly status: number } // its user answers
  | { readonly kind: "tick" };
export type NonInviteServerOutput =
  | { readonly kind: "send-trying" } // 100, made by the driver; from now on the latest response
  | { readonly kind: "send-response" } // the one that was the input; from now on the latest response
  | { readonly kind: "resend" } // the latest response
  | { readonly kind: "keep-response" } // the latest, for whoever asks again until Timer J, 64*T1 from now
  | { readonly kind: "ended"; readonly cause: "done" | "timeout" }; // timeout: never answered

/**
 * Server side of any transaction but INVITE's (RFC 3261 §17.2.2, as RFC 4320 §4 corrects it): the only provisional response
 * is 100, by itself, once a client's Timer E has reached T2; never 408; and who has not answered within 64*T1 is silent.
 * Of Completed nothing is left to do but to repeat the response: that is the driver's, and needs no machine.
 */
export class NonInviteServerTransaction {
  readonly #reliable: boolean;
  #state: "trying" | "proceeding" | "terminated" = "trying";
  #tryingAtMs: number;
  #endAtMs: number; // the client's Timer F

  constructor(setup: TransactionSetup) {
    this.#reliable = setup.reliable;
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
        return this.#state === "proceeding" ? [{ kind: "resend" }] : NONE;
      case "respond":
        return this.#state === "terminated" ? NONE : this.#onRespond(input.status);
      case "tick":
        return this.#onTick(nowMs);
    }
  }

  #onRespond(status: number): readonly NonInviteServerOutput[] {
    if (status < 200) return NONE; // RFC 4320 §4.1
    if (status === 408) return this.#end("timeout"); // RFC 4320 §4.2
    if (this.#reliable) return [{ kind: "send-response" }, ...this.#end("done")];
    return [{ kind: "send-response" }, { kind: "keep-response" }, ...this.#end("done")];
  }

  #onTick(nowMs: number): readonly NonInviteServerOutput[] {
    if (nowMs >= this.#endAtMs) return this.#end("timeout");
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
