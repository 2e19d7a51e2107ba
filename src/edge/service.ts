import { hex } from "#base/bytes.ts";
import type { Logger } from "#base/log.ts";
import {
  type EdgePolicy,
  edgePolicy,
  type JoinGrant,
  type JoinRequest,
  joinGrant,
  joinGrantAttributes,
  joinRequest,
  joinRequestAttributes,
  type ProvisionRequest,
  provisionGrantAttributes,
  provisionRequest,
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
  type PepPort,
  type PepUser,
  type ReportKind,
} from "#cops/engine/types.ts";
import { readAddress } from "#host/addresses.ts";
import { type Address, type Clock, type Entropy, showAddress, type Timer } from "#host/host.ts";
import type { MediaPort, MediaUser } from "#media/types.ts";

import { Absences, type MemberPort, type MulticastViewer } from "./absences.ts";
import { Census } from "./census.ts";
import { type Claim, type Holder, Holdings, type Join, type Provision, type Reservation } from "./holdings.ts";
import { type Carried, isCopyOf, Streams, type StreamsConfig, type Wanted } from "./streams.ts";

/** Octets of a media token: 128 bits that nobody guesses (PROTOCOL §3). */
const TOKEN_OCTETS = 16;

export interface EdgeServiceConfig extends StreamsConfig {
  readonly id: string;
  /** Where WebSocket viewers come, "ws://ip:port". */
  readonly mediaBase: string;
  /** A line when members cannot be looked for. Default: none. */
  readonly log?: Logger;
}
export interface EdgePorts {
  /** Towards the DSs, whose PDP the edge is. */
  readonly ds: PdpPort;
  /** Towards the broker, whose PEP it is. */
  readonly broker: PepPort;
  readonly media: MediaPort;
  /** The broker's policy is installed: channels can go on air. Told at each installation. */
  provisioned(): void;
  /** Who has joined its groups, where the site's switch can be asked. */
  readonly members?: MemberPort;
}
/** For the console and tests. */
export interface EdgeReservation {
  readonly kind: Reservation["kind"];
  readonly joinId: string;
  readonly channel: string;
  readonly user: string;
  readonly kbps: number;
  /** A join that it takes the place of (PROTOCOL §6). */
  readonly replaces?: string;
  readonly state: "asked" | "granted";
  readonly isOrphan: boolean;
}

/**
 * An edge router's agent [B7]: decides what DSs ask, channels by the policy it was given and joins by asking the broker,
 * and makes the media plane do what was granted. No stream is carried without a reservation (PROTOCOL §7).
 */
export class Edge implements PdpUser, PepUser, MediaUser {
  /** Requests that no DS of ours would send, and policies that no broker of ours would. */
  malformed = 0;
  readonly #config: EdgeServiceConfig;
  readonly #entropy: Pick<Entropy, "random">;
  readonly #ports: EdgePorts;
  readonly #holdings: Holdings;
  readonly #streams: Streams<Join>;
  readonly #asked = new Map<Handle, Join>(); // at the broker
  readonly #census: Census;
  readonly #absences: Absences | undefined;
  readonly #clock: Clock;
  #accounting: Timer | undefined;
  #policy: EdgePolicy | undefined;
  /** The broker asked before its policy was there: what is held is not whole before. */
  #owesCensus = false;
  #policyHandle: Handle | undefined;

  constructor(clock: Clock, entropy: Pick<Entropy, "random">, config: EdgeServiceConfig, ports: EdgePorts) {
    this.#clock = clock;
    this.#config = config;
    this.#entropy = entropy;
    this.#ports = ports;
    this.#holdings = new Holdings(clock, (orphan) => this.#release(orphan, "timeout"));
    this.#streams = new Streams(ports.media, config);
    this.#census = new Census(
      clock,
      (pep) => ports.ds.synchronize(pep, CLIENT_TYPE.admission),
      () => ports.broker.synchronized(CLIENT_TYPE.admission),
    );
    const gone = (joinId: string): void => this.#onViewerGone(joinId);
    if (ports.members) this.#absences = new Absences(clock, ports.members, () => this.#multicastViewers(), gone, config.log);
  }

  reservations(): readonly EdgeReservation[] {
    return [...this.#holdings.provisions(), ...this.#holdings.joins()].map(({ kind, request, grant, holder }) => {
      const { joinId, channel, user, kbps } = request;
      const place = "replaces" in request ? { replaces: request.replaces } : {};
      const state = grant ? "granted" : "asked";
      return { kind, joinId, channel, user, kbps, ...place, state, isOrphan: holder === undefined };
    });
  }
  stop(): void {
    this.#accounting?.cancel();
    this.#absences?.stop();
    this.#census.stop();
    this.#holdings.stop();
  }

  // ------------------------------------------------------------------ what DSs do

  onOpen(pep: PepConnection, _pepId: string, clientType: ClientType): boolean {
    if (clientType === CLIENT_TYPE.admission) this.#census.came(pep);
    return clientType === CLIENT_TYPE.admission || clientType === CLIENT_TYPE.provisioning;
  }

  onRequest(pep: PepConnection, _clientType: ClientType, handle: Handle, asked: CopsRequest): void {
    const holder = { pep, handle };
    const { kind } = asked;
    const read = kind === "configuration" ? readProvision(asked) : readJoin(asked);
    if (!read) {
      this.malformed += 1;
      this.#ports.ds.decide(pep, handle, { command: "remove", attributes: { reason: REFUSAL.malformed } });
      return;
    }
    const { request, claim } = read;
    const named = (): Reservation | undefined => this.#holdings.get(kind, request.joinId);
    const renamed = this.#holdings.heldAs(holder);
    if (renamed && renamed !== named()) this.#release(renamed, "route-change"); // a handle names one reservation at a time
    const known = named(); // not before: a channel that is returned takes its viewers along
    if (known && saysTheSame(known.request, request)) this.#adopt(known, holder);
    else {
      if (known) this.#release(known, "route-change");
      if (kind === "configuration") this.#provision(this.#holdings.addProvision(request as ProvisionRequest, claim, holder));
      else this.#join(this.#holdings.addJoin(kind, request as JoinRequest, claim, holder));
    }
  }

  /** The viewer has acknowledged: what is his own may come. What cannot be used is returned by DRQ. */
  onReport(pep: PepConnection, handle: Handle, kind: ReportKind): void {
    const held = this.#holdings.heldAs({ pep, handle });
    if (kind !== "success" || held?.kind !== "admission-sink" || !held.grant) return;
    held.isConfirmed = true;
    if (held.unicastAt) this.#ports.media.beginUnicast(held.request.channel, held.request.joinId);
    if (held.request.viewerHost !== undefined) this.#absences?.begin();
  }

  onDelete(pep: PepConnection, handle: Handle, reason: DeleteReason): void {
    const held = this.#holdings.heldAs({ pep, handle });
    if (held) this.#release(held, reason);
  }

  /** A DS has repeated what it holds. */
  onSynchronized(pep: PepConnection, _clientType: ClientType, _handle: Handle | undefined): void {
    this.#census.heard(pep);
  }

  /** What it held waits for whoever adopts it (PROTOCOL §7). */
  onGone(pep: PepConnection, _pepId: string): void {
    this.#holdings.orphan(pep);
    this.#census.gone(pep);
  }

  // ------------------------------------------------------------------ what the broker does

  /** Asks for the policy; or asks again for everything held, so that the broker's books are whole (RFC 2748 §2.5). */
  onOpened(clientType: ClientType, accountingSec: number): void {
    if (clientType === CLIENT_TYPE.provisioning)
      this.#policyHandle = this.#ports.broker.request(clientType, { kind: "configuration", attributes: {} });
    else {
      this.#askAll();
      this.#accountEvery(accountingSec * 1_000);
    }
  }

  /** All joins are repeated once the DSs have repeated theirs (PROTOCOL §7, "Restart"); what is the edge's own, at once. */
  onSynchronize(clientType: ClientType, handle: Handle | undefined): void {
    if (clientType === CLIENT_TYPE.provisioning || handle !== undefined) this.#ports.broker.synchronized(clientType, handle);
    else if (this.#policy) this.#census.begin();
    else this.#owesCensus = true;
  }

  onDecision(handle: Handle, decision: Decision): void {
    if (handle === this.#policyHandle) {
      this.#onPolicy(handle, decision);
      return;
    }
    const join = this.#asked.get(handle);
    if (!join || decision.command === "null") return;
    if (decision.command === "remove") this.#refuse(join, refusalOf(decision));
    else this.#onInstall(join, handle, joinGrant(decision.attributes));
  }

  /** Until it is back the edge decides alone, within what it was given for that (RFC 2748 §2.2.7). */
  onLost(_cause: string): void {
    this.#asked.clear();
    this.#accounting?.cancel();
    this.#census.stop();
    this.#owesCensus = false;
    this.#policyHandle = undefined;
    for (const join of this.#holdings.joins()) join.asked = undefined;
    if (this.#policy) for (const join of this.#holdings.joins()) if (!join.grant) this.#decideAlone(join);
  }

  /** Tells the broker what its promises are used for, as often as it asked for that (RFC 2748 §2.2.15, §3.3). */
  #accountEvery(intervalMs: number): void {
    this.#accounting?.cancel();
    if (intervalMs === 0) return;
    this.#accounting = this.#clock.timer(this.#clock.nowMs() + intervalMs, () => {
      for (const { asked, grant, request } of this.#holdings.sinks()) {
        if (asked === undefined || !grant) continue;
        const carriedKiB = Math.floor(this.#ports.media.carriedBytes(request.channel) / 1_024) % 2 ** 32;
        this.#ports.broker.report(CLIENT_TYPE.admission, asked, "accounting", { carriedKiB });
      }
      this.#accountEvery(intervalMs);
    });
  }

  // ------------------------------------------------------------------ what the media plane does

  /** The broadcaster vanished: his DS hangs up (PROTOCOL §12). */
  onSourceSilent(stream: string): void {
    const provision = this.#holdings.provisions().find(({ request, grant }) => grant && request.channel === stream);
    if (provision) this.#refuse(provision, REFUSAL.mediaGone);
  }

  onSinkGone(_stream: string, sink: string): void {
    this.#onViewerGone(sink);
  }

  #onViewerGone(joinId: string): void {
    const join = this.#holdings.get("admission-sink", joinId);
    if (join) this.#refuse(join, REFUSAL.mediaGone);
  }
  #multicastViewers(): MulticastViewer[] {
    return this.#holdings.sinks().flatMap(({ isConfirmed, request: { joinId, channel, viewerHost } }) => {
      const group = this.#streams.get(channel)?.group.host;
      return isConfirmed && viewerHost !== undefined && group !== undefined ? [{ joinId, host: viewerHost, group }] : [];
    });
  }

  // ------------------------------------------------------------------ channels

  #onPolicy(handle: Handle, decision: Decision): void {
    const policy = decision.command === "install" ? edgePolicy(decision.attributes) : undefined;
    if (!policy) {
      this.malformed += 1;
      this.#ports.broker.report(CLIENT_TYPE.provisioning, handle, "failure");
      return;
    }
    this.#policy = policy;
    this.#streams.takeGroupsFrom(policy);
    this.#ports.broker.report(CLIENT_TYPE.provisioning, handle, "success");
    for (const provision of this.#holdings.provisions()) if (!provision.grant) this.#provision(provision);
    this.#askAll();
    if (this.#owesCensus) this.#census.begin();
    this.#owesCensus = false;
    this.#ports.provisioned();
  }

  /** Decided here, with no trip to the broker [B8]; before the first policy it waits. */
  #provision(provision: Provision): void {
    if (!this.#policy) return;
    const { channel, sender, kbps } = provision.request;
    const refusal = this.#refusalByPolicy(provision.request, this.#policy);
    if (refusal) {
      this.#refuse(provision, refusal);
      return;
    }
    this.#makeWay(channel);
    const opened = this.#streams.openIngest(channel, sender, wantedBy(provision));
    if (opened === "no-group" || opened === "no-port") {
      this.#refuse(provision, opened === "no-group" ? REFUSAL.noGroup : REFUSAL.ingestFull);
      return;
    }
    const [group, ingest] = [showAddress(opened.group), showAddress(opened.ingest)];
    this.#grant(provision, provisionGrantAttributes({ kbps, group, source: this.#config.mediaAddress, ingest }));
  }
  #refusalByPolicy({ channel, kbps }: ProvisionRequest, { maxChannelKbps, ingestKbps }: EdgePolicy): Refusal | undefined {
    if (kbps > maxChannelKbps) return REFUSAL.rateTooHigh;
    const others = this.#holdings.provisions().filter(({ grant, request }) => grant && request.channel !== channel);
    return sumKbps(others) + kbps > ingestKbps ? REFUSAL.ingestFull : undefined;
  }

  /** The newest source of a channel is the channel: what ran under its name ends, and whoever takes it. */
  #makeWay(channel: string): void {
    const provision = this.#holdings.provisions().find(({ request, grant }) => grant && request.channel === channel);
    if (provision) this.#refuse(provision, REFUSAL.preempted);
    const carried = this.#streams.get(channel);
    if (carried) this.#endStream(carried);
  }
  #endStream({ channel, takers }: Carried<Join>): void {
    for (const join of [...takers]) this.#refuse(join, REFUSAL.mediaGone); // the last one closes a copy
    if (this.#streams.get(channel)) this.#streams.close(channel);
  }

  // ------------------------------------------------------------------ joins

  /** Before the first policy a join waits, as channels do: one that is repeated to a restarted edge comes after its channel. */
  #join(join: Join): void {
    if (!this.#policy) return;
    const { sourceEdge, channel } = join.request;
    if (sourceEdge === this.#config.id && this.#streams.get(channel)?.source.kind !== "ingest")
      this.#refuse(join, REFUSAL.unknownEdge);
    else if (this.#ports.broker.isOpen(CLIENT_TYPE.admission)) this.#ask(join);
    else this.#decideAlone(join);
  }
  /** What the broker that is there now has not been asked yet. */
  #askAll(): void {
    if (!this.#policy || !this.#ports.broker.isOpen(CLIENT_TYPE.admission)) return;
    for (const join of this.#holdings.joins()) {
      if (join.asked !== undefined) continue;
      if (join.grant) this.#ask(join);
      else this.#join(join);
    }
  }

  /** Repeats a DS's request to the broker under a handle of the edge's own; what was granted already says so. */
  #ask(join: Join): void {
    const attributes = joinRequestAttributes(join.request);
    const localDecision: Decision = { command: "install", attributes: { kbps: join.request.kbps } };
    const request = { kind: join.kind, attributes, ...((join.grant ?? join.claim) && { localDecision }) };
    join.asked = this.#ports.broker.request(CLIENT_TYPE.admission, request);
    this.#asked.set(join.asked, join);
  }

  #onInstall(join: Join, handle: Handle, granted: JoinGrant | undefined): void {
    join.isLocal = false;
    if (!join.grant) {
      const refusal = this.#deliver(join, granted?.kbps ?? join.request.kbps, granted?.parentEdge);
      this.#ports.broker.report(CLIENT_TYPE.admission, handle, refusal ? "failure" : "success");
      if (refusal) this.#refuse(join, refusal);
    } else this.#ports.broker.report(CLIENT_TYPE.admission, handle, "success");
  }

  /**
   * Without the broker: only what adds nothing to the core, which the edge shares with others; on its own access link what
   * fits there, within its local quota (PROTOCOL §7).
   */
  #decideAlone(join: Join): void {
    const refusal = this.#refusalAlone(join) ?? this.#deliver(join, join.request.kbps, undefined);
    if (refusal) this.#refuse(join, refusal);
    else join.isLocal = true;
  }
  #refusalAlone({ kind, request }: Join): Refusal | undefined {
    if (!this.#policy || !this.#running(request)) return REFUSAL.brokerSilent;
    if (kind === "admission-source") return undefined;
    const granted = this.#holdings.sinks().filter(({ grant }) => grant);
    // A join that this one replaces will go: the larger of the two counts (PROTOCOL §6).
    const isReplaced = ({ request: old }: Join): boolean => old.joinId === request.replaces && old.user === request.user;
    const own = Math.max(request.kbps, sumKbps(granted.filter(isReplaced)));
    const kbpsWith = (joins: readonly Join[]): number => sumKbps(joins.filter((join) => !isReplaced(join))) + own;
    if (kbpsWith(granted.filter(({ isLocal }) => isLocal)) > this.#policy.localQuotaKbps) return REFUSAL.brokerSilent;
    if (kbpsWith(granted) > this.#policy.accessKbps) return REFUSAL.accessFull;
    const ofUser = granted.filter((held) => held.request.user === request.user);
    return request.accessKbps > 0 && kbpsWith(ofUser) > request.accessKbps ? REFUSAL.userFull : undefined;
  }

  /** Makes the media plane deliver, then grants. The source's side only learns what its viewers take. */
  #deliver(join: Join, kbps: number, parentEdge: string | undefined): Refusal | undefined {
    const carried = join.kind === "admission-sink" ? this.#carriedFor(join) : this.#streams.get(join.request.channel);
    if (!carried) return REFUSAL.unknownEdge;
    if (typeof carried === "string") return carried;
    const group = showAddress(carried.group); // told to whoever takes the stream otherwise, too: a restarted edge hears of it
    const common = { kbps, group, source: this.#config.mediaAddress, ...(parentEdge !== undefined && { parentEdge }) };
    if (join.kind === "admission-sink") carried.takers.add(join);
    const where = join.kind === "admission-sink" ? this.#addSink(join, carried) : {};
    if (typeof where === "string") return where;
    this.#grant(join, joinGrantAttributes({ ...common, ...where }));
    return undefined;
  }
  /** What the edge carries already of what a join asks for: the channel as it entered here, or the same copy. */
  #running({ channel, coreGroup, coreSource }: JoinRequest): Carried<Join> | undefined {
    const carried = this.#streams.get(channel);
    return carried && (carried.source.kind === "ingest" || isCopyOf(carried, coreGroup, coreSource)) ? carried : undefined;
  }
  #carriedFor(join: Join): Carried<Join> | Refusal {
    const { request } = join;
    const running = this.#running(request);
    if (running) return running;
    const stale = this.#streams.get(request.channel);
    if (stale) this.#endStream(stale);
    return this.#streams.openCopy(request.channel, addressOf(request.coreGroup), request.coreSource, wantedBy(join));
  }
  #addSink(join: Join, carried: Carried<Join>): Partial<JoinGrant> | Refusal {
    const { request, claim } = join;
    const { joinId, delivery, unicastTo } = request;
    if (delivery === "multicast") return {};
    if (delivery === "websocket") {
      const token = claim?.token ?? `${this.#config.id}.${hex(this.#entropy.random(TOKEN_OCTETS))}`;
      this.#ports.media.addWebSocket(carried.channel, joinId, token);
      return { token, mediaBase: this.#config.mediaBase };
    }
    join.unicastAt = this.#streams.addUnicast(carried, joinId, addressOf(unicastTo ?? ""), readAddress(claim?.source ?? ""));
    return join.unicastAt ? { source: showAddress(join.unicastAt) } : REFUSAL.unicastFull;
  }

  // ------------------------------------------------------------------ reservations

  #grant(held: Reservation, grant: Reservation["grant"] & object): void {
    held.grant = grant;
    if (held.holder) this.#decide(held.holder, { command: "install", attributes: grant });
  }
  /** Whoever asks with a known name and says the same is answered the same. */
  #adopt(held: Reservation, holder: Holder): void {
    this.#holdings.adopt(held, holder);
    if (held.grant) this.#decide(holder, { command: "install", attributes: held.grant });
  }
  /** Solicited or not: whoever holds it is told, and nothing stays (PROTOCOL §7). */
  #refuse(held: Reservation, reason: Refusal): void {
    if (held.holder) this.#decide(held.holder, { command: "remove", attributes: { reason } });
    this.#release(held, held.grant ? "pdp-directive" : "insufficient-resources");
  }
  #decide({ pep, handle }: Holder, decision: Decision): void {
    this.#ports.ds.decide(pep, handle, decision);
  }

  #release(held: Reservation, reason: DeleteReason): void {
    this.#holdings.drop(held);
    if (held.kind !== "configuration") this.#releaseJoin(held, reason);
    else if (held.grant) {
      const carried = this.#streams.get(held.request.channel);
      if (carried) this.#endStream(carried);
    }
  }
  #releaseJoin(join: Join, reason: DeleteReason): void {
    const { channel, joinId, delivery } = join.request;
    const carried = this.#streams.get(channel);
    if (carried?.takers.delete(join)) {
      if (join.unicastAt) this.#streams.removeUnicast(carried, joinId, join.unicastAt);
      if (delivery === "websocket") this.#ports.media.removeSink(channel, joinId);
      if (carried.takers.size === 0 && carried.source.kind === "group") this.#streams.close(channel);
    }
    if (join.asked === undefined) return;
    this.#asked.delete(join.asked);
    this.#ports.broker.delete(CLIENT_TYPE.admission, join.asked, reason);
  }
}

interface Asked<Request> {
  readonly request: Request;
  readonly claim: Claim | undefined;
}
/** A join whose addresses can be used. */
function readJoin({ attributes, localDecision }: CopsRequest): Asked<JoinRequest> | undefined {
  const request = joinRequest(attributes);
  const addresses = request && [request.coreGroup, ...(request.delivery === "unicast" ? [request.unicastTo ?? ""] : [])];
  if (!request || !addresses?.every((address) => readAddress(address))) return undefined;
  return { request, claim: localDecision?.command === "install" ? joinGrant(localDecision.attributes) : undefined };
}
function readProvision({ attributes }: CopsRequest): Asked<ProvisionRequest> | undefined {
  const asked = provisionRequest(attributes);
  if (!asked) return undefined;
  const { group, ingest, ...request } = asked;
  return { request, claim: group !== undefined && ingest !== undefined ? { group, ingest } : undefined };
}
const wantedBy = ({ claim }: Reservation): Wanted => ({
  group: readAddress(claim?.group ?? ""),
  ingest: readAddress(claim?.ingest ?? ""),
});
/** Of a join that was read. */
function addressOf(text: string): Address {
  const address = readAddress(text);
  if (!address) throw new Error(`Cannot use ${text} as an address: it was not checked`);
  return address;
}
const saysTheSame = (a: object, b: object): boolean => JSON.stringify(a) === JSON.stringify(b);
const sumKbps = (held: readonly Reservation[]): number => held.reduce((sum, { request }) => sum + request.kbps, 0);
function refusalOf({ attributes }: Decision): Refusal {
  return Object.values(REFUSAL).find((reason) => reason === attributes["reason"]) ?? REFUSAL.preempted;
}
