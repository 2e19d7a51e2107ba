/** What a DS had on the line survives its crash: viewers and broadcasters notice nothing (DESIGN §5, PROTOCOL §10). */
import assert from "node:assert/strict";
import { LIMITS } from "#base/limits.ts";
import { type World, type WorldBroadcaster, type WorldPage, type WorldViewer, world, worldTest } from "./world.ts";

/** How long a DS stays away. */
const AWAY_MS = 2_000;
type Watcher = WorldViewer | WorldPage;

interface Scene {
  readonly w: World;
  readonly bob: WorldBroadcaster;
  readonly viewers: readonly Watcher[];
}
/** Bob on air at site 1; at both sites somebody watches by multicast, at the second also by unicast and in a page. */
function scene(net: Parameters<typeof world>[0]): Scene {
  const w = world(net, { sites: 2 });
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
      assertWatching(w, viewers, 2 * LIMITS.orphanHoldMs);
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
function askScene(net: Parameters<typeof world>[0], inTurn = false): Scene {
  const w = world(net, { sites: 2, askSequentially: inTurn });
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
    assertWatching(w, viewers, 2 * LIMITS.orphanHoldMs);
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
