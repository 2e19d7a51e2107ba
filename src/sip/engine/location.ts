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
  /** The address-of-record, a space, and what tells its contacts apart. */
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
  /** `order`: of the request that removes; default that of the row. */
  remove(key: string, order?: number): Ticket;
  /** Shows what was put at once. */
  get(key: string): BindingRow | undefined;
  /** Those of that address-of-record: their keys begin with it and a space. */
  under(aor: string): readonly BindingRow[];
  /** A row came or changed (`row` given), or went or expired (`undefined`). May be told later than `get` shows it. */
  onChange(changed: (key: string, row: BindingRow | undefined) => void): void;
}

/** The canonical form of an address-of-record: no parameters, no port (RFC 3261 §10.3 step 5). */
export const aorOf = (uri: SipUri): string => `sip:${uri.user}@${uri.host}`;

/** The one that was registered last, or for longest, first. */
export const newestFirst = <Row extends Pick<BindingRow, "expiresAtMs">>(rows: readonly Row[]): Row[] =>
  rows.toSorted((a, b) => b.expiresAtMs - a.expiresAtMs);
