import { concat, NO_BYTES } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import { parsePes, startsH264KeyFrame } from "../wire/pes.ts";
import { isVideo, type Pmt, parsePat, parsePmt, STREAM_TYPE } from "../wire/psi.ts";
import { PID, parseTsPacket, type TsPacket } from "../wire/ts.ts";
import { SectionCollector } from "./sections.ts";

/** No key frame begins in these packets. */
export const NO_KEY_FRAME = -1;

/**
 * What a viewer who joins is given first, so that a picture stands at once: PAT, PMT, and every packet since the last key
 * frame of the first programme's video. Octets handed to `add` are kept, not copied. A stream without key frames, or with
 * too much between them, has only its tables to give.
 */
export class GopCache {
  readonly #pat = new SectionCollector(parsePat);
  readonly #pmt = new SectionCollector(parsePmt);
  #video: Pmt["streams"][number] | undefined;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #caching = false;
  #keyAtMs = NaN; // last key frame; before it, the first packet

  /** Octets since the last key frame; 0 where there is none. */
  get cachedBytes(): number {
    return this.#bytes;
  }

  /** Takes whole TS packets as they pass. Returns the offset of the packet that begins a key frame, or `NO_KEY_FRAME`. */
  add(packets: Uint8Array, nowMs: number): number {
    if (Number.isNaN(this.#keyAtMs)) this.#keyAtMs = nowMs;
    let keyFrameAt = NO_KEY_FRAME;
    for (let at = 0; at < packets.length; ) {
      const read = parseTsPacket(packets, at);
      if (read.status !== "ok") break; // the intake checks sync; such a packet is its decoder's to drop
      if (!read.value.transportError && this.#look(packets, read.value)) keyFrameAt = at;
      at += read.usedBytes;
    }
    if (keyFrameAt !== NO_KEY_FRAME) {
      this.#keyAtMs = nowMs;
      this.#empty(true);
    }
    if (this.#caching) this.#keep(keyFrameAt > 0 ? packets.subarray(keyFrameAt) : packets, nowMs);
    return keyFrameAt;
  }

  /** Whether waiting for a key frame makes no sense: no video, or none for `gopCacheMs`. */
  isKeyless(nowMs: number): boolean {
    return (this.#video === undefined && this.#pmt.table !== undefined) || nowMs - this.#keyAtMs > LIMITS.gopCacheMs;
  }

  /** PAT, PMT, then all since the key frame: whole TS packets, in a buffer of its own. */
  opening(): Uint8Array {
    const { packets: pat } = this.#pat;
    const { packets: pmt } = this.#pmt;
    return pat.length > 0 && pmt.length > 0 ? concat([pat, pmt, ...this.#parts]) : NO_BYTES;
  }

  #look(packets: Uint8Array, packet: TsPacket): boolean {
    if (packet.pid === PID.pat) this.#pat.push(packets, packet);
    else if (packet.pid === this.#pat.table?.programs[0]?.pmtPid) {
      if (this.#pmt.push(packets, packet)) this.#video = this.#pmt.table?.streams.find(({ streamType }) => isVideo(streamType));
    } else if (packet.pid === this.#video?.pid && packet.unitStart) return this.#isKeyFrame(packets, packet);
    return false;
  }

  #isKeyFrame(packets: Uint8Array, packet: TsPacket): boolean {
    if (packet.randomAccess) return true;
    if (this.#video?.streamType !== STREAM_TYPE.h264 || packet.scrambled) return false;
    const pes = parsePes(packets, packet.payloadAt, packet.payloadEnd);
    return pes.status === "ok" && startsH264KeyFrame(packets, pes.value.dataAt, packet.payloadEnd);
  }

  #keep(packets: Uint8Array, nowMs: number): void {
    if (this.#bytes + packets.length > LIMITS.gopCacheBytes || nowMs - this.#keyAtMs > LIMITS.gopCacheMs) {
      this.#empty(false);
      return;
    }
    this.#parts.push(packets);
    this.#bytes += packets.length;
  }

  #empty(caching: boolean): void {
    this.#parts = [];
    this.#bytes = 0;
    this.#caching = caching;
  }
}
