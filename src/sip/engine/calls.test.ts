import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import type { Ticket } from "#base/ticket.ts";
import { simNetwork } from "#sim/index.ts";
import { request, response } from "../wire/builders.ts";
import { sipUri } from "../wire/uri.ts";
import type { CallsConfig, OutgoingCall } from "./call-types.ts";
import { ANSWER, Bench, CALL, type Fields, FLOW, SDP } from "./test-bench.ts";

/** A bench in virtual time. */
class TimedBench extends Bench {
  readonly run: (ms: number) => void;
  constructor(config?: CallsConfig) {
    const net = simNetwork(1);
    super(net.host("a", "10.0.0.1"), config);
    this.run = (ms) => net.run(ms);
  }
}
/** A call that we began and that is up. */
function calling(config?: CallsConfig, call: Partial<OutgoingCall> = {}): { bench: TimedBench; call: number } {
  const bench = new TimedBench(config);
  const id = bench.calls.invite({ ...CALL, ...call });
  bench.answer("INVITE", 200);
  bench.calls.ack(id);
  bench.look();
  return { bench, call: id };
}
/** A call that the far end began and that is up. */
function called(config?: CallsConfig): TimedBench {
  const bench = new TimedBench(config);
  bench.receive("INVITE", 1, [], 1);
  bench.calls.accept(1, ANSWER);
  bench.receive("ACK", 1);
  bench.look();
  return bench;
}

test("our call: ringing, answered, hung up by us (RFC 3261 §13.2, §15.1.1)", () => {
  const bench = new TimedBench();
  const call = bench.calls.invite(CALL);
  bench.answer("INVITE", 180);
  bench.answer("INVITE", 200);
  bench.calls.ack(call);
  bench.calls.end(call, "SIP;cause=200");
  assert.equal(bench.lastRequest("BYE").message.headers.get("reason"), "SIP;cause=200");
  bench.answer("BYE", 200);
  bench.calls.end(call);
  assert.deepEqual(bench.look(), ["INVITE", "ACK", "BYE"]);
  assert.deepEqual(bench.told, ["180", "answered 200", "ended local"]);
  assert.equal(bench.calls.count, 0);
});
test("their call: ringing, accepted, hung up by them (RFC 3261 §13.3, §15.1.2)", () => {
  const bench = new TimedBench();
  bench.receive("INVITE", 1, [["Record-Route", "<sip:p;lr>"]], 1);
  bench.calls.ring(1, 180);
  assert.deepEqual(bench.last().message.headers.list("record-route"), ["<sip:p;lr>"]);
  bench.calls.accept(1, ANSWER);
  const answer = bench.last().message.headers;
  assert.deepEqual(
    [answer.get("contact"), answer.get("allow"), answer.get("record-route")],
    ["<sip:alice@a.invalid>", "INVITE, ACK, CANCEL, BYE, UPDATE, OPTIONS", "<sip:p;lr>"],
  );
  bench.receive("ACK", 1);
  bench.receive("ACK", 1);
  bench.receive("BYE", 2);
  assert.deepEqual(bench.look(), ["180", "200", "200"]);
  assert.deepEqual(bench.told, ["invite 1", "established", "ended bye"]);
});

const REJECTIONS: { name: string; act: (bench: TimedBench) => void; sent: string[]; told: string }[] = [
  { name: "we reject it", act: (bench) => bench.calls.reject(1, 486), sent: ["486"], told: "ended local" },
  { name: "we end it", act: (bench) => bench.calls.end(1), sent: ["480"], told: "ended local" },
  { name: "CANCEL", act: (bench) => assert.ok(bench.calls.onCancel("s1INVITE")), sent: ["487"], told: "ended canceled" },
  { name: "BYE in the early dialog", act: (bench) => bench.receive("BYE", 2), sent: ["487", "200"], told: "ended bye" },
  { name: "Expires passes", act: (bench) => bench.run(20_000), sent: ["487"], told: "ended canceled" },
];
for (const { name, act, sent, told } of REJECTIONS) {
  test(`an unanswered call of theirs ends once: ${name} (RFC 3261 §9.2, §13.3.1, §15.1.2)`, () => {
    const bench = new TimedBench();
    bench.receive("INVITE", 1, [["Expires", "20"]], 1);
    bench.calls.ring(1, 180);
    bench.look();
    act(bench);
    bench.calls.accept(1, ANSWER);
    bench.run(200_000);
    assert.deepEqual(bench.look(), sent);
    assert.deepEqual(bench.told, ["invite 1", told]);
  });
}
test("a call that rings is told so each minute (RFC 3261 §13.3.1.1)", () => {
  const bench = new TimedBench();
  bench.receive("INVITE", 1);
  bench.calls.ring(1, 180);
  bench.run(30_000);
  bench.calls.ring(1, 183);
  bench.run(121_000);
  bench.calls.reject(1, 486);
  bench.run(121_000);
  assert.deepEqual(bench.look(), ["180", "183", "183", "183", "486"]);
});

test("a 2xx is repeated until its ACK, and only once its ticket is safe (RFC 3261 §13.3.1.4, DESIGN §5)", () => {
  const bench = new TimedBench();
  const ticket = { safe: false, onSafe: () => undefined };
  bench.receive("INVITE", 1, [], 1);
  bench.calls.accept(1, ANSWER, ticket as Ticket);
  bench.run(1_000);
  assert.deepEqual(bench.look(), ["200"]); // held by the driver
  ticket.safe = true;
  bench.run(3_000);
  assert.deepEqual(bench.look(), ["200", "200"]); // 1,500 and 3,500 ms
  bench.receive("ACK", 1);
  bench.run(60_000);
  assert.deepEqual(bench.look(), []);
});
test("a 2xx without ACK for 64*T1 ends in BYE, and the call has failed (RFC 3261 §13.3.1.4)", () => {
  const bench = new TimedBench();
  bench.receive("INVITE", 1, [], 1);
  bench.calls.accept(1, ANSWER);
  bench.run(31_900);
  assert.deepEqual(bench.told, ["invite 1"]);
  bench.run(200);
  assert.equal(bench.look().at(-1), "BYE");
  assert.deepEqual(bench.told, ["invite 1", "ended failed timeout"]);
});
for (const acked of [true, false]) {
  test(`ended before the ACK: BYE waits for ${acked ? "it" : "64*T1"} (RFC 3261 §15)`, () => {
    const bench = new TimedBench();
    bench.receive("INVITE", 1, [], 1);
    bench.calls.accept(1, ANSWER);
    bench.calls.end(1);
    bench.run(400);
    assert.deepEqual(bench.look(), ["200"]);
    if (acked) bench.receive("ACK", 1);
    else bench.run(31_700);
    assert.equal(bench.look().at(-1), "BYE");
    bench.answer("BYE", 481);
    assert.deepEqual(bench.told, ["invite 1", "ended local"]);
  });
}

const FINALS: { name: string; act: (bench: TimedBench) => void; told: string }[] = [
  { name: "486", act: (bench) => bench.answer("INVITE", 486), told: "ended rejected 486" },
  { name: "302", act: (bench) => bench.answer("INVITE", 302), told: "ended rejected 302" },
  { name: "no answer", act: (bench) => bench.calls.onFailure("c1", "timeout"), told: "ended failed timeout" },
  { name: "no way", act: (bench) => bench.calls.onFailure("c1", "transport"), told: "ended failed transport" },
];
for (const { name, act, told } of FINALS) {
  test(`our call ends on ${name} (RFC 3261 §13.2.2)`, () => {
    const bench = new TimedBench();
    bench.calls.invite(CALL);
    act(bench);
    assert.deepEqual([bench.look(), bench.told, bench.calls.count], [["INVITE"], [told], 0]);
  });
}
const CANCELS: { name: string; act: (bench: TimedBench) => void; sent: string[] }[] = [
  { name: "answered 487", act: (bench) => bench.answer("INVITE", 487), sent: [] },
  { name: "answered 401, which is not tried again", act: (bench) => bench.answer("INVITE", 401), sent: [] },
  { name: "never answered", act: (bench) => bench.calls.onFailure("c1", "timeout"), sent: [] },
  {
    name: "crossed by a 200",
    act: (bench) => {
      bench.answer("INVITE", 200);
      bench.answer("INVITE", 200);
      bench.answer("BYE", 200);
    },
    sent: ["ACK", "BYE", "ACK"],
  },
];
for (const { name, act, sent } of CANCELS) {
  test(`our call, canceled, ${name} (RFC 3261 §9.1, §15)`, () => {
    const bench = new TimedBench();
    const call = bench.calls.invite({ ...CALL, credentials: { user: "alice", password: "secret" } });
    bench.answer("INVITE", 180);
    bench.calls.end(call);
    bench.calls.end(call);
    assert.deepEqual(bench.look(), ["INVITE", "CANCEL"]);
    act(bench);
    assert.deepEqual([bench.look(), bench.told], [sent, ["180", "ended local"]]);
  });
}
test("a 2xx that comes again gets the same ACK again, after the end of the call too (RFC 3261 §13.2.2.4)", () => {
  const bench = new TimedBench();
  const call = bench.calls.invite(CALL);
  bench.answer("INVITE", 200);
  bench.answer("INVITE", 200); // the owner has not said yet what the ACK holds
  bench.calls.ack(call, SDP(7));
  const first = bench.last().message;
  bench.answer("INVITE", 200);
  assert.equal(bench.last().message, first);
  bench.calls.end(call);
  bench.answer("BYE", 200);
  bench.answer("INVITE", 200);
  assert.equal(bench.last().message, first);
  assert.deepEqual(bench.look(), ["INVITE", "ACK", "ACK", "BYE", "ACK"]);
  bench.run(33_000);
  const { id, message } = bench.lastRequest("INVITE");
  assert.equal(bench.calls.onResponse(response(message, 200, undefined, "b"), id, FLOW), false, "64*T1 later no longer");
});
test("a second fork's 2xx is acknowledged and hung up, the first stands (RFC 3261 §13.2.2.4)", () => {
  const bench = new TimedBench();
  const call = bench.calls.invite(CALL);
  bench.answer("INVITE", 180, "c", [["Contact", "<sip:c@c>"]]);
  bench.answer("INVITE", 200, "b");
  bench.calls.ack(call);
  bench.answer("INVITE", 200, "c", [["Contact", "<sip:c@c>"]]);
  const bye = bench.lastRequest("BYE").message;
  assert.deepEqual([bye.uri.user, bye.headers.get("to")], ["c", "<sip:bob@x>;tag=c"]);
  bench.answer("BYE", 200);
  bench.answer("INVITE", 200, "c", [["Contact", "<sip:c@c>"]]);
  assert.deepEqual(bench.look(), ["INVITE", "ACK", "ACK", "BYE", "ACK"]);
  assert.deepEqual([bench.told, bench.calls.count], [["180", "answered 200"], 1]);
});
test(`an INVITE makes at most ${LIMITS.sipForks} dialogs; early ones give way (sipForks)`, () => {
  const bench = new TimedBench();
  bench.calls.invite(CALL);
  for (let fork = 0; fork <= LIMITS.sipForks; fork++) bench.answer("INVITE", 180, `early${fork}`);
  assert.equal(bench.calls.dropped.forks, 1);
  bench.answer("INVITE", 200, "b");
  assert.equal(bench.told.at(-1), "answered 200");
  for (let fork = 1; fork < LIMITS.sipForks; fork++) bench.answer("INVITE", 200, `late${fork}`);
  const before = bench.sent.length;
  bench.answer("INVITE", 200, "one more");
  assert.equal(bench.sent.length, before);
});

const CHALLENGE = (status: 401 | 407, nonce: string, stale = false): Fields => [
  [
    status === 401 ? "WWW-Authenticate" : "Proxy-Authenticate",
    `Digest realm="x", nonce="${nonce}", qop="auth"${stale ? ", stale=true" : ""}`,
  ],
];
const CREDENTIALS = { credentials: { user: "alice", password: "secret" } };
for (const status of [401, 407] as const) {
  test(`a ${status} is answered with credentials, a higher CSeq and the same Call-ID (RFC 3261 §22.2, §22.3, §8.1.3.5)`, () => {
    const bench = new TimedBench();
    const call = bench.calls.invite({ ...CALL, ...CREDENTIALS });
    const first = bench.lastRequest("INVITE").message.headers;
    bench.answer("INVITE", status, "p", CHALLENGE(status, "n1"));
    const second = bench.lastRequest("INVITE").message.headers;
    assert.deepEqual([first.get("cseq"), second.get("cseq")], ["1 INVITE", "2 INVITE"]);
    assert.equal(first.get("call-id"), second.get("call-id"));
    assert.equal(first.get("from"), second.get("from"));
    bench.answer("INVITE", 200);
    bench.calls.ack(call);
    const field = status === 401 ? "authorization" : "proxy-authorization";
    const ack = bench.lastRequest("ACK").message.headers;
    assert.deepEqual([ack.get("cseq"), ack.get(field)], ["2 ACK", second.get(field)]);
    bench.calls.end(call);
    const bye = bench.lastRequest("BYE").message.headers;
    assert.match(bye.get(field) ?? "", /nc=00000002/);
    assert.equal(bye.get("cseq"), "3 BYE");
    assert.deepEqual(bench.told, ["answered 200"]);
  });
}
test("a wrong password ends the call with the second 401, a stale nonce is tried once more (RFC 3261 §22.2)", () => {
  const bench = new TimedBench();
  bench.calls.invite({ ...CALL, ...CREDENTIALS });
  bench.answer("INVITE", 401, "p", CHALLENGE(401, "n1"));
  bench.answer("INVITE", 401, "p", CHALLENGE(401, "n2", true));
  bench.answer("INVITE", 401, "p", CHALLENGE(401, "n3"));
  assert.deepEqual([bench.look(), bench.told], [["INVITE", "INVITE", "INVITE"], ["ended rejected 401"]]);
});
test("a BYE that is challenged is sent again (RFC 3261 §22.2)", () => {
  const { bench, call } = calling({}, CREDENTIALS);
  bench.calls.end(call);
  bench.answer("BYE", 407, "p", CHALLENGE(407, "n1"));
  assert.deepEqual([bench.look(), bench.told.at(-1)], [["BYE", "BYE"], "answered 200"]);
  bench.answer("BYE", 200);
  assert.equal(bench.told.at(-1), "ended local");
});

test("a re-INVITE with the same session is answered with ours, and moves the target (RFC 3261 §14.2, §12.2)", () => {
  const bench = called();
  bench.receive("INVITE", 2, [], 1);
  assert.deepEqual(bench.last().message.body, ANSWER.body.bytes);
  bench.receive("INVITE", 3, [["Contact", "<sip:other@b>"]]);
  assert.match(bench.last().message.headers.get("retry-after") ?? "", /^([0-9]|10)$/);
  bench.run(600);
  bench.receive("ACK", 2);
  bench.run(60_000);
  assert.deepEqual(bench.look(), ["200", "500", "200"]);
  assert.deepEqual(bench.told, ["invite 1", "established"]);
});
const REINVITES: { name: string; version: number | undefined; status: string }[] = [
  { name: "without offer gets ours", version: undefined, status: "200" },
  { name: "with the same version", version: 1, status: "200" },
  { name: "with a changed session is refused, and nothing changes", version: 2, status: "488" },
];
for (const { name, version, status } of REINVITES) {
  test(`a re-INVITE ${name} (RFC 3261 §14.2)`, () => {
    const bench = called();
    bench.receive("INVITE", 2, [], version);
    assert.deepEqual(bench.look(), [status]);
    assert.equal(bench.calls.count, 1);
  });
}
const INSIDE: { name: string; method: string; cseq: number; more?: Fields; status: string; field?: [string, string] }[] = [
  { name: "OPTIONS", method: "OPTIONS", cseq: 2, status: "200", field: ["accept", "application/sdp"] },
  {
    name: "an unknown method",
    method: "INFO",
    cseq: 2,
    status: "405",
    field: ["allow", "INVITE, ACK, CANCEL, BYE, UPDATE, OPTIONS"],
  },
  { name: "a gap in CSeq", method: "OPTIONS", cseq: 90, status: "200" },
  { name: "a CSeq that is too low", method: "BYE", cseq: 1, status: "500" },
  {
    name: "an unknown extension",
    method: "BYE",
    cseq: 2,
    more: [["Require", "x, timer"]],
    status: "420",
    field: ["unsupported", "x"],
  },
];
for (const { name, method, cseq, more, status, field } of INSIDE) {
  test(`within a dialog, ${name}: ${status} (RFC 3261 §12.2.2, §8.2)`, () => {
    const bench = called({ supported: ["timer"] });
    bench.receive(method, cseq, more);
    assert.deepEqual(bench.look(), [status]);
    if (field) assert.equal(bench.last().message.headers.get(field[0]), field[1]);
    assert.equal(bench.calls.count, 1);
  });
}
test("what belongs to no dialog is answered 481, what is no call's is left to others (RFC 3261 §12.2.2, §15.1.2)", () => {
  const bench = called();
  for (const [method, to] of [
    ["BYE", "<sip:alice@x>;tag=other"],
    ["INVITE", "<sip:alice@x>;tag=other"],
    ["BYE", "<sip:alice@x>"],
  ] as const) {
    bench.receive(method, 5, [], undefined, to);
    assert.deepEqual(bench.look(), ["481"]);
  }
  const options = request("OPTIONS", sipUri({ host: "a" }), [["To", "<sip:alice@x>"]]);
  assert.equal(bench.calls.onRequest(options, "s9", FLOW), false);
  assert.equal(bench.calls.onAck(request("ACK", sipUri({ host: "a" }), [["To", "<sip:alice@x>;tag=other"]]), FLOW), false);
  assert.equal(bench.calls.onCancel("unknown"), false);
});
test("an INVITE that comes by two ways is a call once: 482 (RFC 3261 §8.2.2.2)", () => {
  const bench = new TimedBench();
  bench.receive("INVITE", 1, [], 1, "<sip:alice@x>");
  bench.receive("INVITE", 1, [], 1, "<sip:alice@x>");
  assert.deepEqual([bench.look(), bench.told], [["482"], ["invite 1"]]);
});
test("an INVITE without Contact is answered 400, one that requires what we lack 420 (RFC 3261 §12.1.1, §8.2.2.3)", () => {
  const bench = new TimedBench();
  const bare = request("INVITE", sipUri({ host: "a" }), [
    ["From", "<sip:b@x>;tag=1"],
    ["To", "<sip:a@x>"],
    ["Call-ID", "1"],
    ["CSeq", "1 INVITE"],
  ]);
  bench.calls.onRequest(bare, "s1", FLOW);
  bench.receive("INVITE", 1, [["Require", "100rel"]], 1, "<sip:alice@x>");
  assert.deepEqual([bench.look(), bench.told], [["400", "420"], []]);
});

test("refresh asks whether the far end is there: a 200 is acknowledged, the session stays (RFC 3261 §14.1)", () => {
  const { bench, call } = calling();
  bench.calls.refresh(call);
  bench.calls.refresh(call);
  assert.deepEqual(bench.lastRequest("INVITE").message.body, SDP(1).bytes);
  bench.answer("INVITE", 200);
  bench.answer("INVITE", 200);
  assert.deepEqual(bench.look(), ["INVITE", "ACK", "ACK"]);
  assert.equal(bench.told.length, 1);
});
for (const [name, act] of [
  ["481", (bench: TimedBench) => bench.answer("INVITE", 481)],
  ["nothing", (bench: TimedBench) => bench.calls.onFailure(bench.lastRequest("INVITE").id, "timeout")],
] as const) {
  test(`a refresh that is answered ${name} ends the call with BYE (RFC 3261 §12.2.1.2, §14.1)`, () => {
    const { bench, call } = calling();
    bench.calls.refresh(call);
    act(bench);
    assert.deepEqual([bench.look(), bench.told.at(-1)], [["INVITE", "BYE"], "ended failed timeout"]);
  });
}
test("glare: their re-INVITE is answered 491 while ours is under way, ours tried again after a while (RFC 3261 §14)", () => {
  const { bench, call } = calling();
  bench.calls.refresh(call);
  bench.receiveFromCalled("INVITE", 5);
  bench.answer("INVITE", 491);
  assert.deepEqual(bench.look(), ["INVITE", "491"]);
  bench.run(2_090);
  assert.deepEqual(bench.look(), []);
  bench.run(2_000);
  assert.deepEqual(bench.look(), ["INVITE"]);
  bench.receiveFromCalled("BYE", 6);
  assert.equal(bench.told.at(-1), "ended bye");
});
test("who did not make the Call-ID tries again within 2 s (RFC 3261 §14.1)", () => {
  const bench = called();
  bench.calls.refresh(1);
  bench.answer("INVITE", 491);
  bench.run(2_010);
  assert.deepEqual(bench.look(), ["INVITE", "INVITE"]);
});
test("BYEs that cross end the call once, by us (RFC 3261 §15.1)", () => {
  const { bench, call } = calling();
  bench.calls.end(call);
  bench.receiveFromCalled("BYE", 5);
  bench.answer("BYE", 481);
  assert.deepEqual(
    [bench.look(), bench.told],
    [
      ["BYE", "200"],
      ["answered 200", "ended local"],
    ],
  );
});
test("a BYE before our owner has acknowledged is answered, and so is the 2xx (RFC 3261 §13.2.2.4)", () => {
  const bench = new TimedBench();
  bench.calls.invite(CALL);
  bench.answer("INVITE", 200);
  bench.receiveFromCalled("BYE", 5);
  assert.deepEqual(
    [bench.look(), bench.told],
    [
      ["INVITE", "ACK", "200"],
      ["answered 200", "ended bye"],
    ],
  );
});
test("a BYE in our early dialog ends it, and its 2xx, should it come, is hung up (RFC 3261 §15)", () => {
  const bench = new TimedBench();
  bench.calls.invite(CALL);
  bench.answer("INVITE", 180);
  bench.receiveFromCalled("BYE", 5);
  bench.answer("INVITE", 200);
  assert.deepEqual(
    [bench.look(), bench.told],
    [
      ["INVITE", "CANCEL", "200", "ACK", "BYE"],
      ["180", "ended bye"],
    ],
  );
});
for (const fullStatus of [486, 503] as const) {
  test(`above maxCalls an INVITE is answered ${fullStatus}, and ours ends as with 503 (sipCalls)`, () => {
    const bench = new TimedBench({ maxCalls: 1, fullStatus });
    bench.receive("INVITE", 1);
    bench.receive("INVITE", 2, [["Call-ID", "other"]], undefined, "<sip:alice@x>");
    bench.calls.invite(CALL);
    assert.equal(bench.told.length, 1, "not before invite has returned");
    bench.run(100);
    assert.deepEqual(bench.look(), [`${fullStatus}`]);
    assert.deepEqual([bench.told, bench.calls.dropped.full], [["invite 1", "ended rejected 503"], 2]);
    bench.calls.reject(1, 486);
    bench.run(100);
    assert.equal(bench.calls.count, 0);
  });
}
test("the calls of a flow are known, outgoing ones by the connection that answered (RFC 5626)", () => {
  const { bench, call } = calling();
  bench.receive("INVITE", 1, [], 1);
  assert.deepEqual(bench.calls.callsOn(FLOW), [call, 2]);
  assert.deepEqual(bench.calls.callsOn({ ...FLOW, id: "ws:2" }), []);
});
