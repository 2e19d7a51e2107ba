/** Calls over the real transaction layer, on a network that delays and loses datagrams. */
import assert from "node:assert/strict";
import type { Host } from "#host/host.ts";
import { type SimNetwork, simTest } from "#sim/index.ts";
import { SipDriver } from "./driver.ts";
import type { CallEnd, CallId, CallUser } from "./engine/call-types.ts";
import { Calls } from "./engine/calls.ts";
import type { Flow, TransactionUser } from "./engine/ports.ts";
import { UdpTransport } from "./transport/udp.ts";
import type { SipRequest, SipResponse } from "./wire/message.ts";
import { sipUri } from "./wire/uri.ts";
import { nameAddr } from "./wire/values.ts";

/** One end: what it is told goes into the trace, what it does then is `on`. */
class Party implements TransactionUser, CallUser {
  readonly name: string;
  readonly address: string;
  readonly host: Host;
  readonly driver: SipDriver;
  readonly calls: Calls;
  readonly told: string[] = [];
  readonly ends: CallEnd[] = [];
  on: { invite?: (call: CallId) => void; answered?: (call: CallId) => void } = {};
  readonly #net: SimNetwork;

  constructor(net: SimNetwork, name: string, address: string) {
    this.#net = net;
    this.name = name;
    this.address = address;
    const host = net.host(name, address);
    this.host = host;
    this.driver = new SipDriver(host, {}, this);
    this.calls = new Calls({ transactions: this.driver, user: this, host });
    const failed = (error: Error): never => {
      throw error;
    };
    this.driver.addTransport(new UdpTransport(host, { host: address, port: 5060 }, { failed }));
  }
  contact = () => nameAddr(sipUri({ user: this.name, host: this.address }));
  invite(to: Party): CallId {
    return this.calls.invite({
      target: sipUri({ user: to.name, host: to.address }),
      from: nameAddr(sipUri({ user: this.name, host: "x" })),
      to: nameAddr(sipUri({ user: to.name, host: "x" })),
      via: { transport: "udp", host: to.address, port: 5060 },
      contact: this.contact(),
    });
  }
  /** Nothing is left of any call. */
  assertQuiet(): void {
    assert.equal(this.calls.count, 0, `${this.name}: ${this.told}`);
    assert.deepEqual(this.driver.transactions, { client: 0, server: 0 }, this.name);
  }

  onRequest(request: SipRequest, id: string, flow: Flow): void {
    assert.ok(this.calls.onRequest(request, id, flow));
  }
  onAck(request: SipRequest, flow: Flow): void {
    this.calls.onAck(request, flow);
  }
  onCancel(id: string): void {
    this.calls.onCancel(id);
  }
  onResponse(response: SipResponse, id: string, flow: Flow): void {
    this.calls.onResponse(response, id, flow);
  }
  onFailure(id: string, cause: "timeout" | "transport"): void {
    this.calls.onFailure(id, cause);
  }
  onFlowClosed(): void {}

  onInvite(call: CallId): void {
    this.#tell("invite");
    this.on.invite?.(call);
  }
  onProvisional(_call: CallId, response: SipResponse): void {
    if (response.status > 100) this.#tell(`${response.status}`);
  }
  onAnswered(call: CallId): void {
    this.#tell("answered");
    this.calls.ack(call);
    this.on.answered?.(call);
  }
  onEstablished(): void {
    this.#tell("established");
  }
  onEnded(_call: CallId, end: CallEnd): void {
    this.#tell(`ended ${end.kind}`);
    this.ends.push(end);
  }
  #tell(what: string): void {
    this.told.push(what);
    this.#net.note(`${this.name} ${what}`);
  }
}

function pair(net: SimNetwork) {
  const [alice, bob] = [new Party(net, "alice", "10.0.0.1"), new Party(net, "bob", "10.0.0.2")];
  net.setFaults("alice", "bob", { delayMs: 10 });
  bob.on.invite = (call) => {
    bob.calls.ring(call, 180);
    bob.calls.accept(call, { contact: bob.contact() });
  };
  return { alice, bob };
}

simTest("a call is set up and torn down (RFC 3261 §13, §15)", (net) => {
  const { alice, bob } = pair(net);
  const call = alice.invite(bob);
  net.run(100);
  alice.calls.end(call);
  net.run(100);
  assert.deepEqual(alice.told, ["180", "answered", "ended local"]);
  assert.deepEqual(bob.told, ["invite", "established", "ended bye"]);
  net.run(70_000);
  alice.assertQuiet();
  bob.assertQuiet();
});

simTest(
  "over a line that loses a third of all datagrams every call ends once at both ends (RFC 3261 §13, §15, §17)",
  (net) => {
    const { alice, bob } = pair(net);
    net.setFaults("alice", "bob", { loss: 0.33, duplicate: 0.1, delayMs: 20, jitterMs: 40 });
    const began = Array.from({ length: 10 }, () => alice.invite(bob));
    net.run(12_000);
    for (const call of began) alice.calls.end(call);
    net.run(150_000);
    assert.equal(alice.ends.length, 10);
    assert.equal(bob.ends.length, bob.told.filter((what) => what === "invite").length);
    alice.assertQuiet();
    bob.assertQuiet();
  },
  { seeds: 10 },
);

simTest("a lost ACK is sent again when the 200 comes again (RFC 3261 §13.2.2.4, §13.3.1.4)", (net) => {
  const { alice, bob } = pair(net);
  alice.on.answered = () => net.cut("alice", "bob"); // the ACK is on its way, and lost
  alice.invite(bob);
  net.run(100);
  assert.deepEqual(bob.told, ["invite"]);
  net.heal("alice", "bob");
  net.run(2_000);
  assert.deepEqual(bob.told, ["invite", "established"]);
});

simTest("without any ACK the called side gives up after 64*T1 (RFC 3261 §13.3.1.4)", (net) => {
  const { alice, bob } = pair(net);
  alice.on.answered = () => net.cut("alice", "bob");
  alice.invite(bob);
  net.run(70_000);
  assert.deepEqual(bob.ends, [{ kind: "failed", cause: "timeout" }]);
  bob.assertQuiet();
});

for (let atMs = 0; atMs <= 120; atMs += 5) {
  simTest(
    `hung up ${atMs} ms after calling, whatever crosses: both ends know, nothing is left (RFC 3261 §9, §15)`,
    (net) => {
      const { alice, bob } = pair(net);
      bob.on.invite = (call) => {
        bob.calls.ring(call, 180);
        bob.host.timer(bob.host.nowMs() + 50, () => bob.calls.accept(call, { contact: bob.contact() }));
      };
      const call = alice.invite(bob);
      net.run(atMs);
      alice.calls.end(call);
      net.run(110_000);
      assert.deepEqual(
        alice.ends.map(({ kind }) => kind),
        ["local"],
      );
      assert.equal(bob.ends.length, 1);
      assert.match(bob.ends[0]?.kind ?? "", /^(bye|canceled)$/);
      alice.assertQuiet();
      bob.assertQuiet();
    },
    { seeds: 1 },
  );
}

simTest("the far end is gone: the call fails after 64*T1, a refresh finds it out later too (RFC 3261 §13.2.2, §14.1)", (net) => {
  const { alice, bob } = pair(net);
  net.cut("alice", "bob");
  alice.invite(bob);
  net.run(33_000);
  assert.deepEqual(alice.ends, [{ kind: "failed", cause: "timeout" }]);
  net.heal("alice", "bob");
  const call = alice.invite(bob);
  net.run(100);
  net.cut("alice", "bob");
  alice.calls.refresh(call);
  net.run(33_000);
  assert.deepEqual(alice.ends[1], { kind: "failed", cause: "timeout" });
  net.run(70_000);
  alice.assertQuiet();
});

simTest("UPDATEs from both ends at once: both are answered (RFC 3311 §5.2)", (net) => {
  const { alice, bob } = pair(net);
  const call = alice.invite(bob);
  net.run(100);
  alice.calls.refresh(call);
  bob.calls.refresh(1);
  net.run(10_000);
  const answered = net
    .ladder()
    .split("\n")
    .filter((line) => line.includes("200 OK (UPDATE)"));
  assert.equal(answered.length, 2, net.ladder());
  bob.calls.end(1);
  net.run(70_000);
  assert.deepEqual([alice.ends[0]?.kind, bob.ends[0]?.kind], ["bye", "local"]);
  alice.assertQuiet();
  bob.assertQuiet();
});

simTest("forked: the second 200 is acknowledged and hung up (RFC 3261 §13.2.2.4)", (net) => {
  const { alice, bob } = pair(net);
  const carol = new Party(net, "carol", "10.0.0.3");
  const fork = new Forker(net, [bob, carol]);
  carol.on.invite = (call) => carol.calls.accept(call, { contact: carol.contact() });
  net.setFaults("fork", "carol", { delayMs: 30 });
  alice.calls.invite({
    target: sipUri({ user: "team", host: "x" }),
    from: nameAddr(sipUri({ user: "alice", host: "x" })),
    to: nameAddr(sipUri({ user: "team", host: "x" })),
    via: { transport: "udp", host: fork.address, port: 5060 },
    contact: alice.contact(),
  });
  net.run(5_000);
  assert.deepEqual(alice.told, ["180", "answered"]);
  assert.deepEqual(bob.told, ["invite", "established"]);
  assert.deepEqual(carol.told, ["invite", "established", "ended bye"]);
});

/** A stateless forking proxy, as simple as may be: it passes octets on, and finds the callee in the Request-URI. */
class Forker {
  readonly address = "10.0.0.9";
  constructor(net: SimNetwork, branches: readonly Party[]) {
    const port = net.host("fork", this.address).datagram(
      { host: this.address, port: 5060 },
      {
        datagram: (bytes, from) => {
          const to = branches.find(({ address }) => address === from.host);
          const text = new TextDecoder().decode(bytes);
          const named = branches.find(({ name, address }) => text.split("\r\n")[0]?.includes(`${name}@${address}`));
          if (to) port.send(bytes, { host: "10.0.0.1", port: 5060 });
          else for (const branch of named ? [named] : branches) port.send(bytes, { host: branch.address, port: 5060 });
        },
        failed: (error) => {
          throw error;
        },
      },
    );
  }
}
