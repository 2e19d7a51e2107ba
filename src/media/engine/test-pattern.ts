import { concat } from "#base/bytes.ts";
import { writePesHeader } from "../wire/pes.ts";
import { STREAM_TYPE, writePat, writePmt } from "../wire/psi.ts";
import { PID, putPcr, TS_PACKET_BYTES, TS_SYNC } from "../wire/ts.ts";

/** What a test pattern is like. */
export interface TestPattern {
  readonly frames: number;
  readonly framesPerSec: number;
  /** From one key frame to the next. */
  readonly gopFrames: number;
  readonly kbps: number; // about
  /** Whether key frames bear the random access indicator. Default true. */
  readonly randomAccess?: boolean;
  /** Where clock and time stamps begin: 90 kHz. Default 0. */
  readonly startTicks?: number;
}

/** PIDs of a test pattern. */
export const PATTERN_PID = { pmt: 0x1000, video: 0x100 } as const;
const DELAY_TICKS = 9_000; // from a frame's clock reference to its time stamp: 90 kHz
const STAMPS_PER_SEC = 90_000;

/**
 * A transport stream that is right in all but the picture: tables before every key frame, clock, time stamps and the heads
 * of H.264 units, filled up to the rate. For simulations, which need packets and no pictures.
 */
export function testPattern(pattern: TestPattern): Uint8Array {
  const { frames, framesPerSec, gopFrames, kbps, randomAccess = true, startTicks = 0 } = pattern;
  const writer = new PacketWriter();
  const frameBytes = Math.ceil((kbps * 125) / framesPerSec);
  const pat = writePat({ programs: [{ program: 1, pmtPid: PATTERN_PID.pmt }] });
  const streams = [{ streamType: STREAM_TYPE.h264, pid: PATTERN_PID.video }];
  const pmt = writePmt({ program: 1, pcrPid: PATTERN_PID.video, streams });
  for (let frame = 0; frame < frames; frame++) {
    const isKey = frame % gopFrames === 0;
    if (isKey) {
      writer.section(PID.pat, pat);
      writer.section(PATTERN_PID.pmt, pmt);
    }
    const ticks = startTicks + Math.round((frame * STAMPS_PER_SEC) / framesPerSec);
    const nalUnits = isKey ? KEY_UNITS : OTHER_UNITS;
    const unit = concat([writePesHeader(0xe0, ticks + DELAY_TICKS), nalUnits, new Uint8Array(frameBytes).fill(0xff)]);
    writer.unit(PATTERN_PID.video, unit, ticks * 300, isKey && randomAccess);
  }
  return writer.packets();
}

/** Access unit delimiter, then a sequence parameter set and an IDR slice, or another slice (ITU-T H.264 §7.3.1). */
const KEY_UNITS = Uint8Array.of(0, 0, 0, 1, 0x09, 0x10, 0, 0, 0, 1, 0x67, 0x42, 0, 0, 0, 1, 0x65);
const OTHER_UNITS = Uint8Array.of(0, 0, 0, 1, 0x09, 0x30, 0, 0, 0, 1, 0x41);

/** Cuts sections and PES packets into TS packets (ISO/IEC 13818-1 §2.4.3). */
class PacketWriter {
  readonly #packets: Uint8Array[] = [];
  readonly #continuity = new Map<number, number>();

  packets(): Uint8Array {
    return concat(this.#packets);
  }

  /** A section that fits one packet. */
  section(pid: number, section: Uint8Array): void {
    const packet = this.#begin(pid, true, 0x10);
    packet.fill(0xff, 5 + section.length);
    packet.set(section, 5); // after the pointer field, 0
  }

  unit(pid: number, unit: Uint8Array, pcrTicks: number, randomAccess: boolean): void {
    let at = 0;
    while (at < unit.length) {
      const isFirst = at === 0;
      const left = unit.length - at;
      // Length, flags and clock in the first packet; in the last as many octets of stuffing as are free.
      const adaptationBytes = Math.max(isFirst ? 8 : 0, TS_PACKET_BYTES - 4 - left);
      const packet = this.#begin(pid, isFirst, adaptationBytes > 0 ? 0x30 : 0x10);
      if (adaptationBytes > 0) packet[4] = adaptationBytes - 1;
      if (adaptationBytes > 1) packet.fill(0xff, 6, 4 + adaptationBytes);
      if (isFirst) {
        packet[5] = 0x10 | (randomAccess ? 0x40 : 0);
        putPcr(packet, 0, pcrTicks);
      }
      const end = at + TS_PACKET_BYTES - 4 - adaptationBytes;
      packet.set(unit.subarray(at, end), 4 + adaptationBytes);
      at = end;
    }
  }

  #begin(pid: number, unitStart: boolean, control: number): Uint8Array {
    const continuity = this.#continuity.get(pid) ?? 0;
    this.#continuity.set(pid, (continuity + 1) & 0x0f);
    const packet = new Uint8Array(TS_PACKET_BYTES);
    packet.set([TS_SYNC, (unitStart ? 0x40 : 0) | (pid >> 8), pid, control | continuity]);
    this.#packets.push(packet);
    return packet;
  }
}
