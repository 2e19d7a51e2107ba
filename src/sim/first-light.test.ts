import assert from "node:assert/strict";
import { world, worldTest } from "./world.ts";

for (const copsHandlingMs of [0, 100]) {
  worldTest(`an open channel goes live at site 1 and is watched at site 2, COPS handling ${copsHandlingMs} ms [B10]`, (net) => {
    const w = world(net, { sites: 2, copsHandlingMs });
    const bob = w.broadcaster("bob", 1);
    const alice = w.viewer("alice", 2);
    bob.goLive("bob-tv");
    w.run(1_000);
    assert.equal(bob.state, "on air");
    alice.watch("bob-tv");
    w.run(2_000); // a key frame comes every second
    assert.equal(alice.state, "watching");
    assert.ok(alice.packets > 0, "alice receives RTP from her own edge's group");
  });
}

worldTest("a viewer whom the core cannot carry gets 488 with a Warning, and nothing stays reserved (PROTOCOL §4)", (net) => {
  const w = world(net, { sites: 2, coreKbps: 500 });
  const bob = w.broadcaster("bob", 1);
  const alice = w.viewer("alice", 2);
  bob.goLive("bob-tv");
  w.run(1_000);
  alice.watch("bob-tv");
  w.run(1_000);
  assert.equal(alice.state, "refused");
  assert.equal(alice.refusal?.status, 488);
  assert.match(alice.refusal?.warning ?? "", /^370 /);
  assert.deepEqual(w.reservations(), []);
});
