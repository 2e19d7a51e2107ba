import { text } from "#base/bytes.ts";
import { Deadlines, type Timed } from "#base/deadlines.ts";
import { SAFE, type Ticket } from "#base/ticket.ts";
import type { Clock } from "#host/host.ts";
import { Rows } from "./engine/rows.ts";
import type { Stream } from "./engine/streams.ts";
import type { Copies, Json, MemberId, Row, Table } from "./types.ts";

type Changed<V> = Parameters<Table<V & Json>["onChange"]>[0];
type Returned<V> = Parameters<Table<V & Json>["onReturned"]>[0];
interface Due extends Timed {
  readonly due: number;
}

export interface TablePorts {
  /** Whoever copies a row of that key: its one member, or empty for all. */
  audienceOf(key: string, copies: Copies): MemberId;
  /** Rows were written: to be sent, and safe by that ticket. Throws before the own log is read. */
  wrote(table: OverlayTable<Json>, stream: Stream): Ticket;
  /** This member has caught up, and has not left. */
  isOpen(): boolean;
}

/**
 * A table on a clock: rows expire, own rows are handed to whoever sends them, changes are told. A caller of `put` or
 * `remove` is told of its own change on a later turn; `get` shows it at once.
 */
export class OverlayTable<V extends Json> implements Table<V> {
  readonly name: string;
  copies: Copies;
  readonly all: Rows<V>;
  /** Promises of its rows that left with only this member's copy. */
  unreplicated = 0;
  readonly #self: MemberId;
  readonly #clock: Clock;
  readonly #ports: TablePorts;
  readonly #wheel: Deadlines<Due>;
  readonly #listeners: Changed<V>[] = [];
  readonly #returnListeners: Returned<V>[] = [];
  #notices: Parameters<Changed<V>>[] = [];

  constructor(
    name: string,
    copies: Copies,
    clock: Clock,
    self: { readonly id: MemberId; readonly life: number },
    ports: TablePorts,
  ) {
    this.name = name;
    this.copies = copies;
    this.#self = self.id;
    this.#clock = clock;
    this.#ports = ports;
    this.#wheel = new Deadlines<Due>(clock, ({ due }, nowMs) => this.all.expire(due, nowMs));
    this.all = new Rows<V>(name, self.id, self.life, {
      isWatched: () => this.#listeners.length > 0,
      changed: (...notice) => this.#notice(notice),
      returned: (key) => this.#returned(key),
      wake: (due, atMs) => this.#wheel.set({ due, wheelAtMs: Infinity }, atMs),
    });
  }

  put(key: string, value: V, order: number, lifetimeSec: number): Ticket {
    const audience = this.#ports.audienceOf(key, this.copies);
    return this.#wrote(this.all.put(key, value, order, lifetimeSec * 1_000, audience, this.#clock.nowMs()));
  }
  remove(key: string, order = -Infinity): Ticket {
    const stream = this.all.remove(key, order, this.#ports.audienceOf(key, this.copies), this.#clock.nowMs());
    return stream ? this.#wrote(stream) : SAFE;
  }
  get(key: string): Row<V> | undefined {
    return this.all.get(key);
  }
  under(group: string): readonly Row<V>[] {
    return this.all.under(group);
  }
  rows(): Iterable<Row<V>> {
    return this.all.rows();
  }
  onChange(changed: Changed<V>): void {
    this.#listeners.push(changed);
  }

  onReturned(returned: Returned<V>): void {
    this.#returnListeners.push(returned);
  }

  /** Nothing expires any more. */
  close(): void {
    this.#wheel.clear();
  }

  #wrote(stream: Stream): Ticket {
    return this.#ports.wrote(this as unknown as OverlayTable<Json>, stream);
  }

  /** What has come by the time this member is caught up was there from its beginning. */
  #returned(octets: Uint8Array): void {
    if (this.#returnListeners.length === 0 || !this.#ports.isOpen()) return;
    const key = text(octets);
    this.#clock.timer(this.#clock.nowMs(), () => {
      const row = this.#ports.isOpen() ? this.get(key) : undefined;
      if (row?.owner === this.#self) for (const returned of this.#returnListeners) returned(row);
    });
  }
  #notice(notice: Parameters<Changed<V>>): void {
    this.#notices.push(notice);
    if (this.#notices.length === 1) this.#clock.timer(this.#clock.nowMs(), () => this.#tell());
  }
  #tell(): void {
    const notices = this.#notices;
    this.#notices = [];
    for (const notice of notices) for (const changed of this.#listeners) changed(...notice);
  }
}
