import { hex } from "#base/bytes.ts";
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
import { type Address, type Clock, type Entropy, showAddress } from "#host/host.ts";
import type { MediaPort, MediaUser } from "#media/types.ts";
import { readAddress } from "./address.ts";
import { type Holder, Holdings, type Join, type Provision, type Reservation } from "./holdings.ts";
import { type Carried, isCopyOf, Streams, type StreamsConfig } from "./streams.ts";

/** Octets of a media token: 128 bits that nobody guesses (PROTOCOL §3). */
const TOKEN_OCTETS = 16;

export interface EdgeServiceConfig extends StreamsConfig {
  readonly id: string;
  /** Where WebSocket viewers come, "ws://ip:port". */
  readonly mediaBase: string;
}
export interface EdgePorts {
  /** Towards the DSs, whose PDP the edge is. */
  readonly ds: PdpPort;
  /** Towards the broker, whose PEP it is. */
  readonly broker: PepPort;
  readonly media: MediaPort;
  /** The broker's policy is installed: channels can go on air. Told at each installation. */
  provisioned(): void;
}
/** For the console and tests. */
export interface EdgeReservation {
  readonly kind: Reservation["kind"];
  readonly joinId: string;
  readonly channel: string;
  readonly user: string;
  readonly kbps: number;
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
  #policy: EdgePolicy | undefined;
  #policyHandle: Handle | undefined;

  constructor(clock: Clock, entropy: Pick<Entropy, "random">, config: EdgeServiceConfig, ports: EdgePorts) {
    this.#config = config;
    this.#entropy = entropy;
    this.#ports = ports;
    this.#holdings = new Holdings(clock, (orphan) => this.#release(orphan, "timeout"));
    this.#streams = new Streams(ports.media, config);
  }

  reservations(): readonly EdgeReservation[] {
    return [...this.#holdings.provisions(), ...this.#holdings.joins()].map(({ kind, request, grant, holder }) => {
      const { joinId, channel, user, kbps } = request;
      return { kind, joinId, channel, user, kbps, state: grant ? "granted" : "asked", isOrphan: holder === undefined };
    });
  }
  stop(): void {
    this.#holdings.stop();
  }

  // ------------------------------------------------------------------ what DSs do

  onOpen(_pep: PepConnection, _pepId: string, clientType: ClientType): boolean {
    return clientType === CLIENT_TYPE.admission || clientType === CLIENT_TYPE.provisioning;
  }

  onRequest(pep: PepConnection, _clientType: ClientType, handle: Handle, { kind, attributes }: CopsRequest): void {
    const holder = { pep, handle };
    const request = kind === "configuration" ? provisionRequest(attributes) : readJoin(attributes);
    if (!request) {
      this.malformed += 1;
      this.#ports.ds.decide(pep, handle, { command: "remove", attributes: { reason: REFUSAL.malformed } });
      return;
    }
    const known = this.#holdings.get(kind, request.joinId);
    const renamed = this.#holdings.heldAs(holder);
    if (renamed && renamed !== known) this.#release(renamed, "route-change"); // a handle names one reservation at a time
    if (known && saysTheSame(known.request, request)) this.#adopt(known, holder);
    else {
      if (known) this.#release(known, "route-change");
      if (kind === "configuration") this.#provision(this.#holdings.addProvision(request as ProvisionRequest, holder));
      else this.#join(this.#holdings.addJoin(kind, request as JoinRequest, holder));
    }
  }

  /** What a DS makes of a grant changes nothing here: it returns what it cannot use by DRQ. */
  onReport(_pep: PepConnection, _handle: Handle, _kind: ReportKind): void {}

  onDelete(pep: PepConnection, handle: Handle, reason: DeleteReason): void {
    const held = this.#holdings.heldAs({ pep, handle });
    if (held) this.#release(held, reason);
  }

  /** What it held waits for whoever adopts it (PROTOCOL §7). */
  onGone(pep: PepConnection, _pepId: string): void {
    this.#holdings.orphan(pep);
  }

  // ------------------------------------------------------------------ what the broker does

  /** Asks for the policy; or asks again for everything held, so that the broker's books are whole (RFC 2748 §2.5). */
  onOpened(clientType: ClientType): void {
    if (clientType === CLIENT_TYPE.provisioning)
      this.#policyHandle = this.#ports.broker.request(clientType, { kind: "configuration", attributes: {} });
    else for (const join of this.#holdings.joins()) if (join.asked === undefined) this.#ask(join);
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
    this.#policyHandle = undefined;
    for (const join of this.#holdings.joins()) join.asked = undefined;
    for (const join of this.#holdings.joins()) if (!join.grant) this.#decideAlone(join);
  }

  // ------------------------------------------------------------------ what the media plane does

  onSinkGone(_stream: string, sink: string): void {
    const join = this.#holdings.get("admission-sink", sink);
    if (join) this.#refuse(join, REFUSAL.mediaGone);
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
    const opened = this.#streams.openIngest(channel, sender);
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

  #join(join: Join): void {
    const { sourceEdge, channel } = join.request;
    if (sourceEdge === this.#config.id && this.#streams.get(channel)?.source.kind !== "ingest")
      this.#refuse(join, REFUSAL.unknownEdge);
    else if (this.#ports.broker.isOpen(CLIENT_TYPE.admission) || !this.#policy) this.#ask(join);
    else this.#decideAlone(join);
  }

  /** Repeats a DS's request to the broker under a handle of the edge's own; what is granted already says so. */
  #ask(join: Join): void {
    const attributes = joinRequestAttributes(join.request);
    const localDecision: Decision = { command: "install", attributes: { kbps: join.request.kbps } };
    const request = { kind: join.kind, attributes, ...(join.grant && { localDecision }) };
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
    const kbpsWith = (joins: readonly Join[]): number => sumKbps(joins) + request.kbps;
    if (kbpsWith(granted.filter(({ isLocal }) => isLocal)) > this.#policy.localQuotaKbps) return REFUSAL.brokerSilent;
    if (kbpsWith(granted) > this.#policy.accessKbps) return REFUSAL.accessFull;
    const ofUser = granted.filter((held) => held.request.user === request.user);
    return request.accessKbps > 0 && kbpsWith(ofUser) > request.accessKbps ? REFUSAL.userFull : undefined;
  }

  /** Makes the media plane deliver, then grants. The source's side only learns what its viewers take. */
  #deliver(join: Join, kbps: number, parentEdge: string | undefined): Refusal | undefined {
    const carried = join.kind === "admission-sink" ? this.#carriedFor(join.request) : this.#streams.get(join.request.channel);
    if (!carried) return REFUSAL.unknownEdge;
    if (typeof carried === "string") return carried;
    const source = this.#config.mediaAddress;
    const common = { kbps, source, ...(parentEdge !== undefined && { parentEdge }) };
    if (join.kind === "admission-sink") carried.takers.add(join);
    const where = join.kind === "admission-sink" ? this.#addSink(join.request, carried) : { group: showAddress(carried.group) };
    this.#grant(join, joinGrantAttributes({ ...common, ...where }));
    return undefined;
  }
  /** What the edge carries already of what a join asks for: the channel as it entered here, or the same copy. */
  #running({ channel, coreGroup, coreSource }: JoinRequest): Carried<Join> | undefined {
    const carried = this.#streams.get(channel);
    return carried && (carried.source.kind === "ingest" || isCopyOf(carried, coreGroup, coreSource)) ? carried : undefined;
  }
  #carriedFor(request: JoinRequest): Carried<Join> | Refusal {
    const running = this.#running(request);
    if (running) return running;
    const stale = this.#streams.get(request.channel);
    if (stale) this.#endStream(stale);
    return this.#streams.openCopy(request.channel, addressOf(request.coreGroup), request.coreSource);
  }
  #addSink({ joinId, delivery, unicastTo }: JoinRequest, { channel, group }: Carried<Join>): Partial<JoinGrant> {
    if (delivery === "multicast") return { group: showAddress(group) };
    if (delivery === "websocket") {
      const token = `${this.#config.id}.${hex(this.#entropy.random(TOKEN_OCTETS))}`;
      this.#ports.media.addWebSocket(channel, joinId, token);
      return { token, mediaBase: this.#config.mediaBase };
    }
    this.#ports.media.addUnicast(channel, joinId, addressOf(unicastTo ?? ""));
    return { source: showAddress(this.#ports.media.output) };
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
      if (delivery !== "multicast") this.#ports.media.removeSink(channel, joinId);
      if (carried.takers.size === 0 && carried.source.kind === "group") this.#streams.close(channel);
    }
    if (join.asked === undefined) return;
    this.#asked.delete(join.asked);
    this.#ports.broker.delete(CLIENT_TYPE.admission, join.asked, reason);
  }
}

/** A join whose addresses can be used. */
function readJoin(attributes: CopsRequest["attributes"]): JoinRequest | undefined {
  const join = joinRequest(attributes);
  const addresses = join && [join.coreGroup, ...(join.delivery === "unicast" ? [join.unicastTo ?? ""] : [])];
  return addresses?.every((address) => readAddress(address)) ? join : undefined;
}
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
