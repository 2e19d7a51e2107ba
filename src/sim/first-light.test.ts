import assert from "node:assert/strict";
import { type World, world, worldTest } from "./world.ts";

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

for (const { name, end } of [
  { name: "is stopped", end: (w: World, member: string) => w.stop(member) },
  { name: "crashes", end: (w: World, member: string) => w.kill(member) },
  { name: "loses its machine", end: (w: World, member: string) => w.kill(member, "machine") },
]) {
  worldTest(`whatever server ${name} and comes back, a channel can be put on air and watched`, (net) => {
    const w = world(net, { sites: 2 });
    const bob = w.broadcaster("bob", 1);
    const alice = w.viewer("alice", 2);
    for (const member of ["ds1", "edge1", "ds2", "edge2", "broker", "registration"]) {
      end(w, member);
      assert.ok(!w.isUp(member));
      w.run(1_000);
      w.restart(member);
      w.run(40_000); // a silent machine is missed after a COPS keep-alive interval
    }
    bob.goLive("bob-tv");
    w.run(1_000);
    alice.watch("bob-tv");
    w.run(2_000);
    assert.deepEqual([bob.state, alice.state, alice.packets > 0], ["on air", "watching", true]);
  });
}

worldTest("who signed up while registration was cut off from the DSs can speak through them soon after", (net) => {
  const w = world(net, { sites: 1 });
  net.cut("registration", "ds1");
  const bob = w.broadcaster("bob", 1);
  net.heal("registration", "ds1");
  w.run(90_000); // his REGISTER was refused; a call is signed by itself
  bob.goLive("bob-tv");
  w.run(1_000);
  assert.equal(bob.state, "on air");
});
