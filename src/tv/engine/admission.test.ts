/** A DS's reservations at its edge, over lost connections (RFC 2748 §2.5; PROTOCOL §4, §7). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import {
  type Attributes,
  CLIENT_TYPE,
  type ClientType,
  type CopsRequest,
  type Handle,
  type PepPort,
  type ReportKind,
} from "#cops/engine/types.ts";
import { simNetwork } from "#sim/index.ts";
import { Admission } from "./admission.ts";

const { admission, provisioning } = CLIENT_TYPE;
const JOIN: CopsRequest = { kind: "admission-sink", attributes: { joinId: "j1", kbps: 800 } };
const CHANNEL: CopsRequest = { kind: "configuration", attributes: { joinId: "p1", kbps: 800 } };
const GRANT = { kbps: 800, group: "232.0.1.1:5004", source: "10.0.0.1" };
const INGEST = { ...GRANT, ingest: "10.0.0.1:6000" };

class Edge implements PepPort {
  readonly asked: CopsRequest[] = [];
  readonly log: string[] = [];
  isOpen(): boolean {
    return true;
  }
  request(_clientType: ClientType, request: CopsRequest): Handle {
    this.asked.push(request);
    return `h${this.asked.length}`;
  }
  update(): void {
    throw new Error("a DS has nothing to update");
  }
  report(_clientType: ClientType, handle: Handle, kind: ReportKind): void {
    this.log.push(`RPT ${handle} ${kind}`);
  }
  delete(_clientType: ClientType, handle: Handle, reason: string): void {
    this.log.push(`DRQ ${handle} ${reason}`);
  }
  synchronized(clientType: ClientType, handle?: Handle): void {
    this.log.push(`SSC ${clientType.toString(16)} ${handle ?? "all"}`);
  }
}
/** One reservation, granted as h1 and in use. */
function granted(clientType: ClientType, request: CopsRequest, grant: Attributes) {
  const net = simNetwork(1);
  const edge = new Edge();
  const service = new Admission(net.host("ds1", "127.0.0.1"), edge);
  const told: string[] = [];
  const user = {
    onGranted: () => void told.push("granted"),
    onRefused: (reason: string) => void told.push(`refused ${reason}`),
    onTakenBack: (reason: string) => void told.push(`taken back ${reason}`),
  };
  const reservation = service.ask(clientType, request, user);
  service.onDecision("h1", { command: "install", attributes: grant });
  service.report(reservation);
  return { net, edge, service, told, user };
}
const reconnect = (service: Admission, clientType: ClientType): void => {
  service.onLost();
  service.onOpened(clientType);
};

test("Admission repeats a join with the decision in force, and reports once it stands again (RFC 2748 §2.2.7)", () => {
  const { edge, service, told } = granted(admission, JOIN, GRANT);
  reconnect(service, admission);
  assert.deepEqual(edge.asked.at(-1), { ...JOIN, localDecision: { command: "install", attributes: GRANT } });
  service.onDecision("h2", { command: "install", attributes: GRANT });
  assert.deepEqual([told, edge.log], [["granted"], ["RPT h1 success", "RPT h2 success"]]);
});

test("Admission repeats a channel with what it was granted in its rows (RFC 3084 §3.1)", () => {
  const { edge, service } = granted(provisioning, CHANNEL, INGEST);
  reconnect(service, provisioning);
  const attributes = { ...CHANNEL.attributes, group: INGEST.group, ingest: INGEST.ingest };
  assert.deepEqual(edge.asked.at(-1), { kind: "configuration", attributes });
});

for (const [name, now] of [
  ["another group", { ...INGEST, group: "232.0.1.2:5004" }],
  ["another ingest port", { ...INGEST, ingest: "10.0.0.1:6002" }],
  ["another source", { ...INGEST, source: "10.0.0.9" }],
  ["a new token", { ...INGEST, token: "edge1.t" }],
] as const) {
  test(`Admission gives back a session that ${name} would lead astray (PROTOCOL §7)`, () => {
    const { edge, service, told } = granted(provisioning, CHANNEL, INGEST);
    reconnect(service, provisioning);
    service.onDecision("h2", { command: "install", attributes: now });
    assert.deepEqual(told, ["granted", "taken back media-gone"]);
    assert.equal(edge.log.at(-1), "DRQ h2 pdp-directive");
    assert.deepEqual(service.reservations(), []);
  });
}

for (const isOpen of [true, false]) {
  test(`Admission asks again for what an earlier run had ${isOpen ? "at once" : "when the edge is there"} (PROTOCOL §7)`, () => {
    const edge = new Edge();
    edge.isOpen = () => isOpen;
    const net = simNetwork(1);
    const service = new Admission(net.host("ds1", "127.0.0.1"), edge);
    const told: string[] = [];
    const takenBack = (reason: string): void => void told.push(`taken back ${reason}`);
    const user = { onGranted: () => assert.fail(), onRefused: () => assert.fail(), onTakenBack: takenBack };
    const [kept, lost] = [1, 2].map((at) => {
      const request = { ...JOIN, attributes: { ...JOIN.attributes, joinId: `j${at}` } };
      return service.resume(admission, request, GRANT, user);
    });
    net.run(2 * LIMITS.edgeSilenceMs);
    assert.equal(edge.asked.length, isOpen ? 2 : 0);
    if (!isOpen) service.onOpened(admission);
    assert.deepEqual(edge.asked[0]?.localDecision, { command: "install", attributes: GRANT });
    service.onDecision("h1", { command: "install", attributes: GRANT });
    service.onDecision("h2", { command: "remove", attributes: { reason: "core-full" } });
    assert.deepEqual([edge.log, told], [["RPT h1 success", "DRQ h2 pdp-directive"], ["taken back core-full"]]);
    assert.deepEqual([service.reservations(), lost?.grant], [[kept], GRANT]);
  });
}

test("Admission answers SSQ at once: what it holds is what it asked for (RFC 2748 §3.5)", () => {
  const { edge, service } = granted(admission, JOIN, GRANT);
  service.onSynchronize(admission, undefined);
  service.onSynchronize(admission, "h1");
  assert.deepEqual(edge.log.slice(1), ["SSC 9101 all", "SSC 9101 h1"]);
});

test("Admission waits for ever for what it holds, and edgeSilenceMs for what it asks (PROTOCOL §4, §6)", () => {
  const { net, edge, service, told, user } = granted(admission, JOIN, GRANT);
  reconnect(service, admission);
  service.ask(admission, { ...JOIN, attributes: { joinId: "j2", kbps: 800, replaces: "j1" } }, user);
  assert.equal(edge.asked.at(-1)?.attributes["replaces"], "j1");
  net.run(LIMITS.edgeSilenceMs + 20);
  assert.deepEqual(told, ["granted", "refused edge-silent"]);
  assert.equal(edge.log.at(-1), "DRQ h3 timeout");
  assert.equal(service.reservations().length, 1);
});
