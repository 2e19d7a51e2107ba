import assert from "node:assert/strict";
import { LIMITS } from "#base/limits.ts";
import { SAFE } from "#base/ticket.ts";
import { type SimNetwork, simTest } from "#sim/index.ts";
import { response } from "../wire/builders.ts";
import type { SipRequest } from "../wire/message.ts";
import { sipUri } from "../wire/uri.ts";
import type { Binding, BindingRow, BindingTable } from "./location.ts";
import { NatKeeper } from "./nat-keeper.ts";
import type { Flow } from "./ports.ts";

const FLOW: Flow = {
  id: "udp:1",
  transport: "udp",
  local: { host: "10.0.0.1", port: 5060 },
  remote: { host: "10.0.0.9", port: 9 },
};

/** A keeper of clients whose flows are `flows`, by key. */
function keeper(net: SimNetwork) {
  const rows = new Map<string, BindingRow>();
  const flows = new Map<string, Flow | "gone">();
  const sent: SipRequest[] = [];
  let told: Parameters<BindingTable["onChange"]>[0] = () => undefined;
  const bindings: BindingTable = {
    put: () => SAFE,
    remove: () => SAFE,
    get: (key) => rows.get(key),
    under: () => [],
    onChange: (changed) => {
      told = changed;
    },
  };
  const transactions = {
    request: (message: SipRequest) => `${sent.push(message)}`,
    ack: () => undefined,
    cancel: () => undefined,
    respond: () => undefined,
    refuse: () => undefined,
    localUri: () => ({ host: "10.0.0.1", transport: "udp" }) as const,
  };
  const ports = { transactions, bindings, flowOf: ({ key }: BindingRow) => flows.get(key), host: net.host("ds", "10.0.0.1") };
  const kept = new NatKeeper(ports, sipUri({ host: "x" }));
  const bind = (key: string, flow: Flow | "gone"): void => {
    const value: Binding = {
      aor: "sip:b@x",
      contact: "<sip:b@192.168.0.2>",
      callId: "c",
      cseq: 1,
      path: [],
    };
    const row = { key, order: 1, expiresAtMs: Infinity, value };
    rows.set(key, row);
    flows.set(key, flow);
    told(key, row);
  };
  return { kept, bind, rows, flows, sent };
}

simTest("OPTIONS every 25 s as long as the binding and its flow are there (PROTOCOL §13)", (net) => {
  const { kept, bind, rows, flows, sent } = keeper(net);
  bind("a", FLOW);
  bind("b", FLOW);
  bind("a", FLOW); // registered again
  net.run(24_000);
  assert.equal(sent.length, 0);
  net.run(2_000);
  assert.deepEqual(
    sent.map(({ method, uri }) => [method, uri.host]),
    [
      ["OPTIONS", "192.168.0.2"],
      ["OPTIONS", "192.168.0.2"],
    ],
  );
  rows.delete("a");
  flows.set("b", "gone");
  net.run(60_000);
  assert.deepEqual([sent.length, kept.count], [2, 0]);
});

simTest("only clients on UDP need it; any answer will do, silence is counted", (net) => {
  const { kept, bind, sent } = keeper(net);
  bind("page", { ...FLOW, transport: "ws" });
  assert.equal(kept.count, 0);
  bind("a", FLOW);
  net.run(51_000);
  const asked = sent[0] ?? assert.fail();
  assert.deepEqual([kept.onResponse(response(asked, 404), "1"), kept.onResponse(response(asked, 200), "1")], [true, false]);
  assert.deepEqual([kept.onFailure("2"), kept.onFailure("2"), kept.counters.unanswered], [true, false, 1]);
  kept.stop();
  net.run(60_000);
  assert.equal(sent.length, 2);
});

simTest(
  "above the limit clients must see to it themselves",
  (net) => {
    const { kept, bind } = keeper(net);
    for (let client = 0; client <= LIMITS.sipNatClients; client++) bind(`${client}`, FLOW);
    assert.deepEqual([kept.count, kept.counters.notKept], [LIMITS.sipNatClients, 1]);
  },
  { seeds: 1 },
);
