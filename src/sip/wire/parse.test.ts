import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { text, utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import { request, response } from "./builders.ts";
import { faultOf } from "./check.ts";
import type { SipMessage } from "./message.ts";
import { type Parsed, parseMessage } from "./parse.ts";
import { serialize } from "./serialize.ts";
import { sipUri } from "./uri.ts";
import { contactsOf, cseqOf, fromOf, numberOf, toTagOf, viaOf } from "./values.ts";

const lines = (...all: string[]): Uint8Array => utf8(`${all.join("\r\n")}\r\n\r\n`);
const BASIC = {
  via: "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
  from: "From: <sip:a@h>;tag=1",
  to: "To: <sip:b@h>",
  callId: "Call-ID: 1@h",
  cseq: "CSeq: 1 OPTIONS",
};
/** An OPTIONS with these fields replaced, taken away (undefined) or added. */
function options(change: Record<string, string | undefined> = {}, start = "OPTIONS sip:b@h SIP/2.0"): Uint8Array {
  return lines(start, ...Object.values({ ...BASIC, ...change }).filter((line) => line !== undefined));
}
function read(bytes: Uint8Array): SipMessage {
  const parsed = parseMessage(bytes);
  return parsed.status === "ok" ? parsed.value : assert.fail(parsed.error.message);
}

test("a message with every liberty the grammar gives is read (RFC 4475 §3.1.1.1)", () => {
  const message = read(
    utf8(
      [
        ...["INVITE sip:v@chair.example.com;unknownparam SIP/2.0", "TO :", " sip:v@chair.example.com ;   tag    = 1918n"],
        ...['from   : "J Rosenberg \\\\\\""       <sip:j@example.com>', "  ;", "  tag = 98asjd8", "MaX-fOrWaRdS: 0068"],
        ...["Call-ID: w.n@192.0.2.1", "Content-Length   : 4", "cseq: 0009", "  INVITE", "Via  : SIP  /   2.0", " /UDP"],
        ...["    192.0.2.2;branch=z9hG4bKj", "s :", "UnknownHeaderWithUnusualValue: ;;,,;;,;"],
        ...[
          "v:  SIP  / 2.0  / TCP     spindle.example.com   ;",
          "  branch  =   z9hG4bK8  ,",
          " SIP  /    2.0   / UDP  192.168.255.111",
        ],
        ...[
          'm:"Quoted string \\"\\"" <sip:j@example.com> ; newparam =',
          "\tnewvalue ;",
          "  secondparam ; q = 0.33",
          "",
          "bodyMORE",
        ],
      ].join("\r\n"),
    ),
  );
  assert.equal(faultOf(message), undefined);
  assert.deepEqual([fromOf(message)?.display, toTagOf(message)], ['J Rosenberg \\"', "1918n"]);
  assert.deepEqual(cseqOf(message), { number: 9, method: "INVITE" });
  assert.equal(numberOf(message, "max-forwards"), 68);
  assert.equal(viaOf(message)?.host, "192.0.2.2");
  assert.equal(message.headers.list("via").length, 3);
  assert.equal(message.headers.get("subject"), "");
  const contacts = contactsOf(message) ?? [];
  assert.deepEqual(contacts !== "*" && [...(contacts[0]?.params ?? [])], [
    ["newparam", "newvalue"],
    ["secondparam", true],
    ["q", "0.33"],
  ]);
  assert.equal(text(message.body), "body", "octets after Content-Length are dropped (RFC 4475 §3.1.1.8)");
});

const GOOD: [name: string, bytes: Uint8Array, wants: (message: SipMessage) => void][] = [
  ["CRLFs before the start line (RFC 3261 §7.5)", lines("\r\n\r\nSIP/2.0 200 OK"), (m) => assert.equal(m.kind, "response")],
  [
    "an empty reason phrase (RFC 4475 §3.1.1.13)",
    lines("SIP/2.0 100 "),
    (m) => assert.equal(m.kind === "response" && m.reason, ""),
  ],
  ["no reason phrase at all", lines("SIP/2.0 100"), (m) => assert.equal(m.kind === "response" && m.status, 100)],
  [
    "a reason phrase of UTF-8 (RFC 4475 §3.1.1.12)",
    lines("SIP/2.0 200 = 2**3 * 5**2 но"),
    (m) => assert.match(m.kind === "response" ? m.reason : "", /но$/),
  ],
  [
    "% in a method that is no escape (RFC 4475 §3.1.1.5)",
    options({}, "RE%47IST%45R sip:h SIP/2.0"),
    (m) => assert.equal(m.kind === "request" && m.method, "RE%47IST%45R"),
  ],
  [
    "no space after a display name (RFC 4475 §3.1.1.6)",
    options({ from: 'From:"caller"<sip:a@h>;tag=1' }),
    (m) => assert.equal(fromOf(m)?.display, "caller"),
  ],
  [
    "no Content-Length: the body is the rest (RFC 3261 §18.3)",
    utf8("SIP/2.0 200 OK\r\nTo: x\r\n\r\nrest"),
    (m) => assert.equal(text(m.body), "rest"),
  ],
  [
    "Content-Length twice, the same",
    lines("SIP/2.0 200 OK", "l: 0", "Content-Length: 00"),
    (m) => assert.equal(m.body.length, 0),
  ],
];
for (const [name, bytes, wants] of GOOD) test(`a message with ${name} is read`, () => wants(read(bytes)));

const UNSERVED: [name: string, bytes: Uint8Array, status: number, reason: RegExp][] = [
  ["a body shorter than Content-Length (RFC 4475 §3.1.2.2)", options({ length: "Content-Length: 10" }), 400, /shorter/],
  ["a negative Content-Length (RFC 4475 §3.1.2.3)", options({ length: "Content-Length: -999" }), 400, /Content-Length/],
  ["two Content-Lengths (RFC 4475 §3.3.9)", options({ a: "Content-Length: 0", b: "Content-Length: 1" }), 400, /Content-Length/],
  ["brackets around the Request-URI (RFC 4475 §3.1.2.7)", options({}, "OPTIONS <sip:b@h> SIP/2.0"), 400, /Request-URI/],
  ["a space in the Request-URI (RFC 4475 §3.1.2.8)", options({}, "OPTIONS sip:b@h; lr SIP/2.0"), 400, /Request-Line/],
  ["two spaces in the Request-Line (RFC 4475 §3.1.2.9)", options({}, "OPTIONS  sip:b@h  SIP/2.0"), 400, /Request-Line/],
  ["a space after the Request-Line (RFC 4475 §3.1.2.10)", options({}, "OPTIONS sip:b@h SIP/2.0 "), 400, /Request-Line/],
  [
    "another version (RFC 4475 §3.1.2.16)",
    options({ via: "Via: SIP/7.0/UDP c.h;branch=z9hG4bKk" }, "OPTIONS sip:b@h SIP/7.0"),
    505,
    /Version/,
  ],
  [
    "an unknown URI scheme (RFC 4475 §3.3.2)",
    options({}, "OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0"),
    416,
    /Scheme/,
  ],
  [
    "a known URI scheme that is not SIP's (RFC 4475 §3.3.3)",
    options({}, "OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0"),
    416,
    /Scheme/,
  ],
  ["a header field without colon", options({ x: "nonsense" }), 400, /header field name/],
  ["a control character in a value", options({ x: "X: a\0b" }), 400, /Control character in X/],
  ["a lone LF in a value", options({ x: "X: a\nVia: b" }), 400, /Control character/],
  ["no empty line: cut off", options().subarray(0, -2), 400, /No empty line/],
  ["a Request-URI over the limit", options({}, `OPTIONS sip:${"a".repeat(LIMITS.sipUriChars)}@h SIP/2.0`), 414, /Too Long/],
  ["a header field over the limit", options({ x: `X: ${"a".repeat(LIMITS.sipHeaderChars)}` }), 400, /too long/],
  ["a folded header field over the limit", options({ x: `X: a${"\r\n b".repeat(LIMITS.sipHeaderChars / 2)}` }), 400, /too long/],
  ["a header field of 70 kB", options({ x: `X: ${"a".repeat(70_000)}` }), 513, /Too Large/],
  [
    "more header fields than the limit",
    options({ x: Array.from({ length: LIMITS.sipHeaderFields - 4 }, () => "X: a").join("\r\n") }),
    400,
    /Too many/,
  ],
];
for (const [name, bytes, status, reason] of UNSERVED)
  test(`a request with ${name} is answered ${status}`, () => {
    const parsed = parseMessage(bytes);
    const { unserved } = parsed.status === "bad" ? parsed : assert.fail("was read");
    assert.equal(unserved?.status, status);
    assert.match(unserved?.reason ?? "", reason);
    assert.equal(unserved && viaOf(unserved)?.params.has("branch"), true, "there is a Via to answer by");
  });

test("header fields, their length and the message itself may be as large as the limits", () => {
  assert.equal(
    read(options({ x: Array.from({ length: LIMITS.sipHeaderFields - 5 }, () => "X: a").join("\r\n") })).kind,
    "request",
  );
  assert.equal(read(options({ x: `X: ${"a".repeat(LIMITS.sipHeaderChars - 3)}` })).kind, "request");
  const body = new Uint8Array(LIMITS.sipMessageBytes - options().length);
  const full = new Uint8Array([...options(), ...body]);
  assert.equal(read(full).body.length, body.length);
  assert.equal(parseMessage(new Uint8Array([...full, 0])).status, "bad");
});

test("a body is a copy: the octets belong to the host again", () => {
  const bytes = new Uint8Array([...options(), 1, 2, 3]);
  const { body } = read(bytes);
  bytes.fill(0);
  assert.deepEqual([...body], [1, 2, 3]);
});

const GARBAGE: [name: string, bytes: Uint8Array][] = [
  ["nothing", utf8("")],
  ["chance", new Uint8Array([0, 255, 13, 10, 128, 7])],
  ["HTTP", lines("GET / HTTP/1.1", "Host: h")],
  ["a response of another version", lines("SIP/3.0 200 OK")],
  ["a response code over 699 (RFC 4475 §3.1.2.19)", lines("SIP/2.0 4294967301 better not break the receiver")],
  ["a response with a lone line break in its reason phrase", lines("SIP/2.0 200 O\nK")],
  ["a response cut off", utf8("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h")],
  ["CRLF alone", utf8("\r\n\r\n")],
];
for (const [name, bytes] of GARBAGE)
  test(`${name} is no SIP message, and nothing to answer`, () => {
    const parsed = parseMessage(bytes);
    assert.deepEqual([parsed.status, parsed.status === "bad" && parsed.unserved], ["bad", undefined]);
  });

const FAULTS: [name: string, change: Record<string, string | undefined>, reason: string][] = [
  ["no Via", { via: undefined }, "Missing Via"],
  ["a malformed Via", { via: "Via: SIP/2.0/UDP" }, "Malformed Via"],
  ["no Call-ID (RFC 4475 §3.3.1)", { callId: undefined }, "Missing call-id"],
  ["an empty Call-ID", { callId: "i:" }, "Malformed Call-ID"],
  ["two From (RFC 4475 §3.3.8)", { from2: "f: <sip:x@h>;tag=2" }, "Repeated from"],
  ["two Max-Forwards", { a: "Max-Forwards: 1", b: "Max-Forwards: 2" }, "Repeated max-forwards"],
  ["an open quote in To (RFC 4475 §3.1.2.6)", { to: 'To: "Mr J. User <sip:j@h>' }, "Malformed To"],
  ["an empty tag", { from: 'From: <sip:a@h>;tag=""' }, "Empty tag"],
  ["another method in CSeq (RFC 4475 §3.1.2.17)", { cseq: "CSeq: 8 INVITE" }, "CSeq method differs from the request's"],
  ["a CSeq over 2^31-1 (RFC 4475 §3.1.2.4)", { cseq: "CSeq: 36893488147419103232 OPTIONS" }, "Malformed CSeq"],
  ["a Max-Forwards over 255", { max: "Max-Forwards: 300" }, "Malformed Max-Forwards"],
];
for (const [name, change, reason] of FAULTS)
  test(`a request with ${name} is at fault`, () => {
    assert.equal(faultOf(read(options(change))), reason);
  });
test("a request with what it must have is not at fault (RFC 3261 §8.1.1)", () => {
  assert.equal(faultOf(read(options())), undefined);
});

test("a response copies Via, From, To, Call-ID, CSeq, and adds a tag to To but in a 100 (RFC 3261 §8.2.6)", () => {
  const asked = read(options({ via2: "Via: SIP/2.0/UDP 2.h;branch=z9hG4bK2", time: "Timestamp: 5", route: "Route: <sip:r@h>" }));
  const names = (status: number): string[] =>
    response(asked, status, undefined, "t")
      .headers.fields()
      .map(({ name }) => name);
  assert.deepEqual(names(200), ["via", "from", "to", "call-id", "cseq", "via"]);
  assert.deepEqual(names(100), ["via", "from", "to", "call-id", "cseq", "via", "timestamp"]);
  assert.equal(toTagOf(response(asked, 200, undefined, "t")), "t");
  assert.equal(toTagOf(response(asked, 100, undefined, "t")), undefined);
  assert.equal(toTagOf(response(read(options({ to: "t: <sip:b@h>;tag=u" })), 200, undefined, "t")), "u");
  assert.deepEqual([response(asked, 488).reason, response(asked, 499).reason], ["Not Acceptable Here", "Bad Request"]);
});

test("a written message has its own Content-Length and the usual names (RFC 3261 §7.3)", () => {
  const message = request(
    "MESSAGE",
    sipUri({ host: "h" }),
    [
      ["l", "999"],
      ["i", "1"],
      ["cseq", "1 MESSAGE"],
      ["x-own-name", "é"],
    ],
    utf8("é"),
  );
  const wants = "MESSAGE sip:h SIP/2.0\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\nX-Own-Name: é\r\nContent-Length: 2\r\n\r\né";
  assert.equal(text(serialize(message)), wants);
});

test("what was written stays as it was while others are written", () => {
  const written = Array.from({ length: 200 }, (_, n) =>
    serialize(request("MESSAGE", sipUri({ host: `h${n}` }), [], utf8("é".repeat(n)))),
  );
  written.push(serialize(request("MESSAGE", sipUri({ host: "h200" }), [], new Uint8Array(40_000))));
  for (const [n, bytes] of written.entries()) {
    const length = n < 200 ? 2 * n : 40_000;
    const head = `MESSAGE sip:h${n} SIP/2.0\r\nContent-Length: ${length}\r\n\r\n`;
    assert.equal(text(bytes.subarray(0, head.length)), head);
    assert.equal(bytes.length, head.length + length);
  }
});

test("a line break in a value is never written", () => {
  for (const value of ["a\r\nVia: x", "a\nb", "a\rb"])
    assert.throws(() => serialize(request("INVITE", sipUri({ host: "h" }), [["subject", value]])), /line break/);
});

const token = fc.stringMatching(/^[A-Za-z0-9.!%*_+`'~-]{1,12}$/);
const value = fc.string({ unit: "grapheme", maxLength: 40 }).map((raw) => raw.replace(/[\0\r\n]/g, "").trim());
const field = fc.tuple(
  token.filter((name) => !/^(l|content-length)$/i.test(name)),
  value,
);
const user = fc.string({ unit: "grapheme", maxLength: 12 });
const message: fc.Arbitrary<SipMessage> = fc.oneof(
  fc
    .tuple(
      token.filter((method) => !/^SIP$/i.test(method)),
      user,
      fc.option(fc.nat(65_535), { nil: undefined }),
      fc.array(field),
      fc.uint8Array(),
    )
    .map(([method, user, port, fields, body]) =>
      request(method, sipUri({ user, host: "h.example", ...(port !== undefined && { port }) }), fields, body),
    ),
  fc.tuple(fc.integer({ min: 100, max: 699 }), value, fc.array(field), fc.uint8Array()).map(([status, reason, fields, body]) => ({
    ...response(request("X", sipUri({ host: "h" }), fields), status, reason),
    body,
  })),
);

test("what was written is read as it was (fast-check)", () => {
  fc.assert(
    fc.property(message, (written) => {
      const parsed = parseMessage(serialize(written));
      const again = parsed.status === "ok" ? parsed.value : assert.fail(parsed.error.message);
      const fields = again.headers.fields().filter(({ name }) => name !== "content-length");
      assert.deepEqual(fields, written.headers.fields());
      assert.deepEqual(
        { ...again, headers: null, body: [...again.body] },
        { ...written, headers: null, body: [...written.body] },
      );
    }),
    { numRuns: 500 },
  );
});

test("whatever octets come, the reader answers, and what it reads can be written (fast-check)", () => {
  const base = options({ x: "Content-Length: 0" });
  const mutated = fc.array(fc.tuple(fc.nat(base.length - 1), fc.nat(255)), { maxLength: 8 }).map((changes) => {
    const bytes = base.slice();
    for (const [at, octet] of changes) bytes[at] = octet;
    return bytes;
  });
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 200 })), (bytes) => {
      const parsed: Parsed = parseMessage(bytes);
      if (parsed.status !== "ok") return;
      faultOf(parsed.value);
      const again = parseMessage(serialize(parsed.value));
      assert.equal(again.status, "ok");
    }),
    { numRuns: 2_000 },
  );
});
