import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { text, utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import {
  attribute,
  attributeOf,
  bandwidthOf,
  connectionOf,
  directionOf,
  parseSdp,
  type SdpMedia,
  type SessionDescription,
  serializeSdp,
  sourceFilter,
  sourceFilterOf,
} from "./index.ts";

const lines = (...all: string[]): Uint8Array => utf8(`${all.join("\r\n")}\r\n`);
const HEAD = ["v=0", "o=- 1 2 IN IP4 10.0.0.1", "s=-"];
function read(bytes: Uint8Array): SessionDescription {
  const parsed = parseSdp(bytes);
  assert.equal(parsed.status, "ok", parsed.status === "bad" ? parsed.error.message : "");
  return parsed.status === "ok" ? parsed.value : assert.fail();
}
const firstMedia = (sdp: SessionDescription): SdpMedia => sdp.media[0] ?? assert.fail("no media");

const FORMS: { name: string; sdp: string[]; wants: (sdp: SessionDescription, media: SdpMedia) => void }[] = [
  {
    name: "ingest offer: unicast, sendonly, a rate (PROTOCOL §3 form 1)",
    sdp: [
      "v=0",
      "o=bob 7 1 IN IP4 10.0.0.1",
      "s=bob-tv",
      "c=IN IP4 10.0.0.1",
      "t=0 0",
      "m=video 5004 RTP/AVP 33",
      "b=AS:800",
      "a=sendonly",
    ],
    wants: (sdp, media) => {
      assert.deepEqual([media.port, media.proto, media.formats], [5004, "RTP/AVP", ["33"]]);
      assert.equal(directionOf(sdp, media), "sendonly");
      assert.equal(bandwidthOf(media, "AS"), 800);
      assert.deepEqual(connectionOf(sdp, media), { family: "IP4", address: "10.0.0.1" });
    },
  },
  {
    name: "multicast offer: group with TTL, source filter, no RTCP (PROTOCOL §3 form 2, RFC 4570, RFC 3556)",
    sdp: [
      ...["v=0", "o=- 1 1 IN IP4 10.0.0.9", "s=-", "t=0 0", "m=video 5004 RTP/AVP 33", "c=IN IP4 232.1.2.3/16"],
      ...["b=AS:800", "b=RR:0", "b=RS:0", "a=source-filter: incl IN IP4 232.1.2.3 10.0.0.9", "a=recvonly"],
    ],
    wants: (sdp, media) => {
      assert.deepEqual(connectionOf(sdp, media), { family: "IP4", address: "232.1.2.3", ttl: 16 });
      const filter = { mode: "incl", family: "IP4", destination: "232.1.2.3", sources: ["10.0.0.9"] } as const;
      assert.deepEqual(sourceFilterOf(sdp, media), filter);
      assert.deepEqual(sourceFilter(filter), media.attributes[0]);
      assert.deepEqual([bandwidthOf(media, "RR"), bandwidthOf(media, "RS")], [0, 0]);
    },
  },
  {
    name: "browser offer: WebSocket (PROTOCOL §3 form 3, RFC 4145, RFC 8124)",
    sdp: [
      ...["v=0", "o=- 1 1 IN IP6 2001:db8::1", "s=-", "c=IN IP6 ff3e::1/3", "t=0 0", "m=video 9 TCP/WSS/MP2T 33"],
      ...["a=recvonly", "a=setup:active", "a=connection:new", "a=websocket-uri:wss://tv.example/media/T0KEN"],
    ],
    wants: (sdp, media) => {
      assert.equal(media.proto, "TCP/WSS/MP2T");
      assert.equal(attributeOf(media, "setup"), "active");
      assert.equal(attributeOf(media, "connection"), "new");
      assert.equal(attributeOf(media, "websocket-uri"), "wss://tv.example/media/T0KEN");
      assert.deepEqual(connectionOf(sdp, media), { family: "IP6", address: "ff3e::1", count: 3 });
    },
  },
];
for (const { name, sdp, wants } of FORMS)
  test(`SDP ${name} is read, and written as it was`, () => {
    const value = read(lines(...sdp));
    wants(value, firstMedia(value));
    assert.equal(text(serializeSdp(value)), text(lines(...sdp)));
  });

test("SDP with zero m= lines is whole (RFC 3264 §5)", () => {
  const sdp = read(lines(...HEAD, "t=0 0"));
  assert.deepEqual(sdp.media, []);
  assert.equal(text(serializeSdp(sdp)), text(lines(...HEAD, "t=0 0")));
});

test("SDP direction: the medium's own, else the session's, else sendrecv (RFC 8866 §6.7)", () => {
  const sdp = read(lines(...HEAD, "t=0 0", "a=inactive", "m=video 1 RTP/AVP 33", "m=audio 1 RTP/AVP 0", "a=recvonly"));
  assert.deepEqual(
    sdp.media.map((media) => directionOf(sdp, media)),
    ["inactive", "recvonly"],
  );
  const bare = read(lines(...HEAD, "t=0 0", "m=video 1 RTP/AVP 33"));
  assert.equal(directionOf(bare, firstMedia(bare)), "sendrecv");
});

test("SDP lines that say nothing here are read over, bare LF ends a line (RFC 8866 §5)", () => {
  const phone = [
    ...HEAD,
    "i=about",
    "u=http://x",
    "e=a@b",
    "p=+1",
    "b=X-YZ:128",
    "t=2873397496 2873404696",
    "r=7d 1h 0 25h",
    "k=prompt",
  ];
  const sdp = read(utf8(`${[...phone, "m=audio 49170/2 RTP/AVP 0 8 97", "i=sound", "a=rtpmap:97 iLBC/8000"].join("\n")}\n`));
  assert.deepEqual([sdp.startSec, firstMedia(sdp).portCount, firstMedia(sdp).formats], [2873397496, 2, ["0", "8", "97"]]);
  assert.equal(attributeOf(firstMedia(sdp), "rtpmap"), "97 iLBC/8000");
});

const BAD: [name: string, sdp: string[]][] = [
  ["nothing", []],
  ["version 1", ["v=1", ...HEAD.slice(1), "t=0 0"]],
  ["no origin", ["v=0", "s=-", "t=0 0"]],
  ["no time", HEAD],
  ["an unknown type letter", [...HEAD, "t=0 0", "x=1"]],
  ["a line without type", [...HEAD, "t=0 0", "nonsense"]],
  ["an empty line within", [...HEAD, "", "t=0 0"]],
  ["an origin that is too short", ["v=0", "o=- 1 IN IP4 10.0.0.1", "s=-", "t=0 0"]],
  ["an address of the other family", [...HEAD, "c=IN IP6 10.0.0.1", "t=0 0"]],
  ["a network that is not IN", [...HEAD, "c=ATM NSAP 47.0", "t=0 0"]],
  ["an IPv4 octet above 255", [...HEAD, "c=IN IP4 10.0.0.256", "t=0 0"]],
  ["a TTL above 255", [...HEAD, "c=IN IP4 232.1.1.1/256", "t=0 0"]],
  ["a port above 65535", [...HEAD, "t=0 0", "m=video 65536 RTP/AVP 33"]],
  ["a medium without format", [...HEAD, "t=0 0", "m=video 1 RTP/AVP"]],
  ["a bandwidth that is no number", [...HEAD, "b=AS:fast", "t=0 0"]],
  ["a session line after m=", [...HEAD, "t=0 0", "m=video 1 RTP/AVP 33", "t=0 0"]],
  ["a NUL within a line", [...HEAD, "t=0 0", "a=tool:a\0b"]],
  ["a lone CR within a line", [...HEAD, "t=0 0", "a=tool:a\rb"]],
  ["more lines than the limit", [...HEAD, "t=0 0", ...Array.from({ length: LIMITS.sdpLines - 3 }, () => "a=x")]],
];
for (const [name, sdp] of BAD)
  test(`SDP with ${name} is refused (RFC 8866 §9)`, () => {
    assert.equal(parseSdp(lines(...sdp)).status, "bad");
  });

test("SDP at the limit of lines is read", () => {
  const fill = Array.from({ length: LIMITS.sdpLines - 4 }, () => "a=x");
  assert.equal(read(lines(...HEAD, "t=0 0", ...fill)).attributes.length, fill.length);
});

test("SDP with a line break in a value is never written", () => {
  const sdp = read(lines(...HEAD, "t=0 0"));
  assert.throws(() => serializeSdp({ ...sdp, attributes: [attribute("x", "1\r\na=y")] }), /line break/);
});

test("SDP: whatever octets come, the reader answers; what it reads, it reads again the same", () => {
  const line = fc.oneof(
    fc.constantFrom(...FORMS.flatMap(({ sdp }) => sdp)),
    fc.string({ maxLength: 20 }),
    fc.tuple(fc.constantFrom(..."vosctbamk"), fc.string({ maxLength: 20 })).map(([type, value]) => `${type}=${value}`),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), (more) => {
      const parsed = parseSdp(lines(...HEAD, "t=0 0", ...more));
      if (parsed.status !== "ok") return;
      const again = parseSdp(serializeSdp(parsed.value));
      assert.deepEqual(again.status === "ok" && again.value, parsed.value);
    }),
    { numRuns: 500 },
  );
});
