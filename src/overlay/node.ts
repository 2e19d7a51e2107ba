import { LIMITS } from "#base/limits.ts";
import type { Clock, Host, Timer } from "#host/host.ts";
import type { Carrier, CarrierPort } from "./carrier.ts";
import { Journal } from "./journal.ts";
import { Replication } from "./replication.ts";
import { Requests } from "./requests.ts";
import {
  type Copies,
  type FoundRow,
  type Hearer,
  type Json,
  type Member,
  type MemberId,
  type MemberView,
  type Overlay,
  type Reply,
  type Responder,
  ROLES,
  type RoleName,
  type Table,
  type TableView,
} from "./types.ts";
import { type Body, decodeFrame, encodeFrame, type Frame, VERSION } from "./wire/frame.ts";

/** A member says hello this often. */
const HELLO_EVERY_MS = 1_000;
/** After so long without a frame a member counts as gone: five hellos lost in a row. */
const SILENT_AFTER_MS = 5_500;
const REQUEST_TIMEOUT_MS = 2_000;
const SECOND_OPINION_MS = 1_000;
/** What an earlier life of this member sent may still be under way for so long after this one began. */
const ECHO_MS = 3_000;
/** Members whose delay is measured at each hello, in turn. */
const PINGS = 4;
/** Weight of the newest measurement in a delay (as RFC 6298 §2 has it for round trips). */
const DELAY_WEIGHT = 1 / 8;
/** The word `dead` outlives whoever said it by so long. */
const DEAD_SEC = 86_400;
/** Incarnations to choose from in each ms of the wall clock. */
const LIVES_A_MS = 1_024;
const HEARS = "overlay.hears";

interface Peer {
  member: Member;
  readonly incarnation: number;
  heardAtMs: number;
  /** Id of its last hello. */
  helloId: number;
  /** Ids of its last messages, oldest first. */
  readonly recent: Set<number>;
  /** There and back, ms; undefined = not measured yet. */
  delayMs: number | undefined;
  pingedAtMs: number;
}
type Of<K extends Body["kind"]> = Extract<Frame, { kind: K }>;
/** What of a host a member uses. */
export type MemberHost = Clock & Pick<Host, "log" | "random">;

/**
 * A member of the overlay on a carrier (DESIGN §5). It reads its log, joins under a higher incarnation than ever before,
 * and catches up. Members know one another by hellos; a message is handed up at most once.
 */
export class OverlayNode implements Overlay {
  /** What was dropped, and why; plain fields for /metrics. */
  readonly counters = { badFrames: 0, strangers: 0, outlived: 0, repeated: 0, unhandled: 0, tooManyMembers: 0, twins: 0 };
  readonly requests: Requests;
  readonly replication: Replication;
  readonly journal: Journal;
  readonly #host: MemberHost;
  readonly #carrier: Carrier;
  readonly #peers = new Map<MemberId, Peer>(); // self included
  readonly #lives = new Map<MemberId, number>(); // the highest incarnation of every member ever met
  readonly #listeners: Parameters<Overlay["onMembers"]>[0][] = [];
  readonly #deadListeners: Parameters<Overlay["onDead"]>[0][] = [];
  readonly #responders = new Map<string, Responder>();
  readonly #dead: Table<number>;
  #self: Member;
  #port: CarrierPort | undefined; // once the log is read
  #joinedAtMs = Infinity;
  #hasTwin = false;
  #incarnation = 0;
  #nextId = 0;
  #nextPing = 0;
  #sorted: readonly Member[] | undefined;
  #heartbeat: Timer | undefined;
  #left = false;
  #onTwin: () => void = () => undefined;

  /** Joins in phase `joining` once its log is read. Ids are unique in the operator's network. */
  constructor(carrier: Carrier, host: MemberHost, self: Pick<Member, "id" | "role" | "info">) {
    this.#host = host;
    this.#carrier = carrier;
    this.#self = { id: self.id, role: self.role, phase: "joining", info: self.info };
    this.requests = new Requests(host);
    this.journal = new Journal(host.log(`rows-${self.id}`), host, {
      snapshot: () => this.replication.snapshot(),
      octets: () => this.replication.octets,
    });
    this.replication = new Replication(host, this.journal, {
      self: this.#self,
      others: (roles) => this.#others(roles),
      lifeOf: (member) => this.#peers.get(member)?.incarnation,
      send: (to, body) => this.#port?.send(to, this.#frame(body)),
    });
    this.#dead = this.table<number>("overlay.dead", { roles: ROLES, to: "all" });
    this.#dead.onChange((id, row, before) => {
      if (row && row.value !== before?.value) this.#isDead(id, row.value);
    });
    this.handle(HEARS, (id, _, reply) => reply(this.#hears(String(id))));
    this.#admit(this.#self, 0).heardAtMs = Infinity;
    this.journal.replay(this.replication, (life) => this.#join(life));
  }

  get self(): Member {
    return this.#self;
  }
  get incarnation(): number {
    return this.#incarnation;
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
    this.#port?.sendAll(this.#hello());
  }
  whenCaughtUp(then: () => void): void {
    this.replication.whenCaughtUp(then);
  }
  onStall(told: Parameters<Overlay["onStall"]>[0]): void {
    this.journal.onStall(told);
  }

  send(to: MemberId, topic: string, body: Json): void {
    this.#port?.send(to, this.#frame({ kind: "tell", id: this.#nextId++, topic, body }));
  }
  cast(role: RoleName, topic: string, body: Json): void {
    const frame = this.#frame({ kind: "tell", id: this.#nextId++, topic, body });
    for (const id of this.#others([role])) this.#port?.send(id, frame);
  }
  request(to: MemberId, topic: string, body: Json, answered: (reply: Reply) => void, timeoutMs = REQUEST_TIMEOUT_MS): void {
    if (!this.#peers.has(to)) {
      this.#host.timer(this.#host.nowMs(), () => answered({ ok: false, cause: "unknown-member" }));
      return;
    }
    const id = this.#nextId++;
    if (this.requests.open(id, answered, timeoutMs)) this.#port?.send(to, this.#frame({ kind: "ask", id, topic, body }));
  }
  handle(topic: string, responder: Responder): void {
    if (this.#responders.has(topic)) throw new Error(`Topic ${topic} has a responder already`);
    this.#responders.set(topic, responder);
  }
  table<V extends Json>(name: string, copies: Copies): Table<V> {
    return this.replication.table(name, copies) as unknown as Table<V>;
  }

  neighbours(role: RoleName): readonly MemberId[] {
    const delayOf = (id: MemberId): number => this.#peers.get(id)?.delayMs ?? Infinity;
    return [...this.#others([role])].sort((a, b) => delayOf(a) - delayOf(b) || (a < b ? -1 : 1));
  }
  whoHears(id: MemberId, answered: (hearers: readonly Hearer[]) => void): void {
    const asked = this.#others(ROLES).filter((other) => other !== id);
    const hearers: Hearer[] = [];
    let waiting = asked.length;
    const done = (): void => {
      if (waiting === 0) answered(hearers);
    };
    if (waiting === 0) this.#host.timer(this.#host.nowMs(), done);
    for (const member of asked) {
      const heard = (reply: Reply): void => {
        waiting--;
        if (reply.ok && reply.body !== null) hearers.push({ ...(reply.body as unknown as Hearer), member });
        done();
      };
      this.request(member, HEARS, id, heard, SECOND_OPINION_MS);
    }
  }
  declareDead(id: MemberId, incarnation: number): void {
    if ((this.#dead.get(id)?.value ?? -1) < incarnation) this.#dead.put(id, incarnation, incarnation, DEAD_SEC);
  }
  onDead(dead: Parameters<Overlay["onDead"]>[0]): void {
    this.#deadListeners.push(dead);
  }

  /** Another member has the same name, and was there before: one handler, called once. This one must leave. */
  onTwin(twin: () => void): void {
    this.#onTwin = twin;
  }

  /** What this member knows and has, for people who look inside. */
  inspect(): { readonly members: readonly MemberView[]; readonly tables: readonly TableView[] } {
    const heardMs = ({ heardAtMs }: Peer): number | null => (heardAtMs === Infinity ? null : this.#host.nowMs() - heardAtMs);
    const members = this.members().map(({ id, role, phase }): MemberView => {
      const peer = this.#peers.get(id) as Peer;
      return { id, role, phase, incarnation: peer.incarnation, heardMs: heardMs(peer), delayMs: peer.delayMs ?? null };
    });
    return { members, tables: this.replication.inspect() };
  }
  /** The rows of that key, or under that group, of every table. */
  lookUp(key: string): readonly FoundRow[] {
    return this.replication.lookUp(key);
  }

  /** Says goodbye. Nothing is sent, told or answered from then on; what was put still reaches the disk. */
  leave(): void {
    this.#left = true;
    this.replication.close();
    this.#port?.sendAll(this.#frame({ kind: "bye" }));
    this.#port?.leave();
    this.#port = undefined;
    this.#heartbeat?.cancel();
    this.requests.clear();
  }

  /** `last`: the highest incarnation that the log has. */
  #join(last: number): void {
    if (this.#left) return;
    this.#joinedAtMs = this.#host.nowMs();
    this.#live(nextLife(last, this.#host));
    this.#nextId = this.#incarnation; // never that of a message of an earlier life
    this.#port = this.#carrier.join(this.#self.id, this.#host, (bytes) => this.#receive(bytes));
    this.#port.sendAll(this.#hello());
    this.#heartbeat = this.#beatLater();
    this.replication.start();
  }
  #live(incarnation: number): void {
    const { id } = this.#self;
    this.#incarnation = incarnation;
    this.#peers.delete(id);
    this.#admit(this.#self, incarnation).heardAtMs = Infinity;
    this.replication.raiseLife(incarnation);
  }

  #receive(bytes: Uint8Array): void {
    const decoded = decodeFrame(bytes);
    if (decoded.status !== "ok") {
      this.counters.badFrames++;
      return;
    }
    const frame = decoded.value;
    if (frame.from === this.#self.id && frame.incarnation !== this.#incarnation) return this.#heardTwin(frame);
    if (frame.kind === "hello") this.#met(frame);
    else if (frame.kind === "outlived" && frame.life === this.#incarnation) this.#rise(frame.known);
    const peer = this.#peers.get(frame.from);
    if (peer?.incarnation === frame.incarnation) this.#take(frame, peer);
    else if (frame.kind !== "hello") this.#stranger(frame.from);
  }

  /** Of the same name: an earlier life whose words were under way, or somebody else, who may have been there before. */
  #heardTwin(frame: Frame): void {
    if (this.#upMs < ECHO_MS) return;
    this.counters.twins++;
    if (frame.kind !== "hello" || frame.upMs < this.#upMs || this.#hasTwin) return;
    this.#hasTwin = true;
    this.#onTwin();
  }
  get #upMs(): number {
    return Math.floor(this.#host.nowMs() - this.#joinedAtMs);
  }

  /** Its hello is still under way, or was lost. */
  #stranger(from: MemberId): void {
    this.counters.strangers++;
    this.#port?.send(from, this.#hello());
  }

  #take(frame: Frame, peer: Peer): void {
    peer.heardAtMs = Math.max(peer.heardAtMs, this.#host.nowMs());
    switch (frame.kind) {
      case "hello":
        return this.replication.onHeads(frame.from, frame.heads);
      case "outlived":
        return;
      case "bye":
        return this.#gone(peer);
      case "ping":
        return this.#port?.send(frame.from, this.#frame({ kind: "pong", id: frame.id }));
      case "pong":
        return this.#measured(peer);
      case "tell":
      case "ask":
        return this.#handUp(frame, peer);
      case "answer":
        return this.requests.settle(frame.id, { ok: true, body: frame.body });
      case "no-such-topic":
        return this.requests.settle(frame.id, { ok: false, cause: "unknown-topic" });
      case "rows":
        return this.replication.onRows(frame.octets);
      case "want":
        return this.replication.onWant(frame.from, frame.positions);
      case "have":
        return this.replication.onHave(frame.from, frame.positions);
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
      if (kind === "ask") this.#port?.send(from, this.#frame(reply));
    };
    if (responder) responder(body, from, (reply) => answer({ kind: "answer", id, body: reply }));
    else {
      this.counters.unhandled++;
      answer({ kind: "no-such-topic", id });
    }
  }

  // Members

  #others(roles: readonly RoleName[]): readonly MemberId[] {
    return this.members().flatMap(({ id, role }) => (id !== this.#self.id && roles.includes(role) ? [id] : []));
  }

  #met(hello: Of<"hello">): void {
    const { from, incarnation, role, phase, info } = hello;
    const life = this.#lives.get(from);
    if (life === undefined && this.#lives.size >= LIMITS.overlayMembers) {
      this.counters.tooManyMembers++;
      return;
    }
    if (life !== undefined && incarnation < life) {
      this.counters.outlived++;
      this.#port?.send(from, this.#frame({ kind: "outlived", life: incarnation, known: life }));
      return;
    }
    const member: Member = { id: from, role, phase, info };
    const known = this.#peers.get(from);
    if (known?.incarnation === incarnation) {
      this.#changed(known, member, hello.id);
      return;
    }
    if (known) this.#gone(known);
    this.#admit(member, incarnation, hello.id);
    this.#port?.send(from, this.#hello());
    this.#tell(member, "joined");
  }

  #admit(member: Member, incarnation: number, helloId = 0): Peer {
    const heardAtMs = this.#host.nowMs();
    const peer: Peer = { member, incarnation, heardAtMs, helloId, recent: new Set(), delayMs: undefined, pingedAtMs: 0 };
    this.#lives.set(member.id, incarnation);
    this.#peers.set(member.id, peer);
    this.#sorted = undefined;
    return peer;
  }

  #changed(peer: Peer, member: Member, helloId: number): void {
    if (helloId < peer.helloId) return; // overtaken by a later one
    peer.helloId = helloId;
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
    if (change !== "changed") this.replication.onMembers();
    for (const changed of this.#listeners) changed(member, change);
  }

  /** Others remember a later life of this member: its disk was lost, and its wall clock went back. */
  #rise(known: number): void {
    if (known < this.#incarnation) return;
    this.#live(known + 1);
    this.#port?.sendAll(this.#hello());
  }

  /** One whose present life is declared dead and who hears of it lives on under another. */
  #isDead(id: MemberId, incarnation: number): void {
    const peer = this.#peers.get(id);
    if (id === this.#self.id) this.#rise(incarnation);
    else if (peer && peer.incarnation <= incarnation) this.#gone(peer);
    this.#lives.set(id, Math.max(this.#lives.get(id) ?? 0, incarnation + 1));
    for (const dead of this.#deadListeners) dead(id, incarnation);
  }
  #hears(id: MemberId): Json {
    const peer = this.#peers.get(id);
    return peer ? { incarnation: peer.incarnation, agoMs: this.#host.nowMs() - peer.heardAtMs } : null;
  }

  #beatLater(): Timer {
    return this.#host.timer(this.#host.nowMs() + HELLO_EVERY_MS, () => {
      const silentSinceMs = this.#host.nowMs() - SILENT_AFTER_MS;
      for (const peer of [...this.#peers.values()]) if (peer.heardAtMs < silentSinceMs) this.#gone(peer);
      if (this.#left) return; // whoever was told of it left
      this.#port?.sendAll(this.#hello());
      this.#ping();
      this.#heartbeat = this.#beatLater();
    });
  }

  #ping(): void {
    const others = this.#others(ROLES);
    for (let count = 0; count < Math.min(PINGS, others.length); count++) {
      const id = others[this.#nextPing++ % others.length] as MemberId;
      const peer = this.#peers.get(id);
      if (peer) peer.pingedAtMs = this.#host.nowMs();
      this.#port?.send(id, this.#frame({ kind: "ping", id: this.#nextId++ }));
    }
  }
  #measured(peer: Peer): void {
    const tookMs = this.#host.nowMs() - peer.pingedAtMs;
    peer.delayMs = peer.delayMs === undefined ? tookMs : peer.delayMs + DELAY_WEIGHT * (tookMs - peer.delayMs);
  }

  // Frames

  #frame(body: Body): Uint8Array {
    return encodeFrame({ from: this.#self.id, incarnation: this.#incarnation, ...body });
  }
  #hello(): Uint8Array {
    const { role, phase, info } = this.#self;
    const heads = this.replication.heads();
    return this.#frame({ kind: "hello", id: this.#nextId++, upMs: this.#upMs, speaks: VERSION, role, phase, info, heads });
  }
}

/**
 * Higher than the last. A disk that was lost leaves the wall clock, which may have gone back: chance sees to it that no life
 * is lived twice, and what others remember that it ends up higher (`outlived`).
 */
function nextLife(last: number, host: MemberHost): number {
  const [high = 0, low = 0] = host.random(2);
  const chance = (256 * high + low) % LIVES_A_MS;
  return Math.max(Math.floor(last / LIVES_A_MS) + 1, Math.floor(host.wallMs())) * LIVES_A_MS + chance;
}

/** Forgets the oldest above the limit. */
function remember(recent: Set<number>, id: number): void {
  recent.add(id);
  if (recent.size <= LIMITS.overlayRecentMessages) return;
  const [oldest] = recent;
  if (oldest !== undefined) recent.delete(oldest);
}
