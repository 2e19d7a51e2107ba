import { LIMITS } from "#base/limits.ts";
import type { MessagePort } from "#host/host.ts";
import { type GopCache, NO_KEY_FRAME } from "./gop.ts";

/**
 * One viewer behind a WebSocket: binary messages of whole TS packets, the first of them PAT, PMT and the cached group of
 * pictures (PROTOCOL §3). One that does not keep up is skipped to a later key frame: its queue does not grow, it sees a jump.
 */
export class MessageSink {
  /** TS octets not sent because the viewer was behind. */
  skippedBytes = 0;
  /** How often that began. */
  skips = 0;
  readonly #port: Pick<MessagePort, "queuedBytes" | "send">;
  readonly #gop: GopCache;
  #started = false;
  #skipping = false;
  #allowedBytes: number = LIMITS.slowSinkBytes; // in the queue: more until the opening burst is through

  constructor(port: Pick<MessagePort, "queuedBytes" | "send">, gop: GopCache) {
    this.#port = port;
    this.#gop = gop;
    this.#open();
  }

  /** Live packets, just added to the cache; `keyFrameAt` is what it answered. */
  packets(packets: Uint8Array, keyFrameAt: number, nowMs: number): void {
    if (!this.#started) this.#open();
    else if (this.#keepsUp(keyFrameAt, nowMs)) this.#port.send(packets);
    else this.skippedBytes += packets.length;
  }

  /** Begins as soon as the tables are known. */
  #open(): void {
    const opening = this.#gop.opening();
    if (opening.length === 0) return;
    this.#started = true;
    this.#allowedBytes = LIMITS.slowSinkBytes + opening.length;
    this.#port.send(opening);
  }

  #keepsUp(keyFrameAt: number, nowMs: number): boolean {
    const { queuedBytes } = this.#port;
    if (queuedBytes < LIMITS.slowSinkBytes) this.#allowedBytes = LIMITS.slowSinkBytes;
    if (this.#skipping) {
      const mayResume = keyFrameAt !== NO_KEY_FRAME || this.#gop.isKeyless(nowMs);
      this.#skipping = !(mayResume && queuedBytes < LIMITS.slowSinkBytes / 2);
    } else if (queuedBytes > this.#allowedBytes) {
      this.#skipping = true;
      this.skips++;
    }
    return !this.#skipping;
  }
}
