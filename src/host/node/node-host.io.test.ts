import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { text, utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import { testHost } from "../conformance.ts";
import type { DatagramPort } from "../host.ts";
import { type Certified, makeAuthority, makeCertificate } from "./certificates.ts";
import { type NodeHost, nodeHost } from "./index.ts";

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

testHost("node host", (body) => withHost((host) => body({ host, address: ADDRESS, until, quiet, certified })));

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

test("a log that cannot be written ends the process, which names the file", () =>
  withHost(async (_, logDirectory) => {
    const program = `
      import { nodeHost } from ${JSON.stringify(import.meta.resolve("./index.ts"))};
      const log = nodeHost({ logDirectory: ${JSON.stringify(logDirectory)} }).log("rows");
      log.replay(() => undefined, () => log.append(new Uint8Array(10_000)));`;
    const limited = `ulimit -f 1; trap "" XFSZ; exec "$@"`; // files of 1 KiB: as good as a full disk
    const node = [process.execPath, "--input-type=module", "-e", program];
    const { status, stderr } = spawnSync("bash", ["-c", limited, "bash", ...node], { encoding: "utf8" });
    assert.equal(status, 1);
    assert.match(stderr, new RegExp(`Cannot write the log ${join(logDirectory, "rows.log")}: EFBIG`));
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
