import type { Logger } from "#base/log.ts";
import type { Clock } from "#host/host.ts";
import type { CallEnd, CallId, CallPort } from "#sip/engine/call-types.ts";
import type { DialogRow } from "#sip/engine/dialog-row.ts";
import type { SipRequest } from "#sip/wire/message.ts";
import { callIdOf, fromOf, parseNameAddr } from "#sip/wire/values.ts";

interface CallRecord {
  readonly user: string;
  readonly channel: string;
  readonly callId: string | undefined;
  readonly beganMs: number;
  answeredMs: number | undefined;
}

/**
 * What becomes of the calls that come to a DS: one line when a call is answered or refused and one when it ends, and the sums
 * of it all. It is told of calls and stands before the `CallPort` that answers them.
 */
export class CallRecords {
  /** Calls so far, each counted once it is answered, refused, or given up by the caller before either. */
  readonly counters = { answered: 0, refused: 0, givenUp: 0, setupMs: 0 };
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #open = new Map<CallId, CallRecord>();
  #noneLeft: () => void = () => undefined;

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Calls that have not ended. */
  open(): readonly CallId[] {
    return [...this.#open.keys()];
  }

  /** Calls back once, when the last call has ended or after so long, at once where there is none. */
  whenNone(withinMs: number, done: () => void): void {
    if (this.#open.size === 0) return done();
    const giveUp = this.#clock.timer(this.#clock.nowMs() + withinMs, () => this.#noneLeft());
    this.#noneLeft = () => {
      this.#noneLeft = () => undefined;
      giveUp.cancel();
      done();
    };
  }

  begun(call: CallId, request: SipRequest): void {
    this.#open.set(call, {
      user: fromOf(request)?.uri.user ?? "",
      channel: request.uri.user,
      callId: callIdOf(request),
      beganMs: this.#clock.nowMs(),
      answeredMs: undefined,
    });
  }

  /** The same port, with answers noted. */
  recording(calls: CallPort): CallPort {
    return {
      invite: (call) => calls.invite(call),
      ring: (call, status) => calls.ring(call, status),
      accept: (call, answer, ticket) => {
        this.#answered(call);
        return calls.accept(call, answer, ticket);
      },
      reject: (call, status, reason, headers) => {
        this.#refused(call, status);
        calls.reject(call, status, reason, headers);
      },
      ack: (call, body) => calls.ack(call, body),
      end: (call, reason) => calls.end(call, reason),
      refresh: (call) => calls.refresh(call),
      heardAtMs: (call) => calls.heardAtMs(call),
      keep: (call, keeper) => calls.keep(call, keeper),
      keepAgain: (call) => calls.keepAgain(call),
      restore: (row, leftMs) => {
        const call = calls.restore(row, leftMs);
        if (call !== undefined && !row.weCalled) this.#resumed(call, row);
        return call;
      },
    };
  }

  ended(call: CallId, { kind }: CallEnd): void {
    const record = this.#open.get(call);
    if (!record) return; // was refused
    const { user, channel, callId, beganMs, answeredMs } = record;
    const nowMs = this.#clock.nowMs();
    if (answeredMs === undefined) {
      this.counters.givenUp++;
      this.#log.info("call given up", { user, channel, outcome: kind, afterMs: Math.round(nowMs - beganMs), callId });
    } else
      this.#log.info("call ended", { user, channel, outcome: kind, lastedSec: Math.round((nowMs - answeredMs) / 1_000), callId });
    this.#close(call);
  }

  /** Since when is not known: it counts from now. */
  #resumed(call: CallId, { remote, local, callId }: DialogRow): void {
    const [user, channel] = [remote, local].map((name) => parseNameAddr(name)?.uri.user ?? "") as [string, string];
    const nowMs = this.#clock.nowMs();
    this.#open.set(call, { user, channel, callId, beganMs: nowMs, answeredMs: nowMs });
  }
  #answered(call: CallId): void {
    const record = this.#open.get(call);
    if (!record) return;
    record.answeredMs = this.#clock.nowMs();
    const setupMs = record.answeredMs - record.beganMs;
    this.counters.answered++;
    this.counters.setupMs += setupMs;
    const { user, channel, callId } = record;
    this.#log.info("call begun", { user, channel, setupMs: Math.round(setupMs), callId });
  }
  #refused(call: CallId, status: number): void {
    const record = this.#open.get(call);
    if (!record) return;
    this.counters.refused++;
    const { user, channel, callId, beganMs } = record;
    this.#log.info("call refused", { user, channel, status, afterMs: Math.round(this.#clock.nowMs() - beganMs), callId });
    this.#close(call);
  }
  #close(call: CallId): void {
    this.#open.delete(call);
    if (this.#open.size === 0) this.#noneLeft();
  }
}
