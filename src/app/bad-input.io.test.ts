/** What nobody should send, each with its standard answer, while others go on being served. */
import assert from "node:assert/strict";
import dgram from "node:dgram";
import net from "node:net";
import { after, before, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket } from "ws";
import { text } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import { readAddress } from "#host/addresses.ts";
import type { Address } from "#host/host.ts";
import type { SipResponse } from "#sip/wire/index.ts";
import type { DemoReady } from "./demo-state.ts";
import { Bench } from "./test-program.ts";
import { type Asked, type Credentials, RawSip } from "./test-raw-sip.ts";

const bench = new Bench();
const ALICE: Credentials = { user: "alice", secret: "alice-device" };
const STUDIO: Credentials = { user: "studio", secret: "studio-device" };
const URI = (user: string): string => `sip:${user}@sipcast.test`;
const sdp = (...media: string[]): string =>
  `${["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0", ...media].join("\r\n")}\r\n`;
const WATCH = (port: number): string => sdp(`m=video ${port} RTP/AVP 33`, "a=recvonly");
const LIVE = sdp("m=video 40000 RTP/AVP 33", "a=sendonly");
const PAGE = sdp("m=video 9 TCP/WS/MP2T 33", "a=recvonly", "a=setup:active", "a=connection:new");

let ready: DemoReady;
let ds: Address;
let sip: RawSip;
/** A good viewer, who must not notice anything. */
const viewer = { packets: 0, socket: dgram.createSocket("udp4") };
/** A media token that nobody uses, and when it was given. */
let unused = { url: "", atMs: 0 };

const addressOf = (shown: string): Address => readAddress(shown) ?? assert.fail(`${shown} is no address`);

before(async () => {
  ({ ready } = await bench.demo());
  ds = addressOf(ready.sites[0]?.ds.udp ?? "");
  sip = await RawSip.at(ds, ready.domain);
  viewer.socket.on("message", () => viewer.packets++);
  await new Promise<void>((bound) => viewer.socket.bind(0, "127.0.0.1", bound));
  await watchNews(WATCH(viewer.socket.address().port));
  unused = { url: urlIn(await watchNews(PAGE)), atMs: performance.now() };
});
after(() => {
  sip.close();
  viewer.socket.close();
  bench.close();
});

/** Alice watches: the 200, acknowledged. */
async function watchNews(body: string): Promise<SipResponse> {
  const { request, response } = await sip.asUser(ALICE, { method: "INVITE", uri: URI("news"), body });
  assert.equal(response.status, 200);
  sip.send(sip.within(request, response, "ACK"));
  return response;
}
const urlIn = ({ body }: SipResponse): string => /a=websocket-uri:(\S+)/.exec(text(body))?.[1] ?? "";

/** A newcomer is answered, and the good viewer's packets keep coming. */
async function othersAreServed(): Promise<void> {
  const before = viewer.packets;
  assert.equal((await sip.exchange(sip.request({ method: "OPTIONS" })))?.status, 200);
  for (let waitedMs = 0; viewer.packets < before + 2 && waitedMs < 2_000; waitedMs += 20) await sleep(20);
  assert.ok(viewer.packets >= before + 2, "the viewer receives");
}
function badTest(name: string, body: (t: TestContext) => Promise<void>): void {
  test(name, async (t) => {
    await body(t);
    await othersAreServed();
  });
}

interface Answer {
  readonly status: number;
  /** Header field and what it says. */
  readonly has?: readonly [name: string, value: RegExp];
}
function isAnswered(response: SipResponse | undefined, { status, has }: Answer): void {
  assert.equal(response?.status, status);
  if (has) assert.match(response.headers.get(has[0]) ?? "", has[1]);
}

const cut = (octets: string, after: string): string => octets.slice(0, octets.indexOf(after) + after.length);
const JUNK = Uint8Array.from({ length: 500 }, (_, at) => (at * 151 + 17) & 0xff);
const long = (octets: number): Asked => ({ method: "OPTIONS", lines: { Subject: "x".repeat(octets) } });

/** What is sent as it stands; `undefined`: it is not answered. */
const RAW: readonly { name: string; octets: () => string | Uint8Array; wants: Answer | undefined }[] = [
  { name: "garbage", octets: () => JUNK, wants: undefined },
  { name: "an empty datagram", octets: () => "", wants: undefined },
  { name: "half a start line", octets: () => "OPTIONS sip:sipc", wants: undefined },
  {
    name: "a message cut off in its head",
    octets: () => cut(sip.request({ method: "OPTIONS" }), "CSeq"),
    wants: { status: 400 },
  },
  {
    name: "a header field longer than sipHeaderChars",
    octets: () => sip.request(long(LIMITS.sipHeaderChars)),
    wants: { status: 400 },
  },
  { name: "a head of as much as UDP carries", octets: () => sip.request(long(64_900)), wants: { status: 400 } },
  {
    name: "a body shorter than Content-Length (RFC 3261 §18.3)",
    octets: () => sip.request({ method: "INVITE", body: LIVE, lines: { "Content-Length": "4000" } }),
    wants: { status: 400 },
  },
  {
    name: "an unknown method (RFC 3261 §8.2.1)",
    octets: () => sip.request({ method: "FROBNICATE" }),
    wants: { status: 405, has: ["allow", /INVITE.*BYE/] },
  },
  { name: "CANCEL of nothing (RFC 3261 §9.2)", octets: () => sip.request({ method: "CANCEL" }), wants: { status: 481 } },
  { name: "BYE of nothing (RFC 3261 §15.1.2)", octets: () => sip.request({ method: "BYE" }), wants: { status: 481 } },
  {
    name: "BYE of a dialog that is none (RFC 3261 §15.1.2)",
    octets: () => sip.request({ method: "BYE", lines: { To: "<sip:news@sipcast.test>;tag=none" } }),
    wants: { status: 481 },
  },
  {
    name: "REGISTER without credentials (RFC 3261 §22.2)",
    octets: () => sip.request({ method: "REGISTER", to: URI("alice") }),
    wants: { status: 401, has: ["www-authenticate", /^Digest realm="sipcast.test"/] },
  },
];
for (const { name, octets, wants } of RAW) {
  badTest(`UDP: ${name} gets ${wants?.status ?? "no answer"}`, async () => {
    if (wants) isAnswered(await sip.exchange(octets()), wants);
    else assert.ok(await sip.isIgnored(octets()));
  });
}

/** What somebody asks who can say who he is. */
const ASKED: readonly { name: string; who?: Credentials; asked: Asked; wants: Answer }[] = [
  {
    name: "a wrong secret is challenged again (RFC 3261 §22.1)",
    who: { ...ALICE, secret: "guess" },
    asked: { method: "REGISTER", to: URI("alice") },
    wants: { status: 401, has: ["www-authenticate", /^Digest realm="sipcast.test"/] },
  },
  { name: "no such channel", asked: { method: "INVITE", uri: URI("nothing") }, wants: { status: 404 } },
  { name: "a channel off air", asked: { method: "INVITE", uri: URI("alice-tv") }, wants: { status: 480 } },
  {
    name: "somebody else's channel to broadcast on",
    asked: { method: "INVITE", uri: URI("bob-tv"), body: LIVE },
    wants: { status: 403, has: ["reason", /not-owner/] },
  },
  { name: "a From of somebody else", asked: { method: "INVITE", uri: URI("news"), from: "bob" }, wants: { status: 403 } },
  {
    name: "a second live source (PROTOCOL §2)",
    who: STUDIO,
    asked: { method: "INVITE", uri: URI("news"), from: "studio", body: LIVE },
    wants: { status: 486 },
  },
  { name: "another's address-of-record (RFC 3261 §10.3)", asked: { method: "REGISTER", to: URI("bob") }, wants: { status: 403 } },
  {
    name: "too short a registration (RFC 3261 §10.3)",
    asked: { method: "REGISTER", to: URI("alice"), lines: { Expires: "5" } },
    wants: { status: 423, has: ["min-expires", /^60$/] },
  },
  {
    name: "an extension that nobody knows (RFC 3261 §8.2.2.3)",
    asked: { method: "INVITE", uri: URI("news"), lines: { Require: "teleport" } },
    wants: { status: 420, has: ["unsupported", /^teleport$/] },
  },
  {
    name: "an offer without MPEG-TS (RFC 3261 §20.43)",
    asked: { method: "INVITE", uri: URI("news"), body: sdp("m=audio 4000 RTP/AVP 0", "a=recvonly") },
    wants: { status: 488, has: ["warning", /^305 /] },
  },
  {
    name: "an offer that is no session description",
    asked: { method: "INVITE", uri: URI("news"), body: "v=7\r\nhello\r\n" },
    wants: { status: 488, has: ["warning", /^305 /] },
  },
];
for (const { name, who = ALICE, asked, wants } of ASKED) {
  badTest(`SIP: ${name} gets ${wants.status}`, async () => isAnswered((await sip.asUser(who, asked)).response, wants));
}

/** Octets to a COPS server; what it says until it closes the connection. */
function copsSays(to: string, octets: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    const socket = net.connect(addressOf(to).port, addressOf(to).host, () => socket.write(octets));
    socket.setTimeout(3_000, () => socket.destroy(new Error("The connection was not ended")));
    socket.on("data", (part: Buffer) => parts.push(part));
    socket.once("error", reject);
    socket.once("end", () => resolve(Buffer.concat(parts)));
  });
}
/** OPN of 0x9101 (RFC 2748 §3.6) with that length of message and of its PEPID object. */
function opening(messageBytes: number, objectBytes: number): Uint8Array {
  const octets = Buffer.from("10069101000000100008" + "0b01" + "78790000", "hex");
  octets.writeUInt32BE(messageBytes, 4);
  octets.writeUInt16BE(objectBytes, 8);
  return octets;
}
const COPS_CLOSE = 8; // op code of CC (RFC 2748 §2.1)
const BAD_FORMAT = "0008080100030000"; // Error object, Bad message format (RFC 2748 §2.2.8)
for (const [who, at] of [
  ["edge", () => ready.sites[0]?.edge.cops ?? ""],
  ["broker", () => ready.broker.cops],
] as const) {
  for (const [name, octets] of [
    ["an object of length 0", opening(16, 0)],
    ["an object of length 3", opening(16, 3)],
    ["a message of 4 GiB", opening(0xffff_fffc, 8)],
    ["what is no COPS", JUNK],
  ] as const) {
    badTest(`COPS: ${name} to the ${who} ends the connection; other PEPs go on (RFC 2748 §2.1, §2.2)`, async () => {
      const said = await copsSays(at(), octets);
      assert.deepEqual([said[1], said.toString("hex", 8)], [COPS_CLOSE, BAD_FORMAT], "Client-Close with Error, and nothing else");
      const { request, response } = await sip.asUser(ALICE, { method: "INVITE", uri: URI("sport"), body: WATCH(40_002) });
      assert.equal(response.status, 200, "a new join is granted by that edge and the broker");
      sip.send(sip.within(request, response, "ACK"));
      assert.equal((await sip.exchange(sip.within(request, response, "BYE")))?.status, 200);
    });
  }
}

/** Status of a WebSocket's handshake: 101, or why not. */
function handshake(t: TestContext, url: string, headers: Record<string, string> = {}, protocols = ["sip"]): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, protocols, { headers });
    t.after(() => socket.terminate());
    socket.once("open", () => resolve(101));
    socket.once("unexpected-response", (_request, { statusCode = 0 }) => resolve(statusCode));
    socket.once("error", reject);
  });
}
const FOREIGN = { origin: "http://evil.example" };
const OWN = (): { origin: string } => ({ origin: ready.web });
const dsWs = (): string => ready.sites[0]?.ds.ws ?? "";
const webWs = (path: string): string => `${ready.web.replace("http", "ws")}${path}`;
const userToken = (expiresWallMs: number): string => `sipcast-user=alice.${expiresWallMs}.${"ab".repeat(32)}`;

const HANDSHAKES: readonly { name: string; url: () => string; headers: () => Record<string, string>; status: number }[] = [
  { name: "a foreign page at the DS itself", url: dsWs, headers: () => FOREIGN, status: 403 },
  { name: "a foreign page through the web port", url: () => webWs("/sip/ds1"), headers: () => FOREIGN, status: 403 },
  { name: "a page without a session through the web port", url: () => webWs("/sip/ds1"), headers: OWN, status: 401 },
  { name: "a forged user token", url: dsWs, headers: () => ({ cookie: userToken(Date.now() + 30_000) }), status: 403 },
  { name: "an expired user token", url: dsWs, headers: () => ({ cookie: userToken(1) }), status: 403 },
  { name: "a user token that is none", url: dsWs, headers: () => ({ cookie: "sipcast-user=alice" }), status: 403 },
  { name: "an unknown media token", url: () => webWs("/media/edge1.0123"), headers: OWN, status: 404 },
  { name: "a media token of an edge that is none", url: () => webWs("/media/edge9.0123"), headers: OWN, status: 404 },
];
for (const { name, url, headers, status } of HANDSHAKES) {
  badTest(`WebSocket: ${name} gets ${status} (PROTOCOL §14)`, async (t) => {
    assert.equal(await handshake(t, url(), headers()), status);
  });
}

badTest("WebSocket: a message larger than sipMessageBytes gets 513 (RFC 3261 §21.5.7)", async (t) => {
  const socket = new WebSocket(dsWs(), ["sip"]);
  t.after(() => socket.terminate());
  await new Promise((open) => socket.once("open", open));
  const answer = new Promise<string>((got) => socket.once("message", (data) => got(String(data))));
  socket.send(sip.request(long(70_000)));
  assert.match(await answer, /^SIP\/2\.0 513 /);
});

badTest("WebSocket: a media token is good once (PROTOCOL §3)", async (t) => {
  const url = urlIn(await watchNews(PAGE));
  assert.equal(await handshake(t, url, {}, []), 101);
  assert.equal(await handshake(t, url, {}, []), 404);
});

const HTTP: readonly { name: string; body: string; headers?: Record<string, string>; status: number }[] = [
  { name: "a body larger than httpBodyBytes", body: JSON.stringify({ user: "x".repeat(LIMITS.httpBodyBytes) }), status: 413 },
  { name: "a foreign page", body: "{}", headers: FOREIGN, status: 403 },
  { name: "malformed JSON", body: "{user:", status: 400 },
];
for (const { name, body, headers, status } of HTTP) {
  badTest(`HTTP: ${name} gets ${status}`, async () => {
    const answer = await fetch(`${ready.web}/api/sign-in`, {
      method: "POST",
      body,
      headers: { "content-type": "application/json", ...OWN(), ...headers },
    });
    assert.equal(answer.status, status);
    const { error, message } = (await answer.json()) as Record<string, unknown>;
    assert.deepEqual([typeof error, typeof message], ["string", "string"], "a failure that a page can show");
  });
}

badTest("WebSocket: a media token expires (mediaTokenMs)", async (t) => {
  await sleep(Math.max(0, unused.atMs + LIMITS.mediaTokenMs + 100 - performance.now()));
  assert.equal(await handshake(t, unused.url, {}, []), 404);
});
