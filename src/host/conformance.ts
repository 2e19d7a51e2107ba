/** What every `Host` for servers must do: run on the real machine and on the simulated one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hex, text, utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import type {
  Address,
  Handshake,
  Host,
  MessageHandlers,
  MessageListenOptions,
  MessagePort,
  Refusal,
  StreamPort,
  TlsClient,
  TlsServer,
} from "./host.ts";
import { LOG_CASES } from "./log-conformance.ts";

export interface Bench {
  readonly host: Host;
  /** Of the machine. */
  readonly address: string;
  /** Lets time pass until the condition holds; fails when it takes too long. */
  until(condition: () => boolean): Promise<void>;
  /** Lets everything happen that is under way. */
  quiet(): Promise<void>;
  /** From now on nothing finds room on the disk, or everything does. */
  fillDisk(isFull: boolean): void;
  /** That record of a log, counted from 0, is not what was written. */
  rot(log: string, record: number): void;
  /** A certificate for these domain names by the authority of that name; `ca` is what trusts it. */
  certified(authority: string, names: readonly [string, ...string[]]): Promise<TlsServer & { readonly ca: string }>;
}
export type Case = (bench: Bench) => Promise<void>;

/** One test for each case; `withBench` makes the machine and takes it away again. */
export function testHost(name: string, withBench: (body: Case) => Promise<void>): void {
  for (const [behaviour, body] of Object.entries(CASES)) test(`${name}: ${behaviour}`, () => withBench(body));
}

/** Notes events in order, as "name: what". */
class Notes {
  readonly lines: string[] = [];
  note(line: string): void {
    this.lines.push(line);
  }
  has(line: string): boolean {
    return this.lines.includes(line);
  }
}
const endOf = (error: Error | undefined): string =>
  error ? `closed: ${(error as { code?: string }).code ?? error.message}` : "closed";

function socket({ host, address }: Bench, notes: Notes, port = 0, shared = false) {
  let at: Address | undefined;
  const out = host.datagram(
    { host: address, port, shared },
    {
      bound: (bound) => {
        at = bound;
        notes.note("bound");
      },
      datagram: (bytes, from) => notes.note(`${text(bytes)} from ${from.host}:${from.port}`),
      unreachable: () => notes.note("unreachable"),
      failed: (error) => notes.note(`failed: ${(error as { code?: string }).code}`),
    },
  );
  return { out, at: () => at ?? assert.fail("not bound") };
}

async function listening(
  bench: Bench,
  accept: (peer: StreamPort) => { data(bytes: Uint8Array): void; closed(error?: Error): void },
  tls?: TlsServer,
) {
  let at: Address | undefined;
  const listener = bench.host.listen({ host: bench.address, port: 0 }, tls ? { tls } : {}, {
    listening: (bound) => {
      at = bound;
    },
    accept,
    failed: assert.fail,
  });
  await bench.until(() => at !== undefined);
  return { listener, at: at ?? assert.fail("not listening") };
}

/** A stream with notes of both ends; the server notes octets, not chunks. */
async function streamPair(bench: Bench, notes: Notes, maxQueuedBytes?: number) {
  let received = "";
  const ends: { client?: StreamPort; server?: StreamPort } = {};
  const { listener, at } = await listening(bench, (peer) => {
    ends.server = peer;
    return {
      data: (bytes) => {
        received += text(bytes);
      },
      closed: (error) => notes.note(`server ${endOf(error)}`),
    };
  });
  bench.host.connect(at, maxQueuedBytes === undefined ? {} : { maxQueuedBytes }, {
    opened: (stream) => {
      ends.client = stream;
    },
    data: (bytes) => notes.note(`client got ${text(bytes)}`),
    closed: (error) => notes.note(`client ${endOf(error)}`),
  });
  await bench.until(() => ends.client !== undefined && ends.server !== undefined);
  listener.close();
  const { client = assert.fail(), server = assert.fail() } = ends;
  return { client, server, received: () => received };
}

/** Connects to a listener that greets and says goodbye to who greets, and waits until the client's end is closed. */
async function greeting(bench: Bench, server: TlsServer | undefined, client: TlsClient | undefined): Promise<string[]> {
  const notes = new Notes();
  const { listener, at } = await listening(
    bench,
    (peer) => ({
      data: (bytes) => {
        notes.note(`server got ${text(bytes) === "hello" ? "hello" : "noise"} of ${peer.peerNames?.join() ?? "somebody"}`);
        peer.send(utf8("welcome"));
        peer.close();
      },
      closed: () => undefined,
    }),
    server,
  );
  bench.host.connect(at, client ? { tls: client } : {}, {
    opened: (peer) => {
      notes.note(`client met ${peer.peerNames?.join() ?? "somebody"}`);
      peer.send(utf8("hello"));
    },
    data: (bytes) => text(bytes) === "welcome" && notes.note("client got welcome"),
    closed: (error) => notes.note(`client ${error ? "failed" : "closed"}`),
  });
  await bench.until(() => notes.lines.some((line) => /^client (closed|failed)/.test(line)));
  listener.close();
  return notes.lines;
}
const NAME = "ds1.tv.example";
const NAMES = `DNS:${NAME},URI:sip:${NAME}`;

const MESSAGE_LIMITS: MessageListenOptions = {
  protocols: ["sip"],
  maxMessageBytes: 1_000,
  maxQueuedBytes: 2 * LIMITS.clientMessageBytes,
};
/** A message connection, or an attempt, with notes of both ends. */
async function messagePair(
  bench: Bench,
  notes: Notes,
  accept: (handshake: Handshake) => Refusal | undefined = () => undefined,
  client: { protocols?: string[]; maxQueuedBytes?: number; ca?: string } = {},
  tls?: TlsServer,
) {
  let at: Address | undefined;
  const ends: { client?: MessagePort; server?: MessagePort } = {};
  const handlers = (name: "client" | "server"): MessageHandlers => ({
    opened: (port) => {
      ends[name] = port;
    },
    message: (data) => notes.note(`${name} got ${typeof data === "string" ? data : hex(data)}`),
    closed: (error) => notes.note(`${name} ${endOf(error)}`),
  });
  const listener = bench.host.listenMessages(
    { host: bench.address, port: 0 },
    { ...MESSAGE_LIMITS, ...(tls && { tls }) },
    {
      listening: (bound) => {
        at = bound;
      },
      accept: (handshake) => accept(handshake) ?? handlers("server"),
      failed: assert.fail,
    },
  );
  await bench.until(() => at !== undefined);
  const headers = { Origin: "http://tv.example", Cookie: "a=b" };
  const url = `${tls ? "wss" : "ws"}://${bench.address}:${at?.port}/sip?x=1`;
  bench.host.connectMessages(url, { protocols: ["sip"], headers, ...client }, handlers("client"));
  await bench.until(() => (ends.client !== undefined && ends.server !== undefined) || notes.lines.length > 0);
  listener.close();
  return { client: () => ends.client ?? assert.fail("not open"), server: () => ends.server ?? assert.fail("not open") };
}

const CASES: Record<string, Case> = {
  "a datagram arrives whole, with its source, and the sender may reuse the buffer": async (bench) => {
    const notes = new Notes();
    const [a, b] = [socket(bench, notes), socket(bench, notes)];
    assert.deepEqual(notes.lines, [], "nothing is told before the method returns");
    await bench.until(() => notes.lines.length === 2);
    assert.ok(a.at().port > 0 && a.at().port !== b.at().port);
    const buffer = utf8("hello");
    a.out.send(buffer, b.at());
    buffer.fill(0);
    const wanted = `hello from ${bench.address}:${a.at().port}`;
    await bench.until(() => notes.has(wanted));
    b.out.close();
    a.out.send(utf8("late"), b.at());
    a.out.close();
    a.out.send(utf8("later"), b.at());
    await bench.quiet();
    assert.deepEqual(notes.lines, ["bound", "bound", wanted]);
  },
  "a datagram port in use fails, unless both share it": async (bench) => {
    const notes = new Notes();
    const first = socket(bench, notes, 0, true);
    await bench.until(() => notes.lines.length === 1);
    const second = socket(bench, notes, first.at().port);
    const third = socket(bench, notes, first.at().port, true);
    assert.equal(notes.lines.length, 1, "nothing is told before the method returns");
    await bench.until(() => notes.lines.length === 3);
    assert.deepEqual(notes.lines, ["bound", "failed: EADDRINUSE", "bound"]);
    for (const { out } of [first, second, third]) out.close();
  },
  "an address of another machine cannot be bound": async (bench) => {
    const notes = new Notes();
    socket({ ...bench, address: "192.0.2.1" }, notes);
    await bench.until(() => notes.lines.length === 1);
    assert.deepEqual(notes.lines, ["failed: EADDRNOTAVAIL"]);
  },
  "a connected socket hears its peer alone, and that nobody listens there; it lives on (RFC 1122 §4.1.3.3)": async (bench) => {
    const notes = new Notes();
    const [phone, stranger, server] = [socket(bench, notes), socket(bench, notes), socket(bench, notes)];
    await bench.until(() => notes.lines.length === 3);
    server.out.connect(phone.at());
    stranger.out.send(utf8("noise"), server.at());
    phone.out.send(utf8("hello"), server.at());
    await bench.until(() => notes.has(`hello from ${bench.address}:${phone.at().port}`));
    server.out.send(utf8("welcome"), phone.at());
    await bench.until(() => notes.has(`welcome from ${bench.address}:${server.at().port}`));
    phone.out.close();
    await bench.quiet();
    assert.equal(notes.lines.length, 5);
    server.out.send(utf8("anybody?"), phone.at());
    stranger.out.send(utf8("anybody?"), phone.at()); // is not connected: not told
    await bench.until(() => notes.has("unreachable"));
    const again = socket(bench, notes, phone.at().port);
    await bench.until(() => notes.lines.at(-1) === "bound");
    server.out.send(utf8("back?"), again.at());
    await bench.until(() => notes.has(`back? from ${bench.address}:${server.at().port}`));
    assert.equal(notes.lines.filter((line) => line === "unreachable").length, 1);
    for (const { out } of [server, again, stranger]) out.close();
  },
  "streams carry octets in order both ways, and what was queued before closing": async (bench) => {
    const notes = new Notes();
    const { client, server, received } = await streamPair(bench, notes);
    assert.deepEqual([client.local, client.remote], [server.remote, server.local]);
    const lines = Array.from({ length: 20_000 }, (_, i) => `line ${i}\n`);
    for (const line of lines) client.send(utf8(line));
    server.send(utf8("welcome"));
    await bench.until(() => notes.has("client got welcome"));
    client.close();
    client.send(utf8("after the end"));
    await bench.until(() => notes.lines.length === 3);
    assert.equal(received(), lines.join(""));
    assert.deepEqual(notes.lines.slice(1).sort(), ["client closed", "server closed"]);
  },
  "a stream that nobody listens for is refused": async (bench) => {
    const notes = new Notes();
    const { listener, at } = await listening(bench, () => assert.fail("accepted"));
    listener.close();
    await bench.quiet();
    bench.host.connect(
      at,
      {},
      { opened: () => assert.fail(), data: () => assert.fail(), closed: (error) => notes.note(endOf(error)) },
    );
    assert.deepEqual(notes.lines, [], "nothing is told before the method returns");
    await bench.until(() => notes.lines.length === 1);
    assert.deepEqual(notes.lines, ["closed: ECONNREFUSED"]);
  },
  "a stream whose queue exceeds its limit is closed": async (bench) => {
    const notes = new Notes();
    const { client } = await streamPair(bench, notes, 64 * 1024);
    for (let i = 0; i < 64; i++) client.send(new Uint8Array(1024 * 1024));
    await bench.until(() => notes.lines.length === 2);
    assert.ok(notes.has("client closed: ENOBUFS"), notes.lines.join());
  },
  "a stream port in use fails": async (bench) => {
    const notes = new Notes();
    const { listener, at } = await listening(bench, () => assert.fail("accepted"));
    bench.host.listen(
      at,
      {},
      { accept: () => assert.fail(), failed: (error) => notes.note((error as { code?: string }).code ?? "") },
    );
    await bench.until(() => notes.lines.length === 1);
    assert.deepEqual(notes.lines, ["EADDRINUSE"]);
    listener.close();
  },
  "TLS: both sides talk, and the client knows whom the certificate names (RFC 5280 §4.2.1.6)": async (bench) => {
    const { cert, key, ca } = await bench.certified("A", [NAME]);
    const lines = await greeting(bench, { cert, key }, { ca, serverName: NAME });
    assert.deepEqual(lines, [`client met ${NAMES}`, "server got hello of somebody", "client got welcome", "client closed"]);
  },
  "TLS: a server that asks knows whom a trusted client's certificate names, and takes others as strangers": async (bench) => {
    const { cert, key, ca } = await bench.certified("A", [NAME]);
    const server = { cert, key, ca };
    const [own, foreign] = [await bench.certified("A", ["ds2.tv.example"]), await bench.certified("B", ["ds2.tv.example"])];
    const metBy = async (client: Partial<TlsClient>) =>
      (await greeting(bench, server, { ca, serverName: NAME, ...client })).find((line) => line.startsWith("server"));
    assert.equal(await metBy({ cert: own.cert, key: own.key }), "server got hello of DNS:ds2.tv.example,URI:sip:ds2.tv.example");
    assert.equal(await metBy({ cert: foreign.cert, key: foreign.key }), "server got hello of somebody");
    assert.equal(await metBy({}), "server got hello of somebody");
  },
  "TLS: a certificate that is not trusted, not named or not accepted fails the attempt; nothing was sent": async (bench) => {
    const { cert, key, ca } = await bench.certified("A", [NAME]);
    const other = await bench.certified("B", [NAME]);
    const serverName = NAME;
    for (const client of [
      { ca: other.ca, serverName },
      { ca, serverName: "tv.example" },
      { ca, serverName, accepts: () => false },
    ])
      assert.deepEqual(await greeting(bench, { cert, key }, client), ["client failed"]);
    const accepts = (names: readonly string[]): boolean => names.join() === NAMES;
    assert.ok((await greeting(bench, { cert, key }, { ca, serverName: "elsewhere", accepts })).includes("client got welcome"));
  },
  "TLS: who speaks it to one that does not gets nowhere, nor the other way round": async (bench) => {
    const { cert, key, ca } = await bench.certified("A", [NAME]);
    for (const lines of [
      await greeting(bench, undefined, { ca, serverName: NAME }),
      await greeting(bench, { cert, key }, undefined),
    ]) {
      assert.ok(!lines.includes("client got welcome") && !lines.join().includes("got hello"), lines.join());
    }
  },
  "TLS: message connections of wss: URLs, where the certificate is trusted": async (bench) => {
    const { cert, key, ca } = await bench.certified("A", [bench.address]);
    const notes = new Notes();
    const { client } = await messagePair(bench, notes, () => undefined, { ca }, { cert, key });
    client().send("one");
    await bench.until(() => notes.has("server got one"));
    client().close();
    const strange = new Notes();
    await messagePair(bench, strange, () => assert.fail("asked"), { ca: (await bench.certified("B", [NAME])).ca }, { cert, key });
    assert.match(strange.lines[0] ?? "", /^client closed: /);
  },
  "messages arrive whole, in order, text as text and octets as octets, after a handshake with path and headers": async (
    bench,
  ) => {
    const notes = new Notes();
    const seen: Handshake[] = [];
    const { client, server } = await messagePair(bench, notes, (handshake) => void seen.push(handshake));
    const { path, headers, remote } = seen[0] ?? assert.fail();
    assert.deepEqual([path, headers["origin"], headers["cookie"]], ["/sip?x=1", "http://tv.example", "a=b"]);
    assert.match(headers["host"] ?? "", /:\d+$/);
    assert.deepEqual(server().remote, remote);
    client().send("one");
    client().send(Uint8Array.of(2, 3));
    client().send("");
    server().send("back");
    await bench.until(() => notes.lines.length === 4);
    assert.deepEqual(
      notes.lines.filter((line) => line.startsWith("server")),
      ["server got one", "server got 0203", "server got "],
    );
    client().close();
    await bench.until(() => notes.lines.length === 6);
    assert.deepEqual(notes.lines.slice(4).sort(), ["client closed", "server closed"]);
  },
  "a handshake may be refused with a status": async (bench) => {
    const notes = new Notes();
    await messagePair(bench, notes, () => ({ refuse: 403 }));
    await bench.quiet();
    assert.equal(notes.lines.length, 1);
    assert.match(notes.lines[0] ?? "", /^client closed: .*403/);
  },
  "a handshake without a common sub-protocol is refused with 400 (RFC 7118 §4.1)": async (bench) => {
    const notes = new Notes();
    await messagePair(bench, notes, () => assert.fail("asked"), { protocols: [] });
    await bench.quiet();
    assert.equal(notes.lines.length, 1);
    assert.match(notes.lines[0] ?? "", /^client closed: .*400/);
  },
  "a message above the limit closes the connection with 1009, one at the limit does not": async (bench) => {
    const notes = new Notes();
    const { client } = await messagePair(bench, notes);
    client().send("x".repeat(1_000));
    await bench.until(() => notes.lines.length === 1);
    client().send("x".repeat(1_001));
    await bench.until(() => notes.lines.length === 3);
    assert.deepEqual(notes.lines[0], `server got ${"x".repeat(1_000)}`);
    assert.match(notes.lines.find((line) => line.startsWith("client")) ?? "", /1009/);
    assert.match(notes.lines.find((line) => line.startsWith("server closed")) ?? "", /^server closed: /);
  },
  "a client takes messages up to its own limit, and closes for a larger one": async (bench) => {
    const notes = new Notes();
    const { server } = await messagePair(bench, notes);
    server().send("x".repeat(LIMITS.clientMessageBytes));
    await bench.until(() => notes.lines.length === 1);
    server().send("x".repeat(LIMITS.clientMessageBytes + 1));
    await bench.until(() => notes.lines.length === 3);
    assert.match(notes.lines.find((line) => line.startsWith("client closed")) ?? "", /^client closed: /);
    assert.match(notes.lines.find((line) => line.startsWith("server")) ?? "", /1009/);
  },
  "a close code tells the peer why": async (bench) => {
    const notes = new Notes();
    const { server } = await messagePair(bench, notes);
    server().close(4001);
    await bench.until(() => notes.lines.length === 2);
    assert.ok(notes.has("server closed"), notes.lines.join());
    assert.match(notes.lines.find((line) => line.startsWith("client")) ?? "", /^client closed: .*4001/);
  },
  "a message connection whose queue exceeds its limit is closed": async (bench) => {
    const notes = new Notes();
    const { server } = await messagePair(bench, notes, () => undefined, { maxQueuedBytes: 64 * 1024 });
    for (let i = 0; i < 64; i++) server().send(new Uint8Array(1024 * 1024));
    assert.ok(server().queuedBytes >= 0);
    await bench.until(() => notes.lines.filter((line) => line.includes("closed")).length === 2);
    assert.ok(notes.has("server closed: ENOBUFS"), notes.lines.join());
  },
  "a message connection that nobody listens for fails": async (bench) => {
    const notes = new Notes();
    const { listener, at } = await listening(bench, () => assert.fail("accepted"));
    listener.close();
    await bench.quiet();
    bench.host.connectMessages(
      `ws://${bench.address}:${at.port}/`,
      { protocols: [] },
      { message: () => assert.fail(), closed: (error) => notes.note(endOf(error)) },
    );
    await bench.until(() => notes.lines.length === 1);
    assert.match(notes.lines[0] ?? "", /ECONNREFUSED/);
  },
  "timers fire in time order, never early, never before they are set, not once cancelled": async ({ host, until }) => {
    const notes = new Notes();
    const startMs = host.nowMs();
    const at = (ms: number) => host.timer(startMs + ms, () => notes.note(`${ms} ${host.nowMs() >= startMs + ms}`));
    at(40);
    at(20);
    at(30).cancel();
    at(-5);
    assert.deepEqual(notes.lines, []);
    await until(() => notes.lines.length === 3);
    assert.deepEqual(notes.lines, ["-5 true", "20 true", "40 true"]);
    assert.throws(() => at(Number.NaN), RangeError);
    at(1e12).cancel();
  },
  "digests, HMACs and random octets": async ({ host }) => {
    assert.equal(hex(host.digest("MD5", utf8("abc"))), "900150983cd24fb0d6963f7d28e17f72");
    assert.equal(hex(host.digest("SHA-256", utf8("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert.equal(host.digestHex("SHA-256", "é"), hex(host.digest("SHA-256", utf8("é"))));
    const mac = host.hmac("SHA-256", utf8("Jefe"), utf8("what do ya want for nothing?"));
    assert.equal(host.hmacHex("SHA-256", utf8("Jefe"), "what do ya want for nothing?"), hex(mac));
    assert.equal(hex(mac), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    const draws = new Set(Array.from({ length: 1_000 }, () => hex(host.random(8))));
    assert.equal(draws.size, 1_000);
    assert.deepEqual(
      [0, 5, 10_000].map((octets) => host.random(octets).length),
      [0, 5, 10_000],
    );
  },
  ...LOG_CASES,
};
