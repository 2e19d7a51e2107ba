/** The location service: which contacts an address-of-record has at present (RFC 3261 §10). */
import type { Ticket } from "#base/ticket.ts";
import type { SipUri } from "../wire/message.ts";

/** One contact of one address-of-record, as a row travels between servers (so no classes, no maps). */
export type Binding = {
  readonly aor: string;
  /** Contact as it was registered, without `expires`. */
  readonly contact: string;
  readonly callId: string;
  readonly cseq: number;
  /** `+sip.instance` without quotes, and `reg-id` where it counts (RFC 5626 §6). */
  readonly instance?: string;
  readonly regId?: number;
  /** Path, first hop first (RFC 3327). */
  readonly path: readonly string[];
  /** Goes before the Path: the registrar's own entry, where it reaches the client by the flow alone (RFC 5626 §6). */
  readonly edge?: string;
};
/** The Routes that lead to a binding's contact, from anywhere. */
export const routesTo = ({ edge, path }: Binding): readonly string[] => (edge === undefined ? path : [edge, ...path]);

export interface BindingRow {
  readonly key: string;
  /** Of two servers' rows with one key the higher wins. */
  readonly order: number;
  /** On the local monotonic clock, ms. */
  readonly expiresAtMs: number;
  readonly value: Binding;
}

/** Where bindings are kept: memory, or a table that the operator's servers share. */
export interface BindingTable {
  /** The ticket is safe when the row may be promised. */
  put(key: string, value: Binding, order: number, lifetimeSec: number): Ticket;
  remove(key: string): Ticket;
  /** Shows what was put at once. */
  get(key: string): BindingRow | undefined;
  rows(): Iterable<BindingRow>;
  /** A row came or changed (`row` given), or went or expired (`undefined`). May be told later than `get` shows it. */
  onChange(changed: (key: string, row: BindingRow | undefined, before: BindingRow | undefined) => void): void;
}

/** The canonical form of an address-of-record: no parameters, no port (RFC 3261 §10.3 step 5). */
export const aorOf = (uri: SipUri): string => `sip:${uri.user}@${uri.host}`;

/** The bindings of a table by address-of-record. Whoever writes does it here, so that it is found at once. */
export class Location {
  readonly #table: BindingTable;
  readonly #keysByAor = new Map<string, Set<string>>();

  constructor(table: BindingTable) {
    this.#table = table;
    for (const { key, value } of table.rows()) this.#note(key, value.aor);
    table.onChange((key, row, before) => {
      if (row) this.#note(key, row.value.aor);
      else if (before && !table.get(key)) this.#forget(key, before.value.aor);
    });
  }

  bindings(aor: string): readonly BindingRow[] {
    return [...(this.#keysByAor.get(aor) ?? [])].flatMap((key) => this.#table.get(key) ?? []);
  }

  put(key: string, value: Binding, order: number, lifetimeSec: number): Ticket {
    this.#note(key, value.aor);
    return this.#table.put(key, value, order, lifetimeSec);
  }
  remove(key: string): Ticket {
    return this.#table.remove(key);
  }

  #note(key: string, aor: string): void {
    const keys = this.#keysByAor.get(aor);
    if (keys) keys.add(key);
    else this.#keysByAor.set(aor, new Set([key]));
  }
  #forget(key: string, aor: string): void {
    const keys = this.#keysByAor.get(aor);
    keys?.delete(key);
    if (keys?.size === 0) this.#keysByAor.delete(aor);
  }
}
