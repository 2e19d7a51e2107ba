import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { concat, text, utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import { testHost } from "../conformance.ts";
import type { DatagramPort, LogDamage } from "../host.ts";
import { type Certified, makeAuthority, makeCertificate } from "./certificates.ts";
import { type NodeHost, nodeHost } from "./index.ts";
import { HEADER } from "./log-file.ts";
import { fullDisk } from "./test-full-disk.ts";

const ADDRESS = "127.0.1.1";
const DAY_MS = 86_400_000;

async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 5_000;
  while (!condition()) {
    assert.ok(performance.now() < endMs, "it never happened");
    await sleep(2);
  }
}
const quiet = (): Promise<void> => sleep(40);

async function withHost(body: (host: NodeHost, logDirectory: string) => Promise<void>): Promise<void> {
  const logDirectory = mkdtempSync(join(tmpdir(), "sipcast-"));
  try {
    await body(nodeHost({ logDirectory }), logDirectory);
  } finally {
    rmSync(logDirectory, { recursive: true });
  }
}

const authorities = new Map<string, Promise<Certified>>();
async function certified(name: string, names: readonly [string, ...string[]]): Promise<Certified & { readonly ca: string }> {
  const fromMs = Date.now() - 1_000;
  const authority = authorities.get(name) ?? makeAuthority(name, fromMs, DAY_MS);
  authorities.set(name, authority);
  return { ...(await makeCertificate(await authority, names, fromMs, DAY_MS)), ca: (await authority).cert };
}

testHost("node host", (body) =>
  withHost(async (host, logDirectory) => {
    let free: (() => void) | undefined;
    const fillDisk = (isFull: boolean): void => {
      free?.();
      free = isFull ? fullDisk() : undefined;
    };
    const rot = (log: string, record: number): void => rotRecord(join(logDirectory, `${log}.log`), record);
    await body({ host, address: ADDRESS, until, quiet, certified, fillDisk, rot }).finally(() => free?.());
  }),
);

/** Flips a bit of the record's last octet. */
function rotRecord(path: string, record: number): void {
  const bytes = readFileSync(path);
  const endOf = (start: number): number => start + 8 + bytes.readUInt32BE(start);
  let end = endOf(HEADER.length);
  for (let at = 0; at < record; at++) end = endOf(end);
  bytes[end - 1] = (bytes[end - 1] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

test("a multicast interface of another machine fails the socket, and throws nothing", () =>
  withHost(async (host) => {
    const told: string[] = [];
    host.datagram(
      { host: ADDRESS, port: 0, multicastInterface: "192.0.2.1" },
      { bound: () => assert.fail(), datagram: () => assert.fail(), failed: ({ message }) => void told.push(message) },
    );
    await until(() => told.length > 0);
    await quiet();
    assert.equal(told.length, 1);
    assert.match(told.join(), /EADDRNOTAVAIL/);
  }));

test("multicast on loopback: any-source and source-specific, leaving, two receivers of one group and port (RFC 4607)", () =>
  withHost(async (host) => {
    const group = { host: "232.0.1.0", port: 0 };
    const heard: string[] = [];
    const sockets: DatagramPort[] = [];
    const receive = (name: string, port: number, source?: string) => {
      const socket = host.datagram(
        { host: group.host, port, multicastInterface: "127.0.0.1", shared: true },
        {
          bound: (at) => {
            group.port = at.port;
            socket.join(group.host, source);
            heard.push(`${name} joined`);
          },
          datagram: (bytes, from) => void heard.push(`${name} got ${text(bytes)} from ${from.host}`),
          failed: assert.fail,
        },
      );
      sockets.push(socket);
      return socket;
    };
    receive("any", 0);
    await until(() => heard.length === 1);
    const specific = receive("specific", group.port, "127.0.2.1");
    await until(() => heard.length === 2);
    const send = (line: string, address: string): void => {
      const bind = { host: address, port: 0, multicastInterface: "127.0.0.1" };
      const socket = host.datagram(bind, { datagram: () => assert.fail(), failed: assert.fail });
      sockets.push(socket);
      socket.send(utf8(line), group);
    };
    send("a", "127.0.1.1");
    send("b", "127.0.2.1");
    await quiet();
    specific.leave(group.host, "127.0.2.1");
    send("c", "127.0.2.1");
    await quiet();
    for (const socket of sockets) socket.close();
    const of = (name: string) => heard.filter((line) => line.startsWith(`${name} got`));
    assert.deepEqual(of("any"), ["any got a from 127.0.1.1", "any got b from 127.0.2.1", "any got c from 127.0.2.1"]);
    assert.deepEqual(of("specific"), ["specific got b from 127.0.2.1"]);
  }));

test("a datagram that cannot be sent is counted", () =>
  withHost(async (host) => {
    const socket = host.datagram({ host: ADDRESS, port: 0 }, { datagram: () => assert.fail(), failed: assert.fail });
    socket.send(new Uint8Array(65_508), { host: ADDRESS, port: 9 });
    await until(() => host.counters.datagramsNotSent === 1);
    socket.close();
  }));

test("a torn tail is cut off and counted, and the log goes on after it", () =>
  withHost(async (host, directory) => {
    const path = join(directory, "rows.log");
    const open = async () => {
      const records: string[] = [];
      let torn = -1;
      const log = host.log("rows");
      log.replay(
        (record) => void records.push(text(record)),
        (tornBytes) => {
          torn = tornBytes;
        },
      );
      await until(() => torn >= 0);
      return { log, records, torn };
    };
    const append = async (record: string) => {
      const opened = await open();
      opened.log.append(utf8(record));
      await until(() => opened.log.durableTicket === 1);
      opened.log.close();
      await quiet();
      return opened;
    };
    await append("one");
    const whole = readFileSync(path);
    await append("two");
    const both = readFileSync(path);
    for (let cut = whole.length; cut < both.length; cut++) {
      writeFileSync(path, both.subarray(0, cut));
      const { log, records, torn } = await open();
      assert.deepEqual([records, torn], [["one"], cut - whole.length], `cut at ${cut} of ${both.length}`);
      log.close();
    }
    const flipped = Uint8Array.from(both);
    flipped[both.length - 1] = 0;
    writeFileSync(path, flipped);
    assert.deepEqual((await append("three")).records, ["one"]);
    appendFileSync(path, Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 1));
    const last = await open();
    assert.deepEqual([last.records, last.torn], [["one", "three"], 9]);
    last.log.close();
    assert.ok(host.counters.tornLogBytes > 9);
  }));

test("a record above the limit is not taken", () =>
  withHost(async (host) => {
    const log = host.log("rows");
    log.replay(
      () => undefined,
      () => undefined,
    );
    assert.throws(() => log.append(new Uint8Array(LIMITS.logRecordBytes + 1)), RangeError);
    assert.equal(log.append(utf8("next")), 1);
    await until(() => log.durableTicket === 1);
    log.close();
  }));

/** Runs a program with a log "rows", opened and replayed, whose disk is full from 1 KiB on. */
function onFullDisk(logDirectory: string, program: string): { status: number | null; stdout: string; stderr: string } {
  const whole = `
    import { nodeHost } from ${JSON.stringify(import.meta.resolve("./index.ts"))};
    import { LIMITS } from ${JSON.stringify(import.meta.resolve("#base/limits.ts"))};
    const log = nodeHost({ logDirectory: ${JSON.stringify(logDirectory)} }).log("rows");
    log.replay(() => undefined, () => { ${program} });`;
  const limited = `ulimit -f 1; trap "" XFSZ; exec "$@"`;
  const node = [process.execPath, "--input-type=module", "-e", whole];
  return spawnSync("bash", ["-c", limited, "bash", ...node], { encoding: "utf8", timeout: 20_000 });
}

test("a log without room says so and keeps the process; what was half written is cut off", () =>
  withHost(async (_, logDirectory) => {
    const program = `
      log.onStall((cause) => { console.log(cause); log.close(); });
      log.append(new Uint8Array(100));
      log.onDurable(() => log.append(new Uint8Array(10_000)));`;
    const { status, stdout, stderr } = onFullDisk(logDirectory, program);
    assert.deepEqual([status, stderr], [0, ""]);
    assert.match(stdout, /^EFBIG/);
    assert.equal(readFileSync(join(logDirectory, "rows.log")).length, HEADER.length + 8 + 100);
  }));

test("above logWaitingBytes a log without room ends the process, which names the file", () =>
  withHost(async (_, logDirectory) => {
    const program = `
      for (let octets = 0; octets <= 2 * LIMITS.logWaitingBytes; octets += 1_000_000) {
        log.append(new Uint8Array(1_000_000));
        if (octets === 0) await new Promise((stalled) => log.onStall(stalled));
      }`;
    const { status, stderr } = onFullDisk(logDirectory, program.replace(/^/, "(async () => {").concat("})();"));
    assert.equal(status, 1);
    assert.match(stderr, new RegExp(`StorageError: Cannot write the log ${join(logDirectory, "rows.log")}: EFBIG`));
  }));

const noRecord = (): void => assert.fail("a record");

test("more than logTornBytes behind the last whole record is damage, whatever it is", () =>
  withHost(async (host, directory) => {
    const path = join(directory, "rows.log");
    for (const [octets, isDamage] of [
      [LIMITS.logTornBytes, false],
      [LIMITS.logTornBytes + 1, true],
    ] as const) {
      writeFileSync(path, concat([HEADER, new Uint8Array(octets).fill(0xff)]));
      const log = host.log("rows");
      const cut = await new Promise<LogDamage | undefined>((done) => log.replay(noRecord, (_, damage) => done(damage)));
      assert.equal(cut !== undefined, isDamage);
      log.close();
    }
  }));

test("a damaged log is kept aside, as it was found, and what was whole of it stays", () =>
  withHost(async (host, directory) => {
    const path = join(directory, "rows.log");
    const log = host.log("rows");
    log.replay(noRecord, () => log.append(utf8("one")));
    await until(() => log.durableTicket === 1);
    for (const record of ["two", "three"]) log.append(utf8(record));
    await until(() => log.durableTicket === 3);
    log.close();
    rotRecord(path, 1);
    const found = readFileSync(path);
    const again = host.log("rows");
    const damage = await new Promise<LogDamage | undefined>((done) =>
      again.replay(
        () => undefined,
        (_, what) => done(what),
      ),
    );
    const atBytes = HEADER.length + 8 + 3;
    assert.deepEqual(damage, { file: path, atBytes, lostBytes: found.length - atBytes, keptAs: `${path}.damaged` });
    assert.deepEqual(readFileSync(`${path}.damaged`), found);
    assert.deepEqual(readFileSync(path), found.subarray(0, atBytes));
    assert.equal(host.counters.damagedLogs, 1);
    again.close();
  }));

test("a rewrite that finds no room for its last step is given up: the log stays, and goes on once there is room", () =>
  withHost(async (host, directory) => {
    const log = host.log("rows");
    log.replay(noRecord, () => log.append(utf8("kept")));
    await until(() => log.durableTicket === 1);
    let free = (): void => assert.fail("not full yet");
    function* records() {
      yield new Uint8Array(LIMITS.logSliceBytes);
      free = fullDisk();
    }
    let isStalled = false;
    log.onStall((cause) => {
      isStalled = cause !== undefined;
    });
    log.rewrite(records());
    log.append(utf8("since"));
    await until(() => isStalled).finally(() => free());
    log.append(utf8("then"));
    await until(() => log.durableTicket === 3);
    log.close();
    assert.equal(host.counters.logRewritesGivenUp, 1);
    const frames = ["kept", "since", "then"].map((record) => 8 + record.length);
    assert.equal(readFileSync(join(directory, "rows.log")).length, HEADER.length + frames.reduce((sum, each) => sum + each, 0));
    assert.ok(!existsSync(join(directory, "rows.log.new")));
  }));

test("what cannot be opened as a log is said by its name", () =>
  withHost(async (host, directory) => {
    mkdirSync(join(directory, "rows.log"));
    const message = new RegExp(`^Cannot open the log ${join(directory, "rows.log")}: EISDIR`);
    assert.throws(() => host.log("rows"), { name: "StorageError", code: "unusable", message });
  }));

test("a log's name is a plain file name", () =>
  withHost(async (host) => {
    for (const name of ["", "../rows", "a/b", ".."]) assert.throws(() => host.log(name), RangeError, name);
  }));

test("without a log directory what is appended counts as durable, on a later turn, and is forgotten", async () => {
  const log = nodeHost().log("rows");
  let isOpen = false;
  log.replay(
    () => assert.fail("a record"),
    () => {
      isOpen = true;
    },
  );
  await until(() => isOpen);
  const durable: number[] = [];
  log.onDurable((ticket) => void durable.push(ticket));
  assert.deepEqual([log.append(utf8("a")), log.append(utf8("b")), log.durableTicket], [1, 2, 0]);
  await until(() => log.durableTicket === 2);
  assert.equal(log.append(utf8("c")), 3);
  await until(() => log.durableTicket === 3);
  assert.deepEqual(durable, [2, 3]);
});
