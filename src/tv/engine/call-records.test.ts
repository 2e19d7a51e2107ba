import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "#base/bytes.ts";
import { SILENT } from "#base/log.ts";
import { simNetwork } from "#sim/index.ts";
import type { CallPort } from "#sip/engine/call-types.ts";
import type { DialogRow } from "#sip/engine/dialog-row.ts";
import type { SipRequest } from "#sip/wire/message.ts";
import { parseMessage } from "#sip/wire/parse.ts";
import { CallRecords } from "./call-records.ts";

const INVITE = [
  "INVITE sip:bob-tv@tv.example SIP/2.0",
  "Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK1",
  "From: <sip:alice@tv.example>;tag=a",
  "To: <sip:bob-tv@tv.example>",
  "Call-ID: c1",
  "CSeq: 1 INVITE",
  "Max-Forwards: 70",
  "Content-Length: 0",
  "",
  "",
].join("\r\n");

function bench() {
  const net = simNetwork(1);
  const lines: [event: string, fields: unknown][] = [];
  const log = { ...SILENT, info: (event: string, fields?: object) => void lines.push([event, fields]) };
  const records = new CallRecords(net.host("ds1", "10.0.0.1"), log);
  const done: string[] = [];
  const note = (name: string) => () => void done.push(name);
  const port = { accept: note("accept"), reject: note("reject"), end: note("end") } as unknown as CallPort;
  const parsed = parseMessage(utf8(INVITE));
  assert.equal(parsed.status, "ok");
  return { net, lines, records, done, calls: records.recording(port), invite: parsed.value as SipRequest };
}
const ALICE = { user: "alice", channel: "bob-tv", callId: "c1" };
const CONTACT = {} as Parameters<CallPort["accept"]>[1];

test("a call that is answered has a line when it begins, with its set-up time, and one when it ends", () => {
  const { net, lines, records, calls, done, invite } = bench();
  records.begun(1, invite);
  net.run(40);
  calls.accept(1, CONTACT);
  net.run(3_000);
  records.ended(1, { kind: "bye", headers: invite.headers });
  assert.deepEqual(done, ["accept"]);
  assert.deepEqual(lines, [
    ["call begun", { ...ALICE, setupMs: 40 }],
    ["call ended", { ...ALICE, outcome: "bye", lastedSec: 3 }],
  ]);
  assert.deepEqual(records.counters, { answered: 1, refused: 0, givenUp: 0, setupMs: 40 });
});

test("a call that is refused has one line, with the status; its end says nothing more", () => {
  const { net, lines, records, calls, done, invite } = bench();
  records.begun(1, invite);
  net.run(5);
  calls.reject(1, 488);
  records.ended(1, { kind: "local" });
  assert.deepEqual(done, ["reject"]);
  assert.deepEqual(lines, [["call refused", { ...ALICE, status: 488, afterMs: 5 }]]);
  assert.deepEqual(records.open(), []);
});

test("a call that its caller gives up counts as that", () => {
  const { records, invite } = bench();
  records.begun(1, invite);
  records.ended(1, { kind: "canceled" });
  assert.deepEqual(records.counters, { answered: 0, refused: 0, givenUp: 1, setupMs: 0 });
});

test("whenNone waits for the last call, and no longer than it is told", () => {
  const { net, records, invite } = bench();
  const heard: string[] = [];
  records.whenNone(100, () => heard.push("at once"));
  records.begun(1, invite);
  records.begun(2, invite);
  records.whenNone(100, () => heard.push("last"));
  records.ended(1, { kind: "local" });
  assert.deepEqual(heard, ["at once"]);
  records.ended(2, { kind: "local" });
  net.run(200);
  assert.deepEqual(heard, ["at once", "last"]);
  records.begun(3, invite);
  records.whenNone(100, () => heard.push("late"));
  net.run(99);
  assert.equal(heard.length, 2);
  net.run(1);
  assert.deepEqual(heard, ["at once", "last", "late"]);
});

test("a call that goes on from an earlier run is open from then on; one that a DS placed is none of a caller's", () => {
  const { net, lines, records, invite } = bench();
  const row = { remote: "<sip:alice@tv.example>;tag=a", local: "<sip:bob-tv@tv.example>;tag=b", callId: "c1" };
  const port = { restore: ({ weCalled }: DialogRow) => (weCalled ? 2 : 1) } as unknown as CallPort;
  const calls = records.recording(port);
  calls.restore({ ...row, weCalled: false } as DialogRow, 1_000);
  calls.restore({ ...row, weCalled: true } as DialogRow, 1_000);
  assert.deepEqual(records.open(), [1]);
  net.run(3_000);
  records.ended(1, { kind: "bye", headers: invite.headers });
  assert.deepEqual(lines, [["call ended", { ...ALICE, outcome: "bye", lastedSec: 3 }]]);
  assert.deepEqual(records.counters, { answered: 0, refused: 0, givenUp: 0, setupMs: 0 });
});
