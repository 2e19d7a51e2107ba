import assert from "node:assert/strict";
import { createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { text, utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import { type Logger, SILENT } from "#base/log.ts";
import { makeAuthority } from "#host/node/certificates.ts";
import { nodeHost } from "#host/node/index.ts";
import { toolOrSkip } from "#host/node/test-tools.ts";
import { testCarrier, until } from "./conformance.ts";
import { NatsCarrier, type NatsOptions } from "./nats.ts";
import { type TestNats, testNats } from "./test-nats.ts";

const host = nodeHost();

async function withMesh(
  t: TestContext,
  count: number,
  body: (nats: TestNats) => Promise<void>,
  maxPayloadBytes?: number,
): Promise<void> {
  if (!toolOrSkip(t, "nats-server")) return;
  const nats = await testNats(count, maxPayloadBytes);
  try {
    await body(nats);
  } finally {
    await nats.stop();
  }
}
async function withCarriers(all: readonly NatsOptions[], body: (...carriers: NatsCarrier[]) => Promise<void>): Promise<void> {
  const carriers = all.map((options) => new NatsCarrier(options));
  try {
    await body(...carriers);
  } finally {
    for (const carrier of carriers) await carrier.close();
  }
}
/** A member that notes what it hears; the two of a pair have met once each has heard the other. */
function member(carrier: NatsCarrier, id: string) {
  const heard: string[] = [];
  return { id, heard, port: carrier.join(id, host, (frame) => void heard.push(text(frame))) };
}
const meet = (one: ReturnType<typeof member>, other: ReturnType<typeof member>): Promise<void> => {
  const greeting = `hello ${performance.now()}`;
  return until(() => {
    for (const { port } of [one, other]) port.sendAll(utf8(greeting));
    return [one, other].every(({ heard }) => heard.includes(greeting));
  });
};

test("core NATS, three servers with TLS and nkeys", { concurrency: true }, (t) =>
  withMesh(t, 3, (nats) => {
    let operators = 0;
    let before = Promise.resolve();
    return testCarrier(t, host, async (body) => {
      const operator = `op${++operators}.example`;
      const all = nats.servers.map((_, at) => nats.options(operator, at));
      const [turn, isConnected] = [before, Promise.withResolvers<void>()];
      before = isConnected.promise;
      await turn; // the handshakes of all cases at once would take longer than a carrier waits for one
      return withCarriers(all, async (...carriers) => {
        await until(() => carriers.every(({ connected }) => connected)).finally(isConnected.resolve);
        await body(carriers);
        for (const { counters, assembler } of carriers) {
          assert.deepEqual({ ...counters, ...assembler.counters }, { disconnects: 0, dropped: 0, badParts: 0, incomplete: 0 });
        }
      });
    });
  }),
);

test("one of three servers is killed, and another stops answering: members meet again through the others", (t) =>
  withMesh(t, 3, (nats) => {
    const warnings: string[] = [];
    const reached: string[] = []; // by each carrier
    const all = [0, 1].map((at) => {
      const info: Logger["info"] = (_event, fields) => {
        reached[at] = String(fields?.["server"]);
      };
      const log: Logger = { ...SILENT, info, warn: (event) => void warnings.push(event) };
      return { ...nats.options("tv.example", at), log };
    });
    return withCarriers(all, async (first, second) => {
      assert.ok(first && second);
      const serverOf = (at: number): number => nats.servers.indexOf(reached[at] ?? "");
      const [one, other] = [member(first, "ds1"), member(second, "ds2")];
      const [near, beside] = [member(first, "edge1"), member(first, "web1")];
      await meet(one, other);
      for (const [what, carrier, lose] of [
        ["killed", first, () => nats.kill(serverOf(0))],
        ["frozen", second, () => nats.freeze(serverOf(1))],
      ] as const) {
        const startMs = performance.now();
        const before = carrier.counters.disconnects;
        await lose();
        await meet(near, beside); // members of one process need no server
        await until(() => carrier.counters.disconnects > before);
        await meet(one, other);
        t.diagnostic(`${what}: met again after ${Math.round(performance.now() - startMs)} ms`);
      }
      const lost = warnings.filter((event) => event === "overlay: NATS server lost").length;
      assert.equal(lost, first.counters.disconnects + second.counters.disconnects, "each loss is said once");
      assert.ok(
        warnings.length - lost <= all.length,
        `and attempts no more than before the first connection: ${warnings.join()}`,
      );
    });
  }));

test("without a server frames are dropped and counted, and said once; members of one process meet all the same", (t) =>
  withMesh(t, 1, async (nats) => {
    await nats.kill(0);
    const lines: string[] = [];
    const log: Logger = { ...SILENT, warn: (event) => void lines.push(event), info: (event) => void lines.push(event) };
    await withCarriers([{ ...nats.options("tv.example"), log }], async (carrier) => {
      assert.ok(carrier);
      const [one, other] = [member(carrier, "ds1"), member(carrier, "edge1")];
      one.port.send("ds2", utf8("lost"));
      one.port.sendAll(utf8("heard here"));
      await until(() => other.heard.includes("heard here"));
      assert.equal(carrier.counters.dropped, 2);
      await sleep(1_600); // three attempts at least
      assert.deepEqual(lines, ["overlay: no NATS server"]);
      await nats.start(0);
      await until(() => carrier.connected);
      assert.deepEqual(lines, ["overlay: no NATS server", "overlay: connected to NATS"]);
    });
  }));

test("a server that takes small messages alone gets frames in parts", (t) =>
  withMesh(
    t,
    1,
    (nats) =>
      withCarriers([nats.options("tv.example"), nats.options("tv.example")], async (first, second) => {
        assert.ok(first && second);
        const [one, other] = [member(first, "ds1"), member(second, "ds2")];
        await meet(one, other);
        const frame = "x".repeat(100_000);
        one.port.send("ds2", utf8(frame));
        await until(() => other.heard.includes(frame));
      }),
    2_048,
  ));

test("who does not know an operator's nkey, or whose server is not the operator's, gets in nowhere", (t) =>
  withMesh(t, 1, async (nats) => {
    const insider = nats.options("tv.example");
    const foreign = (await makeAuthority("somebody else", Date.now() - 1_000, 60_000)).cert;
    const plain = createServer((socket) => {
      const info = { server_id: "x", version: "2.9.10", proto: 1, headers: true, max_payload: 1_048_576, nonce: "x" };
      socket.write(`INFO ${JSON.stringify(info)}\r\n`);
      socket.on("data", (bytes) => void asked.push(String(bytes)));
      socket.on("error", () => undefined);
    });
    const asked: string[] = [];
    await new Promise<void>((listening) => plain.listen(0, "127.0.0.1", listening));
    const { port } = plain.address() as { readonly port: number };
    const faults: string[] = [];
    const log: Logger = { ...SILENT, warn: (_event, fields) => void faults.push(String(fields?.["error"])) };
    const strangers: NatsOptions[] = [
      { ...insider, log, nkeySeed: nats.strangersSeed() },
      { ...insider, log, tls: { ca: foreign } },
      { ...insider, log, servers: [`127.0.0.1:${port}`] },
    ];
    await withCarriers([insider, insider, ...strangers], async (first, second, ...others) => {
      assert.ok(first && second);
      const [one, other] = [member(first, "ds1"), member(second, "ds2")];
      const eavesdroppers = others.map((carrier) => member(carrier, "ds2"));
      await until(() => faults.length === strangers.length);
      await meet(one, other);
      for (const { port: out } of eavesdroppers) out.send("ds1", utf8("let me in"));
      one.port.send("ds2", utf8("secret"));
      await until(() => other.heard.includes("secret"));
      assert.deepEqual([...eavesdroppers.flatMap(({ heard }) => heard), ...asked], []);
      assert.ok(others.every(({ connected }) => !connected) && !one.heard.includes("let me in"));
      assert.deepEqual(faults.map((fault) => /authorization|certificate|'tls'/i.exec(fault)?.[0].toLowerCase()).sort(), [
        "'tls'",
        "authorization",
        "certificate",
      ]);
    });
    plain.close();
  }));

test("above natsQueuedBytes, which the server has not confirmed, frames are dropped and counted", (t) =>
  withMesh(t, 1, (nats) =>
    withCarriers([nats.options("tv.example")], async (carrier) => {
      assert.ok(carrier);
      const { port } = member(carrier, "ds1");
      await until(() => carrier.connected);
      const frames = LIMITS.natsQueuedBytes / LIMITS.overlayFrameBytes;
      for (let count = 0; count <= frames; count++) port.send("ds2", new Uint8Array(LIMITS.overlayFrameBytes));
      assert.equal(carrier.counters.dropped, 1);
      await until(() => {
        const before = carrier.counters.dropped;
        port.send("ds2", new Uint8Array(LIMITS.overlayFrameBytes));
        return carrier.counters.dropped === before;
      });
    }),
  ));

test("an operator's name and a member's id are safe in a subject", () => {
  const options: NatsOptions = { servers: [], tls: { ca: "" }, nkeySeed: "", operator: "tv.example", log: SILENT };
  for (const operator of ["", "tv example", "tv.*", ">"])
    assert.throws(() => new NatsCarrier({ ...options, operator }), RangeError, operator);
  const carrier = new NatsCarrier(options);
  for (const id of ["", "ds.1", "ds 1", "*", ">", "ü", "x".repeat(LIMITS.overlayMemberIdChars + 1)]) {
    assert.throws(() => carrier.join(id, host, () => undefined), RangeError, id);
  }
  carrier.join("x".repeat(LIMITS.overlayMemberIdChars), host, () => undefined).leave();
  return carrier.close();
});
