/** What may happen to a machine: its line, its system, its disk, its clock. */
import assert from "node:assert/strict";
import { text, utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import type { Host, Log, StreamPort } from "#host/host.ts";
import { type SimNetwork, simTest } from "./index.ts";

const B = { host: "127.0.2.1", port: 80 };
const untold = { data: () => undefined, closed: () => undefined };

/** A stream from a to b; what a was told, with the time. */
function connected(net: SimNetwork) {
  const [a, b] = [net.host("a", "127.0.1.1"), net.host("b", B.host)];
  const told: string[] = [];
  const streams: StreamPort[] = [];
  b.listen(B, {}, { accept: () => untold, failed: assert.fail });
  const closed = (error?: Error): void => void told.push(`${error?.message} at ${net.nowMs()}`);
  const opened = (stream: StreamPort): void => void streams.push(stream);
  a.connect(B, {}, { opened, data: () => undefined, closed });
  net.run(10);
  return { a, told, send: (line: string) => streams[0]?.send(utf8(line)) };
}

simTest("a machine that is gone answers nothing; once it is up again it resets what it does not know", (net) => {
  const { a, told, send } = connected(net);
  net.kill("b", "machine");
  send("lost");
  net.run(60_000);
  assert.equal(told.length, 0);
  const closed = (error?: Error): void => void told.push(`${error?.message} at ${net.nowMs()}`);
  a.connect(B, {}, { ...untold, closed });
  net.run(LIMITS.connectMs);
  assert.deepEqual(told, ["connect ETIMEDOUT at 70010"]);
  net.host("b", B.host);
  net.run(10);
  assert.deepEqual(told.slice(1), ["connection ECONNRESET at 70011"]);
});

simTest("a WebSocket's end whose machine is gone is missed, since it is pinged (RFC 6455 §5.5.2)", (net) => {
  const [a, b] = [net.host("a", "127.0.1.1"), net.host("b", B.host)];
  const told: string[] = [];
  const aside = { message: () => undefined, closed: () => undefined };
  b.listenMessages(B, { protocols: [], maxMessageBytes: 100 }, { accept: () => aside, failed: assert.fail });
  const closed = (error?: Error): void => void told.push(`${error?.message}`);
  a.connectMessages(`ws://${B.host}:${B.port}/`, { protocols: [] }, { ...aside, closed });
  net.run(10);
  net.kill("b", "machine");
  net.host("b", B.host);
  net.run(2 * LIMITS.pingEveryMs - 1);
  assert.deepEqual(told, []);
  net.run(1);
  assert.deepEqual(told, ["ping ETIMEDOUT"]);
});

simTest("a machine that comes back before anything was sent to it resets what is sent then", (net) => {
  const { told, send } = connected(net);
  net.kill("b", "machine");
  net.run(10);
  net.host("b", B.host);
  net.run(10);
  assert.equal(told.length, 0);
  send("to somebody else");
  net.run(10);
  assert.deepEqual(told, ["connection ECONNRESET at 32"]);
});

simTest("a one-way cut stops one direction only", (net) => {
  const [a, b] = [net.host("a", "127.0.1.1"), net.host("b", B.host)];
  const heard: string[] = [];
  const socket = (host: Host) =>
    host.datagram({ host: "0.0.0.0", port: 9 }, { datagram: (bytes) => void heard.push(text(bytes)), failed: assert.fail });
  const [ofA, ofB] = [socket(a), socket(b)];
  net.cutOneWay("a", "b");
  const exchange = (): void => {
    ofA.send(utf8("from a"), { host: B.host, port: 9 });
    ofB.send(utf8("from b"), { host: "127.0.1.1", port: 9 });
    net.run(10);
  };
  exchange();
  assert.deepEqual([heard, net.fate("a", "b"), net.fate("b", "a")], [["from b"], [], [1]]);
  net.heal("a", "b");
  exchange();
  assert.deepEqual(heard.sort(), ["from a", "from b", "from b"]);
});

/** The log "rows" of machine a, replayed. */
function openLog(net: SimNetwork): { log: Log; records: string[]; torn: () => number } {
  const log = net.host("a", "127.0.1.1").log("rows");
  const records: string[] = [];
  let torn = -1;
  log.replay(
    (record) => void records.push(text(record)),
    (tornBytes) => {
      torn = tornBytes;
    },
  );
  net.run(1);
  return { log, records, torn: () => torn };
}
const WRITTEN = ["a", "b", "c", "d"];

simTest("a record that rots takes those after it along", (net) => {
  const { log } = openLog(net);
  for (const record of WRITTEN) log.append(utf8(record));
  net.run(10);
  net.kill("a");
  net.corruptLogs("a");
  const { records, torn } = openLog(net);
  assert.ok(records.length < WRITTEN.length);
  assert.deepEqual([records, torn()], [WRITTEN.slice(0, records.length), WRITTEN.length - records.length]);
});

simTest("on a full disk nothing becomes durable, and what was is kept; with room again all is written in its order", (net) => {
  const { log } = openLog(net);
  const stalls: (string | undefined)[] = [];
  log.onStall((cause) => stalls.push(cause));
  log.append(utf8("kept"));
  net.run(10);
  net.fillDisk("a", true);
  log.append(utf8("waits"));
  log.rewrite(["kept", "waits"].map(utf8)); // is given up
  net.run(10 * LIMITS.logRetryMs);
  log.append(utf8("waits too"));
  assert.deepEqual([log.durableTicket, stalls], [1, ["no room"]]);
  net.fillDisk("a", false);
  net.run(LIMITS.logRetryMs + 10);
  assert.deepEqual([log.durableTicket, stalls], [3, ["no room", undefined]]);
  net.kill("a");
  assert.deepEqual(openLog(net).records, ["kept", "waits", "waits too"]);
});

simTest("a wall clock may stand wrong, over a restart too, and the monotonic one does not care", (net) => {
  const a = net.host("a", "127.0.1.1");
  const rightMs = net.host("b", B.host).wallMs();
  net.setWall("a", -3_600_000);
  assert.deepEqual([a.wallMs() - rightMs, a.nowMs()], [-3_600_000, 0]);
  net.kill("a");
  assert.equal(net.host("a", "127.0.1.1").wallMs() - rightMs, -3_600_000);
});

simTest("a lost disk comes back empty", (net) => {
  const { log } = openLog(net);
  for (const record of WRITTEN) log.append(utf8(record));
  net.run(10);
  net.kill("a", "machine");
  net.loseDisk("a");
  const { records, torn } = openLog(net);
  assert.deepEqual([records, torn()], [[], 0]);
});

simTest("a clock that runs fast or slow fires its timers by itself, never early, and never goes back", (net) => {
  const host = net.host("a", "127.0.1.1");
  const fired: (readonly [ownMs: number, trueMs: number])[] = [];
  const at = (ms: number): void => {
    host.timer(ms, () => fired.push([host.nowMs(), net.nowMs()]));
  };
  net.setRate("a", 2);
  at(100);
  net.run(60);
  assert.equal(host.nowMs(), 120);
  at(220);
  net.setRate("a", 0.5); // what was to be 50 ms from now takes 200
  net.run(300);
  assert.deepEqual(fired, [
    [100, 50],
    [220, 260],
  ]);
  net.setRate("a", 1.01);
  for (let ms = 1; ms < 100; ms++) at(host.nowMs() + ms / 7);
  net.run(100);
  assert.equal(fired.length, 101);
});

simTest("a machine says what its programs hold open", (net) => {
  const host = net.host("a", "127.0.1.1");
  const socket = host.datagram({ host: "127.0.1.1", port: 5060 }, { datagram: () => undefined, failed: assert.fail });
  const timer = host.timer(1_000, () => undefined);
  host.timer(5, () => undefined);
  net.run(1);
  assert.deepEqual(net.inUse("a"), { sockets: 1, timers: 2 });
  net.run(10);
  timer.cancel();
  socket.close();
  assert.deepEqual(net.inUse("a"), { sockets: 0, timers: 0 });
});
