import assert from "node:assert/strict";
import { world, worldTest } from "./world.ts";

const SETTLE_MS = 2_000;

worldTest(
  "a page watches by WebSocket, changes in place, and its picture is gone when it leaves (PROTOCOL §3 form 3, §14)",
  (net) => {
    const w = world(net, { sites: 2 });
    const [bob, carol] = [w.broadcaster("bob", 1), w.broadcaster("carol", 1)];
    const alice = w.page("alice", 2);
    bob.goLive("bob-tv");
    carol.goLive("carol-tv");
    w.run(SETTLE_MS);
    for (const channel of ["bob-tv", "carol-tv"]) {
      alice.watch(channel);
      w.run(SETTLE_MS);
      assert.deepEqual([alice.state, alice.channel], ["watching", channel]);
      assert.ok(alice.packets > 0);
    }
    alice.watch("nobody-tv");
    w.run(SETTLE_MS);
    assert.deepEqual([alice.state, alice.channel, alice.refusal?.status], ["watching", "carol-tv", 404]);
    alice.leave();
    const { packets } = alice;
    w.run(SETTLE_MS);
    assert.deepEqual([alice.packets, w.held().brokers], [packets, []]);
  },
);

worldTest("phones over UDP, TCP and TLS call one another through their DSs, and a caller may give up", (net) => {
  const w = world(net, { sites: 2 });
  const phones = [w.phone("gina", 1, "udp"), w.phone("harry", 2, "tcp"), w.phone("ivy", 1, "tls")];
  for (const caller of phones) {
    for (const callee of phones) {
      if (caller === callee) continue;
      caller.call(callee.user);
      w.run(SETTLE_MS);
      assert.ok(callee.isRinging, `${caller.user} calls ${callee.user}`);
      callee.answer();
      w.run(SETTLE_MS);
      assert.deepEqual([caller.talks, callee.talks], [[callee.user], [caller.user]]);
      caller.hangUp();
      w.run(SETTLE_MS);
      caller.call(callee.user);
      w.run(SETTLE_MS);
      caller.hangUp();
      w.run(SETTLE_MS);
      assert.deepEqual([caller.calls, callee.calls, callee.isRinging], [[], [], false]);
    }
  }
});
