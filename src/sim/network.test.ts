import assert from "node:assert/strict";
import { test } from "node:test";
import { text, utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import type { Address, Host, Log, StreamPort } from "#host/host.ts";
import { runTwice, simNetwork, simTest } from "./index.ts";
import type { SimNetwork } from "./types.ts";

/** A socket that notes what it gets, as "text from". */
function listener(net: SimNetwork, host: Host, port: number, group?: { address: string; source?: string }) {
  const heard: string[] = [];
  const socket = host.datagram(
    { host: "0.0.0.0", port, shared: true },
    {
      datagram: (bytes, from) => {
        heard.push(`${text(bytes)} ${from.host} ${net.nowMs()}`);
      },
      failed: (error) => assert.fail(error),
    },
  );
  if (group) socket.join(group.address, group.source);
  return { heard, socket };
}
const GROUP = { host: "232.0.1.0", port: 5004 };
function send(host: Host, to: Address, line = "hello"): void {
  host.datagram({ host: "0.0.0.0", port: 0 }, { datagram: () => undefined, failed: assert.fail }).send(utf8(line), to);
}

simTest("a datagram takes the default 1 ms", (net) => {
  const { heard } = listener(net, net.host("b", "127.0.2.1"), 5060);
  send(net.host("a", "127.0.1.1"), { host: "127.0.2.1", port: 5060 });
  net.run(5);
  assert.deepEqual(heard, ["hello 127.0.1.1 1"]);
});

simTest("a datagram within one machine arrives later than now, too", (net) => {
  const a = net.host("a", "127.0.1.1");
  const { heard } = listener(net, a, 5060);
  send(a, { host: "127.0.1.1", port: 5060 });
  net.run(1);
  assert.deepEqual(heard, ["hello 127.0.1.1 0.01"]);
});

simTest("multicast reaches every joined socket, the sender's own machine among them, and no other source (RFC 4607)", (net) => {
  const [a, b, c] = [net.host("a", "127.0.1.1"), net.host("b", "127.0.2.1"), net.host("c", "127.0.3.1")];
  const group = GROUP.host;
  const any = listener(net, a, GROUP.port, { address: group });
  const fromA = listener(net, b, GROUP.port, { address: group, source: "127.0.1.1" });
  const fromC = listener(net, b, GROUP.port, { address: group, source: "127.0.3.1" });
  const notJoined = listener(net, c, GROUP.port);
  net.run(1);
  send(a, GROUP);
  net.run(5);
  assert.deepEqual([any.heard.length, fromA.heard.length, fromC.heard.length, notJoined.heard.length], [1, 1, 0, 0]);
  fromA.socket.leave(group, "127.0.1.1");
  send(a, GROUP);
  net.run(5);
  assert.equal(fromA.heard.length, 1);
});

simTest("loss, duplication and jitter strike their share of datagrams", (net) => {
  net.setFaults("a", "b", { loss: 0.25, duplicate: 0.5, jitterMs: 20 });
  const a = net.host("a", "127.0.1.1");
  const { heard } = listener(net, net.host("b", "127.0.2.1"), 5060);
  for (let i = 0; i < 1_000; i++) send(a, { host: "127.0.2.1", port: 5060 }, String(i));
  net.run(50);
  const kinds = new Set(heard.map((line) => line.split(" ")[0]));
  assert.ok(kinds.size > 700 && kinds.size < 800, `${kinds.size} of 1000 arrived`);
  assert.ok(heard.length - kinds.size > 325 && heard.length - kinds.size < 425, "about half of those twice");
  assert.notDeepEqual(
    heard.map((line) => Number(line.split(" ")[0])),
    heard.map((line) => Number(line.split(" ")[0])).sort((x, y) => x - y),
    "some overtook others",
  );
});

simTest("a cut loses datagrams and stalls streams until it heals", (net) => {
  const [a, b] = [net.host("a", "127.0.1.1"), net.host("b", "127.0.2.1")];
  const { heard } = listener(net, b, 5060);
  const read: string[] = [];
  const handlers = { data: (bytes: Uint8Array) => void read.push(text(bytes)), closed: () => undefined };
  b.listen({ host: "127.0.2.1", port: 3288 }, {}, { accept: () => handlers, failed: assert.fail });
  a.connect(
    { host: "127.0.2.1", port: 3288 },
    {},
    {
      ...handlers,
      opened: (stream) => {
        net.cut("a", "b");
        stream.send(utf8("late"));
      },
    },
  );
  net.run(10);
  send(a, { host: "127.0.2.1", port: 5060 });
  net.run(10);
  assert.deepEqual([heard, read], [[], []]);
  net.heal("a", "b");
  net.run(10);
  assert.equal(read.join(""), "late");
  assert.deepEqual(heard, []);
});

simTest("a slow service reads later from the streams of its port, and only from them", (net) => {
  net.setHandling("b", 3288, 100);
  const [a, b] = [net.host("a", "127.0.1.1"), net.host("b", "127.0.2.1")];
  const reads: string[] = [];
  for (const port of [3288, 3289]) {
    const handlers = { data: () => void reads.push(`${port} at ${net.nowMs()}`), closed: () => undefined };
    b.listen({ host: "127.0.2.1", port }, {}, { accept: () => handlers, failed: assert.fail });
    a.connect({ host: "127.0.2.1", port }, {}, { ...handlers, opened: (stream) => stream.send(utf8("REQ")) });
  }
  net.run(500);
  assert.deepEqual(reads, ["3289 at 3", "3288 at 103"]);
});

simTest("a killed machine is silent, resets its streams, keeps what was flushed, and may start again", (net) => {
  const [a, b] = [net.host("a", "127.0.1.1"), net.host("b", "127.0.2.1")];
  const told: string[] = [];
  b.listen(
    { host: "127.0.2.1", port: 80 },
    {},
    { accept: () => ({ data: () => undefined, closed: () => undefined }), failed: assert.fail },
  );
  a.connect(
    { host: "127.0.2.1", port: 80 },
    {},
    { opened: () => void told.push("opened"), data: () => undefined, closed: (error) => void told.push(String(error)) },
  );
  b.timer(50, () => void told.push("a dead machine's timer"));
  const log = b.log("rows");
  log.replay(
    () => undefined,
    () => undefined,
  );
  log.append(utf8("kept"));
  net.run(10);
  assert.equal(log.durableTicket, 1);
  log.append(utf8("lost"));
  const oldIds = b.random(8);
  net.kill("b");
  net.run(100);
  assert.deepEqual(told, ["opened", "Error: connection ECONNRESET"]);
  const again = net.host("b", "127.0.2.1");
  const records: string[] = [];
  again.log("rows").replay(
    (record) => void records.push(text(record)),
    () => undefined,
  );
  net.run(1);
  assert.equal(records[0], "kept");
  assert.notDeepEqual(again.random(8), oldIds);
});

simTest("a stream keeps its order under jitter, and does not come in the pieces in which it was sent", (net) => {
  net.setFaults("a", "b", { jitterMs: 50 });
  const [a, b] = [net.host("a", "127.0.1.1"), net.host("b", "127.0.2.1")];
  const chunks: string[] = [];
  const reader = { data: (bytes: Uint8Array) => void chunks.push(text(bytes)), closed: () => undefined };
  b.listen({ host: "127.0.2.1", port: 80 }, {}, { accept: () => reader, failed: assert.fail });
  const lines = Array.from({ length: 500 }, (_, i) => `line ${i};`);
  const send = (stream: StreamPort): void =>
    lines.forEach((line, i) => {
      a.timer(a.nowMs() + i, () => stream.send(utf8(line)));
    });
  a.connect({ host: "127.0.2.1", port: 80 }, {}, { ...untold, opened: send });
  net.run(1_000);
  assert.equal(chunks.join(""), lines.join(""));
  assert.ok(
    chunks.some((chunk) => chunk.indexOf(";") < chunk.length - 1),
    "some came together",
  );
  assert.ok(
    chunks.some((chunk) => !chunk.endsWith(";")),
    "some came in pieces",
  );
});

const untold = { data: () => undefined, closed: () => undefined };

for (const { name, kill, wants } of [
  { name: "a connection attempt that is cut off gives up", kill: false, wants: `connect ETIMEDOUT at ${LIMITS.connectMs}` },
  { name: "a connection attempt at a dead machine is refused", kill: true, wants: "connect ECONNREFUSED at 0" },
]) {
  simTest(name, (net) => {
    const a = net.host("a", "127.0.1.1");
    net.host("b", "127.0.2.1").listen({ host: "127.0.2.1", port: 80 }, {}, { accept: () => untold, failed: assert.fail });
    if (kill) net.kill("b");
    else net.cut("a", "b");
    const told: string[] = [];
    const closed = (error?: Error) => void told.push(`${error?.message} at ${net.nowMs()}`);
    a.connect({ host: "127.0.2.1", port: 80 }, {}, { opened: () => assert.fail("opened"), data: () => undefined, closed });
    net.run(LIMITS.connectMs - 1);
    assert.equal(told.length, kill ? 1 : 0);
    net.run(1);
    assert.deepEqual(told, [wants]);
  });
}

simTest("a stream that was closed while cut off is gone after the linger limit", (net) => {
  const a = net.host("a", "127.0.1.1");
  net.host("b", "127.0.2.1").listen({ host: "127.0.2.1", port: 80 }, {}, { accept: () => untold, failed: assert.fail });
  let closedAtMs = 0;
  a.connect(
    { host: "127.0.2.1", port: 80 },
    {},
    {
      opened: (stream) => {
        net.cut("a", "b");
        stream.close();
      },
      data: () => undefined,
      closed: () => {
        closedAtMs = net.nowMs();
      },
    },
  );
  net.run(LIMITS.lingerMs + 10);
  assert.equal(closedAtMs, LIMITS.lingerMs + 2);
});

simTest("a crash tears at most the flush under way: what is replayed is a prefix", (net) => {
  for (let life = 1; life <= 40; life++) {
    const log = net.host("a", "127.0.1.1").log(`rows ${life}`);
    log.replay(
      () => undefined,
      () => undefined,
    );
    const written = ["a", "b", "c", "d"];
    for (const record of written) log.append(utf8(record));
    net.run(1.5); // "a" is safe; the others' flush is under way
    net.kill("a");
    const records: string[] = [];
    const again = net.host("a", "127.0.1.1").log(`rows ${life}`);
    again.replay(
      (record) => void records.push(text(record)),
      (tornBytes) => {
        assert.ok(tornBytes === 0 || records.length < 4);
        net.note(`${records.length} records, ${tornBytes} torn octets`);
      },
    );
    net.run(1);
    assert.ok(records.length >= 1);
    assert.deepEqual(records, written.slice(0, records.length));
    net.kill("a");
  }
});

test("what a handler throws comes out of run, and the rest still runs", () => {
  const net = simNetwork(1);
  const host = net.host("a", "127.0.1.1");
  let ran = false;
  host.timer(1, () => assert.fail("broken handler"));
  host.timer(1, () => {
    ran = true;
  });
  assert.throws(() => net.run(5), /broken handler/);
  net.run(5);
  assert.ok(ran);
});

test("settle stops when nothing is due, or when its time is over", () => {
  const net = simNetwork(1);
  const host = net.host("a", "127.0.1.1");
  host.timer(70, () => undefined);
  host.timer(80, () => undefined).cancel();
  net.settle(1_000);
  assert.equal(net.nowMs(), 70);
  const again = (): void => void host.timer(host.nowMs() + 10, again);
  again();
  net.settle(1_000);
  assert.equal(net.nowMs(), 1_070);
});

test("one machine's random draws do not change another's", () => {
  const draws = [0, 100].map((others) => {
    const net = simNetwork(7);
    net.host("a", "127.0.1.1").random(others);
    return net.host("b", "127.0.2.1").random(16);
  });
  assert.deepEqual(draws[0], draws[1]);
});

test("canary: a body that reads the real clock is found out", () => {
  assert.throws(() => runTwice(1, (net) => net.note(`now ${performance.now()}`)), /Two runs of seed 1 differ/);
});

test("canary: a datagram handler that keeps the octets it was lent finds them spoilt", () => {
  const net = simNetwork(1);
  const a = net.host("a", "127.0.1.1");
  let kept: Uint8Array = new Uint8Array(0);
  a.datagram(
    { host: "127.0.1.1", port: 9 },
    {
      datagram: (bytes) => {
        kept = bytes;
      },
      failed: assert.fail,
    },
  );
  send(a, { host: "127.0.1.1", port: 9 });
  net.run(1);
  assert.deepEqual(
    [...kept],
    Array.from({ length: 5 }, () => 0xdd),
  );
});

const started = (net: SimNetwork): { log: Log; records: string[] } => {
  const log = net.host("a", "127.0.1.1").log("rows");
  const records: string[] = [];
  log.replay(
    (record) => void records.push(text(record)),
    () => undefined,
  );
  net.run(0);
  return { log, records };
};

simTest("a slow disk takes its time for every flush, and keeps it over a restart", (net) => {
  net.setDisk("a", { flushMs: 20 });
  for (let life = 0; life < 2; life++) {
    const { log } = started(net);
    log.append(utf8("row"));
    net.run(19);
    assert.equal(log.durableTicket, 0);
    net.run(1);
    assert.equal(log.durableTicket, 1);
    net.kill("a");
  }
});

simTest("a disk that is lost is empty at the next start; that of a machine that runs is not taken away", (net) => {
  const { log } = started(net);
  log.append(utf8("row"));
  net.run(5);
  assert.throws(() => net.loseDisk("a"), /running/);
  net.kill("a");
  assert.deepEqual(started(net).records, ["row"]);
  net.kill("a");
  net.loseDisk("a");
  assert.deepEqual(started(net).records, []);
});

simTest("a crash during a rewrite leaves the old file, with what was flushed since, or the new one", (net) => {
  const seen = new Set<string>();
  for (let stepMs = 0; stepMs < 16; stepMs++) {
    const { log } = started(net);
    for (const record of ["a", "b"]) log.append(utf8(record));
    net.run(5);
    const rows = Array.from({ length: 12 }, (_, at) => `row ${at}`);
    log.rewrite(rows.map(utf8));
    log.append(utf8("since"));
    net.run(stepMs / 2);
    const isSafe = log.durableTicket === 3;
    net.kill("a");
    const { records } = started(net);
    const isNew = records[0] === "row 0";
    const old = isNew ? rows : ["a", "b"];
    const since = isSafe || records.length > old.length ? ["since"] : [];
    assert.deepEqual(records, [...old, ...since]);
    seen.add(`${isNew} ${isSafe}`);
    net.kill("a");
    net.loseDisk("a");
  }
  assert.deepEqual([...seen].sort(), ["false false", "false true", "true true"]);
});
