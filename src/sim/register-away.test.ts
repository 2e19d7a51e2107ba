/** REGISTER at a DS that is not the user's home (PROTOCOL §9; RFC 3327, RFC 5626 §5, §6): Bob's home is ds1, he is at ds2. */
import assert from "node:assert/strict";
import { LIMITS } from "#base/limits.ts";
import { copiedTo } from "#overlay/types.ts";
import type { Binding } from "#sip/index.ts";
import { testFlows } from "./flow-stage.ts";
import { Asker, Phone, type PhoneOptions } from "./phone.ts";
import type { SimNetwork } from "./types.ts";
import { type World, world, worldTest } from "./world.ts";

const DS2 = { host: "10.0.2.1", port: 5060 };
const WS2 = "ws://10.0.2.1:5061/";
const MOMENT_MS = 500;
/** As long as a member that says nothing is one still, and a little more. */
const FORGOTTEN_MS = 8_000;

/** Bob's telephone at ds2. */
function bobAway(net: SimNetwork, w: World, options: PhoneOptions = {}): Phone {
  const bob = new Phone(net, { ...w.signUp("bob", 1), ds: DS2 }, options);
  bob.onRing = (call) => bob.accept(call);
  return bob;
}
function stage(net: SimNetwork, options: PhoneOptions = {}): { w: World; bob: Phone } {
  const w = world(net, { sites: 2 });
  const bob = bobAway(net, w, options);
  w.run(MOMENT_MS);
  assert.equal(bob.look().at(-1), "registered");
  return { w, bob };
}
/** What ds1 and ds2 each know of Bob's contacts: whose row it is, and how many hops its Path has. */
const known = (w: World): string[][] =>
  ["ds1", "ds2"].map((member) => {
    const rows = w.operator.overlays.get(member)?.table<Binding>("bindings", copiedTo("ds")).rows() ?? [];
    return [...rows]
      .filter(({ value }) => value.aor.startsWith("sip:bob@"))
      .map(({ owner, value }) => `${owner} ${value.path.length}`);
  });
const AT_HOME = [["ds1 1"], ["ds1 1"]];
const HERE = [["ds2 0"], ["ds2 0"]];

/** Somebody of that site rings Bob, who answers, and hangs up. */
function calls(net: SimNetwork, w: World, bob: Phone, site: number, name = `caller${site}`): void {
  const caller = new Phone(net, w.signUp(name, site));
  w.run(MOMENT_MS);
  caller.look();
  bob.look();
  const call = caller.call("bob");
  w.run(MOMENT_MS);
  assert.deepEqual(
    [caller.look(), bob.look()],
    [
      ["180", "answered"],
      ["invite", "established"],
    ],
  );
  caller.ua.calls.end(call);
  w.run(MOMENT_MS);
  assert.deepEqual([caller.look(), bob.look()], [["ended local"], ["ended bye"]]);
}

testFlows([
  {
    flow: "register-away",
    name: "a telephone registers at the other site's DS, is called, and takes it back (RFC 3327 §5, RFC 5626 §5)",
    play(stage, net) {
      const alice = new Phone(net, stage.w.signUp("alice", 1));
      stage.w.run(MOMENT_MS);
      const lines = stage.record();
      const bob = bobAway(net, stage.w);
      stage.w.run(MOMENT_MS);
      const call = alice.call("bob");
      stage.w.run(MOMENT_MS);
      alice.ua.calls.end(call);
      stage.w.run(MOMENT_MS);
      bob.ua.unregister();
      stage.w.run(MOMENT_MS);
      assert.deepEqual(bob.look(), ["trying", "registered", "invite", "established", "ended bye", "off"]);
      return lines();
    },
  },
]);

for (const [what, options] of [
  ["a telephone", {}],
  ["a page", { ws: WS2 }],
  ["a telephone behind a NAT", { natAddress: "192.168.1.2" }],
] as const) {
  worldTest(`${what}: its row is home's, and a Path leads there from both sites; taken back, nobody has one`, (net) => {
    const { w, bob } = stage(net, options);
    assert.deepEqual(known(w), AT_HOME);
    for (const site of [1, 2]) calls(net, w, bob, site);
    const call = bob.call("caller1");
    w.run(MOMENT_MS);
    bob.ua.calls.end(call);
    w.run(MOMENT_MS);
    assert.deepEqual(bob.look(), ["180", "ended local"]);
    bob.ua.unregister();
    w.run(MOMENT_MS);
    assert.deepEqual([bob.look(), known(w)], [["off"], [[], []]]);
  });
}

worldTest(
  "a page that goes without a word is forgotten by its home, too; its user's other device rings (RFC 5626 §5.3)",
  (net) => {
    const { w, bob } = stage(net, { ws: WS2 });
    const desk = new Phone(net, w.signUp("bob", 1), { name: "desk" });
    desk.onRing = (call) => desk.accept(call);
    w.run(MOMENT_MS);
    assert.deepEqual(known(w)[0], ["ds1 1", "ds1 0"]);
    bob.ua.stop();
    w.run(MOMENT_MS);
    assert.deepEqual(known(w), [["ds1 0"], ["ds1 0"]]);
    calls(net, w, desk, 2);
  },
);

worldTest(
  "the DS that had the flow has started again: what is called by it is not there, the other device is (RFC 5626 §5.3.1)",
  (net) => {
    const { w } = stage(net, { ws: WS2 });
    const desk = new Phone(net, w.signUp("bob", 1), { name: "desk" });
    desk.onRing = (call) => desk.accept(call);
    w.run(MOMENT_MS);
    w.kill("ds2");
    w.restart("ds2");
    calls(net, w, desk, 1);
  },
);

for (const [when, ms] of [
  ["just now", 0],
  ["a while ago", FORGOTTEN_MS],
] as const) {
  worldTest(
    `home died ${when}: the DS that he reaches registers him itself, and owns the row; home is back: it is home's`,
    (net) => {
      const w = world(net, { sites: 2 });
      w.kill("ds1", "machine");
      w.run(ms);
      const bob = bobAway(net, w, { expiresSec: 60 });
      w.run(LIMITS.homeAnswerMs + 200); // not the 1.5 s after which he would go to the next DS
      assert.deepEqual([bob.look().at(-1), known(w)[1]], ["registered", ["ds2 0"]]);
      calls(net, w, bob, 2);
      w.restart("ds1");
      w.run(5_000);
      assert.deepEqual(known(w), HERE);
      w.run(30_000); // half of what was granted
      assert.deepEqual([bob.look(), known(w)], [["registered"], AT_HOME]);
      calls(net, w, bob, 1);
    },
  );
}

worldTest("home is cut off and has his row still: it is replaced here, and there once the line is whole (DESIGN §5)", (net) => {
  const { w, bob } = stage(net, { expiresSec: 60 });
  net.cut("ds1", "ds2");
  w.run(32_000);
  assert.deepEqual([bob.look(), known(w)], [["registered"], [["ds1 1"], ["ds2 0"]]]);
  net.heal("ds1", "ds2");
  w.run(5_000);
  assert.deepEqual(known(w), HERE);
  w.run(30_000);
  assert.deepEqual(known(w), AT_HOME);
  bob.ua.unregister();
  w.run(MOMENT_MS);
  assert.deepEqual(known(w), [[], []]);
});

worldTest("home is heard too late: it has done what was asked, and so has this DS; one row is left", (net) => {
  const w = world(net, { sites: 2 });
  net.setFaults("ds1", "ds2", { delayMs: 700 });
  const bob = bobAway(net, w);
  w.run(5_000);
  assert.equal(bob.look().at(-1), "registered");
  assert.deepEqual(known(w), HERE);
  calls(net, w, bob, 2);
});
worldTest("home that comes back does not hear once more of what was done without it: what he took back stays so", (net) => {
  const w = world(net, { sites: 2 });
  const bob = new Asker(net, { ...w.signUp("bob", 1), ds: DS2 });
  w.run(MOMENT_MS);
  w.kill("ds1", "machine");
  bob.ask("REGISTER", "bob", [["Contact", "<sip:bob@10.0.2.9>"]]);
  w.run(FORGOTTEN_MS);
  assert.deepEqual(known(w)[1], ["ds2 0"]);
  bob.ask("REGISTER", "bob", [["Contact", "<sip:bob@10.0.2.9>;expires=0"]]);
  w.restart("ds1");
  w.run(32_000); // 64*T1: so long is a request repeated that nobody has answered
  assert.deepEqual(
    [bob.heard.map(({ status }) => status), known(w)],
    [
      [200, 200],
      [[], []],
    ],
  );
});
worldTest("home hears that he goes, and its answer is lost: he goes here, too", (net) => {
  const { w, bob } = stage(net);
  net.cutOneWay("ds1", "ds2");
  bob.ua.unregister();
  w.run(2_000);
  assert.deepEqual([bob.look(), known(w)], [["off"], [[], []]]);
});

worldTest("over a line between the DSs that loses a quarter, he is registered once, somewhere", (net) => {
  const w = world(net, { sites: 2 });
  net.setFaults("ds1", "ds2", { loss: 0.25, duplicate: 0.1, jitterMs: 30 });
  const bob = bobAway(net, w, { expiresSec: 60 });
  w.run(200_000);
  assert.equal(bob.look().at(-1), "registered");
  const [first, second] = known(w);
  assert.deepEqual([first?.length, first], [1, second]);
  calls(net, w, bob, 2);
});

worldTest(
  "Contact: * takes all of them back, and a REGISTER without Contact tells of them (RFC 3261 §10.2.2, §10.2.3)",
  (net) => {
    const { w, bob } = stage(net, { ws: WS2 });
    const identity = { ...w.signUp("bob", 1), ds: DS2 };
    const third = new Asker(net, identity, "third");
    third.ask("REGISTER", "bob", [["Contact", `<sip:bob@${identity.localHost}>`]]);
    w.run(MOMENT_MS);
    assert.deepEqual(known(w)[0], ["ds1 1", "ds1 0"], "who names an address needs no Path");
    third.ask("REGISTER", "bob");
    w.run(MOMENT_MS);
    third.ask("REGISTER", "bob", [
      ["Contact", "*"],
      ["Expires", "0"],
    ]);
    w.run(MOMENT_MS);
    const heard = third.heard.map(({ status, headers }) => [status, headers.list("contact").length]);
    assert.deepEqual(
      [heard, known(w), bob.look()],
      [
        [
          [200, 2],
          [200, 2],
          [200, 0],
        ],
        [[], []],
        [],
      ],
    );
  },
);
for (const [header, status] of [
  ["Proxy-Require", 420],
  ["Max-Forwards", 483],
] as const) {
  worldTest(`${header} that keeps a REGISTER from being sent home: ${status} (RFC 3261 §16.3)`, (net) => {
    const w = world(net, { sites: 2 });
    const bob = new Asker(net, { ...w.signUp("bob", 1), ds: DS2 });
    bob.ask("REGISTER", "bob", [[header, header === "Max-Forwards" ? "0" : "gadget"]]);
    w.run(MOMENT_MS);
    assert.deepEqual(
      bob.heard.map((answer) => answer.status),
      [status],
    );
  });
}

worldTest("who registers another is refused where he stands: no word of his DS goes home (RFC 3261 §10.3)", (net) => {
  const w = world(net, { sites: 2 });
  w.signUp("bob", 1);
  const mallory = new Asker(net, { ...w.signUp("mallory", 1), ds: DS2 });
  mallory.ask("REGISTER", "bob", [["Contact", "<sip:mallory@10.0.2.9>"]]);
  w.run(MOMENT_MS);
  assert.deepEqual([mallory.heard.map(({ status }) => status), known(w)], [[403], [[], []]]);
});
worldTest("a stranger is challenged by the DS that he reaches, and home hears nothing of him", (net) => {
  const w = world(net, { sites: 2 });
  const { deviceSecret: _, ...bob } = w.signUp("bob", 1);
  const phone = new Phone(net, { ...bob, ds: DS2, deviceSecret: "guess" });
  w.run(MOMENT_MS);
  assert.deepEqual(phone.look(), ["trying", "refused"]);
  assert.ok(!/ds2 → ds1 .*REGISTER/.test(net.ladder()));
});
