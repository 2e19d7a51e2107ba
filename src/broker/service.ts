import { Deadlines, type Timed } from "#base/deadlines.ts";
import { LIMITS } from "#base/limits.ts";
import {
  type EdgePolicy,
  edgePolicyAttributes,
  type JoinRequest,
  joinGrantAttributes,
  joinRequest,
  REFUSAL,
  type Refusal,
} from "#cops/engine/iptv.ts";
import {
  type Attributes,
  CLIENT_TYPE,
  type ClientType,
  type CopsRequest,
  type Decision,
  type DeleteReason,
  type Handle,
  type PdpPort,
  type PdpUser,
  type PepConnection,
  type ReportKind,
} from "#cops/engine/types.ts";
import type { Clock } from "#host/host.ts";
import type { Topology } from "#roles/types.ts";
import { Books, type LinkState } from "./books.ts";
import { policyOf } from "./policy.ts";
import { Network } from "./topology.ts";

/** A viewer's join that the broker has promised. */
export interface BookedJoin {
  readonly joinId: string;
  readonly channel: string;
  readonly user: string;
  readonly kbps: number;
  readonly sinkEdge: string;
  /** A join that it takes the place of: while both run, the larger is booked (PROTOCOL §6). */
  readonly replaces?: string;
  /** What the edge has carried of the channel so far, as it reported last (RFC 2748 §3.3). */
  readonly carriedKiB: number;
}
interface Held extends Omit<BookedJoin, "carriedKiB">, Timed {
  carriedKiB: number;
  /** Who may return it; `undefined` while its edge is away: it stays counted until `releaseAtMs` (PROTOCOL §7). */
  holder: { readonly pep: PepConnection; readonly handle: Handle } | undefined;
  releaseAtMs: number;
}
interface Peer {
  readonly edgeId: string;
  readonly joins: Map<Handle, string>; // join id
}

/**
 * The bandwidth broker: PDP of every edge [B8]. It provisions an edge once, decides each join with knowledge of the whole
 * topology, and books by join id, so that a repeated or adopted join costs nothing (PROTOCOL §7).
 */
export class Broker implements PdpUser {
  /** Requests that no edge of ours would send. */
  malformedRequests = 0;
  readonly #clock: Clock;
  readonly #cops: PdpPort;
  readonly #network: Network;
  readonly #books: Books;
  readonly #peers = new Map<PepConnection, Peer>();
  readonly #held = new Map<string, Held>(); // by join id
  readonly #absent: Deadlines<Held>;
  /** Edges that are connected and have told all that they hold, with the connection. */
  readonly #whole = new Map<string, PepConnection>();
  /** Those that ever were since the broker started: what the others hold is not known. */
  readonly #known = new Set<string>();
  readonly #settledAtMs: number;

  /** Throws for a topology with faults (`topologyFaults`). */
  constructor(clock: Clock, topology: Topology, cops: PdpPort) {
    this.#clock = clock;
    this.#cops = cops;
    this.#network = new Network(topology);
    this.#books = new Books(this.#network);
    this.#absent = new Deadlines(clock, (held, nowMs) => this.#onAbsenceOver(held, nowMs));
    this.#settledAtMs = clock.nowMs() + LIMITS.brokerSettleMs;
  }

  reservations(): readonly BookedJoin[] {
    return [...this.#held.values()].map(({ joinId, channel, user, kbps, sinkEdge, replaces, carriedKiB }) => ({
      joinId,
      channel,
      user,
      kbps,
      sinkEdge,
      ...(replaces !== undefined && { replaces }),
      carriedKiB,
    }));
  }
  links(): readonly LinkState[] {
    return this.#books.links();
  }
  stop(): void {
    this.#absent.clear();
  }

  /** Only edges of the topology are served (RFC 2748 §3.6: others get CC). */
  onOpen(pep: PepConnection, pepId: string, clientType: ClientType): boolean {
    if (!this.#network.edges.has(pepId)) return false;
    if (clientType !== CLIENT_TYPE.admission && clientType !== CLIENT_TYPE.provisioning) return false;
    if (!this.#peers.has(pep)) this.#peers.set(pep, { edgeId: pepId, joins: new Map() });
    if (clientType === CLIENT_TYPE.admission) this.#cops.synchronize(pep, clientType);
    for (const held of this.#held.values()) if (held.sinkEdge === pepId && !held.holder) this.#countUntil(held, LIMITS.readoptMs);
    return true;
  }

  onRequest(pep: PepConnection, _clientType: ClientType, handle: Handle, request: CopsRequest): void {
    const peer = this.#peers.get(pep);
    if (peer) this.#cops.decide(pep, handle, this.#decision(pep, handle, peer, request));
  }

  /** What an edge makes of a decision changes no booking: it returns what it cannot use by DRQ. */
  onReport(pep: PepConnection, handle: Handle, _kind: ReportKind, { carriedKiB }: Attributes): void {
    const held = this.#held.get(this.#peers.get(pep)?.joins.get(handle) ?? "");
    if (held) held.carriedKiB = Number(carriedKiB ?? held.carriedKiB);
  }

  onDelete(pep: PepConnection, handle: Handle, _reason: DeleteReason): void {
    const peer = this.#peers.get(pep);
    const held = this.#held.get(peer?.joins.get(handle) ?? "");
    peer?.joins.delete(handle);
    if (held?.holder?.pep === pep && held.holder.handle === handle) this.#release(held);
  }

  onSynchronized(pep: PepConnection, _clientType: ClientType, _handle: Handle | undefined): void {
    const peer = this.#peers.get(pep);
    if (!peer) return;
    this.#whole.set(peer.edgeId, pep);
    this.#known.add(peer.edgeId);
  }

  /** An edge that is not connected is counted at what it last held (PROTOCOL §7), for `edgeAbsenceMs` at most. */
  onGone(pep: PepConnection, pepId: string): void {
    this.#peers.delete(pep);
    if (this.#whole.get(pepId) === pep) this.#whole.delete(pepId);
    const isBack = [...this.#peers.values()].some(({ edgeId }) => edgeId === pepId);
    for (const held of this.#held.values()) {
      if (held.holder?.pep !== pep) continue;
      held.holder = undefined;
      this.#countUntil(held, isBack ? LIMITS.readoptMs : LIMITS.edgeAbsenceMs);
    }
  }

  #decision(pep: PepConnection, handle: Handle, peer: Peer, { kind, attributes, localDecision }: CopsRequest): Decision {
    if (kind === "configuration") return { command: "install", attributes: edgePolicyAttributes(this.#policyOf(peer.edgeId)) };
    const join = joinRequest(attributes);
    if (!join) {
      this.malformedRequests += 1;
      return { command: "remove", attributes: { reason: REFUSAL.malformed } };
    }
    const isFact = localDecision?.command === "install"; // it is carried already
    const refusal = kind === "admission-source" ? this.#refusalAtSource(join) : this.#book(pep, handle, peer, join, isFact);
    if (refusal) return { command: "remove", attributes: { reason: refusal } };
    return { command: "install", attributes: joinGrantAttributes({ kbps: join.kbps, parentEdge: join.sourceEdge }) };
  }

  #policyOf(edgeId: string): EdgePolicy {
    const { edges, groupPort } = this.#network.topology;
    const index = edges.findIndex(({ id }) => id === edgeId);
    const edge = edges[index];
    if (!edge) throw new Error(`Cannot provision ${edgeId}: it opened without being in the topology`);
    return policyOf(edge, index, groupPort);
  }

  /** The sink's request carries the whole path: the source's adds nothing (PROTOCOL §7). */
  #refusalAtSource({ sourceEdge }: JoinRequest): Refusal | undefined {
    return this.#network.edges.has(sourceEdge) ? undefined : REFUSAL.unknownEdge;
  }

  /**
   * Whether a promise on that path could be one too many (DESIGN §6, "Bandwidth in doubt"): another broker may have most of
   * the edges of a link, or an edge has not told what it holds since this one started. An edge that is away is counted at
   * what it last held; what it promises alone adds nothing to the core.
   */
  #isInDoubt(sourceEdge: string, sinkEdge: string): boolean {
    const path = this.#network.corePath(sourceEdge, sinkEdge) ?? [];
    if (path.length === 0) return false;
    const settled = this.#known.size === this.#network.edges.size || this.#clock.nowMs() >= this.#settledAtMs;
    if (!settled) return true;
    return path.some((link) => {
      const sharers = this.#network.sharers.get(link) ?? [];
      return 2 * sharers.filter((edgeId) => this.#whole.has(edgeId)).length <= sharers.length;
    });
  }

  #book(pep: PepConnection, handle: Handle, peer: Peer, join: JoinRequest, isFact: boolean): Refusal | undefined {
    const sinkEdge = peer.edgeId;
    const before = this.#held.get(join.joinId);
    if (!isFact && !before && this.#isInDoubt(join.sourceEdge, sinkEdge)) return REFUSAL.brokerSilent;
    if (before) this.#forget(before);
    const other = this.#held.get(peer.joins.get(handle) ?? ""); // a handle names one join at a time
    if (other?.holder?.handle === handle && other.holder.pep === pep) this.#release(other);
    const refusal = this.#books.book({ ...join, sinkEdge });
    if (refusal) return refusal;
    const { joinId, channel, user, kbps, replaces } = join;
    peer.joins.set(handle, joinId);
    this.#held.set(joinId, {
      joinId,
      channel,
      user,
      kbps,
      sinkEdge,
      ...(replaces !== undefined && { replaces }),
      carriedKiB: before?.carriedKiB ?? 0,
      holder: { pep, handle },
      releaseAtMs: Infinity,
      wheelAtMs: Infinity,
    });
    return undefined;
  }

  #countUntil(held: Held, waitMs: number): void {
    held.releaseAtMs = Math.min(held.releaseAtMs, this.#clock.nowMs() + waitMs);
    this.#absent.set(held, held.releaseAtMs);
  }
  #onAbsenceOver(held: Held, nowMs: number): void {
    if (nowMs < held.releaseAtMs) this.#absent.set(held, held.releaseAtMs);
    else this.#release(held);
  }
  #release(held: Held): void {
    this.#forget(held);
    this.#books.release(held.joinId);
  }
  #forget(held: Held): void {
    this.#absent.delete(held);
    this.#held.delete(held.joinId);
  }
}
