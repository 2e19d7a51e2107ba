import { type JoinRequest, REFUSAL, type Refusal } from "#cops/engine/iptv.ts";
import { Link, type Share, type Slot } from "./link.ts";
import type { Network } from "./topology.ts";

/** What a join asks of the network: the viewer's edge, and what of its request costs something. */
export type Claim = Pick<JoinRequest, "joinId" | "channel" | "user" | "kbps" | "accessKbps" | "sourceEdge" | "replaces"> & {
  readonly sinkEdge: string;
};
export interface LinkState {
  /** A core link's name; for an access link, its edge's id. */
  readonly name: string;
  readonly kind: "core" | "access";
  readonly kbps: number;
  readonly bookedKbps: number;
}
interface Place {
  readonly link: Link;
  readonly limitKbps: number;
  readonly share: Share;
  /** Said when the link cannot take it. */
  readonly refusal: Refusal;
}
interface Booking {
  readonly user: string;
  readonly slot: Slot;
  readonly places: readonly Place[];
}

/**
 * What is promised on every link, by join id (PROTOCOL §7): a channel crosses each core link once however many joins use
 * it; each viewer takes of his edge's access link, and of his own line where its rate is known. No link is ever booked
 * above its capacity.
 */
export class Books {
  readonly #network: Network;
  readonly #core: ReadonlyMap<string, Link>;
  readonly #access: ReadonlyMap<string, Link>;
  readonly #lines = new Map<string, Link>(); // by user
  readonly #bookings = new Map<string, Booking>(); // by join id

  constructor(network: Network) {
    this.#network = network;
    this.#core = new Map(network.topology.links.map(({ name, kbps }) => [name, new Link(kbps)]));
    this.#access = new Map([...network.edges].map(([id, { accessKbps }]) => [id, new Link(accessKbps)]));
  }

  /**
   * Books all of a claim or nothing. A known join id is booked anew: asking twice costs once, and after a refusal it holds
   * nothing. With `replaces` the old join counts as if it were free, and the larger of the two stays booked until one of
   * them is released (PROTOCOL §6).
   */
  book(claim: Claim): Refusal | undefined {
    const slot = this.#bookings.get(claim.joinId)?.slot ?? this.#slotReplacedBy(claim) ?? { joins: 0 };
    this.release(claim.joinId);
    const places = this.#placesOf(claim, slot);
    if (!places) return REFUSAL.unknownEdge;
    slot.joins += 1;
    for (const { link, share } of places) link.add(share);
    this.#bookings.set(claim.joinId, { user: claim.user, slot, places });
    const full = places.find(({ link, limitKbps }) => link.loadKbps > limitKbps);
    if (full) this.release(claim.joinId);
    return full?.refusal;
  }

  /** Harmless for a join that holds nothing. */
  release(joinId: string): void {
    const booking = this.#bookings.get(joinId);
    if (!booking) return;
    this.#bookings.delete(joinId);
    booking.slot.joins -= 1;
    for (const { link, share } of booking.places) link.remove(share);
    if (this.#lines.get(booking.user)?.isEmpty) this.#lines.delete(booking.user);
  }

  /** Core links, then access links, as the topology names them. */
  links(): readonly LinkState[] {
    const states = (kind: LinkState["kind"], links: ReadonlyMap<string, Link>): LinkState[] =>
      [...links].map(([name, { capacityKbps, loadKbps }]) => ({ name, kind, kbps: capacityKbps, bookedKbps: loadKbps }));
    return [...states("core", this.#core), ...states("access", this.#access)];
  }

  /** What a viewer's own line carries, kbit/s. */
  lineKbps(user: string): number {
    return this.#lines.get(user)?.loadKbps ?? 0;
  }

  /** One running join of the same viewer can be replaced, by one other at a time: a claim beyond that stands alone. */
  #slotReplacedBy({ user, replaces }: Claim): Slot | undefined {
    const old = replaces === undefined ? undefined : this.#bookings.get(replaces);
    return old?.user === user && old.slot.joins === 1 ? old.slot : undefined;
  }

  #placesOf(claim: Claim, slot: Slot): Place[] | undefined {
    const { joinId, channel, user, kbps, accessKbps, sourceEdge, sinkEdge } = claim;
    const path = this.#network.corePath(sourceEdge, sinkEdge);
    const access = this.#access.get(sinkEdge);
    if (!path || !access) return undefined;
    const place = (link: Link, item: string, refusal: Refusal, limitKbps = link.capacityKbps): Place => {
      return { link, limitKbps, share: { item, slot, kbps }, refusal };
    };
    const core = path.flatMap((name) => this.#core.get(name) ?? []).map((link) => place(link, channel, REFUSAL.coreFull));
    return [
      ...core,
      place(access, joinId, REFUSAL.accessFull),
      place(this.#line(user), joinId, REFUSAL.userFull, accessKbps || Infinity),
    ];
  }
  /** A line's rate comes with each claim: the line itself knows none. */
  #line(user: string): Link {
    const line = this.#lines.get(user) ?? new Link(Infinity);
    this.#lines.set(user, line);
    return line;
  }
}
