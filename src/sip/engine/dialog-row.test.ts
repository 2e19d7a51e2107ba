/** Calls as rows, and calls made of rows: what outlives the process (PROTOCOL §10). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import { SAFE, type Ticket } from "#base/ticket.ts";
import { simNetwork } from "#sim/index.ts";
import type { SipResponse } from "../wire/message.ts";
import type { CallKeeper } from "./call-types.ts";
import type { DialogRow } from "./dialog-row.ts";
import { ANSWER, Bench, CALL, type Fields, FLOW } from "./test-bench.ts";

const EXPIRES: Fields = [
  ["Supported", "timer"],
  ["Session-Expires", "300;refresher=uas"],
];
const CALLER: Fields = [
  ["Record-Route", "<sip:p2;lr>, <sip:p1;lr>"],
  ["Contact", '<sip:bob@10.0.0.2>;+sip.instance="<urn:uuid:1>"'],
  ["Session-ID", "abc"],
];

/** Keeps rows as a table would: as JSON. */
class Shelf implements CallKeeper {
  readonly rows: string[] = [];
  readonly leftSec: number[] = [];
  isEmpty = true;
  readonly ticket = { safe: false, onSafe: () => undefined };
  put(row: DialogRow, leftSec: number): Ticket {
    this.isEmpty = false;
    this.rows.push(JSON.stringify(row));
    this.leftSec.push(leftSec);
    return this.ticket;
  }
  remove(): Ticket {
    const ticket = this.isEmpty ? SAFE : this.ticket;
    this.isEmpty = true;
    return ticket;
  }
  get last(): DialogRow {
    return JSON.parse(this.rows.at(-1) ?? "null") as DialogRow;
  }
}
class KeptBench extends Bench {
  readonly shelf = new Shelf();
  readonly run: (ms: number) => void;
  readonly #waits: (Ticket | undefined)[] = [];
  constructor(maxCalls?: number) {
    const net = simNetwork(1);
    super(net.host("a", "10.0.0.1"), maxCalls === undefined ? {} : { maxCalls });
    this.run = (ms) => net.run(ms);
  }
  override respond(id: string, message: SipResponse, ticket?: Ticket): void {
    super.respond(id, message);
    this.#waits.push(ticket);
  }
  /** Whether the last response waits for the disk. */
  get isHeld(): boolean {
    return this.#waits.at(-1)?.safe === false;
  }
  /** Of an earlier run that is gone. */
  restored(row: DialogRow, leftMs = 300_000): number {
    const call = this.calls.restore(row, leftMs);
    assert.ok(call !== undefined);
    this.calls.keep(call, this.shelf);
    return call;
  }
}
/** A call that the far end began, accepted and kept. */
function accepted(): KeptBench {
  const bench = new KeptBench();
  bench.receive("INVITE", 1, [...EXPIRES, ...CALLER], 1);
  bench.calls.keep(1, bench.shelf);
  bench.calls.accept(1, ANSWER);
  return bench;
}
function called(): KeptBench {
  const bench = accepted();
  bench.receive("ACK", 1);
  return bench;
}

test("a 2xx leaves with the ticket of its row, and so does one to a refresh and to BYE (DESIGN §5)", () => {
  const bench = new KeptBench();
  bench.receive("INVITE", 1, EXPIRES, 1);
  bench.calls.keep(1, bench.shelf);
  assert.equal(bench.calls.accept(1, ANSWER).safe, false);
  assert.ok(bench.isHeld);
  assert.deepEqual([bench.shelf.rows.length, bench.shelf.last.isAcked, bench.shelf.last.remoteCSeq], [1, false, 1]);
  bench.receive("ACK", 1);
  assert.deepEqual([bench.shelf.rows.length, bench.shelf.last.isAcked], [2, true]);
  for (const method of ["UPDATE", "INVITE"]) {
    bench.receive(method, 2 + bench.shelf.rows.length, EXPIRES);
    assert.ok(bench.isHeld, method);
    if (method === "INVITE") bench.receive("ACK", 1 + bench.shelf.rows.length);
  }
  assert.deepEqual([bench.shelf.rows.length, bench.shelf.last.remoteCSeq, bench.shelf.last.isAcked], [4, 5, true]);
  bench.receive("OPTIONS", 6);
  assert.equal(bench.isHeld, false, "OPTIONS promises nothing");
  bench.receive("BYE", 7);
  assert.ok(bench.isHeld);
  assert.ok(bench.shelf.isEmpty);
});
test("a call of ours is kept from its ACK on, and before each refresh leaves; not while it ends", () => {
  const bench = new KeptBench();
  const call = bench.calls.invite(CALL);
  bench.calls.keep(call, bench.shelf);
  bench.answer("INVITE", 180);
  bench.answer("INVITE", 200);
  assert.equal(bench.shelf.rows.length, 0);
  bench.calls.ack(call);
  assert.deepEqual([bench.shelf.rows.length, bench.shelf.last.weCalled, bench.shelf.last.localCSeq], [1, true, 1]);
  bench.run(500 * LIMITS.sessionExpiresSec);
  assert.deepEqual([bench.shelf.rows.length, bench.shelf.last.localCSeq], [2, 2]);
  assert.equal(Math.round(bench.shelf.leftSec.at(-1) ?? 0), LIMITS.sessionExpiresSec / 2);
  bench.answer("INVITE", 200);
  assert.equal(bench.shelf.leftSec.at(-1), LIMITS.sessionExpiresSec);
  const rows = bench.shelf.rows.length;
  bench.calls.end(call);
  bench.answer("BYE", 481);
  assert.deepEqual([bench.shelf.rows.length, bench.shelf.isEmpty], [rows, true]);
});

test("what the far end asks of a restored call is answered as if nothing had happened (RFC 3261 §12.2, §14.2)", () => {
  const row = called().shelf.last;
  const bench = new KeptBench();
  bench.restored(row);
  const ASKED: [method: string, cseq: number, version: number | undefined, status: string][] = [
    ["OPTIONS", 2, undefined, "200"],
    ["UPDATE", 3, undefined, "200"],
    ["UPDATE", 3, undefined, "500"],
    ["INVITE", 4, 2, "488"],
    ["INVITE", 5, 1, "200"],
  ];
  for (const [method, cseq, version, status] of ASKED) {
    bench.receive(method, cseq, [], version, row.local);
    assert.deepEqual(bench.look(), [status], `${method} ${cseq}`);
  }
  const { message } = bench.last();
  assert.deepEqual(message.body, ANSWER.body.bytes);
  assert.equal(message.headers.get("contact"), "<sip:alice@a.invalid>");
  bench.receive("ACK", 5, [], undefined, row.local);
  bench.receive("BYE", 6, [], undefined, "<sip:alice@x>;tag=another");
  bench.receive("BYE", 7, [], undefined, row.local);
  assert.deepEqual(bench.look(), ["481", "200"]);
  assert.deepEqual(bench.told, ["ended bye"]);
  assert.ok(bench.shelf.isEmpty);
});
test("our own requests go where they went before, with a CSeq above all that may have been sent", () => {
  const before = called();
  const bench = new KeptBench();
  const call = bench.restored(before.shelf.last);
  bench.calls.end(call, "SIP;cause=480");
  before.calls.end(1, "SIP;cause=480");
  const [now, then] = [bench, before].map((of) => of.lastRequest("BYE").message);
  for (const name of ["from", "to", "call-id", "route", "session-id", "reason"])
    assert.deepEqual(now?.headers.list(name), then?.headers.list(name), name);
  assert.deepEqual(now?.uri, then?.uri);
  assert.deepEqual([then?.headers.get("cseq"), now?.headers.get("cseq")], ["1 BYE", "17 BYE"]);
  assert.deepEqual(bench.last().to, { transport: "ws", ...FLOW.remote });
  assert.equal(before.shelf.last.remoteContact, '<sip:bob@10.0.0.2>;+sip.instance="<urn:uuid:1>"');
});
test("the session timer goes on with what is left (RFC 4028 §7.2, §10)", () => {
  const row = called().shelf.last;
  const bench = new KeptBench();
  bench.restored(row, 200_000);
  bench.run(49_000);
  assert.deepEqual(bench.look(), []);
  bench.run(1_100);
  assert.deepEqual(bench.look(), ["INVITE"]);
  assert.equal(bench.shelf.last.localCSeq, 17);
  bench.answer("INVITE", 200);
  bench.look();
  bench.run(140_000);
  assert.deepEqual(bench.look(), [], "it counts anew");
  const late = new KeptBench();
  late.restored(row, -1);
  late.run(100);
  assert.deepEqual(late.told, ["ended failed timeout"]);
});

test("whoever repeats the INVITE of a call without ACK is answered again; after the ACK it is a copy (RFC 3261 §8.2.2.2)", () => {
  const { shelf, ...before } = accepted();
  assert.equal(before.told.at(-1), "invite 1");
  const bench = new KeptBench();
  bench.restored(shelf.last);
  bench.receive("INVITE", 1, [...EXPIRES, ...CALLER], 1, "<sip:alice@x>");
  const { message } = bench.last();
  assert.deepEqual(
    [message.headers.get("to"), message.headers.list("record-route")],
    [shelf.last.local, ["<sip:p2;lr>", "<sip:p1;lr>"]],
  );
  assert.deepEqual(message.body, ANSWER.body.bytes);
  bench.shelf.ticket.safe = true;
  bench.run(600);
  bench.receive("ACK", 1);
  bench.run(10_000);
  assert.deepEqual([bench.look(), bench.shelf.last.isAcked], [["200", "200"], true]);
  bench.receive("INVITE", 1, EXPIRES, 1, "<sip:alice@x>");
  assert.deepEqual([bench.look(), bench.told], [["482"], []]);
});
for (const [name, status, told] of [
  ["is there", 200, []],
  ["never had the 2xx", 481, ["ended failed timeout"]],
] as const) {
  test(`without ACK and without a word, the far end is asked when INVITEs are repeated no more: it ${name}`, () => {
    const bench = new KeptBench();
    bench.restored(accepted().shelf.last);
    bench.run(31_900);
    assert.deepEqual(bench.look(), []);
    bench.run(200);
    assert.deepEqual(bench.look(), ["INVITE"]);
    bench.answer("INVITE", status);
    assert.deepEqual(bench.told, told);
    assert.equal(bench.shelf.isEmpty ? "none" : bench.shelf.last.isAcked, status === 200 ? true : "none");
  });
}
test("a request of the far end shows that it had the 2xx: nobody asks", () => {
  const row = accepted().shelf.last;
  const bench = new KeptBench();
  bench.restored(row);
  bench.receive("OPTIONS", 2, [], undefined, row.local);
  bench.run(60_000);
  assert.deepEqual([bench.look(), bench.shelf.last.isAcked], [["200"], true]);
});

const UNREADABLE: { name: string; spoil: Partial<DialogRow> }[] = [
  { name: "a Contact", spoil: { remoteContact: "<sip:" } },
  { name: "our Contact", spoil: { contact: "" } },
  { name: "a route", spoil: { routeSet: ["<sip:p;lr>", "<"] } },
];
for (const { name, spoil } of UNREADABLE) {
  test(`a row with ${name} that cannot be read makes no call`, () => {
    const bench = new KeptBench();
    assert.equal(bench.calls.restore({ ...called().shelf.last, ...spoil }, 1_000), undefined);
    assert.equal(bench.calls.count, 0);
  });
}
test("no more calls are restored than there may be", () => {
  const bench = new KeptBench(1);
  const row = called().shelf.last;
  assert.equal(bench.calls.restore(row, 1_000), 1);
  assert.equal(bench.calls.restore({ ...row, callId: "other" }, 1_000), undefined);
});
