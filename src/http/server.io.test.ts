/** The web server on a real port with the real overlay: page, events and the WebSocket proxy (PROTOCOL §14). */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import type { FastifyInstance } from "fastify";
import { WebSocket, WebSocketServer } from "ws";
import { LIMITS } from "#base/limits.ts";
import { SILENT } from "#base/log.ts";
import { checkUserToken } from "#base/user-token.ts";
import { nodeHost } from "#host/node/index.ts";
import { copiedTo, InProcessCarrier, OverlayNode } from "#overlay/index.ts";
import { FAULTS } from "#registration/types.ts";
import type { OnAir } from "#tv/types.ts";
import { Connections } from "./connections.ts";
import { WebSocketProxy } from "./proxy.ts";
import { webServer } from "./server.ts";

const ORIGIN = "http://tv.example";
const KEY = new Uint8Array(32).fill(7);
const COOKIE = "sipcast=good";
const host = nodeHost();
const carrier = new InProcessCarrier();
const member = (id: string, role: "web" | "registration" | "ds") => {
  const overlay = new OverlayNode(carrier, host, { id, role, info: {} });
  overlay.setPhase("serving");
  return overlay;
};
const [web, registration, ds] = [member("web1", "web"), member("registration1", "registration"), member("ds1", "ds")];
const pages = mkdtempSync(path.join(tmpdir(), "sipcast-pages-"));
const silent = createServer(() => undefined);
const upstream = createHttpServer();
const echo = new WebSocketServer({ server: upstream, handleProtocols: () => "sip" });
let app: FastifyInstance;
let at: string;

const portOf = (server: { address(): unknown }) => `127.0.0.1:${(server.address() as AddressInfo).port}`;
const listening = (server: { listen(port: number, host: string, done: () => void): unknown }) =>
  new Promise<void>((done) => server.listen(0, "127.0.0.1", done));

before(async () => {
  mkdirSync(path.join(pages, "assets"));
  writeFileSync(path.join(pages, "index.html"), "<!doctype html><title>page</title>");
  writeFileSync(path.join(pages, "assets", "app-1a2b.js"), "0");
  registration.handle("registration.session", (body, _from, reply) => {
    const known = (body as { session: string }).session === "good";
    reply(known ? { user: "alice" } : { error: FAULTS.noSession, message: "Please sign in." });
  });
  registration.handle("registration.channels", (_body, _from, reply) => reply({ channels: [] }));
  echo.on("connection", (socket) => socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary })));
  await Promise.all([listening(upstream), listening(silent)]);
  while (web.members().length < 3) await new Promise((next) => setImmediate(next));
  const dead = createServer();
  await listening(dead);
  const config = {
    domain: "tv.example",
    listen: { host: "127.0.0.1", port: 0 },
    pages,
    sip: { ds1: portOf(upstream), gone: portOf(dead), silent: portOf(silent) },
    media: { edge1: portOf(upstream) },
    origins: [ORIGIN],
  };
  await new Promise((done) => dead.close(done));
  ({ app } = await webServer({ host, overlay: web, log: SILENT, operatorKey: KEY }, config));
  at = (await app.listen({ host: "127.0.0.1", port: 0 })).replace("http://", "");
});
after(async () => {
  await app.close();
  for (const overlay of [web, registration, ds]) overlay.leave();
  for (const socket of echo.clients) socket.terminate();
  upstream.close();
  silent.close();
  rmSync(pages, { recursive: true });
});

/** Opens a WebSocket: its status when refused, else the socket and the handshake that the upstream saw. */
async function open(target: string, headers: Record<string, string> = {}, server = at) {
  const seen = new Promise<Record<string, unknown>>((done) =>
    upstream.once("upgrade", (request) => done({ url: request.url, ...request.headers })),
  );
  const socket = new WebSocket(`ws://${server}${target}`, ["sip"], { headers: { origin: ORIGIN, ...headers } });
  const status = await new Promise<number>((done) => {
    socket.on("open", () => done(101));
    socket.on("unexpected-response", (_request, response) => done(response.statusCode ?? 0));
  });
  return { socket, status, seen };
}

const HANDSHAKES: readonly { name: string; path: string; headers?: Record<string, string>; status: number }[] = [
  { name: "to a DS with a session", path: "/sip/ds1", headers: { cookie: COOKIE }, status: 101 },
  { name: "to a DS without a session", path: "/sip/ds1", status: 401 },
  { name: "to a DS with a session that has ended", path: "/sip/ds1", headers: { cookie: "sipcast=old" }, status: 401 },
  { name: "from a foreign page", path: "/sip/ds1", headers: { cookie: COOKIE, origin: "http://evil.example" }, status: 403 },
  { name: "to a DS nobody configured", path: "/sip/ds9", headers: { cookie: COOKIE }, status: 404 },
  { name: "to a name of JavaScript's", path: "/sip/constructor", headers: { cookie: COOKIE }, status: 404 },
  { name: "to somewhere else", path: "/api/events", headers: { cookie: COOKIE }, status: 404 },
  { name: "to a DS that is gone", path: "/sip/gone", headers: { cookie: COOKIE }, status: 502 },
  { name: "to a DS that never answers (proxyConnectMs)", path: "/sip/silent", headers: { cookie: COOKIE }, status: 504 },
  { name: "to an edge, by the prefix of its token", path: "/media/edge1.t0k3n", status: 101 },
  { name: "to an edge nobody configured", path: "/media/edge9.t0k3n", status: 404 },
  {
    name: "to an edge, from a foreign page",
    path: "/media/edge1.t0k3n",
    headers: { origin: "http://evil.example" },
    status: 403,
  },
];
for (const { name, path: target, headers, status } of HANDSHAKES) {
  test(`proxy: a WebSocket ${name} gets ${status}`, async () => {
    const got = await open(target, headers);
    got.socket.on("error", () => undefined); // closed before it was open
    got.socket.terminate();
    assert.equal(got.status, status);
  });
}

test("proxy: a DS learns who its user is, and never sees the session cookie (PROTOCOL §14)", async () => {
  const { socket, seen } = await open("/sip/ds1", { cookie: `theme=dark; ${COOKIE}`, "x-forwarded-for": "1.2.3.4" });
  const { cookie, origin, "x-forwarded-for": forged } = await seen;
  const [name, token = ""] = String(cookie).split("=");
  assert.deepEqual([name, checkUserToken(host, KEY, token), origin, forged], ["sipcast-user", "alice", ORIGIN, undefined]);
  assert.equal(socket.protocol, "sip");
  socket.terminate();
});

test("proxy: an edge gets the whole path, and no cookie at all", async () => {
  const { socket, seen } = await open("/media/edge1.t0k3n.x", { cookie: COOKIE });
  const { url, cookie } = await seen;
  assert.deepEqual([url, cookie], ["/media/edge1.t0k3n.x", undefined]);
  socket.terminate();
});

test("proxy: messages pass both ways unchanged, and one end's close is the other's", async () => {
  const { socket } = await open("/sip/ds1", { cookie: COOKIE });
  const sent = Buffer.alloc(1_000_000, 0x47);
  const got = new Promise<Buffer>((done) => socket.once("message", (data) => done(data as Buffer)));
  socket.send(sent);
  assert.ok((await got).equals(sent));
  const closed = new Promise<number>((done) => socket.once("close", done));
  for (const end of echo.clients) end.close(1001);
  assert.equal(await closed, 1001);
});

test("proxy: when a page's connection is reset, its upstream connection ends too", async () => {
  const upstreamEnd = new Promise<WebSocket>((done) => echo.once("connection", done));
  const socket = new WebSocket(`ws://${at}/sip/ds1`, ["sip"], { headers: { origin: ORIGIN, cookie: COOKIE } });
  socket.on("error", () => undefined); // the reset
  const connection = await new Promise<Socket>((done) => socket.once("upgrade", (response) => done(response.socket)));
  const gone = new Promise((done) => upstreamEnd.then((end) => end.once("close", done)));
  connection.resetAndDestroy();
  await gone;
});

test("proxy: at its limit a WebSocket gets 503, and is taken again when one has gone (proxiedWebSockets)", async () => {
  const holderOf = async () => ({ ok: true, value: { user: "alice" } }) as const;
  const proxy = new WebSocketProxy(
    { host, operatorKey: KEY, holderOf },
    { sip: {}, media: { edge1: portOf(upstream) }, origins: [ORIGIN] },
    1,
  );
  const front = createHttpServer();
  front.on("upgrade", (request, socket, head) => void proxy.upgrade(request, socket, head));
  await listening(front);
  const first = await open("/media/edge1.a", {}, portOf(front));
  const second = await open("/media/edge1.b", {}, portOf(front));
  const gone = new Promise((done) => first.socket.once("close", done));
  first.socket.close();
  await gone;
  const third = await open("/media/edge1.c", {}, portOf(front));
  assert.deepEqual([first.status, second.status, third.status], [101, 503, 101]);
  assert.deepEqual([...proxy.refused], [[503, 1]]);
  proxy.close();
  front.close();
});

const ended = (socket: Socket) =>
  new Promise<number>((done) => {
    socket.on("error", () => undefined).resume();
    socket.once("close", () => done(performance.now()));
  });

test("connections above an address's share are closed at once, those of others are not", async () => {
  const front = createHttpServer((_request, response) => response.end());
  const connections = Connections.guard(front, 2);
  await listening(front);
  const { port } = front.address() as AddressInfo;
  const [first, second, third] = [1, 2, 3].map(() => connect(port, "127.0.0.1"));
  assert.ok(first && second && third);
  await ended(third);
  assert.deepEqual(connections.refused, { address: 1, all: 0 });
  const other = connect({ port, host: "127.0.0.1", localAddress: "127.0.0.2" });
  assert.match(await answered(other), /^HTTP\/1\.1 200 /);
  first.end();
  await ended(first);
  assert.match(await answered(connect(port, "127.0.0.1")), /^HTTP\/1\.1 200 /);
  front.closeAllConnections();
  front.close();
});
function answered(socket: Socket): Promise<string> {
  socket.write("GET / HTTP/1.1\r\nHost: tv.example\r\nConnection: close\r\n\r\n");
  return new Promise((done) => socket.once("data", (octets) => done(octets.toString())));
}

test("a connection that says nothing, or only half a head, is closed soon (httpHeadMs)", async () => {
  const openedMs = performance.now();
  const { hostname, port } = new URL(`http://${at}`);
  const [silent, slow] = [connect(Number(port), hostname), connect(Number(port), hostname)];
  slow.write("GET / HTTP/1.1\r\nHost:");
  for (const endMs of await Promise.all([ended(silent), ended(slow)]))
    assert.ok(endMs - openedMs < LIMITS.httpHeadMs + 2_500, `closed after ${endMs - openedMs} ms`);
});

test("the server takes so many connections and no more, and waits so long for a request (httpConnections, httpRequestMs)", () => {
  assert.deepEqual([app.server.maxConnections, app.server.requestTimeout], [LIMITS.httpConnections, LIMITS.httpRequestMs]);
});

test("page: served fresh, its hashed assets for ever; nothing outside its folder", async () => {
  const get = async (target: string) => {
    const answer = await fetch(`http://${at}${target}`);
    await answer.arrayBuffer();
    return [answer.status, answer.headers.get("cache-control")];
  };
  assert.deepEqual(await get("/"), [200, "no-cache"]);
  assert.deepEqual(await get("/assets/app-1a2b.js"), [200, "public, max-age=31536000, immutable"]);
  assert.equal((await get("/assets/app-old.js"))[0], 404);
  assert.equal((await get("/..%2f..%2fetc/passwd"))[0], 404);
  assert.deepEqual(await get("/api/channels"), [200, "no-store"]);
});

test("a URL that cannot be decoded is answered as every failure is", async () => {
  for (const target of ["/%", "/live/%ff.ts"]) {
    const answer = await fetch(`http://${at}${target}`);
    assert.deepEqual([answer.status, ((await answer.json()) as { error: string }).error], [400, "bad-request"], target);
  }
});

test("events: the list at once, and again when a channel goes on air [B6]", async () => {
  const channels = ds.table<OnAir>("channels", copiedTo("ds", "web"));
  const answer = await fetch(`http://${at}/api/events`);
  assert.equal(answer.headers.get("content-type"), "text/event-stream");
  assert.ok(answer.headers.get("content-security-policy"));
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  assert.equal((await reader?.read())?.value, "event: channels\ndata: []\n\n");
  const news: OnAir = {
    name: "news",
    title: "News",
    owner: "studio",
    site: "site1",
    edge: "edge1",
    renditions: [{ stream: "news", kbps: 500, group: "232.0.1.0:5000", source: "127.0.1.1" }],
    sinceWallMs: 7,
  };
  channels.put("news", news, 1, 60);
  const told = (await reader?.read())?.value ?? "";
  assert.match(told, /"name":"news".*"onAir":true/);
  await reader?.cancel();
});
