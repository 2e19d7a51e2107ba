import { concat, NO_BYTES } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import { MP2T, RTP_HEADER_BYTES, writeRtpHeader } from "../wire/rtp.ts";
import { TS_PACKET_BYTES, TS_SYNC } from "../wire/ts.ts";
import type { RtpStart } from "./relay-stream.ts";

const NONE: readonly Uint8Array[] = [];
const TICKS_PER_MS = MP2T.clockHz / 1_000;

/**
 * Sends a transport stream as it comes: from a pipe, an encoder, a network. Octets in, RTP out (RFC 2250 §2), seven TS
 * packets each; what has waited for `liveSourceWaitMs` leaves in a shorter one. Octets before the first packet, or between
 * packets, are dropped and counted. A machine: `step` no later than `nextDeadlineMs`.
 */
export class LiveSource {
  /** Octets that belonged to no TS packet. */
  strayBytes = 0;
  readonly #start: RtpStart;
  readonly #startMs: number;
  #held: Uint8Array = NO_BYTES; // whole packets that wait, then the beginning of one
  #heldSinceMs = Infinity;
  #sent = 0;

  constructor(start: RtpStart, startMs: number) {
    this.#start = start;
    this.#startMs = startMs;
  }

  /** RTP packets so far. */
  get sent(): number {
    return this.#sent;
  }
  get nextDeadlineMs(): number {
    return this.#heldSinceMs + LIMITS.liveSourceWaitMs;
  }

  /** Takes octets of the stream, cut anywhere; returns the RTP packets that are full. */
  octets(octets: Uint8Array, nowMs: number): readonly Uint8Array[] {
    this.#held = this.#aligned(concat([this.#held, octets]));
    const out: Uint8Array[] = [];
    const full = LIMITS.rtpTsPackets * TS_PACKET_BYTES;
    while (this.#wholeBytes() >= full) out.push(this.#take(full, nowMs));
    if (out.length > 0 || this.#wholeBytes() === 0) this.#heldSinceMs = Infinity;
    if (this.#wholeBytes() > 0) this.#heldSinceMs = Math.min(this.#heldSinceMs, nowMs);
    return out.length > 0 ? out : NONE;
  }

  step(nowMs: number): readonly Uint8Array[] {
    if (nowMs < this.nextDeadlineMs) return NONE;
    this.#heldSinceMs = Infinity;
    return [this.#take(this.#wholeBytes(), nowMs)];
  }

  #wholeBytes(): number {
    return this.#held.length - (this.#held.length % TS_PACKET_BYTES);
  }
  #take(bytes: number, nowMs: number): Uint8Array {
    const datagram = new Uint8Array(RTP_HEADER_BYTES + bytes);
    writeRtpHeader(datagram, {
      marker: false,
      payloadType: MP2T.payloadType,
      sequence: (this.#start.sequence + this.#sent) & 0xffff,
      timestamp: this.#start.timestamp + Math.round((nowMs - this.#startMs) * TICKS_PER_MS),
      ssrc: this.#start.ssrc,
    });
    datagram.set(this.#held.subarray(0, bytes), RTP_HEADER_BYTES);
    this.#held = this.#held.slice(bytes);
    this.#sent++;
    return datagram;
  }

  /** Without what is no packet: a sync octet counts where another one, or the end, stands a packet further. */
  #aligned(octets: Uint8Array): Uint8Array {
    const parts: Uint8Array[] = [];
    let from = 0;
    for (let at = 0; at < octets.length; ) {
      const isPacket = octets[at] === TS_SYNC && (octets[at + TS_PACKET_BYTES] ?? TS_SYNC) === TS_SYNC;
      if (isPacket) {
        at += TS_PACKET_BYTES;
        continue;
      }
      parts.push(octets.subarray(from, at));
      const next = octets.indexOf(TS_SYNC, at + 1);
      const resumed = next < 0 ? octets.length : next;
      this.strayBytes += resumed - at;
      from = at = resumed;
    }
    if (parts.length === 0) return octets;
    return concat([...parts, octets.subarray(from)]);
  }
}
