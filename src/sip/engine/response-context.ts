import type { SipResponse } from "../wire/message.ts";
import { reasonOf } from "../wire/reasons.ts";
import { NONE } from "./timers.ts";

export type ForkInput =
  | { readonly kind: "response"; readonly branch: number; readonly response: SipResponse } // our Via is off
  | { readonly kind: "cancel" }; // its client does not want an answer any more
export type ForkOutput =
  | { readonly kind: "forward"; readonly response: SipResponse }
  | { readonly kind: "cancel"; readonly branch: number; readonly answered: boolean }; // answered: by another branch

/**
 * One request that a proxy has sent to several places at once: which of their responses go back (RFC 3261 §16.7, §16.10).
 * All branches are there from the start; each ends with one final response, which for silence is a 408 (§16.8, §16.9).
 */
export class ResponseContext {
  readonly #isInvite: boolean;
  #pending: readonly number[];
  /** All finals so far but 2xx, while there was none. */
  #finals: readonly SipResponse[] = NONE;
  #answered = false;

  constructor(isInvite: boolean, branches: number) {
    this.#isInvite = isInvite;
    this.#pending = Array.from({ length: branches }, (_, branch) => branch);
  }

  step(input: ForkInput): readonly ForkOutput[] {
    if (input.kind === "cancel") return this.#cancelRest(false);
    const { branch, response } = input;
    if (response.status < 200) return this.#onProvisional(response);
    this.#pending = this.#pending.filter((other) => other !== branch);
    if (response.status < 300) return this.#onSuccess(response);
    this.#finals = [...this.#finals, response];
    const cancels = response.status >= 600 ? this.#cancelRest(false) : NONE;
    if (this.#pending.length > 0 || this.#answered) return cancels;
    this.#answered = true;
    return [{ kind: "forward", response: bestOf(this.#finals) }];
  }

  /** 100 is between neighbours (step 5). */
  #onProvisional(response: SipResponse): readonly ForkOutput[] {
    return response.status === 100 || this.#answered ? NONE : [{ kind: "forward", response }];
  }

  /** Goes back at once; of an INVITE every 2xx does (step 5). */
  #onSuccess(response: SipResponse): readonly ForkOutput[] {
    if (this.#answered && !this.#isInvite) return NONE;
    const cancels = this.#answered ? NONE : this.#cancelRest(true);
    this.#answered = true;
    return [{ kind: "forward", response }, ...cancels];
  }

  #cancelRest(answered: boolean): readonly ForkOutput[] {
    if (!this.#isInvite) return NONE;
    return this.#pending.map((branch) => ({ kind: "cancel", branch, answered }));
  }
}

/** What helps the client to ask better (step 6). */
const HELPFUL = new Set([401, 407, 415, 420, 484]);
const CHALLENGES = ["www-authenticate", "proxy-authenticate"];

/** 6xx before all, then the lowest class; within one what is helpful, and our own 408 last (step 6). The first of equals. */
function rank({ status }: SipResponse): number {
  if (status >= 600) return 0;
  const within = HELPFUL.has(status) ? 0 : status === 408 ? 2 : 1;
  return 3 * Math.floor(status / 100) + within;
}

/** The response that goes back (RFC 3261 §16.7 steps 6 and 7). */
function bestOf(finals: readonly SipResponse[]): SipResponse {
  const best = finals.reduce((a, b) => (rank(b) < rank(a) ? b : a));
  if (best.status === 401 || best.status === 407) return withChallenges(best, finals);
  // A 503 would keep the client from us, not from whom we asked.
  return best.status === 503 ? { ...best, status: 500, reason: reasonOf(500) } : best;
}

/** All challenges of all branches, so that the client answers them together (step 7). */
function withChallenges(best: SipResponse, finals: readonly SipResponse[]): SipResponse {
  const headers = best.headers.clone();
  for (const other of finals) {
    if (other === best || (other.status !== 401 && other.status !== 407)) continue;
    for (const { name, value } of other.headers.fields()) if (CHALLENGES.includes(name)) headers.add(name, value);
  }
  return { ...best, headers };
}
