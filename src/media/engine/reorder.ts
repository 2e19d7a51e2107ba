import { LIMITS } from "#base/limits.ts";
import { sequenceAhead } from "../wire/rtp.ts";

const NONE: readonly Uint8Array[] = [];
/** RFC 3550 §A.1: a jump further ahead, or further back, is a sender that began anew once two packets follow each other. */
const MAX_DROPOUT = 3_000;
const MAX_MISORDER = 100;
const REMEMBERED = 128; // sequence numbers, to tell a duplicate from a late packet: more than MAX_MISORDER

/**
 * Puts RTP packets back in order: at once what is next, the others when the missing one came or was waited for
 * `reorderWaitMs` or `reorderPackets` long. A machine; its counters are plain fields.
 */
export class ReorderWindow {
  /** Sequence numbers that were given up. A packet that comes after that counts as `late` too. */
  lost = 0;
  duplicates = 0;
  late = 0;
  /** How often the numbers began anew (RFC 3550 §A.1). */
  restarts = 0;
  #next = -1; // the sequence number to come; -1 before the first
  #probation = -1; // the one that would prove a restart
  #held = 0;
  readonly #slots: (Uint8Array | undefined)[] = new Array(LIMITS.reorderPackets).fill(undefined);
  readonly #arrivedMs = new Float64Array(LIMITS.reorderPackets);
  readonly #seen = new Int32Array(REMEMBERED).fill(-1);

  /** Infinity while nothing is held back. */
  get nextDeadlineMs(): number {
    if (this.#held === 0) return Infinity;
    return (this.#arrivedMs[this.#slot(this.#firstHeld())] ?? 0) + LIMITS.reorderWaitMs;
  }

  /** Takes a packet, which the window keeps; returns what is now in order. */
  push(sequence: number, packet: Uint8Array, nowMs: number): readonly Uint8Array[] {
    if (this.#next < 0) this.#next = sequence;
    const ahead = sequenceAhead(sequence, this.#next);
    if (ahead >= MAX_DROPOUT || ahead < -MAX_MISORDER) return this.#jumped(sequence, packet);
    this.#probation = -1;
    const remembered = sequence % REMEMBERED;
    if (this.#seen[remembered] === sequence) return this.#countDuplicate();
    this.#seen[remembered] = sequence;
    if (ahead < 0) {
      this.late++;
      return NONE;
    }
    if (ahead === 0 && this.#held === 0) {
      this.#advance();
      return [packet];
    }
    const out: Uint8Array[] = [];
    while (sequenceAhead(sequence, this.#next) >= LIMITS.reorderPackets) this.#release(out);
    this.#slots[this.#slot(sequence)] = packet;
    this.#arrivedMs[this.#slot(sequence)] = nowMs;
    this.#held++;
    this.#drain(out);
    return out;
  }

  /** Gives up what was waited for long enough. */
  step(nowMs: number): readonly Uint8Array[] {
    if (nowMs < this.nextDeadlineMs) return NONE;
    const out: Uint8Array[] = [];
    while (nowMs >= this.nextDeadlineMs) {
      while (this.#slots[this.#slot(this.#next)] === undefined) this.#release(out);
      this.#drain(out);
    }
    return out;
  }

  /** Forgets where it was: the next packet is the first. For a sender known to be another one. */
  restart(): void {
    this.#slots.fill(undefined);
    this.#held = 0;
    this.#next = this.#probation = -1;
    this.#seen.fill(-1);
    this.restarts++;
  }

  #jumped(sequence: number, packet: Uint8Array): readonly Uint8Array[] {
    if (sequence !== this.#probation) {
      this.#probation = (sequence + 1) & 0xffff;
      this.lost++;
      return NONE;
    }
    this.restart();
    this.#next = (sequence + 1) & 0xffff;
    this.#seen[sequence % REMEMBERED] = sequence;
    return [packet];
  }

  #drain(out: Uint8Array[]): void {
    while (this.#held > 0 && this.#slots[this.#slot(this.#next)] !== undefined) this.#release(out);
  }

  /** Hands out the next packet, or counts it as lost. */
  #release(out: Uint8Array[]): void {
    const slot = this.#slot(this.#next);
    const packet = this.#slots[slot];
    if (packet === undefined) this.lost++;
    else {
      out.push(packet);
      this.#slots[slot] = undefined;
      this.#held--;
    }
    this.#advance();
  }

  #advance(): void {
    this.#next = (this.#next + 1) & 0xffff;
  }

  #countDuplicate(): readonly Uint8Array[] {
    this.duplicates++;
    return NONE;
  }

  #firstHeld(): number {
    let sequence = this.#next;
    while (this.#slots[this.#slot(sequence)] === undefined) sequence++;
    return sequence;
  }

  #slot(sequence: number): number {
    return sequence & (LIMITS.reorderPackets - 1);
  }
}
