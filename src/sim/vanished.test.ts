/** Viewers who vanish without a word: their media free what they held, long before a session timer does (PROTOCOL §12). */
import assert from "node:assert/strict";
import { LIMITS } from "#base/limits.ts";
import { type Delivery, ViewerAgent } from "#client/agents.ts";
import type { SimNetwork } from "./types.ts";
import { type World, world, worldTest } from "./world.ts";

const SECOND_MS = 1_000;
const LOOKS_MS = 2 * LIMITS.memberLookMs;

/** Alice, who watches bob-tv; what she was told last. */
function watching(net: SimNetwork, w: World, form: Delivery["form"]): { readonly user: string; state: string; reason: string } {
  const bob = w.broadcaster("bob", 1);
  bob.goLive("bob-tv");
  w.run(SECOND_MS);
  const alice = { user: "alice", state: "idle", reason: "" };
  const identity = w.signUp(alice.user, 2);
  const delivery = form === "unicast" ? { form } : ({ form, multicastInterface: identity.localHost } as const);
  const agent: ViewerAgent = new ViewerAgent(net.host(alice.user, identity.localHost), identity, delivery, {
    onRegistration: ({ kind }) => kind === "registered" && alice.state === "idle" && agent.watch("bob-tv"),
    onState: (now) => {
      alice.state = now.kind;
      alice.reason = now.kind === "ended" ? (now.reason ?? "") : "";
    },
    onPackets: () => undefined,
    onFault: (error) => assert.fail(error),
  });
  agent.register();
  w.run(60 * SECOND_MS);
  assert.equal(alice.state, "watching");
  assert.equal(w.reservations().length, 1);
  return alice;
}

const CASES: { name: string; form: Delivery["form"]; how: "process" | "machine"; afterMs: number }[] = [
  { name: "who has the stream of his own, his program", form: "unicast", how: "process", afterMs: 2 * SECOND_MS },
  { name: "who has the stream of his own, his machine", form: "unicast", how: "machine", afterMs: LIMITS.rtcpSilentMs },
  { name: "by multicast, his program", form: "multicast", how: "process", afterMs: LIMITS.memberAbsentMs + LOOKS_MS },
  { name: "by multicast, his machine", form: "multicast", how: "machine", afterMs: LIMITS.memberAbsentMs + LOOKS_MS },
];
for (const { name, form, how, afterMs } of CASES)
  worldTest(`a viewer ${name} crashes: what he held is free within ${afterMs / SECOND_MS} s (PROTOCOL §12)`, (net) => {
    const w = world(net, { sites: 2, snooping: true });
    const { user } = watching(net, w, form);
    w.run(300 * SECOND_MS);
    assert.equal(w.reservations().length, 1, "who watches is not taken to be gone");
    net.kill(user, how);
    w.run(afterMs + SECOND_MS);
    assert.deepEqual(w.reservations(), []);
    const { edges } = w.held();
    assert.deepEqual(
      edges.map(({ kind }) => kind),
      ["configuration"],
    );
  });

worldTest("a viewer whose reports get lost for good is told so by a BYE with a Reason (PROTOCOL §12)", (net) => {
  const w = world(net, { sites: 2, snooping: true });
  const alice = watching(net, w, "unicast");
  net.cutOneWay(alice.user, "edge2"); // his reports
  w.run(LIMITS.rtcpSilentMs + SECOND_MS);
  assert.equal(alice.state, "ended");
  assert.match(alice.reason, /media-gone/);
});
