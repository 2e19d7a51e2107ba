import { NO_BYTES } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import type { MemberId } from "../types.ts";
import { takeName, withName } from "./names.ts";

/*
 * A message of the overlay on NATS: a version, the sender's name, a head of three numbers of 32 bits in network order, and
 * octets of the frame from there on. A server takes messages up to its max_payload alone, so that a large frame goes in parts.
 */
const VERSION = 1;
const HEAD_OCTETS = 12; // number of the frame, its octets, where this part begins

/** Octets of every part that are not the frame's. */
export const partOverhead = (from: MemberId): number => 2 + from.length + HEAD_OCTETS;

/** The frame as messages that carry up to `partBytes` of it each, at least one. `number` tells a sender's frames apart, modulo 2^32. */
export function* partsOf(from: MemberId, number: number, frame: Uint8Array, partBytes: number): Generator<Uint8Array, void> {
  const name = withName(from, NO_BYTES);
  let at = 0;
  do {
    const octets = frame.subarray(at, at + partBytes);
    const part = new Uint8Array(partOverhead(from) + octets.length);
    part[0] = VERSION;
    part.set(name, 1);
    const headAt = 1 + name.length;
    const view = new DataView(part.buffer, headAt);
    view.setUint32(0, number);
    view.setUint32(4, frame.length);
    view.setUint32(8, at);
    part.set(octets, headAt + HEAD_OCTETS);
    yield part;
    at += partBytes;
  } while (at < frame.length);
}

/** A frame that is under way: what has come of it stands at its beginning. */
interface Partial {
  readonly number: number;
  readonly frame: Uint8Array;
  gotBytes: number;
}
/** What one costs besides its octets, at most. */
const PARTIAL_OCTETS = 512;

/**
 * Puts the parts of each sender's frames together again. NATS keeps the order of one sender's messages: a part that is not the
 * next one says that some were lost, and with them the frame.
 */
export class Assembler {
  /**
   * Messages that are no part of a frame of up to `overlayFrameBytes`; frames that never came whole, as parts of them were lost
   * or those of others were above `natsPartialBytes`.
   */
  readonly counters = { badParts: 0, incomplete: 0 };
  readonly #partials = new Map<MemberId, Partial>(); // the oldest first
  #keptBytes = 0;

  /** The frame that this message completes, if it does. */
  take(message: Uint8Array): Uint8Array | undefined {
    const named = message[0] === VERSION ? takeName(message.subarray(1)) : undefined;
    if (named === undefined || named.rest.length < HEAD_OCTETS) return this.#bad();
    const { id: from, rest } = named;
    const view = new DataView(rest.buffer, rest.byteOffset);
    const [number, frameBytes, at] = [view.getUint32(0), view.getUint32(4), view.getUint32(8)];
    const octets = rest.subarray(HEAD_OCTETS);
    const isPart = octets.length > 0 || frameBytes === 0;
    if (!isPart || frameBytes > LIMITS.overlayFrameBytes || at + octets.length > frameBytes) return this.#bad();
    if (at === 0) {
      this.#drop(from);
      if (octets.length === frameBytes) return octets;
      this.#begin(from, { number, frame: new Uint8Array(frameBytes), gotBytes: 0 });
    }
    return this.#add(from, number, frameBytes, at, octets);
  }

  #begin(from: MemberId, partial: Partial): void {
    this.#partials.set(from, partial);
    this.#keptBytes += partial.frame.length + PARTIAL_OCTETS;
    for (const oldest of this.#partials.keys()) {
      if (this.#keptBytes <= LIMITS.natsPartialBytes) break;
      this.#drop(oldest);
    }
  }

  #add(from: MemberId, number: number, frameBytes: number, at: number, octets: Uint8Array): Uint8Array | undefined {
    const partial = this.#partials.get(from);
    if (partial === undefined) return undefined; // its beginning was lost
    const isNext = partial.number === number && partial.frame.length === frameBytes && partial.gotBytes === at;
    if (!isNext) return this.#drop(from);
    partial.frame.set(octets, at);
    partial.gotBytes += octets.length;
    if (partial.gotBytes < partial.frame.length) return undefined;
    this.#forget(from, partial);
    return partial.frame;
  }

  #bad(): undefined {
    this.counters.badParts++;
  }

  #drop(from: MemberId): undefined {
    const partial = this.#partials.get(from);
    if (partial === undefined) return;
    this.counters.incomplete++;
    this.#forget(from, partial);
  }

  #forget(from: MemberId, { frame }: Partial): void {
    this.#partials.delete(from);
    this.#keptBytes -= frame.length + PARTIAL_OCTETS;
  }
}
