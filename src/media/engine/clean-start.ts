import { concat, NO_BYTES } from "#base/bytes.ts";
import { GopCache, NO_KEY_FRAME } from "./gop.ts";

/**
 * Lets a stream that is joined anywhere begin where a decoder can: with PAT, PMT and a key frame. What comes before that
 * is dropped. A stream without key frames begins with its tables.
 */
export class CleanStart {
  #gop: GopCache | undefined = new GopCache();

  /** Whole TS packets in; those that a decoder can use out. */
  packets(packets: Uint8Array, nowMs: number): Uint8Array {
    if (!this.#gop) return packets;
    const keyFrameAt = this.#gop.add(packets, nowMs);
    if (keyFrameAt === NO_KEY_FRAME && !this.#gop.isKeyless(nowMs)) return NO_BYTES;
    const opening = this.#gop.opening();
    if (opening.length === 0) return NO_BYTES;
    this.#gop = undefined;
    return keyFrameAt === NO_KEY_FRAME ? concat([opening, packets]) : opening;
  }
}
