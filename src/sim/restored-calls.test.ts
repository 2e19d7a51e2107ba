/** What a DS had on the line survives its crash: viewers and broadcasters notice nothing (DESIGN §5, PROTOCOL §10). */
import assert from "node:assert/strict";
import { LIMITS } from "#base/limits.ts";
import { ingestOffer } from "#client/descriptions.ts";
import type { Session } from "#tv/types.ts";
import { brokenBetweenServers } from "./faults/rules.ts";
import { Phone } from "./phone.ts";
import type { SimNetwork } from "./types.ts";
import { type World, type WorldBroadcaster, type WorldPage, type WorldViewer, world, worldTest } from "./world.ts";

/** How long a DS stays away. */
const AWAY_MS = 2_000;
/** Enough to see that it comes. */
const PATTERN = { frames: 8, framesPerSec: 4, gopFrames: 2, kbps: 10 };
const MINUTE_MS = 60_000;
/** As long as an edge keeps what nobody adopts. */
const ORPHANED_MS = LIMITS.orphanHoldMs + 5_000;
type Watcher = WorldViewer | WorldPage;

interface Scene {
  readonly w: World;
  readonly bob: WorldBroadcaster;
  readonly viewers: readonly Watcher[];
}
/** Bob on air at site 1; at both sites somebody watches by multicast, at the second also by unicast and in a page. */
function scene(net: SimNetwork): Scene {
  const w = world(net, { sites: 2, pattern: PATTERN });
  const bob = w.broadcaster("bob", 1);
  const viewers = [w.viewer("dave", 1), w.viewer("alice", 2), w.viewer("erin", 2, "replace", "unicast"), w.page("frank", 2)];
  bob.goLive("bob-tv");
  w.run(1_000);
  for (const viewer of viewers) viewer.watch("bob-tv");
  w.run(3_000);
  assertWatching(w, viewers);
  return { w, bob, viewers };
}
/** Nobody's picture stops for longer than a second, and nobody was told anything. */
function assertWatching(w: World, viewers: readonly Watcher[], ms = 1_000): void {
  for (let passedMs = 0; passedMs < ms; passedMs += 1_000) {
    const before = viewers.map(({ packets }) => packets);
    w.run(1_000);
    for (const [at, { user, state, packets }] of viewers.entries()) {
      assert.equal(state, "watching", user);
      assert.ok(packets > (before[at] ?? 0), `${user} sees nothing`);
    }
  }
}
const restart = (w: World, ...members: readonly string[]): void => {
  for (const member of members) w.kill(member);
  w.run(AWAY_MS);
  for (const member of members) w.restart(member);
};
/** Everybody leaves: nobody holds anything. */
function assertAllReleased({ w, bob, viewers }: Scene): void {
  for (const viewer of viewers) viewer.leave();
  w.run(500);
  assert.deepEqual(w.reservations(), []);
  bob.end();
  w.run(500);
  assert.deepEqual(w.held(), { brokers: [], edges: [], streams: [], servers: [], calls: 0 });
  for (const { tables } of w.servers.values()) assert.deepEqual([...tables.sessions.rows(), ...tables.onAir.rows()], []);
}

for (const lost of [["ds1"], ["ds2"], ["ds1", "ds2"]]) {
  worldTest(
    `${lost.join(" and ")} crashes and comes back: pictures go on, reservations are the same, BYE releases all`,
    (net) => {
      const { w, bob, viewers } = scene(net);
      const [joinIds, calls] = [w.reservations().toSorted(), w.held().calls];
      restart(w, ...lost);
      assertWatching(w, viewers, ORPHANED_MS);
      assert.equal(bob.state, "on air");
      assert.deepEqual(w.reservations().toSorted(), joinIds);
      assert.equal(w.held().calls, calls);
      assert.ok(w.held().edges.every(({ isOrphan }) => !isOrphan));
      assertAllReleased({ w, bob, viewers });
    },
  );
}
worldTest("sessions of a DS that was restarted are refreshed, twice over (RFC 4028 §7.2)", (net) => {
  const { w, bob, viewers } = scene(net);
  restart(w, "ds1", "ds2");
  w.run(2 * 1_000 * LIMITS.sessionExpiresSec);
  assertWatching(w, viewers);
  assertAllReleased({ w, bob, viewers });
});

/** The same with a channel whose viewers are asked for: alice's join brought it on air. */
function askScene(net: SimNetwork): Scene {
  const w = world(net, { sites: 2, pattern: PATTERN });
  const bob = w.broadcaster("bob", 1);
  bob.wait("bob-ask");
  const viewers = [w.viewer("alice", 2), w.viewer("dave", 1), w.viewer("erin", 2, "replace", "unicast")];
  for (const viewer of viewers) {
    viewer.watch("bob-ask");
    w.run(3_000);
  }
  assertWatching(w, viewers);
  return { w, bob, viewers };
}
for (const lost of [["ds1"], ["ds2"], ["ds1", "ds2"]]) {
  worldTest(`${lost.join(" and ")} crashes under an \`ask\` channel: all legs go on, and end together`, (net) => {
    const { w, bob, viewers } = askScene(net);
    const [joinIds, calls] = [w.reservations().toSorted(), w.held().calls];
    restart(w, ...lost);
    assertWatching(w, viewers, ORPHANED_MS);
    assert.deepEqual(w.reservations().toSorted(), joinIds);
    assert.equal(w.held().calls, calls);
    for (const viewer of viewers) viewer.leave();
    w.run(500);
    assert.equal(w.held().calls, 1, "the ingest waits for another viewer");
    w.run(LIMITS.emptyChannelMs);
    assert.equal(bob.state, "waiting");
    assertAllReleased({ w, bob, viewers });
  });
}

worldTest("a viewer who vanished is found out when he would have been, though his DS was away (RFC 4028 §10)", (net) => {
  const { w, alice, bob } = promised(net);
  w.run(1_000);
  alice.vanish();
  w.run(99_000);
  restart(w, "ds2");
  w.run(1_000 * (LIMITS.sessionExpiresSec - 32) - 101_000 - AWAY_MS);
  assert.equal(w.reservations().length, 1);
  w.run(2_000);
  assert.equal(w.reservations().length, 0);
  w.run(64_000); // BYE to nobody
  assertAllReleased({ w, bob, viewers: [] });
});

/** What is not in the log of a DS that comes back, of an `ask` channel with three viewers and an open one with one. */
const HALVES: { name: string; at: string; lost: (session: Session) => boolean; watch: readonly string[] }[] = [
  {
    name: "the broadcaster of an open channel",
    at: "ds1",
    lost: ({ role }) => role === "broadcaster",
    watch: ["ask", "ask", "ask"],
  },
  { name: "the ingest", at: "ds1", lost: ({ role }) => role === "ingest", watch: ["tv"] },
  {
    name: "a call to the broadcaster",
    at: "ds1",
    lost: ({ role, user }) => role === "summons" && user === "erin",
    watch: ["ask", "ask", "tv"],
  },
  {
    name: "the leg from a viewer's DS",
    at: "ds1",
    lost: ({ role, user }) => role === "guest" && user === "erin",
    watch: ["ask", "ask", "tv"],
  },
  {
    name: "the leg of the first viewer's DS",
    at: "ds1",
    lost: ({ role, user }) => role === "guest" && user === "alice",
    watch: ["ask", "ask", "tv"],
  },
  {
    name: "the leg to the broadcaster's DS",
    at: "ds2",
    lost: ({ role, user }) => role === "seat" && user === "erin",
    watch: ["ask", "ask", "tv"],
  },
  { name: "a viewer", at: "ds2", lost: ({ role, user }) => role === "viewer" && user === "erin", watch: ["ask", "ask", "tv"] },
];
for (const { name, at, lost, watch } of HALVES) {
  worldTest(`${at} comes back without the row of ${name}: what hangs on it ends, everything else goes on`, (net) => {
    const { w, bob, viewers } = askScene(net);
    const [carol, frank] = [w.broadcaster("carol", 1), w.viewer("frank", 2)];
    carol.goLive("carol-tv");
    w.run(1_000);
    frank.watch("carol-tv");
    w.run(1_000);
    const sessions = w.servers.get(at)?.tables.sessions;
    const rows = [...(sessions?.rows() ?? [])].filter(({ owner, value }) => owner === at && lost(value));
    assert.equal(rows.length, 1);
    for (const { key } of rows) sessions?.remove(key);
    w.run(1_000);
    restart(w, at);
    w.run(1_000 * LIMITS.sessionExpiresSec);
    assert.deepEqual(brokenBetweenServers(w), []);
    const watching = [...viewers, frank].filter(({ state }) => state === "watching");
    assert.deepEqual(
      watching.map(({ channel }) => channel.split("-")[1]),
      watch,
    );
    assertWatching(w, watching);
    for (const person of watching) person.leave();
    w.run(LIMITS.emptyChannelMs + 1_000);
    assert.equal(bob.state, "waiting", "nobody is seated any more");
    carol.end();
    assertAllReleased({ w, bob, viewers: [] });
  });
}

/** Alice of site 2 asks for bob's channel; this returns as soon as her row is written, before her 2xx leaves. */
function promised(net: SimNetwork, form: "multicast" | "unicast" = "multicast") {
  const w = world(net, { sites: 2 });
  const bob = w.broadcaster("bob", 1);
  const alice = w.viewer("alice", 2, "replace", form);
  bob.goLive("bob-tv");
  w.run(1_000);
  alice.watch("bob-tv");
  const sessions = w.servers.get("ds2")?.tables.sessions;
  const isPromised = (): boolean => [...(sessions?.rows() ?? [])].some(({ owner }) => owner === "ds2");
  for (let passedMs = 0; !isPromised(); passedMs++) {
    assert.ok(passedMs < 1_000, "no row was written");
    w.run(1);
  }
  return { w, bob, alice, viewers: [alice] };
}
for (const form of ["multicast", "unicast"] as const) {
  worldTest(`a crash between 2xx and ACK, ${form}: the picture comes, and later she is asked whether she is there`, (net) => {
    const { w, alice, ...others } = promised(net, form);
    net.cutOneWay("alice", "ds2");
    w.run(50);
    assert.equal(alice.state, "watching");
    w.kill("ds2");
    net.heal("alice", "ds2");
    w.run(AWAY_MS);
    w.restart("ds2");
    w.run(3_000);
    const lines = net.record();
    assertWatching(w, [alice], 40_000);
    assert.deepEqual(
      [...lines()].filter((line) => /alice.*(INVITE|UPDATE|BYE)/.test(line)).map((line) => line.split(/ {2,}| call/)[1]),
      ["UPDATE", "200 OK (UPDATE)"],
    );
    assertAllReleased({ w, ...others });
  });
}
// INVITE is repeated 1.5 s and 3.5 s after the first.
for (const [name, awayMs] of [
  ["while the log is read", 1_200],
  ["later", AWAY_MS],
] as const) {
  worldTest(`a crash that takes the 2xx along: the INVITE that is repeated ${name} is answered by the restored call`, (net) => {
    const { w, alice, ...others } = promised(net);
    w.kill("ds2");
    w.run(awayMs);
    assert.equal(alice.state, "calling");
    const joinIds = w.reservations();
    w.restart("ds2");
    w.run(3_000);
    assertWatching(w, [alice]);
    assert.deepEqual(w.reservations(), joinIds);
    assertAllReleased({ w, ...others });
  });
}
worldTest("who never had the 2xx and has gone is found out within 64*T1, and nothing stays", (net) => {
  const { w, alice, bob } = promised(net);
  w.kill("ds2");
  alice.vanish();
  alice.arrive();
  w.run(AWAY_MS);
  w.restart("ds2");
  w.run(31_000);
  assert.equal(w.reservations().length, 1);
  w.run(3_000);
  assertAllReleased({ w, bob, viewers: [] });
});

worldTest("after a channel change and a crash the one channel goes on, and each may be changed again (PROTOCOL §6)", (net) => {
  const { w, bob, viewers } = scene(net);
  const carol = w.broadcaster("carol", 2);
  carol.goLive("carol-tv");
  w.run(1_000);
  const [, alice, erin] = viewers;
  alice?.watch("carol-tv");
  w.run(1_000);
  restart(w, "ds2");
  assertWatching(w, viewers, 5_000);
  erin?.watch("carol-tv");
  w.run(1_000);
  assertWatching(w, viewers);
  assert.deepEqual(
    w
      .held()
      .brokers.map(({ user, channel }) => `${user} ${channel}`)
      .toSorted(),
    ["alice carol-tv", "dave bob-tv", "erin carol-tv", "frank bob-tv"],
  );
  w.run(MINUTE_MS); // until the page has its WebSocket again
  carol.end();
  assertAllReleased({ w, bob, viewers });
});
worldTest("BYE that comes while the DS still reads what was on the line is answered by its dialog", (net) => {
  const { w, alice, ...others } = promised(net);
  w.run(1_000);
  restart(w, "ds2");
  w.run(10);
  const lines = net.record();
  alice.leave();
  w.run(1_000);
  assert.ok([...lines()].some((line) => /ds2 → alice +200 OK \(BYE\)/.test(line)));
  assertAllReleased({ w, ...others });
});
worldTest("a channel goes off air while the viewer's DS is away: at its return he has BYE that says so", (net) => {
  const { w, bob, viewers } = scene(net);
  w.kill("ds2");
  w.run(500);
  bob.end();
  w.run(500);
  w.restart("ds2");
  w.run(1_500);
  assert.deepEqual(viewers.map(({ state, refusal }) => [state, refusal?.reason]).slice(1, 3), [
    ["ended", 'SIP;cause=480;text="Channel off air"'],
    ["ended", 'SIP;cause=480;text="Channel off air"'],
  ]);
  assertAllReleased({ w, bob, viewers });
});
worldTest(
  "rows that outlived their sessions restore nothing: a request in such a dialog gets 481, and nothing is held",
  (net) => {
    const { w, bob, viewers } = scene(net);
    w.kill("ds2");
    w.run(2 * 1_000 * LIMITS.sessionExpiresSec);
    w.restart("ds2");
    w.run(1_500);
    assert.equal(w.held().calls, 2, "bob's and dave's");
    assertAllReleased({ w, bob, viewers });
  },
);
worldTest("a broadcaster who crashed as well goes live again at once (PROTOCOL §2)", (net) => {
  const { w, bob } = scene(net);
  const other = w.broadcaster("carol", 1);
  other.goLive("carol-tv");
  w.run(1_000);
  w.kill("ds1");
  bob.vanish();
  w.run(AWAY_MS);
  bob.arrive();
  w.restart("ds1");
  w.run(AWAY_MS);
  bob.goLive("bob-tv");
  w.run(LIMITS.liveAnswerMs + 500);
  assert.deepEqual([bob.state, other.state], ["on air", "on air"]);
  const late = w.viewer("erwin", 1);
  late.watch("bob-tv");
  w.run(1_000);
  assertWatching(w, [late]);
});
for (const { name, told, act } of [
  { name: "is refused while its broadcaster is there", told: "ended rejected 486", act: () => undefined },
  { name: "may give up", told: "ended local", act: (_bob: WorldBroadcaster, giveUp: () => void) => giveUp() },
  { name: "gets it where its broadcaster does not answer", told: "answered", act: (bob: WorldBroadcaster) => bob.vanish() },
]) {
  worldTest(`who wants a channel that is on air ${name} (PROTOCOL §2)`, (net) => {
    const { w, bob, viewers } = scene(net);
    const localHost = "10.0.1.99";
    const ds = { host: "10.0.1.1", port: 5060 };
    const identity = { user: "bob", domain: "sipcast.test", deviceSecret: "bob device", ds, localHost };
    const other = new Phone(net, identity, { name: "bob's other device" });
    w.run(500);
    const { servers, calls } = w.held();
    if (told === "answered") act(bob, assert.fail);
    const call = other.ua.invite({ to: "bob-tv", body: ingestOffer(other.host, localHost, undefined) });
    w.run(LIMITS.liveAnswerMs / 2);
    act(bob, () => other.ua.calls.end(call));
    w.run(LIMITS.liveAnswerMs);
    assert.equal(other.told.at(-1), told);
    if (told !== "answered") {
      assert.deepEqual([w.held().servers.length, w.held().calls], [servers.length, calls]);
      assertWatching(w, viewers);
    }
    other.ua.calls.end(call);
    w.run(40_000);
    assertAllReleased({ w, bob, viewers });
  });
}
worldTest("a row that another version wrote is forgotten, and the others go on", (net) => {
  const { w, bob, viewers } = scene(net);
  const old = { joinId: "1", user: "alice", channel: "bob-tv", stream: "bob-tv", kbps: 800, callId: "1" };
  w.servers.get("ds2")?.tables.sessions.put("1", old as unknown as Session, 1, 600);
  w.run(100);
  restart(w, "ds2");
  w.run(1_000);
  assert.deepEqual(brokenBetweenServers(w), []);
  assertWatching(w, viewers, MINUTE_MS);
  assertAllReleased({ w, bob, viewers });
});
worldTest("a page whose DS was restarted hangs up over the WebSocket that it has now (PROTOCOL §14)", (net) => {
  const w = world(net, { sites: 2 });
  const bob = w.broadcaster("bob", 1);
  const frank = w.page("frank", 1);
  bob.goLive("bob-tv");
  w.run(1_000);
  frank.watch("bob-tv");
  w.run(2_000);
  restart(w, "ds1");
  assertWatching(w, [frank], MINUTE_MS);
  assert.equal(frank.registration, "registered");
  const lines = net.record();
  bob.end();
  w.run(100);
  assert.ok([...lines()].some((line) => /ds1 → frank +BYE/.test(line)));
  assert.equal(frank.state, "ended");
  assertAllReleased({ w, bob, viewers: [frank] });
});
worldTest("a DS whose disk is lost goes on by what another DS has copied (DESIGN §5)", (net) => {
  const { w, bob, viewers } = scene(net);
  const joinIds = w.reservations().toSorted();
  w.kill("ds2");
  net.loseDisk("ds2");
  w.run(AWAY_MS);
  w.restart("ds2");
  assertWatching(w, viewers, ORPHANED_MS);
  assert.deepEqual(w.reservations().toSorted(), joinIds);
  assertAllReleased({ w, bob, viewers });
});

/** ds2 crashes while ds1 is away, loses what `lose` takes of its disk, and serves again; then ds1 comes back, and so do its copies. */
function copiesComeLate(w: World, lose: () => void, meanwhile = (): void => undefined): void {
  w.kill("ds1");
  w.run(500);
  w.kill("ds2");
  lose();
  w.restart("ds2");
  w.run(3_000);
  meanwhile();
  w.restart("ds1");
  w.run(3_000);
}
/** Carol on air at site 2, whose session was refreshed often: her rows are of a higher order than those of a new call. */
function carolOnAir(net: SimNetwork) {
  const w = world(net, { sites: 2, pattern: PATTERN });
  const carol = w.broadcaster("carol", 2);
  carol.goLive("carol-tv");
  w.run(4 * 1_000 * LIMITS.sessionExpiresSec);
  assert.equal(carol.state, "on air");
  return { w, carol };
}
worldTest("what a DS has lost and is told of only when it serves again ends, and nothing of it is on air", (net) => {
  const { w, carol } = carolOnAir(net);
  copiesComeLate(w, () => net.loseDisk("ds2"));
  assert.equal(carol.state, "ended", "BYE");
  assert.equal(w.held().calls, 0);
  w.run(ORPHANED_MS);
  assert.deepEqual(brokenBetweenServers(w), []);
  assert.deepEqual(w.held(), { brokers: [], edges: [], streams: [], servers: [], calls: 0 });
});
worldTest("whoever is on air again by then stays so, and nobody who watches notices", (net) => {
  const { w, carol } = carolOnAir(net);
  const alice = w.viewer("alice", 2);
  const lose = (): void => net.loseDisk("ds2");
  copiesComeLate(w, lose, () => {
    carol.end();
    w.run(1_000);
    carol.goLive("carol-tv");
    w.run(1_000);
    alice.watch("carol-tv");
    w.run(1_000);
  });
  assertWatching(w, [alice], ORPHANED_MS);
  assert.equal(carol.state, "on air");
  assert.deepEqual(brokenBetweenServers(w), []);
});
worldTest("a call that goes on by an older row is not ended by the newer one that comes late", (net) => {
  const { w, bob, viewers } = scene(net);
  w.run(1_000 * LIMITS.sessionExpiresSec);
  const orders = (): readonly number[] =>
    [...(w.servers.get("ds2")?.tables.sessions.rows() ?? [])].flatMap(({ owner, order }) => (owner === "ds2" ? [order] : []));
  const before = Math.max(...orders());
  copiesComeLate(
    w,
    () => net.rotRecord("ds2", "rows-ds2", 25), // what it wrote when the sessions were refreshed
    () => assert.ok(orders().length === 3 && Math.max(...orders()) < before, `older rows: ${orders()}, ${before}`),
  );
  assert.ok(Math.max(...orders()) > before, "and are written anew");
  assertWatching(w, viewers, ORPHANED_MS);
  assert.deepEqual(brokenBetweenServers(w), []);
  assertAllReleased({ w, bob, viewers });
});
worldTest("DS and edge crash together: sessions stand, and the picture comes back to the same place (RFC 2748 §2.2.7)", (net) => {
  const { w, bob, viewers } = scene(net);
  const joinIds = w.reservations().toSorted();
  const others = viewers.slice(0, 3); // a page's picture has gone with the edge
  restart(w, "ds2", "edge2");
  w.run(15_000);
  assertWatching(w, others, 30_000);
  assert.deepEqual(
    w.reservations().filter((joinId) => !joinIds.includes(joinId)),
    [],
  );
  assertAllReleased({ w, bob, viewers });
});
