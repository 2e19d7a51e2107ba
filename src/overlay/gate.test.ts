import assert from "node:assert/strict";
import { LIMITS } from "#base/limits.ts";
import { type SimNetwork, simTest } from "#sim/index.ts";
import { Gate } from "./gate.ts";

/** A gate before a copier that says nothing, and what it has sent again. */
function gate(net: SimNetwork) {
  const resent: number[] = [];
  const made = new Gate(net.host("ds1", "127.0.0.1"), {
    hasCopier: () => true,
    everHadCopier: () => true,
    resend: (after) => resent.push(after),
    unreplicated: () => undefined,
  });
  const put = (through: number): void => {
    made.ticket();
    made.sent(through, 1);
    net.run(1);
  };
  return { made, resent, put };
}

simTest("a batch that nobody has confirmed is sent again alone: whoever lacks more asks for it (DESIGN §5)", (net) => {
  const { resent, put } = gate(net);
  for (const through of [1_000, 1_001, 1_005]) put(through);
  net.run(LIMITS.overlayCopyMs / 2);
  assert.deepEqual(resent, [0, 1_000, 1_001]);
});

simTest("of a batch that has come in part, the rest is sent again", (net) => {
  const { made, resent, put } = gate(net);
  put(1_000);
  made.copied(400);
  net.run(LIMITS.overlayCopyMs / 2);
  assert.deepEqual(resent, [400]);
});
