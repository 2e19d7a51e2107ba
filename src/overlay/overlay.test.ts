import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import { type SimNetwork, simNetwork, simTest } from "#sim/index.ts";
import { CONFORMANCE } from "./carriers/conformance.ts";
import type { Fate, Hearer, Json, OverlayNode, Reply } from "./index.ts";
import { Requests } from "./requests.ts";
import { stage } from "./test-stage.ts";
import { type Body, encodeFrame } from "./wire/frame.ts";

/** Loses a third, repeats a fifth, and lets frames overtake one another by up to 50 ms. */
function badWeather(net: SimNetwork): Fate {
  const weather = net.host("weather", "127.0.2.1");
  const share = (): number => (weather.random(1)[0] ?? 0) / 256;
  return () => (share() < 0.33 ? [] : share() < 0.2 ? [50 * share(), 50 * share()] : [50 * share()]);
}
const ids = (overlay: OverlayNode): string =>
  overlay
    .members()
    .map(({ id }) => id)
    .join(" ");
for (const { name, script } of CONFORMANCE) {
  for (const [weather, fateOf] of [
    ["fair", () => () => [1]],
    ["foul", badWeather],
  ] as const) {
    simTest(`on the simulated carrier, ${weather} weather: ${name}`, (net) => {
      const { join } = stage(net, fateOf(net));
      for (const condition of script({ join })) {
        const untilMs = net.nowMs() + 60_000;
        while (!condition() && net.nowMs() < untilMs) net.run(5);
        assert.ok(condition(), `within a minute: ${condition}`);
      }
    });
  }
}

simTest("a hello that was overtaken by a later one changes nothing", (net) => {
  const delaysMs = [1, 1, 500, 1]; // ds2's hello on joining, ds1's answer, then two changes of phase
  const { join } = stage(net, () => [delaysMs.shift() ?? 1]);
  const watcher = join("ds1", "ds");
  const other = join("ds2", "ds");
  net.run(10);
  other.setPhase("serving");
  other.setPhase("draining");
  for (let tenths = 0; tenths < 8; tenths++) {
    net.run(100);
    assert.equal(watcher.members()[1]?.phase, "draining");
  }
});

simTest("a silent member counts as gone after five hellos, and may come back", (net) => {
  let cut = false;
  const { join } = stage(net, () => (cut ? [] : [1]));
  const two = [join("ds1", "ds"), join("ds2", "ds")][1] ?? assert.fail();
  net.run(200);
  cut = true;
  net.run(5_000);
  assert.equal(ids(two), "ds1 ds2");
  net.run(2_000);
  assert.equal(ids(two), "ds2");
  cut = false;
  net.run(2_000);
  assert.equal(ids(two), "ds1 ds2");
});

simTest("a member that crashes and starts again is told as left and joined, under a higher incarnation", (net) => {
  const { join } = stage(net);
  const watcher = join("ds1", "ds");
  const told: string[] = [];
  watcher.onMembers(({ id }, change) => told.push(`${id} ${change}`));
  const before = join("ds2", "ds");
  net.run(100);
  net.kill("ds2");
  net.run(100);
  const after = join("ds2", "ds");
  net.run(2_000);
  assert.deepEqual(told, ["ds2 joined", "ds2 left", "ds2 joined"]);
  assert.ok(after.incarnation > before.incarnation);
});

for (const [name, lost] of [
  ["", false],
  [", and whose disk was lost,", true],
] as const) {
  simTest(`a member whose wall clock went back over a restart${name} is heard all the same`, (net) => {
    const { join } = stage(net);
    const watcher = join("ds1", "ds");
    const before = join("ds2", "ds");
    net.run(100);
    net.kill("ds2");
    if (lost) net.corruptLogs("ds2");
    net.setWall("ds2", -86_400_000);
    const reborn = join("ds2", "ds");
    net.run(3_000);
    assert.equal(ids(watcher), "ds1 ds2");
    assert.ok(reborn.incarnation > before.incarnation);
    reborn.setPhase("serving");
    net.run(100);
    assert.equal(watcher.members()[1]?.phase, "serving");
  });
}

simTest("of two members of one name the later one is told, whatever a third says of their incarnations", (net) => {
  const { join, carrier } = stage(net);
  join("ds1", "ds");
  const later = join("ds2", "ds");
  let told = 0;
  later.onTwin(() => told++);
  net.run(10);
  const elsewhere = carrier.join("elsewhere", net.host("elsewhere", "127.0.4.1"), () => undefined);
  const say = (incarnation: number, upMs: number): void => {
    const hello: Body = { kind: "hello", id: 1, upMs, speaks: 1, role: "ds", phase: "serving", info: {}, heads: [] };
    for (const to of ["ds1", "ds2"]) elsewhere.send(to, encodeFrame({ from: "ds2", incarnation, ...hello }));
  };
  say(later.incarnation - 1, 60_000); // may have been under way since an earlier life
  net.run(5_000);
  say(later.incarnation + 1, 1_000); // came after this one, and is told itself
  net.run(5_000);
  assert.equal(told, 0);
  const risen = later.incarnation + 10; // by then, since others had heard of a later life: those of two twins outdo one another
  const outlived: Body = { kind: "outlived", life: later.incarnation, known: risen - 1 };
  elsewhere.send("ds2", encodeFrame({ from: "ds1", incarnation: 1, ...outlived }));
  net.run(10);
  assert.ok(later.incarnation >= risen);
  say(later.incarnation + 1, 60_000);
  say(later.incarnation - 1, 61_000);
  net.run(5_000);
  assert.equal(told, 1);
});

simTest("neighbours are ordered by measured delay", (net) => {
  const { join } = stage(net, (from, to) => [from === "far" || to === "far" ? 30 : from === "near" || to === "near" ? 1 : 5]);
  const [one] = ["ds1", "far", "middle", "near"].map((id) => join(id, "ds"));
  join("web1", "web");
  net.run(5_000);
  assert.deepEqual(one?.neighbours("ds"), ["near", "middle", "far"]);
});

simTest("a member that is cut off is asked about: who still hears it, and since when (DESIGN §5, second opinion)", (net) => {
  const cut = new Set(["ds1 ds3", "ds3 ds1"]);
  const { join } = stage(net, (from, to) => (cut.has(`${from} ${to}`) ? [] : [1]));
  const [one, , three] = ["ds1", "ds2", "ds3"].map((id) => join(id, "ds"));
  net.run(8_000);
  let hearers: readonly Hearer[] | undefined;
  one?.whoHears("ds3", (all) => {
    hearers = all;
  });
  net.run(1_500);
  assert.deepEqual(
    hearers?.map(({ member, incarnation, agoMs }) => [member, incarnation === three?.incarnation, agoMs < 1_500]),
    [["ds2", true, true]],
  );
});

simTest("the word dead reaches all, once each, and again those who come later; it is of one life alone", (net) => {
  const { join } = stage(net);
  const told: string[] = [];
  const enter = (id: string): OverlayNode => {
    const member = join(id, "ds");
    member.onDead((dead) => told.push(`${id}: ${dead}`));
    return member;
  };
  const [one, two] = ["ds1", "ds2"].map(enter);
  const three = join("ds3", "ds");
  net.run(1_000);
  net.kill("ds3");
  for (const member of [one, two]) member?.declareDead("ds3", three.incarnation);
  net.run(1_000);
  assert.deepEqual(told.sort(), ["ds1: ds3", "ds2: ds3"]);
  assert.equal(one && ids(one), "ds1 ds2");
  enter("ds4");
  net.run(2_000);
  assert.deepEqual(told.slice(2), ["ds4: ds3"]);
  join("ds3", "ds");
  net.run(2_000);
  assert.equal(one && ids(one), "ds1 ds2 ds3 ds4");
});

simTest("a member that lives and hears that it was declared dead lives on under another incarnation", (net) => {
  const { join } = stage(net);
  const [one, two] = ["ds1", "ds2"].map((id) => join(id, "ds"));
  assert.ok(one && two);
  net.run(1_000);
  const { incarnation } = two;
  one.declareDead("ds2", incarnation);
  net.run(2_000);
  assert.ok(two.incarnation > incarnation);
  assert.equal(ids(one), "ds1 ds2");
});

simTest("a cast reaches every other member of the role, once each, though the carrier repeats", (net) => {
  const { join } = stage(net, () => [1, 2, 3]);
  const heard: string[] = [];
  const members = ["ds1", "ds2", "ds3"].map((id) => join(id, "ds"));
  for (const each of [...members, join("web1", "web")]) {
    each.handle("news", (body, from) => heard.push(`${each.self.id} heard ${body} of ${from}`));
  }
  net.run(100);
  members[0]?.cast("ds", "news", "one");
  members[0]?.send("web1", "news", "two");
  members[0]?.send("ds1", "news", "myself");
  net.run(100);
  assert.deepEqual(heard.sort(), [
    "ds1 heard myself of ds1",
    "ds2 heard one of ds1",
    "ds3 heard one of ds1",
    "web1 heard two of ds1",
  ]);
});

simTest("a request that nobody handles fails as unknown-topic; one that is never answered times out after two seconds", (net) => {
  const { join } = stage(net);
  const [asker, server] = [join("web1", "web"), join("ds1", "ds")];
  const kept: ((body: Json) => void)[] = [];
  server.handle("slow", (_body, _from, reply) => kept.push(reply));
  net.run(10);
  const answers: [topic: string, reply: Reply, atMs: number][] = [];
  const startMs = net.nowMs();
  for (const topic of ["slow", "unheard of"]) {
    asker.request("ds1", topic, {}, (reply) => answers.push([topic, reply, Math.round(net.nowMs() - startMs)]));
  }
  net.run(3_000);
  assert.deepEqual(answers, [
    ["unheard of", { ok: false, cause: "unknown-topic" }, 2],
    ["slow", { ok: false, cause: "timeout" }, 2_000],
  ]);
  kept[0]?.("too late");
  net.run(100);
  assert.equal(answers.length, 2);
  assert.equal(asker.requests.late, 1);
});

simTest("what is no frame is counted and dropped, and so is what a stranger says", (net) => {
  const { carrier, join } = stage(net);
  const member = join("ds1", "ds");
  net.run(10);
  const stranger = carrier.join("ds9", net.host("ds9", "127.0.2.3"), () => undefined);
  stranger.send("ds1", utf8("hello?"));
  stranger.send("ds1", encodeFrame({ from: "ds9", incarnation: 1, kind: "bye" }).fill(2, 0, 1)); // of a later version
  stranger.send("ds1", encodeFrame({ from: "ds9", incarnation: 1, kind: "tell", id: 1, topic: "t", body: 1 }));
  net.run(10);
  assert.equal(member.counters.badFrames, 2);
  assert.equal(member.counters.strangers, 1);
});

test("a topic has one responder", () => {
  const member = stage(simNetwork(1)).join("ds1", "ds");
  member.handle("topic", () => undefined);
  assert.throws(() => member.handle("topic", () => undefined), /topic has a responder/);
});

test("above overlayRequests a request times out at once, unsent", () => {
  const net = simNetwork(1);
  const requests = new Requests(net.host("web1", "127.0.0.1"), 2);
  const answers: number[] = [];
  const opened = [1, 2, 3].map((id) => requests.open(id, () => answers.push(id), 2_000));
  assert.deepEqual(opened, [true, true, false]);
  net.run(10);
  assert.deepEqual(answers, [3]);
  requests.settle(1, { ok: true, body: null });
  net.run(2_000);
  assert.deepEqual([answers, requests.timedOut], [[3, 1, 2], 2]);
});

test("above overlayRecentMessages the oldest message is forgotten, above overlayMembers a hello is dropped", () => {
  const net = simNetwork(1);
  const { carrier, join } = stage(net);
  const member = join("ds1", "ds");
  let heard = 0;
  member.handle("t", () => heard++);
  const host = net.host("x", "127.0.3.1");
  net.run(10);
  const say = (from: string, body: Body): void =>
    carrier.join(from, host, () => undefined).send("ds1", encodeFrame({ from, incarnation: 1, ...body }));
  const hello: Body = { kind: "hello", id: 1, upMs: 0, speaks: 1, role: "ds", phase: "serving", info: {}, heads: [] };
  say("x", hello);
  for (let id = 0; id <= LIMITS.overlayRecentMessages; id++) say("x", { kind: "tell", id, topic: "t", body: 0 });
  for (const id of [1, 0]) say("x", { kind: "tell", id, topic: "t", body: 0 });
  net.run(10);
  assert.equal(heard, LIMITS.overlayRecentMessages + 2, "0 is forgotten and heard again, 1 is not");
  for (let count = 2; count <= LIMITS.overlayMembers; count++) say(`x${count}`, hello);
  net.run(10);
  assert.equal(member.members().length, LIMITS.overlayMembers);
  assert.equal(member.counters.tooManyMembers, 1);
});
