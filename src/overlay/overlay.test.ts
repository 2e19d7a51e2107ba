import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import { type SimNetwork, simNetwork, simTest } from "#sim/index.ts";
import { CONFORMANCE } from "./carriers/conformance.ts";
import { type Fate, InProcessCarrier, type Json, OverlayNode, type Reply, type RoleName, type Table } from "./index.ts";
import { Requests } from "./requests.ts";

/** Members on machines of their own, one carrier between them. */
function stage(net: SimNetwork, fate: Fate = () => [1]) {
  const carrier = new InProcessCarrier(fate);
  let count = 0;
  const join = (id: string, role: RoleName, wallShiftMs = 0): OverlayNode => {
    const host = net.host(id, `127.0.1.${++count}`);
    const clock = {
      nowMs: () => host.nowMs(),
      wallMs: () => host.wallMs() + wallShiftMs,
      timer: (atMs: number, fire: () => void) => host.timer(atMs, fire),
    };
    return new OverlayNode(carrier, clock, { id, role, info: { name: id } });
  };
  return { carrier, join };
}
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
const contents = (table: Table<string>): Record<string, string> =>
  Object.fromEntries([...table.rows()].map(({ key, owner, value }): [string, string] => [key, `${owner}:${value}`]).sort());

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

simTest(
  "tables: whatever three members put and remove through loss, repeats and overtaking, all copies agree once it settles",
  (net) => {
    const { join } = stage(net, badWeather(net));
    const chance = net.host("chance", "127.0.2.2");
    const below = (bound: number): number => (chance.random(1)[0] ?? 0) % bound;
    const tables = ["ds1", "ds2", "ds3"].map((id) => join(id, "ds").table<string>("t", ["ds"]));
    for (let count = 0; count < 300; count++) {
      const table = tables[below(3)] ?? assert.fail();
      const key = `key ${below(12)}`;
      if (below(4) === 0) table.remove(key);
      else table.put(key, `${count}`, below(5), below(3) === 0 ? 2 : 3_600);
      net.run(below(30));
    }
    net.run(30_000);
    const [first, ...others] = tables.map(contents);
    assert.ok(Object.keys(first ?? {}).length > 0);
    for (const other of others) assert.deepEqual(other, first);
  },
  { seeds: 12 },
);

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

simTest("a row expires at its owner and at its copies, within a turn of its lifetime", (net) => {
  const { join } = stage(net);
  const [own, copy] = [join("ds1", "ds"), join("ds2", "ds")].map((one) => one.table<string>("t", ["ds"]));
  assert.ok(own && copy);
  net.run(10);
  own.put("k", "row", 1, 5);
  net.run(4_900);
  assert.deepEqual([own.get("k")?.value, copy.get("k")?.value], ["row", "row"]);
  net.run(150);
  assert.deepEqual([own.get("k"), copy.get("k")], [undefined, undefined]);
});

simTest("a silent member counts as gone after five hellos; its rows stay until they expire; it may come back", (net) => {
  let cut = false;
  const { join } = stage(net, () => (cut ? [] : [1]));
  const [one, two] = [join("ds1", "ds"), join("ds2", "ds")];
  const [own, copy] = [one, two].map((each) => each.table<string>("t", ["ds"]));
  net.run(100);
  own?.put("k", "row", 1, 30);
  net.run(100);
  cut = true;
  net.run(5_000);
  assert.equal(ids(two), "ds1 ds2");
  net.run(2_000);
  assert.equal(ids(two), "ds2");
  assert.equal(copy?.get("k")?.value, "row");
  own?.put("k2", "written while cut off", 1, 3_600);
  cut = false;
  net.run(2_000);
  assert.equal(ids(two), "ds1 ds2");
  assert.equal(copy?.get("k2")?.value, "written while cut off");
  net.run(30_000);
  assert.equal(copy?.get("k"), undefined);
});

simTest("a member that crashes and starts again is told as left and joined, and its earlier rows go", (net) => {
  const { join } = stage(net);
  const watcher = join("ds1", "ds");
  const copy = watcher.table<string>("t", ["ds"]);
  const told: string[] = [];
  watcher.onMembers(({ id }, change) => told.push(`${id} ${change}`));
  join("ds2", "ds").table<string>("t", ["ds"]).put("before", "row", 1, 3_600);
  net.run(100);
  assert.equal(copy.get("before")?.owner, "ds2");
  net.kill("ds2");
  net.run(100);
  join("ds2", "ds").table<string>("t", ["ds"]).put("after", "row", 1, 3_600);
  net.run(2_000);
  assert.deepEqual(told, ["ds2 joined", "ds2 left", "ds2 joined"]);
  assert.deepEqual(contents(copy), { after: "ds2:row" });
});

simTest("a member whose wall clock went back over a restart is heard all the same", (net) => {
  const { join } = stage(net);
  const watcher = join("ds1", "ds");
  const copy = watcher.table<string>("t", ["ds"]);
  join("ds2", "ds").table<string>("t", ["ds"]).put("before", "row", 1, 3_600);
  net.run(100);
  net.kill("ds2");
  const reborn = join("ds2", "ds", -86_400_000);
  reborn.table<string>("t", ["ds"]).put("after", "row", 1, 3_600);
  net.run(3_000);
  assert.equal(ids(watcher), "ds1 ds2");
  assert.deepEqual(contents(copy), { after: "ds2:row" });
  reborn.setPhase("serving");
  net.run(100);
  assert.equal(watcher.members()[1]?.phase, "serving");
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
  const stranger = carrier.join("ds9", net.host("ds9", "127.0.2.3"), () => undefined);
  stranger.send("ds1", utf8("hello?"));
  stranger.send("ds1", utf8(JSON.stringify({ v: 2, from: "ds9", incarnation: 1, kind: "bye" })));
  stranger.send("ds1", utf8(JSON.stringify({ v: 1, from: "ds9", incarnation: 1, kind: "tell", id: 1, topic: "t", body: 1 })));
  net.run(10);
  assert.equal(member.counters.badFrames, 2);
  assert.equal(member.counters.strangers, 1);
});

test("a topic has one responder, and a row's order is a number", () => {
  const { join } = stage(simNetwork(1));
  const member = join("ds1", "ds");
  member.handle("topic", () => undefined);
  assert.throws(() => member.handle("topic", () => undefined), /topic has a responder/);
  assert.throws(() => member.table<string>("t", ["ds"]).put("k", "v", Number.NaN, 1), RangeError);
});

test("whoever puts a row is told of it on a later turn", () => {
  const net = simNetwork(1);
  const table = stage(net).join("ds1", "ds").table<string>("t", ["ds"]);
  const told: string[] = [];
  table.onChange((key) => told.push(key));
  table.put("k", "v", 1, 60);
  assert.deepEqual(told, []);
  net.run(1);
  assert.deepEqual(told, ["k"]);
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
  const say = (from: string, body: object): void =>
    carrier.join(from, host, () => undefined).send("ds1", utf8(JSON.stringify({ v: 1, from, incarnation: 1, ...body })));
  const hello = { kind: "hello", id: 1, speaks: 1, role: "ds", phase: "serving", info: {}, heads: {} };
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
