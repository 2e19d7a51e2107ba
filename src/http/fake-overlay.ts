/** An overlay for this area's tests: one scripted registration member, one table, everything answered at once. */
import { SAFE, type Ticket } from "#base/ticket.ts";
import type { Json, Member, Overlay, Reply, Responder, RoleName, Row, Table } from "#overlay/types.ts";

export class FakeOverlay implements Overlay {
  readonly self: Member = { id: "web1", role: "web", phase: "serving", info: {} };
  /** What was asked of registration, in order. */
  readonly asked: { readonly topic: string; readonly body: Json }[] = [];
  /** Registration's reply by topic; a topic without one times out. */
  readonly replies = new Map<string, Json>();
  hasRegistration = true;
  readonly channels = new FakeTable();
  readonly #responders = new Map<string, Responder>();
  #membersChanged: Parameters<Overlay["onMembers"]>[0] = () => undefined;

  members(role?: RoleName): readonly Member[] {
    const registration: Member = { id: "registration1", role: "registration", phase: "serving", info: {} };
    return this.hasRegistration && role === "registration" ? [registration] : [];
  }
  onMembers(changed: Parameters<Overlay["onMembers"]>[0]): void {
    this.#membersChanged = changed;
  }
  request(_to: string, topic: string, body: Json, answered: (reply: Reply) => void): void {
    this.asked.push({ topic, body });
    const reply = this.replies.get(topic);
    answered(reply === undefined ? { ok: false, cause: "timeout" } : { ok: true, body: reply });
  }
  handle(topic: string, responder: Responder): void {
    this.#responders.set(topic, responder);
  }
  table<V extends Json>(): Table<V> {
    return this.channels as unknown as Table<V>; // the web role has this one alone
  }
  setPhase(): void {}
  send(): void {}
  cast(): void {}
  leave(): void {}
  whenCaughtUp(): void {}
  onStall(): void {}
  neighbours(): readonly string[] {
    return [];
  }
  whoHears(): void {}
  declareDead(): void {}
  onDead(): void {}

  /** Registration casts to this member. */
  push(topic: string, body: Json): void {
    this.#responders.get(topic)?.(body, "registration1", () => undefined);
  }
  registrationComes(): void {
    this.hasRegistration = true;
    for (const member of this.members("registration")) this.#membersChanged(member, "joined");
  }
}

class FakeTable implements Table<Json> {
  readonly #rows = new Map<string, Row<Json>>();
  #changed: Parameters<Table<Json>["onChange"]>[0] = () => undefined;

  put(key: string, value: Json, order: number): Ticket {
    const before = this.#rows.get(key);
    const row: Row<Json> = { key, owner: "ds1", order, term: 0, expiresAtMs: Infinity, value };
    this.#rows.set(key, row);
    this.#changed(key, row, before);
    return SAFE;
  }
  remove(key: string): Ticket {
    const before = this.#rows.get(key);
    this.#rows.delete(key);
    this.#changed(key, undefined, before);
    return SAFE;
  }
  get(key: string): Row<Json> | undefined {
    return this.#rows.get(key);
  }
  under(group: string): readonly Row<Json>[] {
    return [...this.#rows.values()].filter(({ key }) => key === group || key.startsWith(`${group} `));
  }
  rows(): Iterable<Row<Json>> {
    return this.#rows.values();
  }
  onChange(changed: Parameters<Table<Json>["onChange"]>[0]): void {
    this.#changed = changed;
  }
  onReturned(): void {}
}
