import { LIMITS } from "#base/limits.ts";
import type { Clock, Timer } from "#host/host.ts";
import type { Carrier, CarrierPort } from "./carrier.ts";
import { Requests } from "./requests.ts";
import { OverlayTable } from "./table.ts";
import type { Json, Member, MemberId, Overlay, Reply, Responder, RoleName, Table } from "./types.ts";
import { type Body, decodeFrame, encodeFrame, type Frame, type Piece, type Position, VERSION } from "./wire/frame.ts";

/** A member says hello this often. */
const HELLO_EVERY_MS = 1_000;
/** After so long without a frame a member counts as gone: five hellos lost in a row. */
const SILENT_AFTER_MS = 5_500;
/** A lost question for rows, or a lost piece, is asked for again after this, at the next sign of the owner. */
const ASK_AGAIN_MS = 250;
const REQUEST_TIMEOUT_MS = 2_000;

interface Peer {
  member: Member;
  readonly incarnation: number;
  heardAtMs: number;
  /** Id of its last hello. */
  helloId: number;
  /** Its tables' positions as of that. */
  heads: Readonly<Record<string, Position>>;
  /** Ids of its last messages, oldest first. */
  readonly recent: Set<number>;
  /** When rows of a table were last asked for. */
  readonly askedAtMs: Map<string, number>;
}
type Of<K extends Body["kind"]> = Extract<Frame, { kind: K }>;

/**
 * A member of the overlay on a carrier (DESIGN §5). Members know one another by hellos; a message is handed up at most
 * once; each owner sends its rows to those who copy the table, and hellos bear the number of the last, so that whatever a
 * carrier lost is asked for. Rows of a member that left stay until they expire; those of an earlier life of a member go
 * as soon as what its present life has to say is complete.
 */
export class OverlayNode implements Overlay {
  /** What was dropped, and why; plain fields for /metrics. */
  readonly counters = { badFrames: 0, strangers: 0, outlived: 0, repeated: 0, unhandled: 0, tooManyMembers: 0 };
  readonly requests: Requests;
  readonly #clock: Clock;
  readonly #port: CarrierPort;
  readonly #peers = new Map<MemberId, Peer>(); // self included
  readonly #lives = new Map<MemberId, number>(); // the highest incarnation of every member ever met
  readonly #listeners: Parameters<Overlay["onMembers"]>[0][] = [];
  readonly #responders = new Map<string, Responder>();
  readonly #tables = new Map<string, OverlayTable<Json>>();
  #self: Member;
  #incarnation: number;
  #nextId: number;
  #sorted: readonly Member[] | undefined;
  #heartbeat: Timer;
  #left = false;

  /** Joins at once, in phase `joining`. Ids are unique in the operator's network. */
  constructor(carrier: Carrier, clock: Clock, self: Pick<Member, "id" | "role" | "info">) {
    this.#clock = clock;
    this.#self = { id: self.id, role: self.role, phase: "joining", info: self.info };
    this.#incarnation = Math.floor(clock.wallMs());
    this.#nextId = this.#incarnation; // never that of a message of an earlier life
    this.requests = new Requests(clock);
    this.#admit(this.#self, this.#incarnation).heardAtMs = Infinity;
    this.#port = carrier.join(self.id, clock, (bytes) => this.#receive(bytes));
    this.#port.sendAll(this.#hello());
    this.#heartbeat = this.#beatLater();
  }

  get self(): Member {
    return this.#self;
  }

  members(role?: RoleName): readonly Member[] {
    this.#sorted ??= [...this.#peers.values()].map(({ member }) => member).sort((a, b) => (a.id < b.id ? -1 : 1));
    return role === undefined ? this.#sorted : this.#sorted.filter((member) => member.role === role);
  }

  onMembers(changed: Parameters<Overlay["onMembers"]>[0]): void {
    this.#listeners.push(changed);
  }

  setPhase(phase: Member["phase"]): void {
    this.#self = { ...this.#self, phase };
    const own = this.#peers.get(this.#self.id);
    if (own) own.member = this.#self;
    this.#sorted = undefined;
    this.#port.sendAll(this.#hello());
  }

  send(to: MemberId, topic: string, body: Json): void {
    this.#port.send(to, this.#frame({ kind: "tell", id: this.#nextId++, topic, body }));
  }

  cast(role: RoleName, topic: string, body: Json): void {
    this.#castFrame([role], this.#frame({ kind: "tell", id: this.#nextId++, topic, body }));
  }

  request(to: MemberId, topic: string, body: Json, answered: (reply: Reply) => void, timeoutMs = REQUEST_TIMEOUT_MS): void {
    if (!this.#peers.has(to)) {
      this.#clock.timer(this.#clock.nowMs(), () => answered({ ok: false, cause: "unknown-member" }));
      return;
    }
    const id = this.#nextId++;
    if (this.requests.open(id, answered, timeoutMs)) this.#port.send(to, this.#frame({ kind: "ask", id, topic, body }));
  }

  handle(topic: string, responder: Responder): void {
    if (this.#responders.has(topic)) throw new Error(`Topic ${topic} has a responder already`);
    this.#responders.set(topic, responder);
  }

  table<V extends Json>(name: string, copiedTo: readonly RoleName[]): Table<V> {
    const known = this.#tables.get(name);
    if (known) return known as unknown as Table<V>;
    const { id } = this.#self;
    const cast = (piece: Piece): void => this.#castFrame(copiedTo, this.#frame({ kind: "rows", table: name, piece }));
    const table = new OverlayTable<Json>(name, copiedTo, this.#clock, { id, epoch: this.#incarnation, cast });
    this.#tables.set(name, table);
    for (const peer of this.#peers.values()) this.#learnHead(peer, table);
    return table as unknown as Table<V>;
  }

  /** Says goodbye. Nothing is sent, told or answered from then on. */
  leave(): void {
    this.#left = true;
    this.#port.sendAll(this.#frame({ kind: "bye" }));
    this.#port.leave();
    this.#heartbeat.cancel();
    this.requests.clear();
    for (const table of this.#tables.values()) table.close();
  }

  #receive(bytes: Uint8Array): void {
    const decoded = decodeFrame(bytes);
    if (decoded.status !== "ok") {
      this.counters.badFrames++;
      return;
    }
    const frame = decoded.value;
    if (frame.kind === "hello") this.#met(frame);
    else if (frame.kind === "outlived") this.#rise(frame.known);
    const peer = this.#peers.get(frame.from);
    if (peer?.incarnation === frame.incarnation) this.#take(frame, peer);
    else if (frame.kind !== "hello") this.#stranger(frame.from);
  }

  /** Its hello is still under way, or was lost. */
  #stranger(from: MemberId): void {
    this.counters.strangers++;
    this.#port.send(from, this.#hello());
  }

  #take(frame: Frame, peer: Peer): void {
    peer.heardAtMs = Math.max(peer.heardAtMs, this.#clock.nowMs());
    switch (frame.kind) {
      case "hello":
        for (const table of this.#tables.values()) this.#learnHead(peer, table);
        return;
      case "outlived":
        return;
      case "bye":
        this.#gone(peer);
        return;
      case "tell":
      case "ask":
        this.#handUp(frame, peer);
        return;
      case "answer":
        this.requests.settle(frame.id, { ok: true, body: frame.body });
        return;
      case "no-such-topic":
        this.requests.settle(frame.id, { ok: false, cause: "unknown-topic" });
        return;
      case "rows":
        this.#merge(frame, peer);
        return;
      case "ask-rows":
        this.#sendRows(frame);
        return;
    }
  }

  #handUp({ kind, id, topic, body, from }: Of<"tell" | "ask">, peer: Peer): void {
    if (peer.recent.has(id)) {
      this.counters.repeated++;
      return;
    }
    remember(peer.recent, id);
    const responder = this.#responders.get(topic);
    const answer = (reply: Body): void => {
      if (kind === "ask") this.#port.send(from, this.#frame(reply));
    };
    if (responder) responder(body, from, (reply) => answer({ kind: "answer", id, body: reply }));
    else {
      this.counters.unhandled++;
      answer({ kind: "no-such-topic", id });
    }
  }

  // Members

  #met(hello: Of<"hello">): void {
    const { from, incarnation, role, phase, info } = hello;
    const life = this.#lives.get(from);
    if (life === undefined && this.#lives.size >= LIMITS.overlayMembers) {
      this.counters.tooManyMembers++;
      return;
    }
    if (life !== undefined && incarnation < life) {
      this.#outlived(from, life);
      return;
    }
    const member: Member = { id: from, role, phase, info };
    const known = this.#peers.get(from);
    if (known?.incarnation === incarnation) {
      this.#changed(known, member, hello);
      return;
    }
    if (known) this.#gone(known);
    this.#admit(member, incarnation, hello);
    this.#port.send(from, this.#hello());
    this.#tell(member, "joined");
  }

  /** Tells a member above which number its present life will be heard. */
  #outlived(member: MemberId, life: number): void {
    this.counters.outlived++;
    const epochs = [...this.#tables.values()].map((table) => table.rowsOfAll.epochOf(member));
    this.#port.send(member, this.#frame({ kind: "outlived", known: Math.max(life, ...epochs) }));
  }

  #admit(member: Member, incarnation: number, hello?: Of<"hello">): Peer {
    const peer: Peer = {
      member,
      incarnation,
      heardAtMs: this.#clock.nowMs(),
      helloId: hello?.id ?? 0,
      heads: hello?.heads ?? {},
      recent: new Set(),
      askedAtMs: new Map(),
    };
    this.#lives.set(member.id, incarnation);
    this.#peers.set(member.id, peer);
    this.#sorted = undefined;
    return peer;
  }

  #changed(peer: Peer, member: Member, { id, heads }: Of<"hello">): void {
    if (id < peer.helloId) return; // overtaken by a later one
    peer.helloId = id;
    peer.heads = heads;
    if (JSON.stringify(peer.member) === JSON.stringify(member)) return;
    peer.member = member;
    this.#sorted = undefined;
    this.#tell(member, "changed");
  }

  #gone(peer: Peer): void {
    this.#peers.delete(peer.member.id);
    this.#sorted = undefined;
    this.#tell(peer.member, "left");
  }

  #tell(member: Member, change: "joined" | "changed" | "left"): void {
    for (const changed of this.#listeners) changed(member, change);
  }

  /** Others remember a later life of this member: the wall clock went back over a restart. */
  #rise(known: number): void {
    if (known < this.#incarnation) return;
    const { id } = this.#self;
    this.#incarnation = known + 1;
    this.#peers.delete(id);
    this.#admit(this.#self, this.#incarnation).heardAtMs = Infinity;
    for (const table of this.#tables.values()) table.rowsOfAll.raiseEpoch(this.#incarnation);
    this.#port.sendAll(this.#hello());
  }

  #beatLater(): Timer {
    return this.#clock.timer(this.#clock.nowMs() + HELLO_EVERY_MS, () => {
      const silentSinceMs = this.#clock.nowMs() - SILENT_AFTER_MS;
      for (const peer of [...this.#peers.values()]) if (peer.heardAtMs < silentSinceMs) this.#gone(peer);
      if (this.#left) return; // whoever was told of it left
      this.#port.sendAll(this.#hello());
      this.#heartbeat = this.#beatLater();
    });
  }

  // Tables

  #learnHead(peer: Peer, table: OverlayTable<Json>): void {
    const head = peer.heads[table.name];
    if (head === undefined || peer.member.id === this.#self.id || !table.copiedTo.includes(this.#self.role)) return;
    if (table.rowsOfAll.learn(peer.member.id, head)) this.#askMissing(peer, table, false);
  }

  #merge({ table: name, piece, from }: Of<"rows">, peer: Peer): void {
    const table = this.#tables.get(name);
    if (table === undefined) return; // its rows are asked for once somebody opens it
    const before = table.rowsOfAll.missing(from)?.after ?? 0;
    table.rowsOfAll.merge(from, piece, this.#clock.nowMs());
    this.#askMissing(peer, table, (table.rowsOfAll.missing(from)?.after ?? 0) > before);
  }

  /** `walking`: the last piece brought something, so that the next is asked for at once. */
  #askMissing(peer: Peer, table: OverlayTable<Json>, walking: boolean): void {
    const missing = table.rowsOfAll.missing(peer.member.id);
    const nowMs = this.#clock.nowMs();
    const askedAtMs = peer.askedAtMs.get(table.name) ?? -Infinity;
    if (missing === undefined || (!walking && nowMs < askedAtMs + ASK_AGAIN_MS)) return;
    peer.askedAtMs.set(table.name, nowMs);
    this.#port.send(peer.member.id, this.#frame({ kind: "ask-rows", table: table.name, ...missing }));
  }

  #sendRows({ table: name, epoch, after, from }: Of<"ask-rows">): void {
    const table = this.#tables.get(name);
    if (table === undefined) return; // of an earlier life
    const piece = table.rowsOfAll.piece(epoch, after, this.#clock.nowMs());
    this.#port.send(from, this.#frame({ kind: "rows", table: name, piece }));
  }

  // Frames

  #frame(body: Body): Uint8Array {
    return encodeFrame({ from: this.#self.id, incarnation: this.#incarnation, ...body });
  }

  #hello(): Uint8Array {
    const { role, phase, info } = this.#self;
    const heads = Object.fromEntries([...this.#tables].map(([name, table]) => [name, table.rowsOfAll.position]));
    return this.#frame({ kind: "hello", id: this.#nextId++, speaks: VERSION, role, phase, info, heads });
  }

  #castFrame(roles: readonly RoleName[], frame: Uint8Array): void {
    for (const { member } of this.#peers.values()) {
      if (member.id !== this.#self.id && roles.includes(member.role)) this.#port.send(member.id, frame);
    }
  }
}

/** Forgets the oldest above the limit. */
function remember(recent: Set<number>, id: number): void {
  recent.add(id);
  if (recent.size <= LIMITS.overlayRecentMessages) return;
  const [oldest] = recent;
  if (oldest !== undefined) recent.delete(oldest);
}
