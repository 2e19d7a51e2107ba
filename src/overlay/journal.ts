import { concat } from "#base/bytes.ts";
import { StorageError } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";
import type { Clock, Log, LogDamage } from "#host/host.ts";
import { decodePiece, type Piece } from "./wire/piece.ts";

/** The first octet of every record. A member does not read what a later version wrote. */
const VERSION = 1;
const KIND = { life: 1, piece: 2 } as const;
const HEAD_OCTETS = 10; // version, kind, a number of 64 bits

export interface JournalReader {
  /** `sinceMs` have passed since it was written, as far as the wall clock knows. */
  onPiece(piece: Piece, sinceMs: number): void;
}
/** What is to be kept: a log need hold no more. */
export interface Kept {
  /** Pieces that hold everything. */
  snapshot(): Iterable<Uint8Array>;
  /** How many octets that is, about. */
  octets(): number;
}

/**
 * What a member has on its disk: its incarnations, and every piece of rows, own and copied, in the octets in which it came.
 * Replayed, they make the same tables, since rows know which of them is better.
 */
export class Journal {
  /** Records that could not be read though their checksum was right. */
  badRecords = 0;
  /** Why nothing is written at the moment, and so nothing is promised; undefined = it is. */
  stalled: string | undefined;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #kept: Kept;
  #life = 0;
  #octets = 0; // on the disk, about
  #isReplayed = false;
  /** Since the record that was read last: what follows is no older, though the clock was set back meanwhile. */
  #sinceMs = Infinity;
  readonly #onStall: ((cause: string | undefined) => void)[] = [];
  #onCut: (tornBytes: number, damage: LogDamage | undefined) => void = () => undefined;

  constructor(log: Log, clock: Clock, kept: Kept) {
    this.#log = log;
    this.#clock = clock;
    this.#kept = kept;
    log.onStall((cause) => {
      this.stalled = cause;
      for (const told of this.#onStall) told(cause);
    });
  }

  get isReplayed(): boolean {
    return this.#isReplayed;
  }
  get durableTicket(): number {
    return this.#log.durableTicket;
  }
  onDurable(durable: (ticket: number) => void): void {
    this.#log.onDurable(durable);
  }

  /** Tells of `stalled`, whenever that changes. */
  onStall(told: (cause: string | undefined) => void): void {
    this.#onStall.push(told);
  }
  /** Tells at the end of `replay` what of the log could not be read, unless all could. One handler. */
  onCut(told: (tornBytes: number, damage: LogDamage | undefined) => void): void {
    this.#onCut = told;
  }

  /** `done` is told the highest incarnation under which this member lived; 0 = none. */
  replay(reader: JournalReader, done: (life: number) => void): void {
    this.#log.replay(
      (record) => this.#read(record, reader),
      (tornBytes, damage) => {
        this.#isReplayed = true;
        if (tornBytes > 0) this.#onCut(tornBytes, damage);
        done(this.#life);
      },
    );
  }

  live(life: number): void {
    this.#life = life;
    this.#append(recordOf(KIND.life, life, []));
  }
  /** The ticket of the log (`Log.append`). */
  write(piece: Uint8Array): number {
    const ticket = this.#append(recordOf(KIND.piece, this.#clock.wallMs(), [piece]));
    if (this.#octets > 2 * this.#kept.octets() + LIMITS.overlayLogSlackBytes) this.#compact();
    return ticket;
  }
  close(): void {
    this.#log.close();
  }

  #read(record: Uint8Array, reader: JournalReader): void {
    this.#octets += record.length;
    const view = new DataView(record.buffer, record.byteOffset, record.length);
    if (record.length < HEAD_OCTETS || view.getUint8(0) > VERSION) {
      const message = `a record of it is of version ${record[0]}, ${VERSION} is the highest that this sipcast knows.`;
      throw new StorageError("unusable", message);
    }
    const number = view.getFloat64(2);
    if (view.getUint8(1) === KIND.life) {
      this.#life = Math.max(this.#life, number);
      return;
    }
    const piece = decodePiece(record.subarray(HEAD_OCTETS));
    this.#sinceMs = Math.min(this.#sinceMs, Math.max(0, this.#clock.wallMs() - number));
    if (piece.status === "ok") reader.onPiece(piece.value, this.#sinceMs);
    else this.badRecords++;
  }

  #append(record: Uint8Array): number {
    this.#octets += record.length;
    return this.#log.append(record);
  }

  #compact(): void {
    this.#octets = 0;
    this.#log.rewrite(this.#counted());
  }
  *#counted(): Iterable<Uint8Array> {
    yield recordOf(KIND.life, this.#life, []);
    for (const piece of this.#kept.snapshot()) {
      this.#octets += piece.length;
      yield recordOf(KIND.piece, this.#clock.wallMs(), [piece]);
    }
  }
}

function recordOf(kind: number, number: number, parts: readonly Uint8Array[]): Uint8Array {
  const head = new Uint8Array(HEAD_OCTETS);
  const view = new DataView(head.buffer);
  view.setUint8(0, VERSION);
  view.setUint8(1, kind);
  view.setFloat64(2, number);
  return concat([head, ...parts]);
}
