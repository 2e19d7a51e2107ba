import { NO_BYTES } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import type { Ticket } from "#base/ticket.ts";
import type { Clock, Timer } from "#host/host.ts";
import { groupOf, rendezvous } from "./engine/rendezvous.ts";
import type { StreamPiece } from "./engine/rows.ts";
import type { Stream, StreamName } from "./engine/streams.ts";
import { Gate } from "./gate.ts";
import type { Journal, JournalReader } from "./journal.ts";
import { OverlayTable } from "./table.ts";
import type { Copies, FoundRow, Json, MemberId, RoleName, TableView } from "./types.ts";
import type { Body, Position } from "./wire/frame.ts";
import { decodePiece, encodePiece, type Piece } from "./wire/piece.ts";

/** A lost question for rows, or a lost piece, is asked for again after this, at the next sign of who has them. */
const ASK_AGAIN_MS = 250;
/** A member that starts hears within this time who else is there. */
const MEET_MS = 500;

/** So long after a promise left unreplicated a member says so. */
const DEGRADED_MS = 60_000;
const NOBODY: Copies = { roles: [], to: "all" };

/** In which life a member is behind, and up to where it was sent rows. */
interface Behind {
  readonly life: number | undefined;
  readonly last: number;
}

/** What replication needs of the membership. */
export interface ReplicationPorts {
  readonly self: { readonly id: MemberId; readonly role: RoleName };
  /** Present members of these roles, without this one, by id. */
  others(roles: readonly RoleName[]): readonly MemberId[];
  /** The life of a present member; undefined = it is not there. */
  lifeOf(member: MemberId): number | undefined;
  send(to: MemberId, body: Body): void;
}

/**
 * The tables of one member and their copies (DESIGN §5). What was put within a turn goes into the journal and, in the same
 * octets, to whoever copies it; copies say what they have once it is on their disk. Hellos bear how far everybody is, so
 * that whatever a carrier lost is asked for: rows of a life that still writes from its writer, others from whoever has them.
 */
export class Replication implements JournalReader {
  #badRows = 0;
  #resent = 0;
  #unreplicatedAtMs = -Infinity;
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #ports: ReplicationPorts;
  readonly #tables = new Map<string, OverlayTable<Json>>();
  readonly #gates = new Map<Stream, Gate>();
  readonly #askedAtMs = new WeakMap<Stream, number>();
  /** Of own streams: who is being sent older rows. */
  readonly #behind = new WeakMap<Stream, Map<MemberId, Behind>>();
  /** Who has rows of lives that write no more. */
  readonly #sources = new WeakMap<Stream, MemberId>();
  /** The last record of the journal with rows of a stream. */
  readonly #logTickets = new WeakMap<Stream, number>();
  /** Copied and waiting for the disk: then their writers are told. */
  #copied: { readonly position: Position; readonly logTicket: number }[] = [];
  #life = 0;
  #flush: Timer | undefined;
  #meetsUntilMs = Infinity;
  #caughtUp: (() => void)[] | undefined = [];
  #isClosed = false;

  constructor(clock: Clock, journal: Journal, ports: ReplicationPorts) {
    this.#clock = clock;
    this.#journal = journal;
    this.#ports = ports;
    journal.onDurable((ticket) => this.#durable(ticket));
  }

  tables(): Iterable<OverlayTable<Json>> {
    return this.#tables.values();
  }

  /**
   * For /metrics. `unreplicated`: promises that only this member can keep (DESIGN §5). `droppedRows`: of others, for want of
   * room [B2].
   */
  get counters(): Readonly<Record<"badRows" | "resent" | "unreplicated" | "droppedRows", number>> {
    const tables = [...this.#tables.values()];
    const unreplicated = tables.reduce((sum, table) => sum + table.unreplicated, 0);
    const droppedRows = tables.reduce((sum, table) => sum + table.all.dropped, 0);
    return { badRows: this.#badRows, resent: this.#resent, unreplicated, droppedRows };
  }

  /** A promise left, not long ago, that only this member can keep. */
  get isDegraded(): boolean {
    return this.#clock.nowMs() < this.#unreplicatedAtMs + DEGRADED_MS;
  }

  inspect(): readonly TableView[] {
    return [...this.#tables.values()].map((table) => {
      const positions: Record<string, number> = {};
      for (const { owner, seen } of table.all.streams()) positions[owner] = Math.max(positions[owner] ?? 0, seen);
      return { name: table.name, ...table.all.counts, positions, unreplicated: table.unreplicated };
    });
  }
  lookUp(key: string): readonly FoundRow[] {
    return [...this.#tables.values()].flatMap((table) =>
      table.all.under(key).map(({ key: found, owner, order, term, expiresAtMs, value }) => {
        const leftSec = Math.round((expiresAtMs - this.#clock.nowMs()) / 1_000);
        return { table: table.name, key: found, owner, order, term, leftSec, value };
      }),
    );
  }

  table(name: string, copies: Copies): OverlayTable<Json> {
    const known = this.#tables.get(name);
    if (known?.copies === NOBODY) known.copies = copies;
    if (known) return known;
    const { id } = this.#ports.self;
    const table = new OverlayTable<Json>(
      name,
      copies,
      this.#clock,
      { id, life: this.#life },
      {
        audienceOf: (key, { roles, to }) => (to === "all" ? "" : (rendezvous(groupOf(key), this.#ports.others(roles)) ?? id)),
        wrote: (...written) => this.#wrote(...written),
        isOpen: () => this.#caughtUp === undefined && !this.#isClosed,
      },
    );
    this.#tables.set(name, table);
    return table;
  }

  /** From the log, before anything is put. Rows of a table that nobody has opened yet are kept for whoever does. */
  onPiece(piece: Piece, sinceMs: number): void {
    const { table } = piece.head;
    (this.#tables.get(table) ?? this.table(table, NOBODY)).all.merge(piece, this.#clock.nowMs(), sinceMs);
  }
  /** Of all rows, in memory. */
  get octets(): number {
    let octets = 0;
    for (const table of this.#tables.values()) octets += table.all.counts.octets;
    return octets;
  }
  *snapshot(): Iterable<Uint8Array> {
    for (const table of this.#tables.values()) yield* table.all.snapshot(() => this.#clock.nowMs());
  }

  /** This member joined: it catches up with whom it meets. */
  start(): void {
    this.#meetsUntilMs = this.#clock.nowMs() + MEET_MS;
    this.#clock.timer(this.#meetsUntilMs, () => this.#reviewCatchUp());
  }
  whenCaughtUp(then: () => void): void {
    if (this.#caughtUp) this.#caughtUp.push(then);
    else this.#clock.timer(this.#clock.nowMs(), then);
  }

  raiseLife(life: number): void {
    this.#life = life;
    this.#journal.live(life);
    for (const table of this.#tables.values()) table.all.raiseLife(life);
  }

  /** Members came or went. */
  onMembers(): void {
    for (const table of this.#tables.values()) {
      const { roles, to } = table.copies;
      if (to === "all" || !this.#journal.isReplayed) continue;
      const others = this.#ports.others(roles);
      table.all.readdress((key) => rendezvous(groupOf(key), others) ?? this.#ports.self.id);
      this.#flushSoon();
    }
    for (const gate of this.#gates.values()) gate.review();
    this.#reviewCatchUp();
  }

  /** For a hello, which has room for so many: what this life wrote, and what is here of lives that write no more, the latest first. */
  heads(): readonly Position[] {
    const heads = this.#all().flatMap(([table, stream]): Position | [] => {
      const { owner, life, audience, seen, count, isLossy } = stream;
      const isOwn = owner === this.#ports.self.id && life === this.#life;
      const isPast = !isOwn && this.#ports.lifeOf(owner) !== life && count > 0 && !isLossy;
      return (isOwn || isPast) && seen > 0 ? { table, owner, life, audience, seq: seen } : [];
    });
    return heads.sort((a, b) => b.life - a.life).slice(0, LIMITS.overlayStreams);
  }

  onHeads(from: MemberId, heads: readonly Position[]): void {
    for (const position of heads) {
      const table = this.#tables.get(position.table);
      if (!table || !this.#isForMe(table, position)) continue;
      table.all.learn(position, position.seq);
      const stream = table.all.stream(position);
      if (!stream) continue;
      if (stream.seen < position.seq) this.#sources.set(stream, from);
      this.#ask(table, stream, false);
    }
    for (const table of this.#tables.values()) {
      table.all.forgive();
      this.#remember(table, from);
    }
    this.#reviewCatchUp();
  }

  onRows(octets: Uint8Array): void {
    const decoded = decodePiece(octets);
    if (decoded.status !== "ok") {
      this.#badRows++;
      return;
    }
    const { head } = decoded.value;
    const table = this.#tables.get(head.table);
    if (!table || !this.#isForMe(table, head) || !this.#journal.isReplayed) return; // asked for once it can be taken
    const before = table.all.stream(head)?.seen ?? 0;
    const isNews = table.all.merge(decoded.value, this.#clock.nowMs());
    if (head.owner === this.#ports.self.id) this.#flushNow(); // rows that it has raised are in the log before those that they beat
    const stream = table.all.stream(head);
    if (!stream) return;
    if (isNews) this.#logTickets.set(stream, this.#journal.write(octets));
    this.#say(table.name, stream);
    this.#ask(table, stream, stream.seen > before);
    this.#reviewCatchUp();
  }

  onWant(from: MemberId, positions: readonly Position[]): void {
    this.#flushNow();
    for (const position of positions) {
      const piece = this.#tables.get(position.table)?.all.piece(position, position.seq, this.#clock.nowMs());
      if (!piece) continue;
      this.#ports.send(from, { kind: "rows", octets: piece.octets });
      if (position.owner === this.#ports.self.id) this.#noteBehind(piece, from);
    }
  }

  onHave(from: MemberId, positions: readonly Position[]): void {
    for (const position of positions) {
      const stream = this.#tables.get(position.table)?.all.stream(position);
      if (!stream || position.owner !== this.#ports.self.id) continue;
      const behind = this.#behind.get(stream);
      if (position.seq > (behind?.get(from)?.last ?? Infinity)) behind?.delete(from);
      this.#gates.get(stream)?.copied(position.seq);
    }
  }

  close(): void {
    this.#flushNow();
    this.#isClosed = true;
    for (const table of this.#tables.values()) table.close();
    for (const gate of this.#gates.values()) gate.close();
    if (this.#journal.isReplayed) this.#journal.close();
  }

  #all(): readonly (readonly [table: string, stream: Stream])[] {
    return [...this.#tables.values()].flatMap((table) => table.all.streams().map((stream) => [table.name, stream] as const));
  }
  #isForMe({ copies }: OverlayTable<Json>, { audience, owner, life }: StreamName): boolean {
    const { id, role } = this.#ports.self;
    if (owner === id) return life !== this.#life;
    return copies.roles.includes(role) && (audience === "" || audience === id);
  }

  // Own rows

  #wrote(table: OverlayTable<Json>, stream: Stream): Ticket {
    if (!this.#journal.isReplayed || this.#isClosed) throw new Error(`Cannot write to ${table.name}: the log is not open`);
    this.#flushSoon();
    return this.#gateOf(table, stream).ticket();
  }
  #gateOf(table: OverlayTable<Json>, stream: Stream): Gate {
    const known = this.#gates.get(stream);
    if (known) return known;
    const gate = new Gate(this.#clock, {
      hasCopier: () => this.#copiers(table, stream).some((id) => !this.#isBehind(stream, id)),
      everHadCopier: () => this.#everMet(table),
      resend: (after) => this.#resend(table, stream, after),
      unreplicated: (promises) => {
        table.unreplicated += promises;
        this.#unreplicatedAtMs = this.#clock.nowMs();
      },
    });
    this.#gates.set(stream, gate);
    return gate;
  }
  /** Whoever needs more than one piece takes nothing new until it has them all: a promise would wait for it in vain. */
  #noteBehind({ stream, last, isEnd }: StreamPiece, member: MemberId): void {
    const behind = this.#behind.get(stream) ?? new Map<MemberId, Behind>();
    this.#behind.set(stream, behind);
    if (isEnd) behind.delete(member);
    else behind.set(member, { life: this.#ports.lifeOf(member), last });
    this.#gates.get(stream)?.review();
  }
  #isBehind(stream: Stream, member: MemberId): boolean {
    const behind = this.#behind.get(stream)?.get(member);
    return behind !== undefined && behind.life === this.#ports.lifeOf(member);
  }
  #copiers({ copies }: OverlayTable<Json>, { audience }: StreamName): readonly MemberId[] {
    const others = this.#ports.others(copies.roles);
    return audience === "" ? others : others.filter((id) => id === audience);
  }
  /** Others have copied that table, at any time that the log remembers. */
  #everMet(table: OverlayTable<Json>): boolean {
    return table.all.streams().some(({ owner }) => owner !== this.#ports.self.id);
  }
  /** That somebody else copies it, also over a restart: as a stream of his in which nothing is written yet. */
  #remember(table: OverlayTable<Json>, owner: MemberId): void {
    if (!this.#journal.isReplayed || this.#everMet(table) || !this.#ports.others(table.copies.roles).includes(owner)) return;
    const life = this.#ports.lifeOf(owner) ?? 0;
    const head = { table: table.name, owner, life, audience: "", after: 0, through: 0 };
    table.all.merge({ head, records: NO_BYTES }, this.#clock.nowMs());
    this.#journal.write(encodePiece(head, []));
  }

  #flushSoon(): void {
    this.#flush ??= this.#clock.timer(this.#clock.nowMs(), () => this.#flushNow());
  }
  #flushNow(): void {
    this.#flush?.cancel();
    this.#flush = undefined;
    if (!this.#journal.isReplayed || this.#isClosed) return;
    for (const table of this.#tables.values()) {
      for (const piece of table.all.unsent(this.#clock.nowMs())) {
        const logTicket = this.#journal.write(piece.octets);
        for (const id of this.#copiers(table, piece.stream)) this.#ports.send(id, { kind: "rows", octets: piece.octets });
        if (piece.isEnd) this.#gateOf(table, piece.stream).sent(piece.last, logTicket);
      }
    }
  }
  #resend(table: OverlayTable<Json>, stream: Stream, after: number): void {
    const piece = table.all.piece(stream, after, this.#clock.nowMs());
    if (!piece) return;
    this.#resent++;
    for (const id of this.#copiers(table, stream)) this.#ports.send(id, { kind: "rows", octets: piece.octets });
  }

  // Copies

  #ask(table: OverlayTable<Json>, stream: Stream, isWalking: boolean): void {
    const source = this.#sourceOf(stream);
    const nowMs = this.#clock.nowMs();
    const askedAtMs = this.#askedAtMs.get(stream) ?? -Infinity;
    if (source === undefined || (!isWalking && nowMs < askedAtMs + ASK_AGAIN_MS)) return;
    this.#askedAtMs.set(stream, nowMs);
    this.#ports.send(source, { kind: "want", positions: [positionOf(table.name, stream)] });
  }
  /** Who can send what is missing of a stream; undefined where nothing is, or nobody can. */
  #sourceOf(stream: Stream): MemberId | undefined {
    if (stream.seen >= stream.head) return undefined;
    if (this.#ports.lifeOf(stream.owner) === stream.life) return stream.owner;
    const source = this.#sources.get(stream);
    return source !== undefined && this.#ports.lifeOf(source) !== undefined ? source : undefined;
  }

  /** Its writer is told how far the stream is here, once that is on the disk. */
  #say(table: string, stream: Stream): void {
    if (stream.isLossy || this.#ports.lifeOf(stream.owner) !== stream.life) return;
    const position = positionOf(table, stream);
    const logTicket = this.#logTickets.get(stream) ?? 0;
    if (logTicket > this.#journal.durableTicket) this.#copied.push({ position, logTicket });
    else this.#ports.send(stream.owner, { kind: "have", positions: [position] });
  }

  #durable(logTicket: number): void {
    if (this.#isClosed) return;
    const safe = this.#copied.filter((copied) => copied.logTicket <= logTicket);
    this.#copied = this.#copied.filter((copied) => copied.logTicket > logTicket);
    const byOwner = new Map<MemberId, Map<string, Position>>();
    for (const { position } of safe) {
      const last = byOwner.get(position.owner) ?? new Map<string, Position>();
      byOwner.set(position.owner, last.set(`${position.table} ${position.life} ${position.audience}`, position));
    }
    for (const [owner, last] of byOwner) this.#ports.send(owner, { kind: "have", positions: [...last.values()] });
    for (const gate of this.#gates.values()) gate.durable(logTicket);
  }

  /** Whether all is here that was to be had of the members present. */
  #reviewCatchUp(): void {
    if (!this.#caughtUp || this.#isClosed || this.#clock.nowMs() < this.#meetsUntilMs) return;
    if (this.#all().some(([, stream]) => this.#sourceOf(stream) !== undefined)) return;
    const waiting = this.#caughtUp;
    this.#caughtUp = undefined;
    for (const then of waiting) then();
  }
}

const positionOf = (table: string, { owner, life, audience, seen }: Stream): Position => ({
  table,
  owner,
  life,
  audience,
  seq: seen,
});
