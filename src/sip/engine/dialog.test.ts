import assert from "node:assert/strict";
import { test } from "node:test";
import { request, response } from "../wire/builders.ts";
import type { SipRequest, SipResponse } from "../wire/message.ts";
import { formatUri, sipUri } from "../wire/uri.ts";
import { Dialog } from "./dialog.ts";

type Fields = readonly (readonly [string, string])[];
const invite = (more: Fields = [["Contact", "<sip:alice@a.example>"]]): SipRequest =>
  request("INVITE", sipUri({ user: "bob", host: "b.example" }), [
    ["From", "<sip:alice@example>;tag=a"],
    ["To", "<sip:bob@example>"],
    ["Call-ID", "1@a"],
    ["CSeq", "7 INVITE"],
    ...more,
  ]);
function answer(status: number, more: Fields = [["Contact", "<sip:bob@b1.example>"]], tag = "b"): SipResponse {
  const made = response(invite(), status, undefined, tag);
  for (const [name, value] of more) made.headers.add(name, value);
  return made;
}
const shown = (sent: SipRequest) => ({
  uri: formatUri(sent.uri),
  route: sent.headers.list("route"),
  from: sent.headers.get("from"),
  to: sent.headers.get("to"),
  cseq: sent.headers.get("cseq"),
});
const called = (message = invite()): Dialog => {
  const dialog = Dialog.ofRequest(message, "b");
  assert.ok(dialog);
  return dialog;
};
const fromAlice = (method: string, cseq: number, more: Fields = []): SipRequest =>
  request(method, sipUri({ host: "b.example" }), [
    ["From", "<sip:alice@example>;tag=a"],
    ["To", "<sip:bob@example>;tag=b"],
    ["Call-ID", "1@a"],
    ["CSeq", `${cseq} ${method}`],
    ...more,
  ]);

test("the caller's requests go on from the INVITE's CSeq, to the Contact of the answer (RFC 3261 §12.1.2, §12.2.1.1)", () => {
  const dialog = Dialog.ofResponse(invite(), answer(200));
  const [from, to, uri] = ["<sip:alice@example>;tag=a", "<sip:bob@example>;tag=b", "sip:bob@b1.example"];
  assert.deepEqual(shown(dialog.request("BYE")), { uri, route: [], from, to, cseq: "8 BYE" });
  assert.deepEqual(shown(dialog.request("INVITE")), { uri, route: [], from, to, cseq: "9 INVITE" });
});
test("the called side's requests have From and To the other way round (RFC 3261 §12.1.1, §12.2.1.1)", () => {
  const [from, to] = ["<sip:bob@example>;tag=b", "<sip:alice@example>;tag=a"];
  assert.deepEqual(shown(called().request("BYE")), { uri: "sip:alice@a.example", route: [], from, to, cseq: "1 BYE" });
});

const RECORD = (...routes: string[]): Fields => [
  ["Contact", "<sip:user@remoteua>"],
  ...routes.map((route) => ["Record-Route", route] as const),
];
const ROUTES: { name: string; records: string[]; uri: string; route: string[]; nextHop: string }[] = [
  { name: "no route set", records: [], uri: "sip:user@remoteua", route: [], nextHop: "sip:user@remoteua" },
  {
    name: "a loose router first",
    records: ["<sip:p1;lr>, <sip:p2;lr>;x=1"],
    uri: "sip:user@remoteua",
    route: ["<sip:p1;lr>", "<sip:p2;lr>;x=1"],
    nextHop: "sip:p1;lr",
  },
  {
    name: "a strict router first, the RFC's example",
    records: ["<sip:proxy1>", "<sip:proxy2>, <sip:proxy3;lr>", "<sip:proxy4>"],
    uri: "sip:proxy1",
    route: ["<sip:proxy2>", "<sip:proxy3;lr>", "<sip:proxy4>", "<sip:user@remoteua>"],
    nextHop: "sip:proxy1",
  },
  {
    name: "a strict router whose URI has what a Request-URI may not have",
    records: ["<sip:proxy1;method=INVITE;x=y?Subject=z>"],
    uri: "sip:proxy1;x=y",
    route: ["<sip:user@remoteua>"],
    nextHop: "sip:proxy1;method=INVITE;x=y?Subject=z",
  },
];
for (const { name, records, uri, route, nextHop } of ROUTES) {
  test(`requests with ${name} (RFC 3261 §12.2.1.1)`, () => {
    const dialog = called(invite(RECORD(...records)));
    const bye = shown(dialog.request("BYE"));
    assert.deepEqual([bye.uri, bye.route, formatUri(dialog.nextHop)], [uri, route, nextHop]);
  });
}
test("the caller's route set is the answer's Record-Route turned round (RFC 3261 §12.1.2)", () => {
  const dialog = Dialog.ofResponse(invite(), answer(200, RECORD("<sip:p2;lr>, <sip:p1;lr>")));
  assert.deepEqual(shown(dialog.request("BYE")).route, ["<sip:p1;lr>", "<sip:p2;lr>"]);
});
test("a 2xx confirms an early dialog: new route set and target, the same count (RFC 3261 §13.2.2.4)", () => {
  const dialog = Dialog.ofResponse(invite(), answer(180, [["Contact", "<sip:early@b>"]]));
  assert.equal(dialog.confirmed, false);
  dialog.request("OPTIONS");
  dialog.confirm(answer(200, RECORD("<sip:p1;lr>")));
  assert.equal(dialog.confirmed, true);
  const { uri, route, cseq } = shown(dialog.request("BYE"));
  assert.deepEqual([uri, route, cseq], ["sip:user@remoteua", ["<sip:p1;lr>"], "9 BYE"]);
});
test("an ACK has the INVITE's CSeq and credentials, and takes no number (RFC 3261 §13.2.2.4, §22.1)", () => {
  const dialog = Dialog.ofResponse(invite(), answer(200));
  const signed = invite([["Authorization", 'Digest username="alice"']]);
  const ack = dialog.ack(signed);
  assert.deepEqual([ack.headers.get("cseq"), ack.headers.get("authorization")], ["7 ACK", 'Digest username="alice"']);
  assert.equal(dialog.request("BYE").headers.get("cseq"), "8 BYE");
});

const ORDER: { name: string; cseqs: number[]; takes: boolean[] }[] = [
  { name: "one after the other", cseqs: [8, 9], takes: [true, true] },
  { name: "gaps", cseqs: [20, 2_147_483_647], takes: [true, true] },
  { name: "lower ones never", cseqs: [6, 12, 11, 12], takes: [false, true, false, false] },
];
for (const { name, cseqs, takes } of ORDER) {
  test(`CSeqs are taken in order: ${name} (RFC 3261 §12.2.2)`, () => {
    const dialog = called();
    assert.deepEqual(
      cseqs.map((cseq) => dialog.takeCSeq(fromAlice("BYE", cseq))),
      takes,
    );
  });
}
const MATCHES: { name: string; change: (message: SipRequest) => void; wants: boolean }[] = [
  { name: "its own request", change: () => undefined, wants: true },
  { name: "another Call-ID", change: ({ headers }) => headers.set("call-id", "2@a"), wants: false },
  { name: "another To tag", change: ({ headers }) => headers.set("to", "<sip:bob@example>;tag=c"), wants: false },
  { name: "no From tag", change: ({ headers }) => headers.set("from", "<sip:alice@example>"), wants: false },
  { name: "other URIs, for only tags count", change: ({ headers }) => headers.set("to", "<sip:x@y>;tag=b"), wants: true },
];
for (const { name, change, wants } of MATCHES) {
  test(`a dialog ${wants ? "has" : "has not"} ${name} (RFC 3261 §12.2.2)`, () => {
    const message = fromAlice("BYE", 8);
    change(message);
    assert.equal(called().has(message), wants);
  });
}
test("a peer without From tag has the null tag (RFC 3261 §12.1.1)", () => {
  const untagged = invite();
  untagged.headers.set("from", "<sip:alice@example>");
  const bye = fromAlice("BYE", 8);
  bye.headers.set("from", "<sip:alice@example>");
  const dialog = called(untagged);
  assert.ok(dialog.has(bye));
  assert.equal(dialog.request("BYE").headers.get("to"), "<sip:alice@example>");
});
test("a target refresh moves the far end, and only with a Contact (RFC 3261 §12.2)", () => {
  const dialog = called(invite(RECORD("<sip:p1;lr>")));
  dialog.refreshTarget(
    fromAlice("INVITE", 8, [
      ["Contact", "<sip:alice@new>"],
      ["Record-Route", "<sip:p9;lr>"],
    ]),
  );
  dialog.refreshTarget(fromAlice("INVITE", 9));
  const { uri, route } = shown(dialog.request("BYE"));
  assert.deepEqual([uri, route], ["sip:alice@new", ["<sip:p1;lr>"]]);
});
for (const [name, fields] of [
  ["no Contact", []],
  ["a Contact that is no SIP URI", [["Contact", "<tel:1>"]]],
  ["a broken Record-Route", RECORD("<sip:p1")],
] as const) {
  test(`an INVITE with ${name} makes no dialog (RFC 3261 §12.1.1)`, () => {
    assert.equal(Dialog.ofRequest(invite(fields), "b"), undefined);
  });
}
