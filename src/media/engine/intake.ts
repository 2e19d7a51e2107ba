import { LIMITS } from "#base/limits.ts";
import type { Address } from "#host/host.ts";
import { MP2T, parseRtp, RTP_HEADER_BYTES, type RtpPacket, writeRtpHeader } from "../wire/rtp.ts";
import { isWholePackets, TS_PACKET_BYTES } from "../wire/ts.ts";
import { ReorderWindow } from "./reorder.ts";

const NONE: readonly Uint8Array[] = [];
const TICKS_PER_MS = MP2T.clockHz / 1_000;

export interface IntakeRules {
  /** The only host whose packets count; any where absent. */
  readonly senderHost?: string;
  /** Whether another SSRC than the first is foreign (PROTOCOL §13) or a sender that began anew. */
  readonly lockSsrc: boolean;
}

/** What came in; all since the start. */
export interface IntakeStats {
  readonly packets: number;
  readonly bytes: number; // of payload
  readonly lost: number;
  readonly duplicates: number;
  readonly late: number;
  /** From another host or, where locked, another SSRC. */
  readonly foreign: number;
  /** No RTP, no MP2T, or a payload that is not 1 to `rtpTsPackets` whole TS packets. */
  readonly malformed: number;
  readonly restarts: number;
  /** Interarrival jitter (RFC 3550 §6.4.1). */
  readonly jitterMs: number;
}

/**
 * The receiving side of one RTP stream with MPEG-TS (RFC 2250 §2): who may send, what is well formed, in what order. Hands
 * out datagrams of its own: twelve octets of header, without CSRCs and extension, then whole TS packets. Each is copied
 * once, into what later leaves.
 */
export class Intake {
  readonly #rules: IntakeRules;
  readonly #window = new ReorderWindow();
  #ssrc = -1; // -1 before the first packet
  #lastMs = -Infinity;
  #packets = 0;
  #bytes = 0;
  #foreign = 0;
  #malformed = 0;
  #jitterTicks = 0;
  #transitTicks = NaN;

  constructor(rules: IntakeRules) {
    this.#rules = rules;
  }

  get nextDeadlineMs(): number {
    return this.#window.nextDeadlineMs;
  }
  /** When the last packet came that counts; -Infinity before the first. */
  get lastMs(): number {
    return this.#lastMs;
  }
  get restarts(): number {
    return this.#window.restarts;
  }
  get stats(): IntakeStats {
    const { lost, duplicates, late, restarts } = this.#window;
    const jitterMs = this.#jitterTicks / TICKS_PER_MS;
    return {
      packets: this.#packets,
      bytes: this.#bytes,
      lost,
      duplicates,
      late,
      foreign: this.#foreign,
      malformed: this.#malformed,
      restarts,
      jitterMs,
    };
  }

  /** A datagram came; its octets are only read. Returns what is now in order. */
  datagram(bytes: Uint8Array, from: Address, nowMs: number): readonly Uint8Array[] {
    if (this.#rules.senderHost !== undefined && this.#rules.senderHost !== from.host) {
      this.#foreign++;
      return NONE;
    }
    const read = parseRtp(bytes);
    if (read.status !== "ok" || !isMp2t(read.value)) {
      this.#malformed++;
      return NONE;
    }
    const packet = read.value;
    if (!this.#isOurs(packet.ssrc)) {
      this.#foreign++;
      return NONE;
    }
    this.#lastMs = nowMs;
    this.#packets++;
    this.#bytes += packet.payload.length;
    this.#measure(packet.timestamp, nowMs);
    const own = new Uint8Array(RTP_HEADER_BYTES + packet.payload.length);
    writeRtpHeader(own, packet);
    own.set(packet.payload, RTP_HEADER_BYTES);
    return this.#window.push(packet.sequence, own, nowMs);
  }

  /** To be called at `nextDeadlineMs`: gives up missing packets. */
  step(nowMs: number): readonly Uint8Array[] {
    return this.#window.step(nowMs);
  }

  #isOurs(ssrc: number): boolean {
    if (ssrc === this.#ssrc) return true;
    if (this.#ssrc >= 0) {
      if (this.#rules.lockSsrc) return false;
      this.#window.restart();
      this.#transitTicks = NaN;
    }
    this.#ssrc = ssrc;
    return true;
  }

  /** RFC 3550 §A.8. The difference is taken in 32 bits, so that a timestamp may wrap. */
  #measure(timestamp: number, nowMs: number): void {
    const transitTicks = (Math.round(nowMs * TICKS_PER_MS) - timestamp) | 0;
    if (!Number.isNaN(this.#transitTicks)) {
      const difference = Math.abs((transitTicks - this.#transitTicks) | 0);
      this.#jitterTicks += (difference - this.#jitterTicks) / 16;
    }
    this.#transitTicks = transitTicks;
  }
}

const isMp2t = ({ payloadType, payload }: RtpPacket): boolean =>
  payloadType === MP2T.payloadType && payload.length <= LIMITS.rtpTsPackets * TS_PACKET_BYTES && isWholePackets(payload);
