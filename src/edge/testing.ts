/** Recording fakes around an edge, for this area's tests: each throws where its contract is broken. */
import {
  edgePolicyAttributes,
  type JoinRequest,
  joinRequestAttributes,
  type ProvisionRequest,
  provisionRequestAttributes,
} from "#cops/engine/iptv.ts";
import {
  type Attributes,
  CLIENT_TYPE,
  type ClientType,
  type CopsRequest,
  type Decision,
  type Handle,
  type PdpPort,
  type PepConnection,
  type PepPort,
} from "#cops/engine/types.ts";
import { type Address, type Host, showAddress } from "#host/host.ts";
import type { MediaPort, StreamSource } from "#media/types.ts";
import type { MemberPort } from "./absences.ts";
import { Edge, type EdgeServiceConfig } from "./service.ts";

export const POLICY = {
  groupFirst: "232.0.1.0",
  groupCount: 3,
  groupPort: 5004,
  maxChannelKbps: 5_000,
  localQuotaKbps: 2_000,
  ingestKbps: 8_000,
  accessKbps: 6_000,
};
export const CONFIG: EdgeServiceConfig = {
  id: "edge1",
  mediaAddress: "127.0.0.1",
  ingestPorts: { first: 40_000, count: 4 },
  unicastPorts: { first: 41_000, count: 2 },
  mediaBase: "ws://127.0.0.1:8000",
};
export function provision(joinId: string, more: Partial<ProvisionRequest> = {}): CopsRequest {
  const request = { joinId, channel: "tv1", user: "bob", kbps: 1_000, sender: "127.0.0.9", ...more };
  return { kind: "configuration", attributes: provisionRequestAttributes(request) };
}
export function join(joinId: string, more: Partial<JoinRequest> = {}, kind: CopsRequest["kind"] = "admission-sink"): CopsRequest {
  const attributes = joinRequestAttributes({
    joinId,
    channel: "tv2",
    user: joinId,
    kbps: 1_000,
    accessKbps: 0,
    sourceEdge: "edge2",
    coreGroup: "232.0.2.0:5004",
    coreSource: "127.0.0.2",
    delivery: "multicast",
    ...more,
  });
  return { kind, attributes };
}

export class FakeMedia implements MediaPort {
  readonly streams = new Map<
    string,
    { readonly source: StreamSource; readonly group: string; readonly sinks: Map<string, string> }
  >();
  open(stream: string, source: StreamSource, group: Address): void {
    if (this.streams.has(stream)) throw new Error(`${stream} is open already`);
    if ([...this.streams.values()].some((other) => other.group === showAddress(group)))
      throw new Error(`${group.host} is in use`);
    this.streams.set(stream, { source, group: showAddress(group), sinks: new Map() });
  }
  close(stream: string): void {
    if (!this.streams.delete(stream)) throw new Error(`${stream} is not open`);
  }
  readonly begun = new Set<string>(); // unicast sinks
  addUnicast(stream: string, sink: string, at: Address, to: Address): void {
    this.#add(stream, sink, `${showAddress(at)} to ${showAddress(to)}`);
  }
  beginUnicast(stream: string, sink: string): void {
    if (!this.streams.get(stream)?.sinks.has(sink)) throw new Error(`${stream} has no sink ${sink}`);
    this.begun.add(sink);
  }
  addWebSocket(stream: string, sink: string, token: string): void {
    this.#add(stream, sink, token);
  }
  removeSink(stream: string, sink: string): void {
    if (!this.streams.get(stream)?.sinks.delete(sink)) throw new Error(`${stream} has no sink ${sink}`);
    this.begun.delete(sink);
  }
  carriedBytes(stream: string): number {
    if (!this.streams.has(stream)) throw new Error(`${stream} is not open`);
    return 4_096;
  }
  sinks(): string[] {
    return [...this.streams.values()].flatMap(({ sinks }) => [...sinks.keys()]).sort();
  }
  #add(stream: string, sink: string, where: string): void {
    const sinks = this.streams.get(stream)?.sinks;
    if (!sinks || sinks.has(sink)) throw new Error(`${stream} cannot take sink ${sink}`);
    sinks.set(sink, where);
  }
}

/** The broker's side of the edge's connection: says nothing by itself. */
export class FakeBroker implements PepPort {
  readonly live = new Map<Handle, CopsRequest>();
  readonly log: string[] = [];
  readonly #open = new Set<ClientType>();
  #lastHandle = 0;
  isOpen(clientType: ClientType): boolean {
    return this.#open.has(clientType);
  }
  request(_clientType: ClientType, request: CopsRequest): Handle {
    this.#lastHandle += 1;
    const handle = `b${this.#lastHandle}`;
    this.live.set(handle, request);
    this.log.push(`REQ ${handle} ${request.attributes["joinId"] ?? "policy"}${request.localDecision ? " LPDP" : ""}`);
    return handle;
  }
  update(): void {
    throw new Error("an edge has nothing to update");
  }
  report(_clientType: ClientType, handle: Handle, kind: string, { carriedKiB }: Attributes = {}): void {
    if (!this.live.has(handle)) throw new Error(`RPT for ${handle}, which is void`);
    this.log.push(`RPT ${handle} ${kind}${carriedKiB === undefined ? "" : ` ${carriedKiB}`}`);
  }
  delete(_clientType: ClientType, handle: Handle, reason: string): void {
    if (!this.live.delete(handle)) throw new Error(`DRQ for ${handle}, which is void`);
    this.log.push(`DRQ ${handle} ${reason}`);
  }
  synchronized(clientType: ClientType, handle?: Handle): void {
    this.log.push(["SSC", clientType.toString(16), ...(handle === undefined ? [] : [handle])].join(" "));
  }
  open(): void {
    this.#open.add(CLIENT_TYPE.provisioning).add(CLIENT_TYPE.admission);
  }
  lose(): void {
    this.#open.clear();
    this.live.clear();
  }
  /** Handle of the live request for a join, or for the policy. */
  handleOf(joinId: string | undefined): Handle {
    for (const [handle, { attributes }] of this.live) if (attributes["joinId"] === joinId) return handle;
    throw new Error(`no live request for ${joinId ?? "the policy"}`);
  }
  joinIds(): unknown[] {
    return [...this.live.values()].flatMap(({ attributes }) => attributes["joinId"] ?? []).sort();
  }
}

export class FakeDs implements PdpPort {
  /** Connections that were asked for what they hold. */
  readonly synchronizing: PepConnection[] = [];
  /** By connection and handle, the last decision. */
  readonly last = new Map<string, Decision>();
  count = 0;
  decide(pep: PepConnection, handle: Handle, decision: Decision): void {
    this.count += 1;
    this.last.set(`${pep}/${handle}`, decision);
  }
  synchronize(pep: PepConnection): void {
    this.synchronizing.push(pep);
  }
  /** "install", the reason of a Remove, or `undefined` where nothing was decided. */
  verdict(pep: PepConnection, handle: Handle): string | undefined {
    const decision = this.last.get(`${pep}/${handle}`);
    return decision?.command === "remove" ? String(decision.attributes["reason"]) : decision?.command;
  }
  grant(pep: PepConnection, handle: Handle): unknown {
    return this.last.get(`${pep}/${handle}`)?.attributes;
  }
}

/** An edge among fakes, on a host for clock and random bits; `policed` brings broker and policy up. */
export class EdgeBench {
  readonly media = new FakeMedia();
  readonly broker = new FakeBroker();
  readonly ds = new FakeDs();
  readonly edge: Edge;
  provisionedCount = 0;
  constructor(host: Host, config: EdgeServiceConfig = CONFIG, members?: MemberPort) {
    const provisioned = (): void => {
      this.provisionedCount += 1;
    };
    const { ds, broker, media } = this;
    this.edge = new Edge(host, host, config, { ds, broker, media, provisioned, ...(members && { members }) });
  }
  policed(policy = POLICY): this {
    this.connect();
    this.answer(undefined, { command: "install", attributes: edgePolicyAttributes(policy) });
    return this;
  }
  connect(): void {
    this.broker.open();
    this.edge.onOpened(CLIENT_TYPE.provisioning, 0);
    this.edge.onOpened(CLIENT_TYPE.admission, 0);
  }
  lose(): void {
    this.broker.lose();
    this.edge.onLost("test");
  }
  /** A REQ of a DS. */
  ask(handle: Handle, request: CopsRequest, pep = 1): void {
    const clientType = request.kind === "configuration" ? CLIENT_TYPE.provisioning : CLIENT_TYPE.admission;
    this.edge.onRequest(pep, clientType, handle, request);
  }
  /** A decision of the broker. */
  answer(joinId: string | undefined, decision: Decision): void {
    this.edge.onDecision(this.broker.handleOf(joinId), decision);
  }
  install(joinId: string): void {
    this.answer(joinId, { command: "install", attributes: { kbps: 1_000, parentEdge: "edge2" } });
  }
  remove(joinId: string, reason: string): void {
    this.answer(joinId, { command: "remove", attributes: { reason } });
  }
  /** A join that is asked and granted. */
  joined(handle: Handle, joinId: string, more: Partial<JoinRequest> = {}): void {
    this.ask(handle, join(joinId, more));
    this.install(joinId);
  }
}
