import { Deadlines } from "#base/deadlines.ts";
import { SAFE, type Ticket } from "#base/ticket.ts";
import type { Clock } from "#host/host.ts";
import { type Entry, Rows } from "./engine/rows.ts";
import type { Json, MemberId, RoleName, Row, Table } from "./types.ts";
import type { Piece } from "./wire/frame.ts";

type Changed<V> = Parameters<Table<V & Json>["onChange"]>[0];

/**
 * A table on a clock: rows expire, own rows are cast, changes are told. A caller of `put` or `remove` is told of its own
 * change on a later turn; `get` shows it at once.
 */
export class OverlayTable<V extends Json> implements Table<V> {
  readonly name: string;
  readonly copiedTo: readonly RoleName[];
  readonly rowsOfAll: Rows<V>;
  readonly #clock: Clock;
  readonly #wheel: Deadlines<Entry<V>>;
  readonly #listeners: Changed<V>[] = [];
  #notices: Parameters<Changed<V>>[] = [];
  #noticesDue = false;

  constructor(
    name: string,
    copiedTo: readonly RoleName[],
    clock: Clock,
    owner: { readonly id: MemberId; readonly epoch: number; cast(piece: Piece): void },
  ) {
    this.name = name;
    this.copiedTo = copiedTo;
    this.#clock = clock;
    this.#wheel = new Deadlines<Entry<V>>(clock, (entry) => this.rowsOfAll.expire(entry));
    this.rowsOfAll = new Rows<V>(owner.id, owner.epoch, {
      announce: (entry) => owner.cast(this.rowsOfAll.pieceOf(entry, clock.nowMs())),
      changed: (...notice) => this.#notice(notice),
      wake: (entry) => this.#wheel.set(entry, entry.expiresAtMs),
      forget: (entry) => this.#wheel.delete(entry),
    });
  }

  put(key: string, value: V, order: number, lifetimeSec: number): Ticket {
    if (Number.isNaN(order) || Number.isNaN(lifetimeSec)) throw new RangeError(`Cannot put ${key} into ${this.name}: NaN`);
    this.rowsOfAll.put(key, value, order, this.#clock.nowMs() + lifetimeSec * 1_000);
    return SAFE;
  }

  remove(key: string): Ticket {
    this.rowsOfAll.remove(key);
    return SAFE;
  }

  get(key: string): Row<V> | undefined {
    return this.rowsOfAll.get(key);
  }

  rows(): Iterable<Row<V>> {
    return this.rowsOfAll.rows();
  }

  onChange(changed: Changed<V>): void {
    this.#listeners.push(changed);
  }

  /** Nothing expires any more. */
  close(): void {
    this.#wheel.clear();
  }

  #notice(notice: Parameters<Changed<V>>): void {
    this.#notices.push(notice);
    if (this.#noticesDue) return;
    this.#noticesDue = true;
    this.#clock.timer(this.#clock.nowMs(), () => this.#tell());
  }

  #tell(): void {
    this.#noticesDue = false;
    const notices = this.#notices;
    this.#notices = [];
    for (const notice of notices) for (const changed of this.#listeners) changed(...notice);
  }
}
