import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { FastifyInstance, InjectOptions } from "fastify";
import { LIMITS } from "#base/limits.ts";
import { SILENT } from "#base/log.ts";
import type { Json } from "#overlay/types.ts";
import { FAULTS } from "#registration/types.ts";
import { simNetwork } from "#sim/index.ts";
import { FakeOverlay } from "./fake-overlay.ts";
import { webServer } from "./server.ts";

const ORIGIN = "https://tv.example";
const CONFIG = {
  domain: "tv.example",
  listen: { host: "127.0.0.1", port: 0 },
  pages: "/nowhere",
  sip: { ds1: "127.0.0.1:5061", ds2: "127.0.0.1:5071" },
  media: {},
  origins: [ORIGIN, "http://127.0.0.1:8080"],
};
const ACCOUNT = {
  user: "alice",
  domain: "tv.example",
  aor: "sip:alice@tv.example",
  home: "ds2",
  accessKbps: 10_000,
  channels: [],
};
const SESSION = { ...ACCOUNT, sip: ["/sip/ds2", "/sip/ds1"] };
const ALICE_TV = { name: "alice-tv", owner: "alice", title: "Alice", mode: "ask", kbps: 2_000 };
const NEWS = { name: "news", owner: "studio", title: "News", mode: "open", kbps: 500 };
const failure = (error: string, field?: string): Json => ({ error, message: "No.", ...(field === undefined ? {} : { field }) });

let overlay: FakeOverlay;
let app: FastifyInstance;
const apps: FastifyInstance[] = [];
async function fresh(): Promise<void> {
  overlay = new FakeOverlay();
  const host = simNetwork(1).host("web", "127.0.0.1");
  ({ app } = await webServer({ host, overlay, log: SILENT, operatorKey: new Uint8Array(32) }, CONFIG));
  apps.push(app);
}
before(fresh);
after(() => Promise.all(apps.map((each) => each.close())));

interface Case {
  readonly name: string;
  readonly send: readonly ["GET" | "POST" | "DELETE", string, object?];
  readonly cookie?: string;
  readonly headers?: Record<string, string | undefined>;
  readonly topic?: string;
  /** What registration says; nothing = it is silent. */
  readonly reply?: Json;
  readonly asks?: Json;
  readonly status: number;
  readonly body?: object;
  readonly error?: string;
  readonly field?: string;
  readonly cookies?: readonly object[];
}
const SIGN_UP = { user: "alice", password: "correct horse" };
const FORGOTTEN = [{ name: "sipcast", value: "", path: "/", maxAge: 0, sameSite: "Lax" }];
const REMEMBERED = [
  { name: "sipcast", value: "s3cret", maxAge: 2_592_000, path: "/", httpOnly: true, secure: true, sameSite: "Lax" },
];
const CASES: readonly Case[] = [
  {
    name: "sign-up answers the session, home DS first, and sets the cookie",
    send: ["POST", "/api/sign-up", { ...SIGN_UP, channelTitle: "Alice" }],
    topic: "registration.sign-up",
    reply: { session: "s3cret", account: ACCOUNT },
    asks: { ...SIGN_UP, channelTitle: "Alice", address: "127.0.0.1" },
    status: 201,
    body: SESSION,
    cookies: REMEMBERED,
  },
  {
    name: "sign-up with a taken name",
    send: ["POST", "/api/sign-up", SIGN_UP],
    topic: "registration.sign-up",
    reply: failure(FAULTS.nameTaken, "user"),
    status: 409,
    error: "name-taken",
    field: "user",
    cookies: [],
  },
  {
    name: "sign-up with a bad name",
    send: ["POST", "/api/sign-up", SIGN_UP],
    topic: "registration.sign-up",
    reply: failure(FAULTS.badName, "user"),
    status: 400,
    error: "bad-name",
    field: "user",
  },
  {
    name: "sign-up with a weak password",
    send: ["POST", "/api/sign-up", SIGN_UP],
    topic: "registration.sign-up",
    reply: failure(FAULTS.weakPassword, "password"),
    status: 400,
    error: "weak-password",
  },
  {
    name: "sign-up without a password",
    send: ["POST", "/api/sign-up", { user: "a" }],
    status: 400,
    error: "bad-value",
    field: "password",
  },
  { name: "sign-up with a field nobody knows", send: ["POST", "/api/sign-up", { ...SIGN_UP, x: 1 }], status: 400, field: "x" },
  {
    name: "sign-up with text for a rate",
    send: ["POST", "/api/sign-up", { ...SIGN_UP, accessKbps: "9" }],
    status: 400,
    field: "accessKbps",
  },
  { name: "sign-up when registration is silent", send: ["POST", "/api/sign-up", SIGN_UP], status: 503, error: "unavailable" },
  {
    name: "sign-in from a plain http page sets a cookie that plain http gets back",
    send: ["POST", "/api/sign-in", SIGN_UP],
    headers: { origin: "http://127.0.0.1:8080" },
    topic: "registration.sign-in",
    reply: { session: "s3cret", account: ACCOUNT },
    status: 200,
    body: SESSION,
    cookies: [{ name: "sipcast", value: "s3cret", maxAge: 2_592_000, path: "/", httpOnly: true, sameSite: "Lax" }],
  },
  {
    name: "sign-in with a wrong password",
    send: ["POST", "/api/sign-in", SIGN_UP],
    topic: "registration.sign-in",
    reply: failure(FAULTS.wrongPassword),
    status: 401,
    error: "wrong-password",
  },
  { name: "session without a cookie", send: ["GET", "/api/session"], status: 401, error: "no-session" },
  {
    name: "session",
    send: ["GET", "/api/session"],
    cookie: "s3cret",
    topic: "registration.session",
    reply: ACCOUNT,
    asks: { session: "s3cret" },
    status: 200,
    body: SESSION,
  },
  {
    name: "a session that has ended loses its cookie",
    send: ["GET", "/api/session"],
    cookie: "old",
    topic: "registration.session",
    reply: failure(FAULTS.noSession),
    status: 401,
    error: "no-session",
    cookies: FORGOTTEN,
  },
  {
    name: "session while registration is silent keeps the cookie",
    send: ["GET", "/api/session"],
    cookie: "s",
    status: 503,
    cookies: [],
  },
  {
    name: "sign-out",
    send: ["POST", "/api/sign-out", {}],
    cookie: "s3cret",
    topic: "registration.sign-out",
    reply: { ok: true },
    asks: { session: "s3cret" },
    status: 204,
    cookies: FORGOTTEN,
  },
  { name: "sign-out of nobody", send: ["POST", "/api/sign-out", {}], status: 204 },
  { name: "sign-out while registration is silent", send: ["POST", "/api/sign-out", {}], cookie: "s", status: 503, cookies: [] },
  {
    name: "a new channel",
    send: ["POST", "/api/channels", { name: "alice-tv", title: "Alice", kbps: 2_000, mode: "ask" }],
    cookie: "s",
    topic: "registration.add-channel",
    reply: ALICE_TV,
    asks: { session: "s", name: "alice-tv", title: "Alice", kbps: 2_000, mode: "ask" },
    status: 201,
    body: {
      name: "alice-tv",
      title: "Alice",
      owner: "alice",
      aor: "sip:alice-tv@tv.example",
      onAir: false,
      mode: "ask",
      kbps: 2_000,
    },
  },
  {
    name: "a new channel of nobody",
    send: ["POST", "/api/channels", { name: "a", title: "A", kbps: 1 }],
    status: 401,
    error: "no-session",
  },
  {
    name: "a new channel without a title",
    send: ["POST", "/api/channels", { name: "a", kbps: 1 }],
    cookie: "s",
    status: 400,
    field: "title",
  },
  {
    name: "a new channel of no rate",
    send: ["POST", "/api/channels", { name: "a", title: "A", kbps: 0 }],
    cookie: "s",
    status: 400,
    field: "kbps",
  },
  {
    name: "a new channel of no known mode",
    send: ["POST", "/api/channels", { name: "a", title: "A", kbps: 1, mode: "shut" }],
    cookie: "s",
    status: 400,
    field: "mode",
  },
  {
    name: "one channel too many",
    send: ["POST", "/api/channels", { name: "a", title: "A", kbps: 1 }],
    cookie: "s",
    topic: "registration.add-channel",
    reply: failure(FAULTS.full),
    status: 429,
    error: "full",
  },
  { name: "device secrets of nobody", send: ["GET", "/api/device-secrets"], status: 401, error: "no-session" },
  {
    name: "device secrets",
    send: ["GET", "/api/device-secrets"],
    cookie: "s",
    topic: "registration.device-secrets",
    reply: { secrets: [{ id: "1", label: "phone", createdWallMs: 5 }] },
    status: 200,
    body: [{ id: "1", label: "phone", createdWallMs: 5 }],
  },
  {
    name: "a new device secret",
    send: ["POST", "/api/device-secrets", { label: "phone" }],
    cookie: "s",
    topic: "registration.add-device-secret",
    reply: { id: "2", secret: "abc" },
    asks: { session: "s", label: "phone" },
    status: 201,
    body: { id: "2", secret: "abc" },
  },
  {
    name: "a device secret without a label",
    send: ["POST", "/api/device-secrets", { label: "" }],
    cookie: "s",
    status: 400,
    field: "label",
  },
  { name: "a device secret of nobody", send: ["POST", "/api/device-secrets", { label: "x" }], status: 401 },
  {
    name: "a device secret is revoked",
    send: ["DELETE", "/api/device-secrets/2"],
    cookie: "s",
    topic: "registration.revoke-device-secret",
    reply: { ok: true },
    asks: { session: "s", id: "2" },
    status: 204,
  },
  {
    name: "a device secret that is not there",
    send: ["DELETE", "/api/device-secrets/9"],
    cookie: "s",
    topic: "registration.revoke-device-secret",
    reply: failure(FAULTS.unknown),
    status: 404,
    error: "unknown",
  },
  {
    name: "somebody else's device secret",
    send: ["DELETE", "/api/device-secrets/9"],
    cookie: "s",
    topic: "registration.revoke-device-secret",
    reply: failure(FAULTS.notYours),
    status: 403,
    error: "not-yours",
  },
  { name: "revoking of nobody's", send: ["DELETE", "/api/device-secrets/9"], status: 401 },
  { name: "channels while registration has never answered", send: ["GET", "/api/channels"], status: 503, error: "unavailable" },
  { name: "events while registration has never answered", send: ["GET", "/api/events"], status: 503, error: "unavailable" },
  {
    name: "a foreign page may not post",
    send: ["POST", "/api/sign-in", SIGN_UP],
    headers: { origin: "https://evil.example" },
    status: 403,
  },
  {
    name: "a page that hides its origin may not post",
    send: ["POST", "/api/sign-in", SIGN_UP],
    headers: { origin: undefined },
    status: 403,
  },
  {
    name: "a foreign page may not delete",
    send: ["DELETE", "/api/device-secrets/2"],
    cookie: "s",
    headers: { origin: "null" },
    status: 403,
  },
  {
    name: "a form's text is not taken for JSON",
    send: ["POST", "/api/sign-in", SIGN_UP],
    headers: { "content-type": "text/plain" },
    status: 415,
    error: "bad-request",
  },
  {
    name: "a body over the limit (httpBodyBytes)",
    send: ["POST", "/api/sign-in", { user: "x".repeat(LIMITS.httpBodyBytes) }],
    status: 413,
  },
  { name: "no such path", send: ["GET", "/api/nothing"], status: 404, error: "unknown" },
  { name: "the page is not built", send: ["GET", "/"], status: 503 },
];

for (const wants of CASES) {
  test(`API: ${wants.name}`, async () => {
    await fresh();
    if (wants.topic !== undefined && wants.reply !== undefined) overlay.replies.set(wants.topic, wants.reply);
    if (wants.topic === "registration.add-channel") await loadGuide([]);
    const got = await app.inject(requestOf(wants));
    assert.equal(got.statusCode, wants.status, got.body);
    if (wants.body) assert.deepEqual(got.json(), wants.body);
    if (wants.error) assert.equal(got.json().error, wants.error);
    if (wants.field) assert.equal(got.json().field, wants.field);
    if (wants.status >= 400 && wants.status !== 503) assert.match(got.json().message, /^[A-Z].*\.$/, "a sentence for a person");
    if (wants.cookies)
      assert.deepEqual(
        got.cookies.map(({ expires: _, ...rest }) => rest),
        wants.cookies,
      );
    if (wants.asks) assert.deepEqual(overlay.asked.at(-1), { topic: wants.topic, body: wants.asks });
    assert.match(String(got.headers["content-security-policy"]), /default-src 'self'/);
  });
}

function requestOf({ send: [method, url, payload], cookie, headers = {} }: Case): InjectOptions {
  const given = { origin: ORIGIN, ...(payload ? { "content-type": "application/json" } : {}), ...headers };
  const kept = Object.fromEntries(Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== undefined));
  const body = payload === undefined ? {} : { payload: JSON.stringify(payload) };
  return {
    method,
    url,
    headers: kept,
    remoteAddress: "127.0.0.1",
    ...body,
    ...(cookie === undefined ? {} : { cookies: { sipcast: cookie } }),
  };
}

async function loadGuide(channels: readonly Json[]): Promise<void> {
  overlay.replies.set("registration.channels", { channels });
  overlay.registrationComes();
  await app.inject({ url: "/api/channels" });
}

test("API: without a registration member every account call says 503 in plain words", async () => {
  await fresh();
  overlay.hasRegistration = false;
  const got = await app.inject({ url: "/api/session", cookies: { sipcast: "s" } });
  assert.equal(got.statusCode, 503);
  assert.match(got.json().message, /try again/);
});

test("API: the guide joins registration's channels with those on air, by name [B6]", async () => {
  await fresh();
  await loadGuide([NEWS, ALICE_TV]);
  const onAir = {
    name: "news",
    title: "News at ten",
    owner: "studio",
    site: "site1",
    edge: "edge1",
    renditions: [{ stream: "news", kbps: 480, group: "232.0.1.0:5000", source: "127.0.1.1" }],
    sinceWallMs: 7,
  };
  overlay.channels.put("news", onAir, 1);
  const got = await app.inject({ url: "/api/channels" });
  assert.deepEqual(got.json(), [
    { name: "alice-tv", title: "Alice", owner: "alice", aor: "sip:alice-tv@tv.example", onAir: false, mode: "ask", kbps: 2_000 },
    {
      name: "news",
      title: "News at ten",
      owner: "studio",
      aor: "sip:news@tv.example",
      onAir: true,
      mode: "open",
      site: "site1",
      kbps: 480,
      sinceWallMs: 7,
    },
  ]);
  overlay.channels.remove("news");
  overlay.push("push.channel", { ...NEWS, title: "Late news" });
  overlay.hasRegistration = false; // what was learnt is still served
  const later = await app.inject({ url: "/api/channels" });
  assert.deepEqual(
    later.json().map(({ title, onAir: live }: { title: string; onAir: boolean }) => [title, live]),
    [
      ["Alice", false],
      ["Late news", false],
    ],
  );
});

test("API: an address that guesses passwords is told to wait (passwordTriesPerMinute)", async () => {
  await fresh();
  overlay.replies.set("registration.sign-in", failure(FAULTS.wrongPassword));
  const guess = async (remoteAddress: string) =>
    (await app.inject({ method: "POST", url: "/api/sign-in", payload: SIGN_UP, headers: { origin: ORIGIN }, remoteAddress }))
      .statusCode;
  for (let at = 0; at < LIMITS.passwordTriesPerMinute; at++) assert.equal(await guess("10.0.0.1"), 401);
  assert.equal(await guess("10.0.0.1"), 429);
  assert.equal(await guess("10.0.0.2"), 401, "another address is not concerned");
});

test("API: an IPv4 browser on an IPv6 socket is placed by its IPv4 address (RFC 4291 §2.5.5.2)", async () => {
  await fresh();
  overlay.replies.set("registration.sign-in", { session: "s", account: ACCOUNT });
  await app.inject({
    method: "POST",
    url: "/api/sign-in",
    payload: SIGN_UP,
    headers: { origin: ORIGIN },
    remoteAddress: "::ffff:10.1.2.3",
  });
  assert.deepEqual(overlay.asked.at(-1)?.body, { ...SIGN_UP, address: "10.1.2.3" });
});

test("the server says that it lives", async () => {
  await fresh();
  assert.equal((await app.inject({ url: "/livez" })).statusCode, 200);
});
