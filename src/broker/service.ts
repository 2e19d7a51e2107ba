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
}
interface Held extends BookedJoin, Timed {
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

  /** Throws for a topology with faults (`topologyFaults`). */
  constructor(clock: Clock, topology: Topology, cops: PdpPort) {
    this.#clock = clock;
    this.#cops = cops;
    this.#network = new Network(topology);
    this.#books = new Books(this.#network);
    this.#absent = new Deadlines(clock, (held, nowMs) => this.#onAbsenceOver(held, nowMs));
  }

  reservations(): readonly BookedJoin[] {
    return [...this.#held.values()].map(({ joinId, channel, user, kbps, sinkEdge }) => ({
      joinId,
      channel,
      user,
      kbps,
      sinkEdge,
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
    for (const held of this.#held.values()) if (held.sinkEdge === pepId && !held.holder) this.#countUntil(held, LIMITS.readoptMs);
    return true;
  }

  onRequest(pep: PepConnection, _clientType: ClientType, handle: Handle, request: CopsRequest): void {
    const peer = this.#peers.get(pep);
    if (peer) this.#cops.decide(pep, handle, this.#decision(pep, handle, peer, request));
  }

  /** What an edge makes of a decision changes no booking: it returns what it cannot use by DRQ. */
  onReport(_pep: PepConnection, _handle: Handle, _kind: ReportKind): void {}

  onDelete(pep: PepConnection, handle: Handle, _reason: DeleteReason): void {
    const peer = this.#peers.get(pep);
    const held = this.#held.get(peer?.joins.get(handle) ?? "");
    peer?.joins.delete(handle);
    if (held?.holder?.pep === pep && held.holder.handle === handle) this.#release(held);
  }

  /** An edge that is not connected is counted at what it last held (PROTOCOL §7), for `edgeAbsenceMs` at most. */
  onGone(pep: PepConnection, pepId: string): void {
    this.#peers.delete(pep);
    const isBack = [...this.#peers.values()].some(({ edgeId }) => edgeId === pepId);
    for (const held of this.#held.values()) {
      if (held.holder?.pep !== pep) continue;
      held.holder = undefined;
      this.#countUntil(held, isBack ? LIMITS.readoptMs : LIMITS.edgeAbsenceMs);
    }
  }

  #decision(pep: PepConnection, handle: Handle, peer: Peer, { kind, attributes }: CopsRequest): Decision {
    if (kind === "configuration") return { command: "install", attributes: edgePolicyAttributes(this.#policyOf(peer.edgeId)) };
    const join = joinRequest(attributes);
    if (!join) {
      this.malformedRequests += 1;
      return { command: "remove", attributes: { reason: REFUSAL.malformed } };
    }
    const refusal = kind === "admission-source" ? this.#refusalAtSource(join) : this.#book(pep, handle, peer, join);
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

  #book(pep: PepConnection, handle: Handle, peer: Peer, join: JoinRequest): Refusal | undefined {
    const sinkEdge = peer.edgeId;
    const before = this.#held.get(join.joinId);
    if (before) this.#forget(before);
    const other = this.#held.get(peer.joins.get(handle) ?? ""); // a handle names one join at a time
    if (other?.holder?.handle === handle && other.holder.pep === pep) this.#release(other);
    const refusal = this.#books.book({ ...join, sinkEdge });
    if (refusal) return refusal;
    const { joinId, channel, user, kbps } = join;
    peer.joins.set(handle, joinId);
    this.#held.set(joinId, {
      joinId,
      channel,
      user,
      kbps,
      sinkEdge,
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
