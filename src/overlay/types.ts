/** What connects the servers of one operator: members and tables (DESIGN §5). */
import type { Ticket } from "#base/ticket.ts";

export type RoleName = "ds" | "presence" | "registration" | "recovery" | "dsm" | "broker" | "edge" | "web";
export const ROLES: readonly RoleName[] = ["ds", "presence", "registration", "recovery", "dsm", "broker", "edge", "web"];
/** A member's name in the whole operator's network, e.g. "ds1". */
export type MemberId = string;

export interface Member {
  readonly id: MemberId;
  readonly role: RoleName;
  readonly phase: "standby" | "joining" | "serving" | "draining";
  /** What others need to reach it, e.g. { sip: "127.0.0.1:5060" }. */
  readonly info: Readonly<Record<string, string>>;
}

/** JSON values: what messages and rows are made of; unknown fields are kept. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A service of the overlay answers requests of one `topic`. It may answer later, once. */
export type Responder = (body: Json, from: MemberId, reply: (body: Json) => void) => void;

export type Reply =
  | { readonly ok: true; readonly body: Json }
  | { readonly ok: false; readonly cause: "timeout" | "unknown-member" | "unknown-topic" };

export interface Overlay {
  readonly self: Member;
  /** All present members, self included, ordered by id. */
  members(role?: RoleName): readonly Member[];
  /** Tells of members that came, changed or went. */
  onMembers(changed: (member: Member, change: "joined" | "changed" | "left") => void): void;
  setPhase(phase: Member["phase"]): void;
  /** Calls back once the own log is read and what present members have is copied. */
  whenCaughtUp(then: () => void): void;
  /** Tells why nothing that is put becomes safe any more, once, and `undefined` once it does again. */
  onStall(told: (cause: string | undefined) => void): void;
  /** One-way, may be lost. */
  send(to: MemberId, topic: string, body: Json): void;
  /** One-way to every other member of the role. */
  cast(role: RoleName, topic: string, body: Json): void;
  /** Answered once or times out (default 2,000 ms). */
  request(to: MemberId, topic: string, body: Json, answered: (reply: Reply) => void, timeoutMs?: number): void;
  /** Takes `send`, `cast` and `request` of a topic; one responder a topic. */
  handle(topic: string, responder: Responder): void;
  /** The table of that name; the same object for the same name. */
  table<V extends Json>(name: string, copies: Copies): Table<V>;
  /** Other present members of the role, the nearest by measured delay first. */
  neighbours(role: RoleName): readonly MemberId[];
  /** The question behind the second opinion: which present members heard of that one, and how long ago. */
  whoHears(id: MemberId, answered: (hearers: readonly Hearer[]) => void): void;
  /** Declares one life of a member dead; all are told, once each (DESIGN §5, "Dead"). */
  declareDead(id: MemberId, incarnation: number): void;
  onDead(dead: (id: MemberId, incarnation: number) => void): void;
  leave(): void;
}

/** Who copies a table: all members of these roles, or of each row the first in rendezvous order that is not its owner. */
export interface Copies {
  readonly roles: readonly RoleName[];
  readonly to: "all" | "one";
}
export const copiedTo = (...roles: readonly RoleName[]): Copies => ({ roles, to: "all" });

export interface Hearer {
  readonly member: MemberId;
  /** The life of the other that it hears. */
  readonly incarnation: number;
  readonly agoMs: number;
}

/** What one member shows of another, of a table and of a row, to people who look inside (`sipcast ctl`). */
export interface MemberView extends Pick<Member, "id" | "role" | "phase"> {
  readonly incarnation: number;
  /** Since it was last heard; null = it is the one that shows. */
  readonly heardMs: number | null;
  /** There and back; null = not measured yet. */
  readonly delayMs: number | null;
}
export interface TableView {
  readonly name: string;
  readonly rows: number;
  readonly own: number;
  readonly marks: number;
  /** In memory. */
  readonly octets: number;
  /** By owner: number of its last row that is here, of whichever life has the highest. */
  readonly positions: Readonly<Record<MemberId, number>>;
  /** Promises of its rows that left with only one copy. */
  readonly unreplicated: number;
}
export interface FoundRow extends Omit<Row<Json>, "expiresAtMs"> {
  readonly table: string;
  readonly leftSec: number;
}

export interface Row<V> {
  readonly key: string;
  readonly owner: MemberId;
  /** The protocol's own count for this key, never a clock: the higher of two owners' rows wins. */
  readonly order: number;
  /** Raised by whoever takes over from a dead owner. */
  readonly term: number;
  /** Ends at this time of the local monotonic clock. */
  readonly expiresAtMs: number;
  readonly value: V;
}

/** A map of rows with one writer each; its owner is the server that answered the last 2xx for it. */
export interface Table<V extends Json> {
  /**
   * Writes a row that this member owns from now on; the ticket is safe when the row may be promised: it is on the own disk
   * and on that of one other member. Lifetime: up to `LIMITS.overlayLifetimeSec`. Throws before the own log is read.
   */
  put(key: string, value: V, order: number, lifetimeSec: number): Ticket;
  /** `order`: of the request that removes, where that has one; default that of the row. */
  remove(key: string, order?: number): Ticket;
  get(key: string): Row<V> | undefined;
  /** Rows whose keys are `group`, or begin with it and a space. */
  under(group: string): readonly Row<V>[];
  /** Reads all of them. */
  rows(): Iterable<Row<V>>;
  /** A row of any owner appeared or changed (`row` given), or went or expired (`undefined`). */
  onChange(changed: (key: string, row: Row<V> | undefined, before: Row<V> | undefined) => void): void;
  /**
   * A row that this member wrote in an earlier life has come from another after it had caught up: its disk had lost the row, and
   * whoever copied it was away. Where this life has written the key, that stands, and nothing is told.
   */
  onReturned(returned: (row: Row<V>) => void): void;
}
