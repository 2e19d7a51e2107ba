import { LIMITS } from "#base/limits.ts";
import { parsePes, putStamp } from "../wire/pes.ts";
import { MP2T, RTP_HEADER_BYTES, writeRtpHeader } from "../wire/rtp.ts";
import { clearDiscontinuity, PID, parseTsPacket, putContinuity, putPcr, TS_PACKET_BYTES, type TsPacket } from "../wire/ts.ts";
import { type Clip, type ClockPoint, TICKS_PER_MS, TICKS_PER_STAMP } from "./clip.ts";
import type { RtpStart } from "./relay-stream.ts";

const NONE: readonly Uint8Array[] = [];

/** Continuity of one PID: what its counters are moved by since the last seam. */
interface Counter {
  last: number;
  move: number;
  era: number;
}

/**
 * Plays a clip round and round as RTP (RFC 2250 §2): packets leave when the clip's own clock says, and over every seam, of
 * the loop or inside the clip, clock, time stamps and continuity counters go on as if there were none. A machine: `step`
 * no later than `nextDeadlineMs`. One that is called later than `senderLateMs` lets that time go instead of making up for it.
 */
export class LoopedSource {
  readonly #clip: Clip;
  readonly #start: RtpStart;
  readonly #clock: readonly ClockPoint[]; // with the neighbours of the round before and after
  readonly #counters = new Map<number, Counter>();
  readonly #packetCount: number;
  #zeroMs: number; // when the clip's time 0 is sent
  #round = 0;
  #packet = 0; // next to send, in the round
  #point = 0; // last clock point at or before it
  #era = 0; // index of its era
  #sent = 0;

  constructor(clip: Clip, start: RtpStart, startMs: number) {
    this.#clip = clip;
    this.#start = start;
    this.#packetCount = clip.packets.length / TS_PACKET_BYTES;
    this.#clock = circle(clip.clock, this.#packetCount, clip.periodTicks);
    this.#seekPoint();
    this.#zeroMs = startMs - this.#dueTicks() / TICKS_PER_MS;
  }

  /** When the next packet is due. */
  get nextDeadlineMs(): number {
    return this.#zeroMs + this.#dueTicks() / TICKS_PER_MS;
  }
  /** RTP packets so far. */
  get sent(): number {
    return this.#sent;
  }

  /** The RTP packets that are due, `senderBurstPackets` at most; each in a buffer of its own. */
  step(nowMs: number): readonly Uint8Array[] {
    const lateMs = nowMs - this.nextDeadlineMs;
    if (lateMs < 0) return NONE;
    if (lateMs > LIMITS.senderLateMs) this.#zeroMs += lateMs;
    const out: Uint8Array[] = [];
    while (out.length < LIMITS.senderBurstPackets && this.nextDeadlineMs <= nowMs) out.push(this.#nextRtp());
    return out;
  }

  #nextRtp(): Uint8Array {
    const count = Math.min(LIMITS.rtpTsPackets, this.#packetCount - this.#packet);
    const datagram = new Uint8Array(RTP_HEADER_BYTES + count * TS_PACKET_BYTES);
    writeRtpHeader(datagram, {
      marker: false,
      payloadType: MP2T.payloadType,
      sequence: (this.#start.sequence + this.#sent) & 0xffff,
      timestamp: this.#start.timestamp + Math.round(this.#dueTicks() / TICKS_PER_STAMP),
      ssrc: this.#start.ssrc,
    });
    const from = this.#packet * TS_PACKET_BYTES;
    datagram.set(this.#clip.packets.subarray(from, from + count * TS_PACKET_BYTES), RTP_HEADER_BYTES);
    for (let n = 0; n < count; n++) {
      this.#rewrite(datagram, RTP_HEADER_BYTES + n * TS_PACKET_BYTES);
      this.#advance();
    }
    this.#sent++;
    return datagram;
  }

  #rewrite(bytes: Uint8Array, at: number): void {
    const read = parseTsPacket(bytes, at);
    if (read.status !== "ok" || read.value.pid === PID.null) return;
    const packet = read.value;
    const shiftTicks = (this.#clip.eras[this.#era]?.shiftTicks ?? 0) + this.#round * this.#clip.periodTicks;
    putContinuity(bytes, at, this.#continuity(packet));
    if (packet.discontinuity) clearDiscontinuity(bytes, at);
    if (packet.pcrTicks !== undefined) putPcr(bytes, at, packet.pcrTicks + shiftTicks);
    if (!packet.unitStart || packet.scrambled) return;
    const pes = parsePes(bytes, packet.payloadAt, packet.payloadEnd);
    if (pes.status !== "ok") return;
    const { pts, dts } = pes.value;
    if (pts) putStamp(bytes, pts.at, pts.ticks + shiftTicks / TICKS_PER_STAMP);
    if (dts) putStamp(bytes, dts.at, dts.ticks + shiftTicks / TICKS_PER_STAMP);
  }

  /** Counts on over a seam; gaps and repetitions inside an era stay as they are (ISO/IEC 13818-1 §2.4.3.3). */
  #continuity({ pid, continuity, payloadAt, payloadEnd }: TsPacket): number {
    const era = this.#round * this.#clip.eras.length + this.#era;
    let counter = this.#counters.get(pid);
    if (!counter) {
      counter = { last: continuity, move: 0, era };
      this.#counters.set(pid, counter);
    }
    if (counter.era !== era) {
      counter.move = counter.last + (payloadAt < payloadEnd ? 1 : 0) - continuity;
      counter.era = era;
    }
    counter.last = (continuity + counter.move) & 0x0f;
    return counter.last;
  }

  #advance(): void {
    this.#packet++;
    if (this.#packet === this.#packetCount) {
      this.#round++;
      this.#packet = this.#point = this.#era = 0;
    }
    const nextEra = this.#clip.eras[this.#era + 1];
    if (nextEra && this.#packet >= nextEra.fromPacket) this.#era++;
    this.#seekPoint();
  }

  #seekPoint(): void {
    while ((this.#clock[this.#point + 1]?.packet ?? Infinity) <= this.#packet) this.#point++;
  }

  /** The next packet's time since the clip's time 0: between two clock points packets are spread evenly. */
  #dueTicks(): number {
    const [before, after] = [this.#clock[this.#point], this.#clock[this.#point + 1]];
    if (!before || !after) throw new Error("A clip's clock covers all its packets");
    const share = (this.#packet - before.packet) / (after.packet - before.packet);
    return this.#round * this.#clip.periodTicks + before.ticks + share * (after.ticks - before.ticks);
  }
}

function circle(clock: readonly ClockPoint[], packetCount: number, periodTicks: number): readonly ClockPoint[] {
  const [first, last] = [clock[0], clock.at(-1)];
  if (!first || !last) throw new Error("A clip has a clock");
  return [
    { packet: last.packet - packetCount, ticks: last.ticks - periodTicks },
    ...clock,
    { packet: first.packet + packetCount, ticks: first.ticks + periodTicks },
  ];
}
