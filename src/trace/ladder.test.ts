import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import { writeAttributes } from "#cops/wire/attributes.ts";
import { type CopsMessage, encodeMessage } from "#cops/wire/message.ts";
import type { Host } from "#host/host.ts";
import { type TapEvent, tap } from "#host/tap.ts";
import { simNetwork, simTest } from "#sim/index.ts";
import { Ladder } from "./index.ts";

const VIA = "Via: SIP/2.0/UDP 127.0.1.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n";
const SDP = "v=0\r\no=- 1 1 IN IP4 127.0.1.1\r\ns=-\r\nt=0 0\r\nm=video 5004 RTP/AVP 33\r\na=recvonly\r\n";
const EMPTY_SDP = "v=0\r\no=- 1 1 IN IP4 127.0.1.1\r\ns=-\r\nt=0 0\r\n";
const sip = (start: string, cseq: string, to = "<sip:bob-tv@tv.example>", body = "", extra = ""): string =>
  `${start}\r\n${VIA}From: <sip:alice@tv.example>;tag=a\r\nTo: ${to}\r\nCall-ID: f81d4fae\r\nCSeq: 1 ${cseq}\r\n${extra}` +
  `Content-Length: ${body.length}\r\n${body && "Content-Type: application/sdp\r\n"}\r\n${body}`;
const IN_DIALOG = "<sip:bob-tv@tv.example>;tag=b";

const event = (bytes: string | Uint8Array, changes: Partial<TapEvent> = {}): TapEvent => ({
  atMs: 0,
  node: "viewer",
  kind: "datagram",
  direction: "out",
  local: { host: "127.0.1.1", port: 5060 },
  remote: { host: "127.0.2.1", port: 5060 },
  bytes: typeof bytes === "string" ? utf8(bytes) : bytes,
  ...changes,
});
const cops = (op: CopsMessage["op"], objects: CopsMessage["objects"]): Uint8Array =>
  encodeMessage({ op, clientType: 0x9101, solicited: false, objects });
const HANDLE = { kind: "handle", handle: "0a0b" } as const;

const LINES: { name: string; bytes: string | Uint8Array; kind?: TapEvent["kind"]; wants: string[] }[] = [
  {
    name: "a request with its URI, call and media",
    bytes: sip("INVITE sip:bob-tv@tv.example;transport=udp SIP/2.0", "INVITE", undefined, SDP),
    wants: ["INVITE sip:bob-tv@tv.example call-1 [SDP: video 5004 recvonly]"],
  },
  {
    name: "a response with its method",
    bytes: sip("SIP/2.0 200 OK", "INVITE", IN_DIALOG, EMPTY_SDP),
    wants: ["200 OK (INVITE) call-1 [SDP: no media]"],
  },
  {
    name: "a refusal with its Warning code",
    bytes: sip("SIP/2.0 488 Not Acceptable Here", "INVITE", IN_DIALOG, "", 'Warning: 370 tv.example "no"\r\n'),
    wants: ["488 Not Acceptable Here (INVITE) call-1 [Warning: 370]"],
  },
  {
    name: "a goodbye with its Reason (RFC 3326)",
    bytes: sip("BYE sip:x7f3@127.0.2.1:5060 SIP/2.0", "BYE", IN_DIALOG, "", "Reason: SIP;cause=480\r\n"),
    wants: ["BYE call-1 [Reason: SIP;cause=480]"],
  },
  {
    name: "dynamic ports by name, in the stable form",
    bytes: sip("SIP/2.0 200 OK", "INVITE", IN_DIALOG, SDP.replace("5004", "49152") + SDP.slice(SDP.indexOf("m="))),
    wants: ["200 OK (INVITE) call-1 [SDP: video port-1 recvonly, video 5004 recvonly]"],
  },
  { name: "no URI within a dialog", bytes: sip("BYE sip:x7f3@127.0.2.1:5060 SIP/2.0", "BYE", IN_DIALOG), wants: ["BYE call-1"] },
  {
    name: "SIP in a message",
    kind: "message",
    bytes: sip("REGISTER sip:tv.example SIP/2.0", "REGISTER"),
    wants: ["REGISTER call-1"],
  },
  {
    name: "COPS: a decision",
    kind: "stream",
    bytes: cops("DEC", [
      HANDLE,
      { kind: "context", requestType: 1, messageType: 1 },
      { kind: "decisionFlags", command: 1, flags: 0 },
    ]),
    wants: ["DEC 0x9101 handle-1 Install"],
  },
  {
    name: "COPS: a report",
    kind: "stream",
    bytes: cops("RPT", [HANDLE, { kind: "reportType", type: 1 }]),
    wants: ["RPT 0x9101 handle-1 Success"],
  },
  {
    name: "COPS: a request for a rendition that is not the first",
    kind: "stream",
    bytes: cops("REQ", [
      HANDLE,
      { kind: "context", requestType: 2, messageType: 2 },
      { kind: "signaledSi", data: writeAttributes({ channel: "news~2" }) },
    ]),
    wants: ["REQ 0x9101 handle-1 news~2"],
  },
  { name: "COPS: an opening", kind: "stream", bytes: cops("OPN", [{ kind: "pepId", id: "edge1" }]), wants: ["OPN 0x9101 edge1"] },
  { name: "nothing of a keep-alive (RFC 5626 §3.5.1)", bytes: "\r\n\r\n", wants: [] },
  { name: "nothing of COPS keep-alives, in the stable form", kind: "stream", bytes: cops("KA", []), wants: [] },
  { name: "nothing of an empty datagram", bytes: "", wants: [] },
  { name: "nothing of what is no SIP", bytes: "HELLO there\r\n\r\n", wants: [] },
  { name: "nothing of another stream", kind: "stream", bytes: "GET / HTTP/1.1\r\n\r\n", wants: [] },
];
for (const { name, bytes, kind = "datagram", wants } of LINES) {
  test(`Ladder shows ${name}`, () => {
    const ladder = new Ladder({ stable: true });
    ladder.name({ host: "127.0.2.1", port: 0 }, "ds2");
    ladder.add(event(bytes, { kind }));
    assert.deepEqual(
      ladder.lines(),
      wants.map((line) => `viewer → ds2              ${line}`),
    );
  });
}

test("Ladder names handles by their connection, in the stable form (RFC 2748 §2.4)", () => {
  const ladder = new Ladder({ stable: true });
  const drq = event(cops("DRQ", [HANDLE, { kind: "reason", code: 7, subCode: 0 }]), { kind: "stream" });
  const there = { local: drq.remote, remote: drq.local, node: "ds2" };
  for (const changes of [{}, there, { remote: { host: "127.0.3.1", port: 5060 } }, {}]) ladder.add({ ...drq, ...changes });
  assert.deepEqual(
    ladder.lines().map((line) => /handle-\d/.exec(line)?.[0]),
    ["handle-1", "handle-1", "handle-2", "handle-1"],
  );
});

test("Ladder puts COPS messages together from any pieces, and gives up on a stream that breaks off COPS", () => {
  const whole = [cops("OPN", [{ kind: "pepId", id: "edge1" }]), cops("RPT", [HANDLE, { kind: "reportType", type: 2 }])];
  const bytes = Buffer.concat([...whole, utf8("rubbish!")]);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const ladder = new Ladder();
    for (const piece of [bytes.subarray(0, cut), bytes.subarray(cut)]) ladder.add(event(piece, { kind: "stream" }));
    ladder.add(event(whole[0] ?? "", { kind: "stream" }));
    const shown = ladder.lines().map((line) => line.replace(/^.*:5060\s+/, ""));
    assert.deepEqual(shown, ["OPN 0x9101 edge1", "RPT 0x9101 0a0b Failure"], `cut at ${cut}`);
  }
});

test("Ladder shows the first packet of a media flow, times from the first line, and what was lost", () => {
  const printed: string[] = [];
  const ladder = new Ladder({ print: (line) => printed.push(line) });
  const rtp = Uint8Array.of(0x80, 33, 0, 1);
  const group = { host: "232.0.1.0", port: 5004 };
  ladder.add(event(rtp, { atMs: 1_000, remote: group, lost: true }));
  ladder.add(event(rtp, { atMs: 1_005, remote: group }));
  ladder.add(event(rtp, { atMs: 1_010, remote: group }));
  ladder.add(event(rtp, { atMs: 1_015, remote: group, lost: true }));
  ladder.add(event(sip("SIP/2.0 180 Ringing", "INVITE"), { atMs: 1_020.25, lost: true }));
  assert.deepEqual(printed, [
    "      0.0  viewer → 232.0.1.0:5004   RTP (first) (lost)",
    "      5.0  viewer → 232.0.1.0:5004   RTP (first)",
    "     20.3  viewer → 127.0.2.1:5060   180 Ringing (INVITE) f81d4fae (lost)",
  ]);
  assert.deepEqual(ladder.lines(), []);
});

test("Ladder shows an arrival only when nobody tapped the sender", () => {
  const ladder = new Ladder({ stable: true });
  const bye = sip("BYE sip:a@127.0.1.1 SIP/2.0", "BYE", IN_DIALOG);
  ladder.add(event(bye));
  const there = { local: { host: "127.0.2.1", port: 5060 }, remote: { host: "127.0.1.1", port: 5060 } };
  ladder.add(event(bye, { node: "ds2", direction: "in", ...there }));
  ladder.add(event(bye, { node: "ds2", direction: "in", ...there, remote: { host: "127.0.9.9", port: 5060 } }));
  assert.deepEqual(ladder.lines(), ["viewer → 127.0.2.1:5060   BYE call-1", "127.0.9.9:5060 → ds2      BYE call-1"]);
});

test("Ladder forgets the oldest events beyond its limit, and says so", () => {
  const ladder = new Ladder({ stable: true });
  for (let i = 0; i < 2 * LIMITS.ladderEvents + 1; i++) ladder.add(event(i === 0 ? "first" : ""));
  assert.deepEqual(ladder.lines(), [`… ${LIMITS.ladderEvents} earlier events`]);
});

test("Ladder remembers so many media flows and no more", () => {
  const ladder = new Ladder({ stable: true });
  for (let port = 0; port <= LIMITS.ladderFlows; port++)
    ladder.add(event(Uint8Array.of(0x80), { remote: { host: "232.0.1.0", port } }));
  assert.equal(ladder.lines().length, LIMITS.ladderFlows);
});

/** A SIP request by datagram, COPS over a stream, SIP over messages, from a to b. */
function talk(a: Host, b: Host): void {
  const nothing = { data: () => undefined, message: () => undefined, datagram: () => undefined, closed: () => undefined };
  const failed = (error: Error) => assert.fail(error);
  b.datagram({ host: "127.0.2.1", port: 5060 }, { ...nothing, failed });
  b.listen({ host: "127.0.2.1", port: 3288 }, {}, { accept: () => nothing, failed });
  b.listenMessages({ host: "127.0.2.1", port: 80 }, { protocols: [], maxMessageBytes: 2_000 }, { accept: () => nothing, failed });
  a.datagram({ host: "127.0.1.1", port: 5060 }, { ...nothing, failed }).send(
    utf8(sip("BYE sip:b@127.0.2.1 SIP/2.0", "BYE", IN_DIALOG)),
    { host: "127.0.2.1", port: 5060 },
  );
  const opn = cops("OPN", [{ kind: "pepId", id: "edge1" }]);
  a.connect({ host: "127.0.2.1", port: 3288 }, {}, { ...nothing, opened: (stream) => stream.send(opn) });
  const register = sip("REGISTER sip:tv.example SIP/2.0", "REGISTER");
  a.connectMessages("ws://127.0.2.1:80/", { protocols: [] }, { ...nothing, opened: (port) => port.send(register) });
}

simTest("taps on every host tell the same ladder as the simulator's own, and each message once", (net) => {
  const ladder = new Ladder();
  for (const [name, address] of [
    ["a", "127.0.1.1"],
    ["b", "127.0.2.1"],
  ] as const)
    ladder.name({ host: address, port: 0 }, name);
  const [a, b] = [net.host("a", "127.0.1.1"), net.host("b", "127.0.2.1")].map((host, i) =>
    tap(host, i === 0 ? "a" : "b", (event) => ladder.add(event)),
  );
  if (!a || !b) return;
  talk(a, b);
  net.run(100);
  assert.equal(net.ladder(), ladder.lines().join("\n"));
  assert.deepEqual(
    ladder.lines().map((line) =>
      line
        .trim()
        .split(/\s{2,}/)
        .slice(1)
        .join(": "),
    ),
    ["a → b: BYE f81d4fae", "a → b: OPN 0x9101 edge1", "a → b: REGISTER f81d4fae"],
  );
});

test("a tap tells what came in, with the sender's address", () => {
  const net = simNetwork(1);
  const seen: string[] = [];
  const b = tap(
    net.host("b", "127.0.2.1"),
    "b",
    ({ kind, direction, remote, local }) => void seen.push(`${kind} ${direction} ${remote.host} ${local.port}`),
  );
  talk(net.host("a", "127.0.1.1"), b);
  net.run(100);
  assert.deepEqual(seen, ["datagram in 127.0.1.1 5060", "stream in 127.0.1.1 3288", "message in 127.0.1.1 80"]);
});
