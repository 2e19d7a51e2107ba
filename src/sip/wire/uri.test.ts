import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import type { SipUri } from "./message.ts";
import { formatUri, parseUri, sameUri, sipUri } from "./uri.ts";

const uriOf = (text: string): SipUri => parseUri(text) ?? assert.fail(`${text} is not read`);

const GOOD: [text: string, parts: Partial<SipUri>][] = [
  ["sip:alice@atlanta.com", { scheme: "sip", user: "alice", host: "atlanta.com" }],
  ["SIPS:1212@Gateway.COM:5061", { scheme: "sips", user: "1212", host: "gateway.com", port: 5061 }],
  [
    "sip:alice:secretword@atlanta.com;transport=tcp",
    { user: "alice", password: "secretword", params: new Map([["transport", "tcp"]]) },
  ],
  ["sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com", { user: "", headers: "to=alice%40atlanta.com" }],
  ["sip:alice;day=tuesday@atlanta.com", { user: "alice;day=tuesday", params: new Map() }],
  ["sip:p2.example;lr", { params: new Map([["lr", true]]) }],
  ["sip:sips%3Auser%40example.com@example.net", { user: "sips:user@example.com" }],
  ["sip:null-%00-null@example.com", { user: "null-\0-null" }],
  ["sip:j%C3%B6rg@example.com", { user: "jörg" }],
  ["sip:[2001:db8::9:1]:5070", { host: "[2001:db8::9:1]", port: 5070 }],
  ["sip:user@[::ffff:192.0.2.10];lr", { host: "[::ffff:192.0.2.10]" }],
  ["sip:unusual/user?a=1,b&c$@h", { user: "unusual/user?a=1,b&c$" }],
];
for (const [text, parts] of GOOD)
  test(`URI ${text} is read (RFC 3261 §19.1)`, () => {
    const uri = uriOf(text);
    for (const [name, value] of Object.entries(parts)) assert.deepEqual(uri[name as keyof SipUri], value, name);
    assert.deepEqual(uriOf(formatUri(uri)), uri, "written and read again");
  });

const BAD: [text: string, why: string][] = [
  ["tel:+1234", "another scheme"],
  ["sip:", "no host"],
  ["sip:@host", "an empty user"],
  ["sip:a@b@c", "two at signs"],
  ["sip:a b@host", "a space"],
  ["sip:a%4@host", "half an escape"],
  ["sip:%ff@host", "an escape that is not UTF-8"],
  ["sip:a@ho st", "a space in the host"],
  ["sip:a@host:", "no port after the colon"],
  ["sip:a@host:65536", "a port above 65535"],
  ["sip:a@host;", "an empty parameter"],
  ["sip:a@host;lr;LR", "a parameter twice"],
  ["sip:a@host; lr", "a space before a parameter"],
  ["sip:a@[1::2::3]", "two gaps in an IPv6 address"],
  ["sip:a@2001:db8::1", "IPv6 without brackets (RFC 5118 §4.1)"],
  ["sip:a@[::1", "an open bracket"],
  ["sip:a@host?x", "a header without ="],
  ["<sip:a@host>", "angle brackets"],
  [`sip:${"a".repeat(LIMITS.sipUriChars)}@h`, "more characters than the limit"],
];
for (const [text, why] of BAD)
  test(`URI ${text.slice(0, 40)} is refused: ${why}`, () => {
    assert.equal(parseUri(text), undefined);
  });

const EQUALITY: [a: string, b: string, same: boolean][] = [
  ["sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp", true],
  ["sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true],
  ["sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on", true],
  [
    "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
    "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    true,
  ],
  [
    "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
    "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    true,
  ],
  ["SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", false],
  ["sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false],
  ["sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false],
  ["sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp", false],
  ["sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", false],
  ["sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false],
  ["sip:carol@chicago.com;security=off", "sip:carol@chicago.com;security=on", false],
  ["sip:a@b", "sips:a@b", false],
  ["sip:a:x@b", "sip:a:y@b", false],
];
for (const [a, b, same] of EQUALITY)
  test(`URIs ${a} and ${b} are ${same ? "the same" : "different"} (RFC 3261 §19.1.4)`, () => {
    assert.equal(sameUri(uriOf(a), uriOf(b)), same);
    assert.equal(sameUri(uriOf(b), uriOf(a)), same);
  });

test("URI: what a user part cannot hold is escaped (RFC 3261 §19.1.2)", () => {
  assert.equal(formatUri(sipUri({ user: "a b@ö%", host: "h" })), "sip:a%20b%40%C3%B6%25@h");
});
