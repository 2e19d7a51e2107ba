/** What a server does before it goes (DESIGN §7: drain on SIGTERM). */
import assert from "node:assert/strict";
import { LIMITS } from "#base/limits.ts";
import { simTest } from "#sim/index.ts";
import { world } from "#sim/world.ts";

simTest("a DS that stops hangs up: its viewers get a BYE, nothing stays reserved, the channel goes on elsewhere", (net) => {
  const w = world(net, { sites: 2 });
  const bob = w.broadcaster("bob", 1);
  const [alice, carol] = [w.viewer("alice", 2), w.viewer("carol", 1)];
  bob.goLive("bob-tv");
  w.run(2_000);
  alice.watch("bob-tv");
  carol.watch("bob-tv");
  w.run(1_000);
  assert.deepEqual([alice.state, carol.state, w.reservations().length], ["watching", "watching", 2]);
  let stopped = false;
  w.operator.stopOne("ds2", () => {
    stopped = true;
  });
  assert.equal(stopped, false, "the BYE has not been answered yet");
  w.run(500);
  assert.deepEqual([stopped, alice.state, carol.state, w.reservations().length], [true, "ended", "watching", 1]);
});

simTest("a DS that stops waits for its BYEs no longer than LIMITS.dsGoodbyeMs", (net) => {
  const w = world(net, { sites: 1 });
  const bob = w.broadcaster("bob", 1);
  bob.goLive("bob-tv");
  w.run(2_000);
  assert.equal(bob.state, "on air");
  net.cut("bob", "ds1");
  let stoppedMs = 0;
  const askedMs = net.nowMs();
  w.operator.stopOne("ds1", () => {
    stoppedMs = net.nowMs();
  });
  w.run(LIMITS.dsGoodbyeMs - 1);
  assert.equal(stoppedMs, 0);
  w.run(1);
  assert.equal(stoppedMs, askedMs + LIMITS.dsGoodbyeMs);
});
