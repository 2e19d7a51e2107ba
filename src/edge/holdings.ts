import { Deadlines, type Timed } from "#base/deadlines.ts";
import { LIMITS } from "#base/limits.ts";
import type { JoinGrant, JoinRequest, ProvisionGrant, ProvisionRequest } from "#cops/engine/iptv.ts";
import type { Attributes, Handle, PepConnection } from "#cops/engine/types.ts";
import type { Address, Clock } from "#host/host.ts";

export interface Holder {
  readonly pep: PepConnection;
  readonly handle: Handle;
}
/** What whoever asks was granted before; an edge that was restarted gives the same again (PROTOCOL §7). */
export type Claim = Partial<Pick<ProvisionGrant & JoinGrant, "group" | "source" | "ingest" | "token">>;
interface Held extends Timed {
  readonly claim: Claim | undefined;
  /** Who asked last; `undefined` while nobody does: an orphan. */
  holder: Holder | undefined;
  orphanUntilMs: number;
  /** What was answered; `undefined` while undecided. */
  grant: Attributes | undefined;
}
export interface Provision extends Held {
  readonly kind: "configuration";
  readonly request: ProvisionRequest;
}
export interface Join extends Held {
  readonly kind: "admission-source" | "admission-sink";
  readonly request: JoinRequest;
  /** The viewer has acknowledged (RPT). */
  isConfirmed: boolean;
  /** The pair of ports that a unicast stream is sent from. */
  unicastAt: Address | undefined;
  /** Its handle at the broker; `undefined` while the broker is away. */
  asked: Handle | undefined;
  /** Decided here while the broker was away, and not confirmed since (RFC 2748 §2.2.7). */
  isLocal: boolean;
}
export type Reservation = Provision | Join;

/**
 * Reservations by their own name (kind and join id) and by who holds them (PROTOCOL §7, "Names and take-over"): when a DS's
 * connection ends, what it held waits for `orphanHoldMs` to be adopted, whichever DS asks.
 */
export class Holdings {
  readonly #clock: Clock;
  readonly #orphaned: Deadlines<Reservation>;
  readonly #provisions = new Map<string, Provision>();
  readonly #joins: Readonly<Record<Join["kind"], Map<string, Join>>> = {
    "admission-source": new Map(),
    "admission-sink": new Map(),
  };
  readonly #byHolder = new Map<PepConnection, Map<Handle, Reservation>>();

  /** `unclaimed` is told of an orphan that nobody adopted in time, and is to drop it. */
  constructor(clock: Clock, unclaimed: (orphan: Reservation) => void) {
    this.#clock = clock;
    this.#orphaned = new Deadlines(clock, (orphan, nowMs) => {
      if (nowMs < orphan.orphanUntilMs) this.#orphaned.set(orphan, orphan.orphanUntilMs);
      else unclaimed(orphan);
    });
  }

  get(kind: Reservation["kind"], joinId: string): Reservation | undefined {
    return this.#named(kind).get(joinId);
  }
  heldAs({ pep, handle }: Holder): Reservation | undefined {
    return this.#byHolder.get(pep)?.get(handle);
  }
  provisions(): Provision[] {
    return [...this.#provisions.values()];
  }
  joins(): Join[] {
    return [...this.#joins["admission-source"].values(), ...this.#joins["admission-sink"].values()];
  }
  sinks(): Join[] {
    return [...this.#joins["admission-sink"].values()];
  }

  addProvision(request: ProvisionRequest, claim: Claim | undefined, holder: Holder): Provision {
    const provision: Provision = { kind: "configuration", request, ...undecided(claim) };
    this.#provisions.set(request.joinId, provision);
    this.adopt(provision, holder);
    return provision;
  }
  addJoin(kind: Join["kind"], request: JoinRequest, claim: Claim | undefined, holder: Holder): Join {
    const none = { isConfirmed: false, unicastAt: undefined, asked: undefined, isLocal: false };
    const join: Join = { kind, request, ...none, ...undecided(claim) };
    this.#joins[kind].set(request.joinId, join);
    this.adopt(join, holder);
    return join;
  }
  /** Whoever asks with a known name holds it from now on. */
  adopt(held: Reservation, holder: Holder): void {
    this.#unhold(held);
    this.#orphaned.delete(held);
    held.orphanUntilMs = Infinity;
    held.holder = holder;
    const handles = this.#byHolder.get(holder.pep);
    if (handles) handles.set(holder.handle, held);
    else this.#byHolder.set(holder.pep, new Map([[holder.handle, held]]));
  }
  drop(held: Reservation): void {
    this.#unhold(held);
    this.#orphaned.delete(held);
    this.#named(held.kind).delete(held.request.joinId);
  }
  /** A connection ended: what it held is nobody's. */
  orphan(pep: PepConnection): void {
    const handles = this.#byHolder.get(pep);
    this.#byHolder.delete(pep);
    for (const held of handles?.values() ?? []) {
      held.holder = undefined;
      held.orphanUntilMs = this.#clock.nowMs() + LIMITS.orphanHoldMs;
      this.#orphaned.set(held, held.orphanUntilMs);
    }
  }
  stop(): void {
    this.#orphaned.clear();
  }

  #named(kind: Reservation["kind"]): Map<string, Provision> | Map<string, Join> {
    return kind === "configuration" ? this.#provisions : this.#joins[kind];
  }
  #unhold(held: Reservation): void {
    if (!held.holder) return;
    const handles = this.#byHolder.get(held.holder.pep);
    handles?.delete(held.holder.handle);
    if (handles?.size === 0) this.#byHolder.delete(held.holder.pep);
    held.holder = undefined;
  }
}

const undecided = (claim: Claim | undefined): Held => ({
  claim,
  holder: undefined,
  orphanUntilMs: Infinity,
  grant: undefined,
  wheelAtMs: Infinity,
});
