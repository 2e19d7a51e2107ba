import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { hex, utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import type { Address, MessageHandlers, MessagePort } from "../host.ts";
import { nodeHost } from "../node/index.ts";
import { browserHost } from "./index.ts";

/** A page's connection to a real server, and what both were told. */
async function connection(told: string[], maxQueuedBytes?: number): Promise<{ page: MessagePort; server: MessagePort }> {
  const ends: { page?: MessagePort; server?: MessagePort } = {};
  const handlers = (name: "page" | "server"): MessageHandlers => ({
    opened: (port) => {
      ends[name] = port;
    },
    message: (data) => void told.push(`${name} got ${typeof data === "string" ? data : hex(data)}`),
    closed: (error) => void told.push(`${name} closed${error ? `: ${error.message}` : ""}`),
  });
  const at = await new Promise<Address>((listening, failed) => {
    const listener = nodeHost().listenMessages(
      { host: "127.0.1.1", port: 0 },
      { protocols: ["sip"], maxMessageBytes: 1_000, maxQueuedBytes: 2 * LIMITS.clientMessageBytes },
      {
        listening,
        accept: () => {
          listener.close();
          return handlers("server");
        },
        failed,
      },
    );
  });
  const options = { protocols: ["sip"], ...(maxQueuedBytes !== undefined && { maxQueuedBytes }) };
  browserHost().connectMessages(`ws://${at.host}:${at.port}/`, options, handlers("page"));
  await until(() => ends.page !== undefined && ends.server !== undefined);
  const { page = assert.fail(), server = assert.fail() } = ends;
  return { page, server };
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; !condition(); i++) {
    assert.ok(i < 1_000, "it never happened");
    await sleep(2);
  }
}

test("a page sends and gets text and octets, and closes without an error", async () => {
  const told: string[] = [];
  const { page, server } = await connection(told);
  page.send("one");
  page.send(Uint8Array.of(2, 3));
  await until(() => told.length === 2);
  server.send(Uint8Array.of(4));
  server.send("five");
  await until(() => told.length === 4);
  page.close();
  await until(() => told.length === 6);
  assert.deepEqual(told.slice(0, 4), ["server got one", "server got 0203", "page got 04", "page got five"]);
  assert.deepEqual(told.slice(4).sort(), ["page closed", "server closed"]);
});

const BREACHES: {
  name: string;
  maxQueuedBytes?: number;
  act(ends: { page: MessagePort; server: MessagePort }): void;
  wants: RegExp;
}[] = [
  { name: "is told the server's close code", act: ({ server }) => server.close(4003), wants: /^page closed: .*4003/ },
  {
    name: "is told when its message was too large",
    act: ({ page }) => page.send("x".repeat(1_001)),
    wants: /^page closed: .*1009/,
  },
  {
    name: "closes when a message is over the limit",
    act: ({ server }) => server.send(new Uint8Array(LIMITS.clientMessageBytes + 1)),
    wants: /^page closed: A message is too large/,
  },
  {
    name: "closes when its queue is over the limit",
    maxQueuedBytes: 500,
    act: ({ page }) => page.send("x".repeat(900)),
    wants: /^page closed: .*ENOBUFS/,
  },
];
for (const { name, maxQueuedBytes, act, wants } of BREACHES) {
  test(`a page ${name}`, async () => {
    const told: string[] = [];
    act(await connection(told, maxQueuedBytes));
    await until(() => told.some((line) => line.startsWith("page closed")));
    assert.match(told.find((line) => line.startsWith("page closed")) ?? "", wants);
  });
}

test("a page has clocks, randomness and digests", () => {
  const host = browserHost();
  assert.ok(host.nowMs() >= 0 && host.wallMs() > 1_700_000_000_000);
  assert.equal(host.random(16).length, 16);
  assert.equal(hex(host.digest("MD5", utf8("abc"))), "900150983cd24fb0d6963f7d28e17f72");
  assert.equal(host.hmac("SHA-256", utf8("k"), utf8("m")).length, 32);
});
