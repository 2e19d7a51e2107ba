/** SIP messages, their parts and their framing; session descriptions; STUN. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import path from "node:path";
import { concat, text, utf8 } from "#base/bytes.ts";
import { HASHES } from "#base/hash.ts";
import { LIMITS } from "#base/limits.ts";
import { Challenger, parseDigest } from "#sip/engine/digest.ts";
import type { Flow } from "#sip/engine/ports.ts";
import { parseSdp, serializeSdp } from "#sip/sdp/index.ts";
import { StreamFramer } from "#sip/transport/framer.ts";
import {
  faultOf,
  formatUri,
  Headers,
  parseMessage,
  parseUri,
  quote,
  request,
  type SipMessage,
  sameUri,
  serialize,
  sipUri,
} from "#sip/wire/index.ts";
import { answerStun, isStun } from "#sip/wire/stun.ts";
import {
  contactsOf,
  formatCSeq,
  formatNameAddr,
  formatParameterized,
  formatVia,
  nameAddrsOf,
  parseCSeq,
  parseNameAddr,
  parseParameterized,
  parseVia,
  tagOf,
} from "#sip/wire/values.ts";
import {
  declinedDescription,
  declines,
  ingestDescription,
  readIngestOffer,
  readViewerOffer,
  viewerDescription,
  wantsToBroadcast,
} from "#tv/engine/session-sdp.ts";
import { fromFile, pieces, type Target, TESTDATA, words } from "./target.ts";

const TORTURE = ["rfc4475", "rfc5118"].flatMap((folder) =>
  readdirSync(path.join(TESTDATA, folder)).map((file) => fromFile(folder, file)),
);
const INVITE = utf8(
  [
    "INVITE sip:news@tv.example;rate=800 SIP/2.0",
    "Via: SIP/2.0/UDP 10.0.0.7:5060;branch=z9hG4bK1;rport, SIP/2.0/TCP [2001:db8::7];branch=z9hG4bK0",
    'From: "Alice \\"A\\"" <sip:alice@tv.example>;tag=1',
    "To: <sip:news@tv.example>",
    "Call-ID: 1@10.0.0.7",
    "CSeq: 1 INVITE",
    "m: <sips:alice%40home:secret@10.0.0.7:5061;transport=tls?Subject=a&b=c>;expires=60",
    "Record-Route: <sip:p.example;lr>,\r\n <sip:q.example;lr>",
    "Content-Type: application/sdp",
    "l: 4",
    "",
    "v=0\n",
  ].join("\r\n"),
);
const MESSAGE_TOKENS = words(
  ...["\r\n", "\r\n\r\n", "\r\n ", "Content-Length: 0\r\n", "l: 5\r\n", "SIP/2.0 200 OK\r\n", " SIP/2.0\r\n", "sip:", "sips:"],
  ...[";lr", ";tag=", ";branch=z9hG4bK", "<", ">", '"', "\\", "\\\0", ",", ";", "=", "%00", "%41", "%c3%a9", "é", "[::1]", "@"],
  ...["Via: ", "From: ", "Contact: *\r\n", "CSeq: ", "\ufeff", "\u2028", "\u0085", "\v"],
);

/** What was read of the octets, as one can compare it. */
const meaning = (message: SipMessage): object => ({
  ...(message.kind === "request"
    ? { method: message.method, uri: formatUri(message.uri) }
    : { status: message.status, reason: message.reason }),
  headers: message.headers.fields().filter(({ name }) => name !== "content-length"),
  body: message.body,
  fault: faultOf(message),
});

function messageIsRead(bytes: Uint8Array, carriedBy: "datagram" | "stream"): void {
  const parsed = parseMessage(bytes, carriedBy);
  if (parsed.status === "bad") return;
  const { value, usedBytes } = parsed;
  const length = value.headers.get("content-length");
  assert.ok(usedBytes <= bytes.length && value.body.length <= usedBytes, "it uses what there is");
  if (length === undefined) assert.deepEqual([carriedBy, usedBytes], ["datagram", bytes.length], "all of a datagram is body");
  else assert.equal(value.body.length, Number(length), "Content-Length counts the body (RFC 3261 §18.3)");
  contactsOf(value);
  nameAddrsOf(value, "record-route");
  const again = parseMessage(serialize(value), "stream");
  if (again.status === "bad") return assert.equal(again.error.code, "too-large", again.error.message);
  assert.deepEqual(meaning(again.value), meaning(value), "it is the same when written and read again");
}

/** What is read, written and read again is the same. */
function survives<T>(value: T | undefined, format: (value: T) => string, parse: (text: string) => T | undefined): void {
  if (value !== undefined) assert.deepEqual(parse(format(value)), value);
}

function uriIsRead(value: string): void {
  const uri = parseUri(value);
  if (uri === undefined) return;
  survives(uri, formatUri, parseUri);
  assert.ok(sameUri(uri, uri), "a URI equals itself");
  const plain = sipUri({ host: uri.host });
  assert.equal(sameUri(uri, plain), sameUri(plain, uri), "equality goes both ways");
}

/** Frames of one stream: messages as text, what else there is by kind. */
function framesOf(parts: readonly Uint8Array[], side: "accepted" | "opened"): string[] {
  const framer = new StreamFramer(side);
  const out: string[] = [];
  let waiting = 0; // octets since the last frame
  for (const part of parts) {
    const frames = framer.push(part);
    for (const frame of frames) {
      out.push(frame.kind === "message" ? text(frame.bytes) : frame.kind);
      if (frame.kind !== "message") continue;
      const parsed = parseMessage(frame.bytes, "stream");
      if (parsed.status === "ok") assert.equal(parsed.usedBytes, frame.bytes.length, "framer and parser measure alike");
    }
    waiting = frames.length > 0 ? 0 : waiting + part.length;
    if (!out.includes("broken"))
      assert.ok(waiting <= LIMITS.sipMessageBytes + 4 + part.length, "it waits for no more than a message");
  }
  const broken = out.indexOf("broken");
  assert.ok(broken < 0 || broken === out.length - 1, "nothing comes of a stream after what could not be measured");
  return out;
}

const SDP = utf8(
  [
    ...["v=0", "o=- 3 1 IN IP4 192.168.0.9", "s=-", "c=IN IP4 192.168.0.9", "t=0 0", "a=tool:x"],
    ...["m=audio 6000/2 RTP/AVP 0 8", "c=IN IP6 ff02::1/3", "m=video 7000 RTP/AVP 33", "i=x", "b=AS:900", "a=recvonly"],
    ...["a=source-filter: incl IN IP4 232.0.0.1 10.0.0.1", "m=video 9 TCP/WSS/MP2T 33", "a=setup:active", ""],
  ].join("\r\n"),
);
const SDP_TOKENS = words(
  ...["\r\n", "\n", "a=sendonly", "a=recvonly", "a=inactive", "m=video 7000 RTP/AVP 33\r\n", "m=video 0 TCP/WS/MP2T 33\r\n"],
  ...[
    "a=setup:active\r\n",
    "c=IN IP4 232.0.0.1/16/3\r\n",
    "b=AS:1\r\n",
    "t=1 2\r\n",
    "\0",
    "\u2028",
    "IP6",
    "::1",
    "/",
    ":",
    " ",
  ],
);
const FLOW: Flow = {
  id: "f",
  transport: "udp",
  local: { host: "10.0.0.1", port: 5060 },
  remote: { host: "10.0.0.7", port: 5060 },
  origin: "https://tv.example",
};
const JOIN = { kbps: 900, group: "232.0.1.7:5004", source: "10.0.0.1:4000", token: "tok", mediaBase: "ws://10.0.0.1:80" };
const GRANT = { kbps: 900, group: "232.0.1.7:5004", source: "10.0.0.1", ingest: "10.0.0.1:4000" };

function offerIsAnswered(body: Uint8Array): void {
  const invite = request("INVITE", sipUri({ user: "news", host: "tv.example" }), [["Content-Type", "application/sdp"]], body);
  const offered = parseSdp(body);
  wantsToBroadcast(invite);
  declines(invite);
  const ingest = readIngestOffer(invite);
  const viewer = readViewerOffer(invite, FLOW);
  if (viewer?.form === "unicast") assert.ok(viewer.to.startsWith(`${FLOW.remote.host}:`), "it is sent to who signals");
  const answers = [
    ingest && ingestDescription(ingest, [GRANT, undefined, GRANT], 0),
    viewer && viewerDescription(viewer, { ...JOIN, ...(viewer.form === "multicast" && { source: "10.0.0.1" }) }, FLOW, 0),
    declinedDescription(invite, FLOW.local.host, 0),
  ];
  for (const [at, answer] of answers.entries()) {
    if (answer === undefined) continue;
    const read = parseSdp(answer.bytes);
    if (read.status !== "ok") assert.fail("an answer of ours can be read");
    const taken = read.value.media.filter(({ port }) => port !== 0);
    const granted = [ingest?.renditions.filter((_rendition, place) => place !== 1).length, 1, 0][at];
    assert.equal(taken.length, granted, "what is granted is taken, and nothing else");
    if (body.length > 0 && offered.status === "ok")
      assert.equal(read.value.media.length, offered.value.media.length, "each m= line is answered (RFC 3264 §6)");
  }
}

const challenger = new Challenger(
  {
    host: { wallMs: () => 1_800_000_000_000, random: (octets) => new Uint8Array(octets), ...HASHES },
    credentials: { ha1s: () => [{ id: "tv", md5: "0".repeat(32), sha256: "0".repeat(64) }] },
  },
  utf8("0123456789abcdef0123456789abcdef"),
  { realm: "tv.example" },
);
function digestIsRead(value: string): void {
  const params = parseDigest(value);
  const registration = request("REGISTER", sipUri({ host: "tv.example" }), Headers.of([["Authorization", value]]));
  assert.ok(!challenger.check(registration, "server").ok, "nobody comes in without the secret");
  if (params === undefined) return;
  const written = `Digest ${Array.from(params, ([name, param]) => `${name}=${quote(param)}`).join(", ")}`;
  if (params.size > 0) assert.deepEqual(parseDigest(written), params);
}

const STUN_REQUEST = Uint8Array.from([
  0,
  1,
  0,
  8,
  0x21,
  0x12,
  0xa4,
  0x42,
  ...utf8("transactions"),
  0x80,
  0x22,
  0,
  3,
  97,
  98,
  99,
  0,
]);
const SOURCES = [
  { host: "192.0.2.1", port: 32_853 },
  { host: "2001:db8::1", port: 65_535 },
];
function stunIsAnswered(bytes: Uint8Array): void {
  if (!isStun(bytes)) return;
  for (const source of SOURCES) {
    const answer = answerStun(bytes, source);
    if (answer === undefined) continue;
    assert.ok(isStun(answer), "the answer is STUN");
    assert.deepEqual(answer.subarray(4, 20), bytes.subarray(4, 20), "of the same transaction");
    assert.equal(new DataView(answer.buffer, answer.byteOffset).getUint16(2), answer.length - 20, "and of its length");
    assert.ok(answer.length <= bytes.length + 64, "it is no amplifier");
    assert.equal(answerStun(answer, source), undefined, "two servers do not answer each other for ever");
  }
}

const uris = [
  ...["sip:alice:secret@tv.example:5060;transport=tcp;lr?subject=a&x=%20", "sips:a%20b%3b@[2001:db8::1]:5061;%6dethod=INVITE"],
  ...["sip:tv.example", "sip:user;par=u%40example.net@example.com", "sip:%c3%a9t%C3%A9@h_1.;maddr=239.255.255.1;ttl=15"],
];
const values = [
  ...["SIP / 2.0 / UDP first.example.com: 4000;ttl=16;received=::1;rport", 'Digest realm="a\\"b, c", nc=00000001', "1 INVITE"],
  ...['"A \\" B" <sip:a@h;x>;tag="q\\;"', "sip:a@h;tag=1", "presence;id=1", '<sips:[::1]>;+sip.instance="<urn:x>"'],
];

export const SIP_TARGETS: readonly Target[] = [
  {
    name: "sip-message",
    seeds: [...TORTURE, INVITE],
    tokens: MESSAGE_TOKENS,
    run(bytes) {
      messageIsRead(bytes, "datagram");
      messageIsRead(bytes, "stream");
    },
  },
  {
    name: "sip-stream",
    seeds: [concat([utf8("\r\n\r\n"), INVITE, INVITE, utf8("\r\n")]), ...TORTURE],
    tokens: MESSAGE_TOKENS,
    run(bytes) {
      for (const side of ["accepted", "opened"] as const)
        assert.deepEqual(framesOf(pieces(bytes), side), framesOf([bytes], side), "it is the same however it is cut");
    },
  },
  { name: "sip-uri", seeds: words(...uris), tokens: MESSAGE_TOKENS, run: (bytes) => uriIsRead(text(bytes)) },
  {
    name: "sip-values",
    seeds: words(...values),
    tokens: MESSAGE_TOKENS,
    run(bytes) {
      const value = text(bytes);
      survives(parseVia(value), formatVia, parseVia);
      survives(parseNameAddr(value), formatNameAddr, parseNameAddr);
      survives(parseCSeq(value), formatCSeq, parseCSeq);
      survives(parseParameterized(value), formatParameterized, parseParameterized);
      tagOf(value);
    },
  },
  {
    name: "digest",
    seeds: words(
      'Digest username="alice", realm="tv.example", nonce="x-0-0", uri="sip:h", qop=auth, nc=1, cnonce="c", response="00"',
    ),
    tokens: words('"', "\\", ",", "=", " ", "digest ", 'realm="tv.example"', "algorithm=SHA-256", "qop=auth", "\u2028", "\0"),
    run: (bytes) => digestIsRead(text(bytes)),
  },
  {
    name: "sdp",
    seeds: [SDP, ...TORTURE.slice(0, 4)],
    tokens: SDP_TOKENS,
    run(bytes) {
      const read = parseSdp(bytes);
      if (read.status === "ok")
        assert.deepEqual(parseSdp(serializeSdp(read.value)), { ...read, usedBytes: serializeSdp(read.value).length });
    },
  },
  { name: "session-sdp", seeds: [SDP], tokens: SDP_TOKENS, run: offerIsAnswered },
  {
    name: "stun",
    seeds: [STUN_REQUEST],
    tokens: [Uint8Array.of(0, 6, 0, 4), Uint8Array.of(0x7f, 0xff, 0, 0), STUN_REQUEST.subarray(0, 8)],
    run: stunIsAnswered,
  },
];
