import type { EdgePolicy } from "#cops/engine/iptv.ts";
import { type Address, showAddress } from "#host/host.ts";
import type { MediaPort, StreamSource } from "#media/types.ts";
import { GroupPool, PortPool } from "./pools.ts";

/** A stream that the edge carries: opened in the media plane once, however many take it. */
export interface Carried<Taker> {
  readonly channel: string;
  readonly source: StreamSource;
  /** This edge's own group for it, kept while it is carried. */
  readonly group: Address;
  readonly takers: Set<Taker>;
}
interface Opened<Taker> extends Carried<Taker> {
  readonly groups: GroupPool; // where its group came from: a new policy may bring another pool
}
/** Addresses that a stream had before the edge was restarted: it gets the same where they are free. */
export interface Wanted {
  readonly group?: Address | undefined;
  readonly ingest?: Address | undefined;
}
export interface StreamsConfig {
  readonly mediaAddress: string;
  readonly ingestPorts: { readonly first: number; readonly count: number };
  /** Pairs for viewers with a stream of their own: the first port, even, and how many viewers. */
  readonly unicastPorts: { readonly first: number; readonly count: number };
}

/** What the edge carries, and the addresses for it: a group, an ingest port where a stream enters, a pair for each unicast viewer. */
export class Streams<Taker> {
  readonly #media: MediaPort;
  readonly #ingest: PortPool;
  readonly #unicast: PortPool;
  readonly #carried = new Map<string, Opened<Taker>>(); // by channel
  #groups = new GroupPool("0.0.0.0", 0, 0);

  constructor(media: MediaPort, { mediaAddress, ingestPorts, unicastPorts }: StreamsConfig) {
    this.#media = media;
    this.#ingest = new PortPool(mediaAddress, ingestPorts.first, ingestPorts.count);
    this.#unicast = new PortPool(mediaAddress, unicastPorts.first, unicastPorts.count, 2);
  }

  /** Streams that are carried already keep the group they have. */
  takeGroupsFrom({ groupFirst, groupCount, groupPort }: EdgePolicy): void {
    const { first, count, port } = this.#groups;
    if (first !== groupFirst || count !== groupCount || port !== groupPort)
      this.#groups = new GroupPool(groupFirst, groupCount, groupPort);
  }

  get(channel: string): Carried<Taker> | undefined {
    return this.#carried.get(channel);
  }

  /** Where a broadcaster's stream enters. `senderHost`: as far as signalling knows. */
  openIngest(channel: string, senderHost: string, wanted: Wanted): { group: Address; ingest: Address } | "no-group" | "no-port" {
    const ingest = this.#ingest.take(wanted.ingest);
    if (!ingest) return "no-port";
    const carried = this.#open(channel, { kind: "ingest", at: ingest, senderHost }, wanted);
    if (carried) return { group: carried.group, ingest };
    this.#ingest.give(ingest);
    return "no-group";
  }
  /** One copy from another edge (PROTOCOL §8). */
  openCopy(channel: string, group: Address, source: string, wanted: Wanted): Carried<Taker> | "no-group" {
    return this.#open(channel, { kind: "group", group, source }, wanted) ?? "no-group";
  }

  /** Lets one viewer take the stream at ports of his own; `undefined` when all are taken. */
  addUnicast({ channel }: Carried<Taker>, sink: string, to: Address, wanted: Address | undefined): Address | undefined {
    const at = this.#unicast.take(wanted);
    if (at) this.#media.addUnicast(channel, sink, at, to);
    return at;
  }
  removeUnicast({ channel }: Carried<Taker>, sink: string, at: Address): void {
    this.#media.removeSink(channel, sink);
    this.#unicast.give(at);
  }

  close(channel: string): void {
    const carried = this.#carried.get(channel);
    if (!carried) throw new Error(`Cannot close stream ${channel}: it is not carried`);
    this.#carried.delete(channel);
    this.#media.close(channel);
    carried.groups.give(carried.group);
    if (carried.source.kind === "ingest") this.#ingest.give(carried.source.at);
  }

  #open(channel: string, source: StreamSource, wanted: Wanted): Carried<Taker> | undefined {
    const group = this.#groups.take(wanted.group);
    if (!group) return undefined;
    const carried = { channel, source, group, groups: this.#groups, takers: new Set<Taker>() };
    this.#carried.set(channel, carried);
    this.#media.open(channel, source, group);
    return carried;
  }
}

/** Whether a carried copy is what a join names as the core's stream: a channel that went on air anew has another. */
export function isCopyOf({ source }: Carried<unknown>, coreGroup: string, coreSource: string): boolean {
  return source.kind === "group" && source.source === coreSource && showAddress(source.group) === coreGroup;
}
