import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import { simNetwork } from "#sim/index.ts";
import { ANSWER, Bench, CALL, type Fields } from "./test-bench.ts";

const CONTACT = ["Contact", "<sip:bob@10.0.0.2>"] as const;
const KNOWS_UPDATE = ["Allow", "INVITE, UPDATE"] as const;
const KNOWS_TIMERS = ["Supported", "timer"] as const;
const THEY_REFRESH = ["Session-Expires", "300;refresher=uas"] as const;
const US = ["Session-Expires", "300;refresher=uac"] as const;

/** A bench in virtual time. */
class TimedBench extends Bench {
  readonly run: (ms: number) => void;
  constructor() {
    const net = simNetwork(1);
    super(net.host("a", "10.0.0.1"));
    this.run = (ms) => net.run(ms);
  }
}
/** A call that we began and that is up, answered with these. */
function calling(answer: Fields = [CONTACT]): { bench: TimedBench; call: number } {
  const bench = new TimedBench();
  const call = bench.calls.invite(CALL);
  bench.answer("INVITE", 200, "b", answer);
  bench.calls.ack(call);
  bench.look();
  return { bench, call };
}
/** A call that the far end began with these and that is up. */
function called(fields: Fields = []): TimedBench {
  const bench = new TimedBench();
  bench.receive("INVITE", 1, fields, 1);
  bench.calls.accept(1, ANSWER);
  bench.receive("ACK", 1);
  bench.look();
  return bench;
}

test("our call asks for a session timer, theirs is answered with one (RFC 4028 §7.1, §9)", () => {
  const { bench } = calling();
  const asked = bench.lastRequest("INVITE").message.headers;
  assert.deepEqual([asked.get("session-expires"), asked.get("min-se"), asked.listHas("supported", "timer")], ["300", "90", true]);
  const other = new TimedBench();
  other.receive("INVITE", 1, [KNOWS_TIMERS, ["Session-Expires", "200"]], 1);
  other.calls.accept(1, ANSWER);
  const answer = other.last().message.headers;
  assert.deepEqual([answer.get("session-expires"), answer.get("require")], ["200;refresher=uac", "timer"]);
});

test("their call with too short an interval is answered 422, and its owner hears nothing (RFC 4028 §9)", () => {
  const bench = new TimedBench();
  bench.receive("INVITE", 1, [KNOWS_TIMERS, ["Session-Expires", "60"]], 1);
  assert.deepEqual([bench.look(), bench.told], [["422"], []]);
  assert.equal(bench.last().message.headers.get("min-se"), "90");
});

test("our call is repeated once with the Min-SE of a 422 (RFC 4028 §7.3)", () => {
  const bench = new TimedBench();
  const call = bench.calls.invite(CALL);
  bench.answer("INVITE", 422, "b", [["Min-SE", "500"]]);
  const again = bench.lastRequest("INVITE").message.headers;
  assert.deepEqual([again.get("session-expires"), again.get("min-se"), again.get("cseq")], ["500", "500", "2 INVITE"]);
  bench.answer("INVITE", 422, "b", [["Min-SE", "500"]]);
  assert.deepEqual([bench.look(), bench.told], [["INVITE", "INVITE"], ["ended rejected 422"]]);
  bench.calls.end(call);
});
test("a Min-SE above sessionMaxMinSec is not followed (RFC 4028 §11.1)", () => {
  const bench = new TimedBench();
  bench.calls.invite(CALL);
  bench.answer("INVITE", 422, "b", [["Min-SE", String(LIMITS.sessionMaxMinSec + 1)]]);
  assert.deepEqual(bench.told, ["ended rejected 422"]);
});

const REFRESHES: { name: string; answer: Fields; method: "UPDATE" | "INVITE" }[] = [
  { name: "by UPDATE where that is allowed", answer: [CONTACT, KNOWS_UPDATE, US], method: "UPDATE" },
  { name: "else by a re-INVITE with the session as it is", answer: [CONTACT, ["Allow", "INVITE"], US], method: "INVITE" },
  { name: "also where they know no timers", answer: [CONTACT], method: "INVITE" },
];
for (const { name, answer, method } of REFRESHES) {
  test(`we refresh at half the interval, ${name} (RFC 4028 §7.4)`, () => {
    const { bench } = calling(answer);
    bench.run(149_000);
    assert.deepEqual(bench.look(), []);
    bench.run(2_000);
    assert.deepEqual(bench.look(), [method]);
    const { message } = bench.lastRequest(method);
    assert.equal(message.headers.get("session-expires"), "300;refresher=uac");
    assert.equal(message.body.length > 0, method === "INVITE");
    bench.answer(method, 200, "b", answer);
    bench.run(149_000);
    assert.deepEqual([bench.look(), bench.told.length], [method === "INVITE" ? ["ACK"] : [], 1]);
    bench.run(2_000);
    assert.deepEqual(bench.look(), [method]);
  });
}

test("a far end that knows no UPDATE after all is asked by a re-INVITE (RFC 3311 §5.1)", () => {
  const { bench } = calling([CONTACT, KNOWS_UPDATE, US]);
  bench.run(151_000);
  bench.answer("UPDATE", 405);
  assert.deepEqual(bench.look(), ["UPDATE", "INVITE"]);
});

for (const status of [408, 481]) {
  test(`a refresh that is answered ${status} ends the call with BYE (RFC 4028 §10)`, () => {
    const { bench } = calling([CONTACT, KNOWS_UPDATE, US]);
    bench.run(151_000);
    bench.answer("UPDATE", status);
    assert.deepEqual([bench.look(), bench.told.at(-1)], [["UPDATE", "BYE"], "ended failed timeout"]);
  });
}
test("a refresh that is never answered 2xx is tried again, and the session ends with its interval (RFC 4028 §10)", () => {
  const { bench } = calling([CONTACT, KNOWS_UPDATE, US]);
  for (const atSec of [151, 226]) {
    bench.run(1_000 * (atSec === 151 ? 151 : 75));
    bench.answer("UPDATE", 500);
  }
  bench.run(75_000);
  assert.deepEqual([bench.look(), bench.told.at(-1)], [["UPDATE", "UPDATE", "BYE"], "ended failed timeout"]);
});

test("without their refresh the session ends 32 s before its interval, by BYE (RFC 4028 §10)", () => {
  const { bench } = calling([CONTACT, THEY_REFRESH]);
  bench.run(267_000);
  assert.deepEqual(bench.look(), []);
  bench.run(2_000);
  assert.deepEqual([bench.look(), bench.told.at(-1), bench.calls.count], [["BYE"], "ended failed timeout", 0]);
});

for (const method of ["UPDATE", "INVITE"]) {
  test(`their ${method} refreshes the session, and is answered with its timer (RFC 4028 §9, RFC 3311 §5.2)`, () => {
    const bench = called([KNOWS_TIMERS, ["Session-Expires", "100;refresher=uac"]]);
    bench.run(60_000);
    bench.receive(method, 2, [KNOWS_TIMERS, ["Session-Expires", "100;refresher=uac"]], method === "INVITE" ? 1 : undefined);
    const { headers } = bench.last().message;
    assert.deepEqual([headers.get("session-expires"), headers.has("contact")], ["100;refresher=uac", true]);
    if (method === "INVITE") bench.receive("ACK", 2);
    bench.look();
    bench.run(60_000);
    assert.deepEqual(bench.look(), []);
    bench.run(10_000);
    assert.deepEqual(bench.look(), ["BYE"]);
  });
}
test("an UPDATE that would change the session is answered 488, one with too short an interval 422 (RFC 3311 §5.2)", () => {
  const bench = called();
  bench.receive("UPDATE", 2, [], 9);
  bench.receive("UPDATE", 3, [KNOWS_TIMERS, ["Session-Expires", "10"]]);
  assert.deepEqual(bench.look(), ["488", "422"]);
});
test("a call that has ended keeps no session timer", () => {
  const { bench, call } = calling([CONTACT, US]);
  bench.calls.end(call);
  bench.answer("BYE", 200);
  bench.look();
  bench.run(1_000_000);
  assert.deepEqual(bench.look(), []);
});
