import assert from "node:assert/strict";
import { test } from "node:test";
import { text } from "#base/bytes.ts";
import { request } from "./builders.ts";
import { quote, unquote } from "./lex.ts";
import { serialize } from "./serialize.ts";
import { sipUri } from "./uri.ts";
import * as values from "./values.ts";

const invite = (...headers: [string, string][]) => request("INVITE", sipUri({ host: "h" }), headers);

const NAME_ADDRS: [text: string, display: string, uri: string, tag: string | undefined, written: string][] = [
  ["<sip:a@h>", "", "a", undefined, "<sip:a@h>"],
  ["sip:a@h", "", "a", undefined, "<sip:a@h>"],
  ["sip:a@h;tag=1", "", "a", "1", "<sip:a@h>;tag=1"], // without brackets parameters are the header's (§20.10)
  ["<sip:a@h;lr>;tag=1", "", "a", "1", "<sip:a@h;lr>;tag=1"],
  ['"A. G. Bell" <sip:a@h> ;tag=a48s', "A. G. Bell", "a", "a48s", '"A. G. Bell" <sip:a@h>;tag=a48s'],
  ["Anonymous User <sip:a@h>", "Anonymous User", "a", undefined, '"Anonymous User" <sip:a@h>'],
  [
    '"quoted \\"<sip:x@y>\\" \\\\"   <sip:a@h>; tag = 9',
    'quoted "<sip:x@y>" \\',
    "a",
    "9",
    '"quoted \\"<sip:x@y>\\" \\\\" <sip:a@h>;tag=9',
  ],
  ["Jörg <sip:a@h>", "Jörg", "a", undefined, '"Jörg" <sip:a@h>'],
  ['"" <sip:a@h>', "", "a", undefined, "<sip:a@h>"],
];
for (const [text, display, user, tag, written] of NAME_ADDRS)
  test(`name-addr ${text} is read, and written as ${written} (RFC 3261 §20.10)`, () => {
    const value = values.parseNameAddr(text) ?? assert.fail("not read");
    assert.deepEqual([value.display, value.uri.user, values.paramText(value.params, "tag")], [display, user, tag]);
    assert.equal(values.tagOf(text), tag);
    assert.equal(values.formatNameAddr(value), written);
  });

const NO_NAME_ADDRS: [text: string, why: string][] = [
  ["", "nothing"],
  ["<sip:a@h", "an open bracket"],
  ['"Bell <sip:a@h>', "an open quote (RFC 4475 §3.1.2.6)"],
  ["Bell, Alexander <sip:a@h>", "a comma in an unquoted name (RFC 4475 §3.1.2.15)"],
  ["< sip:a@h>", "a space within the brackets (RFC 4475 §3.1.2.14)"],
  ["sip:a@h?Route=%3Csip:x%3E", "a bare URI with headers (RFC 4475 §3.1.2.13)"],
  ["sip:user,x@h", "a bare URI with a comma"],
  ["<sip:a@h>;tag=1;tag=2", "a parameter twice"],
  ["<sip:a@h>;;tag=1", "an empty parameter"],
  ['<sip:a@h>;tag="1', "an open quote in a parameter"],
  ["<sip:a@h> tag=1", "no semicolon"],
];
for (const [text, why] of NO_NAME_ADDRS)
  test(`name-addr ${text} is refused: ${why}`, () => {
    assert.equal(values.parseNameAddr(text), undefined);
    assert.equal(values.parseAddressee(text), undefined);
  });

test("From and To may hold other schemes (RFC 4475 §3.3.4)", () => {
  assert.equal(values.parseAddressee("<tel:+1212;isub=1>;tag=1")?.uri, "tel:+1212;isub=1");
  assert.equal(values.tagOf("<tel:+1212;isub=1>;tag=7"), "7");
  assert.equal(values.parseAddressee("<isbn:2983792873>")?.uri, "isbn:2983792873");
  assert.equal(values.parseNameAddr("<isbn:2983792873>"), undefined);
});

test("Via with white space, IPv6, rport, received is read (RFC 3261 §20.42, RFC 3581)", () => {
  const via = values.parseVia("SIP / 2.0 / UDP [2001:DB8::1] : 5070 ;branch=z9hG4bK1; rport ;received=2001:db8::2");
  assert.deepEqual([via?.transport, via?.host, via?.port], ["UDP", "[2001:db8::1]", 5070]);
  assert.deepEqual(
    [...(via?.params ?? [])],
    [
      ["branch", "z9hG4bK1"],
      ["rport", true],
      ["received", "2001:db8::2"],
    ],
  );
  assert.equal(via && values.formatVia(via), "SIP/2.0/UDP [2001:db8::1]:5070;branch=z9hG4bK1;rport;received=2001:db8::2");
});
for (const text of ["", "SIP/2/UDP h", "SIP/2.0 h", "SIP/2.0/UDP", "SIP/2.0/UDP h:x", "SIP/2.0/UDP h;=1", "SIP/2.0/UDP a b"])
  test(`Via "${text}" is refused`, () => {
    assert.equal(values.parseVia(text), undefined);
  });

const CSEQS: [text: string, wants: readonly [number, string] | undefined][] = [
  ["0009 INVITE", [9, "INVITE"]],
  ["2147483647  BYE", [2147483647, "BYE"]],
  ["2147483648 BYE", undefined],
  ["36893488147419103232 REGISTER", undefined],
  ["-1 BYE", undefined],
  ["1", undefined],
  ["1 B,YE", undefined],
];
for (const [text, wants] of CSEQS)
  test(`CSeq ${text} is ${wants ? "read" : "refused"} (RFC 3261 §20.16)`, () => {
    const cseq = values.parseCSeq(text);
    assert.deepEqual(cseq && [cseq.number, cseq.method], wants);
  });

test("a list in several fields and with commas is one list, first item first (RFC 3261 §7.3.1)", () => {
  const message = invite(["Route", '"x, y" <sip:1.h;lr>, <sip:2.h;lr>'], ["route", "<sip:3.h;lr>"]);
  assert.deepEqual(
    values.nameAddrsOf(message, "route")?.map(({ uri }) => uri.host),
    ["1.h", "2.h", "3.h"],
  );
  message.headers.replaceFirst("route");
  assert.deepEqual(message.headers.list("route"), ["<sip:2.h;lr>", "<sip:3.h;lr>"]);
  message.headers.replaceFirst("route", "<sip:0.h>").replaceFirst("route").replaceFirst("route");
  assert.equal(message.headers.has("route"), false);
});

test("Contact: star, several, malformed, none (RFC 3261 §20.10)", () => {
  assert.equal(values.contactsOf(invite(["m", "*"])), "*");
  assert.deepEqual(values.contactsOf(invite()), []);
  assert.equal(values.contactsOf(invite(["m", "<sip:a@h>, <sip:"])), undefined);
  assert.equal(values.contactOf(invite(["m", "<sip:a@h>;expires=9, <sip:b@h>"]))?.uri.user, "a");
});

test("numbers and parameterized values are read", () => {
  const message = invite(
    ["Expires", "300"],
    ["Retry-After", "120 (in a meeting);duration=3"],
    ["x", "90;refresher=uac"],
    ["c", "Application/SDP;charset=utf-8"],
  );
  assert.equal(values.numberOf(message, "expires"), 300);
  assert.equal(values.numberOf(message, "retry-after"), 120);
  assert.equal(values.numberOf(message, "min-expires"), undefined);
  assert.equal(values.numberOf(invite(["Expires", "90x"]), "expires"), undefined);
  assert.equal(values.contentTypeOf(message), "application/sdp");
  const expires = values.parameterizedOf(message, "session-expires");
  assert.deepEqual([expires?.value, expires?.params.get("refresher")], ["90", "uac"]);
});

test("a parameter is quoted when it must be, and read without its quotes", () => {
  const at = values.nameAddr(sipUri({ host: "h" }));
  const set = values.withParam(values.withParam(at, "+sip.instance", "<urn:uuid:1>"), "reg-id", "1");
  assert.equal(values.formatNameAddr(set), '<sip:h>;+sip.instance="<urn:uuid:1>";reg-id=1');
  assert.equal(values.paramText(set.params, "+sip.instance"), "<urn:uuid:1>");
  assert.equal(unquote(quote('a"\\b')), 'a"\\b');
});

test("a header field named like a method of objects is a header field", () => {
  const odd = invite(["constructor", "x"]);
  assert.equal(odd.headers.get("constructor"), "x");
  assert.match(text(serialize(odd)), /\r\nConstructor: x\r\n/);
});
