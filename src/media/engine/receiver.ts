import type { Address } from "#host/host.ts";
import type { ReportBlock } from "../wire/rtcp.ts";
import { MP2T, parseRtp, RTP_HEADER_BYTES, sequenceAhead } from "../wire/rtp.ts";
import { Intake, type IntakeRules, type IntakeStats } from "./intake.ts";

const RATE_WINDOW_MS = 1_000;

export interface ReceiverStats extends IntakeStats {
  /** TS octets over the last whole second that had any. */
  readonly kbps: number;
}

/** A sender, as far as packets have been handed out, and what the last report said. */
interface Sender {
  readonly ssrc: number;
  readonly lostBefore: number; // of others
  highest: number; // extended sequence number
  reportedLost: number;
  reportedPackets: number;
}

/** A viewer's end of a stream: RTP in, TS octets in order out. A machine, to be called at `nextDeadlineMs`. */
export class Receiver {
  readonly #intake: Intake;
  #kbps = 0;
  #windowStartMs = NaN;
  #windowBytes = 0;
  #sender: Sender | undefined;

  constructor(rules: IntakeRules) {
    this.#intake = new Intake(rules);
  }

  get nextDeadlineMs(): number {
    return this.#intake.nextDeadlineMs;
  }
  get stats(): ReceiverStats {
    return { ...this.#intake.stats, kbps: this.#kbps };
  }

  /** What RTCP is to say, since the report before (RFC 3550 §6.4.1); `undefined` before the first packet. */
  report(): ReportBlock | undefined {
    const sender = this.#sender;
    if (!sender) return undefined;
    const { lost, packets, jitterMs } = this.#intake.stats;
    const lostNow = lost - sender.reportedLost;
    const expected = lostNow + packets - sender.reportedPackets;
    sender.reportedLost = lost;
    sender.reportedPackets = packets;
    return {
      ssrc: sender.ssrc,
      lostShare: expected > 0 ? lostNow / expected : 0,
      lost: lost - sender.lostBefore,
      highest: sender.highest,
      jitterTicks: Math.round((jitterMs * MP2T.clockHz) / 1_000),
    };
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
    const last = datagrams.at(-1);
    if (last) this.#follow(last);
    return datagrams.map((datagram) => {
      this.#windowBytes += datagram.length - RTP_HEADER_BYTES;
      return datagram.subarray(RTP_HEADER_BYTES);
    });
  }

  #follow(datagram: Uint8Array): void {
    const read = parseRtp(datagram);
    if (read.status !== "ok") throw new Error("Intake handed out what is no RTP");
    const { ssrc, sequence } = read.value;
    if (this.#sender?.ssrc === ssrc) this.#sender.highest += sequenceAhead(sequence, this.#sender.highest & 0xffff);
    else {
      const { lost, packets } = this.#intake.stats;
      this.#sender = { ssrc, lostBefore: lost, highest: sequence, reportedLost: lost, reportedPackets: packets };
    }
  }
}
