import type { Address } from "#host/host.ts";
import { RTP_HEADER_BYTES } from "../wire/rtp.ts";
import { Intake, type IntakeRules, type IntakeStats } from "./intake.ts";

const RATE_WINDOW_MS = 1_000;

export interface ReceiverStats extends IntakeStats {
  /** TS octets over the last whole second that had any. */
  readonly kbps: number;
}

/** A viewer's end of a stream: RTP in, TS octets in order out. A machine, to be called at `nextDeadlineMs`. */
export class Receiver {
  readonly #intake: Intake;
  #kbps = 0;
  #windowStartMs = NaN;
  #windowBytes = 0;

  constructor(rules: IntakeRules) {
    this.#intake = new Intake(rules);
  }

  get nextDeadlineMs(): number {
    return this.#intake.nextDeadlineMs;
  }
  get stats(): ReceiverStats {
    return { ...this.#intake.stats, kbps: this.#kbps };
  }

  /** Returns whole TS packets, in order; the octets are the caller's to keep. */
  datagram(bytes: Uint8Array, from: Address, nowMs: number): readonly Uint8Array[] {
    return this.#count(this.#intake.datagram(bytes, from, nowMs), nowMs);
  }

  step(nowMs: number): readonly Uint8Array[] {
    return this.#count(this.#intake.step(nowMs), nowMs);
  }

  #count(datagrams: readonly Uint8Array[], nowMs: number): readonly Uint8Array[] {
    if (Number.isNaN(this.#windowStartMs)) this.#windowStartMs = nowMs;
    if (nowMs - this.#windowStartMs >= RATE_WINDOW_MS) {
      this.#kbps = (this.#windowBytes * 8) / (nowMs - this.#windowStartMs);
      this.#windowStartMs = nowMs;
      this.#windowBytes = 0;
    }
    return datagrams.map((datagram) => {
      this.#windowBytes += datagram.length - RTP_HEADER_BYTES;
      return datagram.subarray(RTP_HEADER_BYTES);
    });
  }
}
