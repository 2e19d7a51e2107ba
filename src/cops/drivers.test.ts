/** PEP and PDP over the simulated network: what the drivers add to the connections' machines. */
import assert from "node:assert/strict";
import { fromHex, hex } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import type { Host, StreamPort } from "#host/host.ts";
import { type SimNetwork, simTest } from "#sim/index.ts";
import { copsKey } from "./engine/integrity.ts";
import { plain } from "./engine/messages.ts";
import { CLIENT_TYPE, type CopsRequest, type Decision, type PdpUser, type PepUser } from "./engine/types.ts";
import { CopsPdp, type CopsPdpConfig } from "./pdp.ts";
import { CopsPep, type CopsPepConfig } from "./pep.ts";
import { COPS_ERROR } from "./wire/grammar.ts";
import { CopsFramer, type CopsMessage, encodeMessage, objectOf } from "./wire/message.ts";

const { admission, provisioning } = CLIENT_TYPE;
const PDP_ADDRESS = { host: "127.0.2.1", port: 3288 };
const JOIN: CopsRequest = { kind: "admission-sink", attributes: { channel: "news", kbps: 4000 } };
const INSTALL: Decision = { command: "install", attributes: { kbps: 4000 } };

/** A PDP that grants everything and notes what it is told. */
function startPdp(net: SimNetwork, over: Partial<PdpUser> = {}, config: Partial<CopsPdpConfig> = {}) {
  const told: string[] = [];
  const pdp: CopsPdp = new CopsPdp(
    net.host("edge", PDP_ADDRESS.host),
    { bind: PDP_ADDRESS, keepAliveSec: 4, ...config },
    {
      onOpen: (pep, pepId, clientType) => told.push(`open ${pep} ${pepId} ${clientType.toString(16)}`) > 0,
      onRequest: (pep, _clientType, handle, request) => {
        told.push(`request ${pep} ${handle} ${request.kind}`);
        pdp.decide(pep, handle, INSTALL);
      },
      onReport: (pep, handle, kind) => told.push(`report ${pep} ${handle} ${kind}`),
      onDelete: (pep, handle, reason) => told.push(`delete ${pep} ${handle} ${reason}`),
      onSynchronized: (pep, clientType, handle) => told.push(`synchronized ${pep} ${clientType.toString(16)} ${handle ?? "all"}`),
      onGone: (pep, pepId) => told.push(`gone ${pep} ${pepId}`),
      ...over,
    },
  );
  return { pdp, told };
}
function startPep(net: SimNetwork, name = "ds1", over: Partial<PepUser> = {}, config: Partial<CopsPepConfig> = {}) {
  const told: string[] = [];
  const address = `127.0.1.${name.slice(-1)}`;
  const pep: CopsPep = new CopsPep(
    net.host(name, address),
    { peer: PDP_ADDRESS, pepId: name, clientTypes: [admission, provisioning], ...config },
    {
      onSynchronize: (clientType, handle) => {
        told.push(`synchronize ${clientType.toString(16)} ${handle ?? "all"}`);
        pep.synchronized(clientType, handle);
      },
      onOpened: (clientType) => told.push(`opened ${clientType.toString(16)}`),
      onDecision: (handle, decision) => told.push(`${decision.command} ${handle}`),
      onLost: () => told.push("lost"),
      ...over,
    },
  );
  return { pep, told };
}
/** Raw octets from a host to the PDP; what came back, in hex, and whether it closed. */
function rawPeer(host: Host, wire: string) {
  const seen = { answer: "", closed: false };
  host.connect(
    PDP_ADDRESS,
    {},
    {
      opened: (stream: StreamPort) => stream.send(fromHex(wire.replaceAll(" ", "")) ?? assert.fail(wire)),
      data: (bytes) => {
        seen.answer += hex(bytes);
      },
      closed: () => {
        seen.closed = true;
      },
    },
  );
  return seen;
}

simTest("a PEP opens both client-types, asks, is answered, reports and returns (RFC 2748 §4.3, §4.4)", (net) => {
  const { told: atPdp, pdp } = startPdp(net);
  const { told: atPep, pep } = startPep(net);
  assert.equal(pep.isOpen(admission), false);
  net.run(100);
  assert.equal(pep.isOpen(admission) && pep.isOpen(provisioning), true);
  const handle = pep.request(admission, JOIN);
  net.run(100);
  pep.report(admission, handle, "success");
  pep.update(admission, handle, JOIN);
  pep.delete(admission, handle, "tear");
  net.run(100);
  assert.deepEqual(atPep, ["opened 9101", "opened 9102", "install 00000001"]);
  const [open1, open2, ...rest] = atPdp;
  assert.deepEqual([open1, open2], ["open 1 ds1 9101", "open 1 ds1 9102"]);
  assert.deepEqual(rest, [
    "request 1 910100000001 admission-sink",
    "report 1 910100000001 success",
    "request 1 910100000001 admission-sink",
    "delete 1 910100000001 tear",
  ]);
  assert.deepEqual([pep.counters.unknownHandles, pdp.counters.badMessages], [1, 0]); // the update's answer crossed the DRQ
});

simTest("requests made before CAT wait, updates and deletions of them included", (net) => {
  const { told, pep } = startPep(net);
  const first = pep.request(admission, JOIN);
  const second = pep.request(admission, JOIN);
  net.run(20_000); // nobody listens: attempts fail, nothing is lost
  pep.update(admission, first, { ...JOIN, kind: "admission-source" });
  pep.delete(admission, second, "timeout");
  const { told: atPdp } = startPdp(net);
  net.run(6_000); // the longest pause is 5 s
  assert.deepEqual([...told].sort(), ["install 00000001", "opened 9101", "opened 9102"]);
  assert.deepEqual(
    atPdp.filter((line) => line.startsWith("request")),
    ["request 1 910100000001 admission-source"],
  );
});

simTest("what a user held before is asked for before what waits (RFC 2748 §2.5)", (net) => {
  const { told: atPdp } = startPdp(net);
  const again: CopsRequest = { ...JOIN, kind: "admission-source" };
  const onOpened = (clientType: number): void => {
    if (clientType === admission) pep.request(admission, again);
  };
  const { pep } = startPep(net, "ds1", { onOpened });
  pep.request(admission, JOIN);
  net.run(100);
  const kinds = atPdp.flatMap((line) => (line.startsWith("request") ? line.split(" ").slice(3) : []));
  assert.deepEqual(kinds, ["admission-source", "admission-sink"]);
});

simTest("at most LIMITS.copsWaitingRequests wait: one more gets no answer and is counted", (net) => {
  const { told, pep } = startPep(net);
  for (let count = 0; count <= LIMITS.copsWaitingRequests; count++) pep.request(admission, JOIN);
  startPdp(net);
  net.run(6_000);
  assert.equal(told.filter((line) => line.startsWith("install")).length, LIMITS.copsWaitingRequests);
  assert.equal(pep.counters.overLimit, 1);
});

simTest("what cannot be written throws to whoever asks, connected or not, and harms nothing", (net) => {
  startPdp(net);
  const { told, pep } = startPep(net);
  const bad: CopsRequest = { kind: "admission-sink", attributes: { colour: "red" } };
  assert.throws(() => pep.request(admission, bad), /colour/);
  net.run(100);
  assert.throws(() => pep.request(admission, bad), /colour/);
  pep.request(admission, JOIN);
  net.run(100);
  assert.equal(told.at(-1), "install 00000003");
});

simTest(
  "keep-alives hold an idle connection; a cut ends it on both sides, and it comes back by itself (RFC 2748 §4.6)",
  (net) => {
    const { told: atPdp, pdp } = startPdp(net);
    const { told: atPep, pep } = startPep(net);
    net.run(60_000);
    assert.deepEqual(atPep, ["opened 9101", "opened 9102"]);
    assert.ok(pdp.counters.received >= 2 + 60 / 3, "a KA at least every three quarters of 4 s");
    net.cut("ds1", "edge");
    net.run(4_100);
    assert.equal(atPep.at(-1), "lost");
    assert.equal(atPdp.at(-1), "gone 1 ds1");
    assert.equal(pep.isOpen(admission), false);
    pep.report(admission, "00000001", "success"); // void
    net.run(30_000);
    net.heal("ds1", "edge");
    net.run(11_000); // the attempt under way, and the longest pause
    assert.deepEqual(atPep.slice(-3), ["lost", "opened 9101", "opened 9102"]);
    assert.deepEqual([pep.counters.lost, pep.counters.unknownHandles], [1, 1]);
  },
);

simTest("a PDP that dies voids every handle, and attempts go on with pauses of 5 s at most", (net) => {
  startPdp(net);
  const { told, pep } = startPep(net);
  net.run(100);
  pep.request(admission, JOIN);
  net.run(100);
  net.kill("edge");
  net.run(30_000);
  assert.equal(told.at(-1), "lost");
  pep.request(admission, JOIN);
  startPdp(net);
  net.run(6_000);
  assert.equal(told.filter((line) => line === "install 00000002").length, 1);
});

simTest("stop says Client-Close on either side, and nothing is told any more (RFC 2748 §4.7)", (net) => {
  const { told: atPdp, pdp } = startPdp(net);
  const { told: atFirst, pep: first } = startPep(net, "ds1");
  net.run(100);
  const { told: atSecond } = startPep(net, "ds2");
  net.run(100);
  first.stop();
  net.run(10_000);
  assert.deepEqual(atPdp.slice(-1), ["gone 1 ds1"]);
  pdp.stop();
  net.run(10_000);
  assert.deepEqual(atPdp.slice(-1), ["gone 1 ds1"]);
  assert.deepEqual(atFirst, ["opened 9101", "opened 9102"]);
  assert.deepEqual(atSecond, ["opened 9101", "opened 9102", "lost"]);
});

const BAD: { name: string; wire: string; answer: string }[] = [
  { name: "object length 0", wire: "10019101 0000000c 00000101", answer: "10089101000000100008080100030000" },
  { name: "object length 3", wire: "10019101 0000000c 00030101", answer: "10089101000000100008080100030000" },
  { name: "a header of 4 GiB", wire: "10019101 ffffffff", answer: "10080000000000100008080100030000" },
  { name: "another version", wire: "20019101 00000008", answer: "10080000000000100008080100030000" },
  { name: "text", wire: "474554202f20485454502f312e310d0a", answer: "10080000000000100008080100030000" },
];
for (const { name, wire, answer } of BAD) {
  simTest(`${name} is answered by CC, Bad Message Format, and ends that connection only (RFC 2748 §3.8)`, (net) => {
    const { told: atPdp, pdp } = startPdp(net);
    const { told, pep } = startPep(net);
    net.run(100);
    const stranger = rawPeer(net.host("stranger", "127.0.3.1"), wire);
    net.run(100);
    assert.deepEqual(stranger, { answer, closed: true });
    pep.request(admission, JOIN);
    net.run(100);
    assert.equal(told.at(-1), "install 00000001");
    assert.equal(pdp.counters.badMessages, 1);
    assert.equal(atPdp.includes("gone 2 stranger"), false);
  });
}

simTest("a stranger that says nothing is closed after LIMITS.copsOpenMs", (net) => {
  startPdp(net);
  const stranger = rawPeer(net.host("stranger", "127.0.3.1"), "1009");
  net.run(LIMITS.copsOpenMs - 50);
  assert.equal(stranger.closed, false);
  net.run(200);
  assert.equal(stranger.closed, true);
});

simTest(
  "a PDP has LIMITS.copsPepConnections connections: one more is closed at once and counted",
  (net) => {
    const { pdp } = startPdp(net);
    const host = net.host("stranger", "127.0.3.1");
    const strangers = Array.from({ length: LIMITS.copsPepConnections }, () => rawPeer(host, "1009"));
    net.run(100);
    assert.equal(strangers.filter(({ closed }) => closed).length, 0);
    const tooMany = rawPeer(host, "1009");
    net.run(100);
    assert.equal(tooMany.closed, true);
    assert.equal(pdp.counters.overLimit, 1);
  },
  { seeds: 1 },
);

simTest("a throw of the PDP's user ends the connection that it was told about, no other", (net) => {
  const { pdp } = startPdp(net, {
    onReport: () => {
      throw new Error("the user's own fault");
    },
  });
  const { told: atFirst, pep: first } = startPep(net, "ds1");
  const { told: atSecond } = startPep(net, "ds2");
  net.run(100);
  const handle = first.request(admission, JOIN);
  net.run(100);
  first.report(admission, handle, "success");
  net.run(1_000);
  assert.deepEqual(atFirst.slice(-3), ["lost", "opened 9101", "opened 9102"]);
  assert.deepEqual(atSecond, ["opened 9101", "opened 9102"]);
  assert.equal(pdp.counters.userFaults, 1);
});

simTest("a throw of the PEP's user ends its connection, and the next one serves", (net) => {
  startPdp(net);
  let throws = true;
  const { told, pep } = startPep(net, "ds1", {
    onDecision: () => {
      if (throws) throw new Error("the user's own fault");
    },
  });
  net.run(100);
  pep.request(admission, JOIN);
  net.run(10);
  throws = false;
  net.run(1_000);
  assert.deepEqual(told, ["opened 9101", "opened 9102", "lost", "opened 9101", "opened 9102"]);
  assert.equal(pep.counters.userFaults, 1);
});

simTest("a PEP leaves a PDP that sends what is no COPS, and tries again", (net) => {
  net.host("edge", PDP_ADDRESS.host).listen(
    PDP_ADDRESS,
    {},
    {
      accept: (stream) => ({ data: () => stream.send(Uint8Array.of(0x20)), closed: () => undefined }),
      failed: assert.fail,
    },
  );
  const { told, pep } = startPep(net);
  net.run(10_000);
  assert.ok(pep.counters.badMessages > 1);
  assert.deepEqual(told, []);
});

simTest("after a success the pauses between attempts start anew", (net) => {
  const { told } = startPep(net);
  net.run(30_000); // nobody listens: the pause has grown to 5 s
  startPdp(net);
  net.run(6_000);
  net.kill("edge");
  startPdp(net);
  net.run(600);
  assert.deepEqual(told, ["opened 9101", "opened 9102", "lost", "opened 9101", "opened 9102"]);
});

simTest("attempts that were given up are closed if they succeed after all", (net) => {
  let accepted = 0;
  let closed = 0;
  net.host("edge", PDP_ADDRESS.host).listen(
    PDP_ADDRESS,
    {},
    {
      accept: () => {
        accepted++;
        return { data: () => undefined, closed: () => closed++ };
      },
      failed: assert.fail,
    },
  );
  const host = net.host("ds1", "127.0.1.1");
  net.cut("ds1", "edge");
  const never = (): never => assert.fail("nothing was ever open");
  const user: PepUser = { onOpened: never, onDecision: never, onSynchronize: never, onLost: never };
  const pep = new CopsPep(host, { peer: PDP_ADDRESS, pepId: "ds1", clientTypes: [admission] }, user);
  net.run(3 * LIMITS.copsOpenMs);
  net.heal("ds1", "edge");
  net.run(1_000);
  pep.stop();
  net.run(1_000);
  assert.ok(accepted > 1, `${accepted} accepted`);
  assert.equal(closed, accepted);
});

simTest("a loss voids what waits, too", (net) => {
  startPdp(net, { onOpen: (_pep, _pepId, clientType) => clientType === admission });
  const { told, pep } = startPep(net);
  net.run(100);
  pep.request(provisioning, { kind: "configuration", attributes: {} }); // refused: it waits
  net.kill("edge");
  const { told: atPdp } = startPdp(net);
  net.run(6_000);
  assert.deepEqual(told, ["opened 9101", "lost", "opened 9101", "opened 9102"]);
  assert.deepEqual(
    atPdp.filter((line) => line.startsWith("request")),
    [],
  );
});

const KEY = copsKey({ keyId: 7, key: "a secret of 16 octets or more" });
const NEXT_KEY = copsKey({ keyId: 8, key: "the secret that comes after it" });
simTest("with a key nothing passes that is not sealed by it, and both sides count up (RFC 2748 §4.1)", (net) => {
  const { told: atPdp } = startPdp(net, {}, { integrity: [KEY, NEXT_KEY] });
  const peps = [KEY, NEXT_KEY].map((integrity, at) => startPep(net, `ds${at + 1}`, {}, { integrity }));
  net.run(100);
  for (const { pep } of peps) pep.request(admission, JOIN);
  net.run(60_000); // keep-alives too
  for (const { told, pep } of peps) {
    assert.deepEqual(told, ["opened 9101", "opened 9102", "install 00000001"]);
    assert.equal(pep.counters.badMessages, 0);
  }
  assert.equal(atPdp.filter((line) => line.startsWith("gone")).length, 0);
});
for (const [name, integrity, keys] of [
  ["a PEP without a key", undefined, [KEY]],
  ["a PEP with another key", NEXT_KEY, [KEY]],
  ["a PEP with another secret", { ...NEXT_KEY, keyId: KEY.keyId }, [KEY]],
  ["a PDP without a key", KEY, []],
] as const) {
  simTest(`${name} opens nothing, and goes on trying (RFC 2748 §4.1)`, (net) => {
    const { told: atPdp, pdp } = startPdp(net, {}, { integrity: keys });
    const { told } = startPep(net, "ds1", {}, integrity ? { integrity } : {});
    net.run(10_000);
    assert.deepEqual([told, atPdp], [[], []]);
    assert.ok(pdp.counters.received > 2);
  });
}

/** A PDP of another make that says this and nothing else to whoever connects; what it was sent. */
function scriptedPdp(net: SimNetwork, name: string, host: string, answer: (received: CopsMessage) => readonly CopsMessage[]) {
  const received: CopsMessage[] = [];
  net.host(name, host).listen(
    { host, port: 3288 },
    {},
    {
      accept: (stream) => {
        const framer = new CopsFramer();
        return {
          data: (bytes) => {
            framer.push(bytes);
            for (let next = framer.next(); next.status === "ok"; next = framer.next()) {
              received.push(next.value);
              for (const message of answer(next.value)) stream.send(encodeMessage(message));
            }
          },
          closed: () => undefined,
        };
      },
      failed: assert.fail,
    },
  );
  return received;
}
const redirectTo =
  (address: string) =>
  ({ op, clientType }: CopsMessage): readonly CopsMessage[] =>
    op === "OPN"
      ? [
          plain("CC", clientType, [
            { kind: "error", code: COPS_ERROR.redirect, subCode: 0 },
            { kind: "pdpRedirect4", address, port: 3288 },
          ]),
        ]
      : [];

simTest(
  "a PEP goes where it is sent, names the last PDP that it used, and comes back when that one is gone (RFC 2748 §2.2.13)",
  (net) => {
    const atFirst = scriptedPdp(net, "first", "127.0.2.9", redirectTo(PDP_ADDRESS.host));
    startPdp(net);
    const { told } = startPep(net, "ds1", {}, { peer: { host: "127.0.2.9", port: 3288 } });
    net.run(1_000);
    assert.deepEqual(told, ["opened 9101", "opened 9102"]);
    assert.equal(atFirst.filter((message) => objectOf(message, "lastPdp4")).length, 0); // none before the first (§2.2.14)
    net.kill("edge");
    net.run(1_000);
    const lastPdp = { kind: "lastPdp4", address: PDP_ADDRESS.host, port: 3288 };
    assert.deepEqual(objectOf(atFirst.filter(({ op }) => op === "OPN").at(-1) ?? assert.fail(), "lastPdp4"), lastPdp);
  },
);

simTest("PDPs that send a PEP to one another do not keep it busy: a redirection is followed once (RFC 2748 §2.3)", (net) => {
  const peer = { host: "127.0.2.8", port: 3288 };
  const received = [
    scriptedPdp(net, "first", peer.host, redirectTo("127.0.2.9")),
    scriptedPdp(net, "second", "127.0.2.9", redirectTo(peer.host)),
  ];
  startPep(net, "ds1", {}, { peer });
  net.run(30_000);
  const opens = received.map((messages) => messages.filter(({ op }) => op === "OPN").length / 2);
  assert.equal(opens[0], opens[1]);
  assert.ok((opens[0] ?? 0) < 20, `${opens[0]} times`);
});

simTest("a PDP asks for all that a PEP holds, or one handle, and is told when it has it (RFC 2748 §3.5, §3.10)", (net) => {
  const { told: atPdp, pdp } = startPdp(net);
  const { told, pep } = startPep(net);
  net.run(100);
  pep.request(admission, JOIN);
  net.run(100);
  const before = atPdp.length;
  pdp.synchronize(1, admission);
  pdp.synchronize(1, admission, "910100000001");
  pdp.synchronize(1, admission, "910100000009"); // never asked for
  pdp.synchronize(9, admission); // nobody
  net.run(100);
  assert.deepEqual(told.slice(3, 5), ["synchronize 9101 all", "synchronize 9101 00000001"]);
  assert.deepEqual(atPdp.slice(before).toSorted(), [
    "request 1 910100000001 admission-sink",
    "synchronized 1 9101 910100000001",
    "synchronized 1 9101 all",
  ]);
});
