import assert from "node:assert/strict";
import { test } from "node:test";
import { simNetwork } from "#sim/index.ts";
import { ANSWER, Bench, CALL, type Fields } from "./test-bench.ts";

const bench = (supported: readonly string[] = ["replaces"]): Bench =>
  new Bench(simNetwork(1).host("a", "10.0.0.1"), { supported });

/** A call of theirs, answered or not, and what names it at our end. */
function theirs(isAnswered: boolean): { on: Bench; name: string } {
  const on = bench();
  on.receive("INVITE", 1, [], 1);
  on.calls.ring(1, 180);
  if (isAnswered) on.calls.accept(1, ANSWER);
  const tag = /tag=(\w+)/.exec(on.last().message.headers.get("to") ?? "")?.[1];
  if (isAnswered) on.receive("ACK", 1);
  on.look();
  return { on, name: `9@b;to-tag=${tag};from-tag=b` };
}
/** Another call of theirs that asks for that place. */
function asks(on: Bench, ...replaces: readonly string[]): void {
  const fields: Fields = replaces.map((name) => ["Replaces", name]);
  on.receive("INVITE", 7, [["Require", "replaces"], ...fields], 1, "<sip:alice@x>");
}

test("an INVITE that replaces a running call is its owner's to decide, who is told which (RFC 3891 §3)", () => {
  const { on, name } = theirs(true);
  asks(on, name);
  assert.deepEqual([on.look(), on.told.at(-1)], [[], "invite 2 replaces 1"]);
});

const REFUSALS: { name: string; isAnswered: boolean; replaces: (name: string) => string[]; status: string }[] = [
  { name: "a dialog that is not ours", isAnswered: true, replaces: (name) => [name.replace("9@b", "8@b")], status: "481" },
  { name: "the tags the wrong way round", isAnswered: true, replaces: () => ["9@b;to-tag=b;from-tag=b"], status: "481" },
  { name: "an early dialog that we did not begin", isAnswered: false, replaces: (name) => [name], status: "481" },
  { name: "early-only, and it has been answered", isAnswered: true, replaces: (name) => [`${name};early-only`], status: "486" },
  { name: "no tags", isAnswered: true, replaces: () => ["9@b"], status: "400" },
  { name: "two of them", isAnswered: true, replaces: (name) => [name, name], status: "400" },
];
for (const { name, isAnswered, replaces, status } of REFUSALS) {
  test(`an INVITE with Replaces is answered ${status}: ${name} (RFC 3891 §3)`, () => {
    const { on, name: running } = theirs(isAnswered);
    asks(on, ...replaces(running));
    assert.deepEqual([on.look(), on.told.filter((told) => told.startsWith("invite")).length], [[status], 1]);
  });
}
test("a call that is being hung up is not replaced: 603 (RFC 3891 §3)", () => {
  const { on, name } = theirs(true);
  on.calls.end(1);
  asks(on, name);
  assert.deepEqual(on.look(), ["BYE", "603"]);
});
test("whoever does not support it answers 420 to Require: replaces (RFC 3891 §3)", () => {
  const on = bench([]);
  asks(on, "9@b;to-tag=a;from-tag=b");
  assert.deepEqual(on.look(), ["420"]);
});

test("our call names the dialog that it is to replace as the far end knows it (RFC 3891 §4)", () => {
  const on = bench([]);
  const first = on.calls.invite(CALL);
  on.answer("INVITE", 200);
  on.calls.ack(first);
  const [callId, from] = ["call-id", "from"].map((name) => on.lastRequest("INVITE").message.headers.get(name) ?? "");
  on.calls.invite({ ...CALL, replaces: first });
  const { headers } = on.lastRequest("INVITE").message;
  assert.equal(headers.get("require"), "replaces");
  assert.equal(headers.get("replaces"), `${callId};to-tag=b;from-tag=${/tag=(\w+)/.exec(from ?? "")?.[1]}`);
});
