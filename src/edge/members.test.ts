/** Viewers by multicast at an edge that sees who has joined its groups. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import { type SimNetwork, simNetwork } from "#sim/index.ts";
import { CONFIG, EdgeBench } from "./testing.ts";

const GONE_MS = LIMITS.memberAbsentMs + 2 * LIMITS.memberLookMs;
const ALICE = { viewerHost: "10.0.0.7" };

/** `members`: "ADDRESS GROUP", each behind a port of his own. */
function edgeTest(name: string, body: (bench: EdgeBench, members: Set<string>, net: SimNetwork) => void): void {
  test(`Edge ${name}`, () => {
    const net = simNetwork(1);
    const members = new Set<string>();
    const table = { portOf: (host: string) => host, hasMember: (port: string, group: string) => members.has(`${port} ${group}`) };
    const bench = new EdgeBench(net.host("edge1", "127.0.0.1"), CONFIG, { look: (seen) => seen(table) });
    body(bench.policed(), members, net);
    bench.edge.stop();
  });
}

edgeTest(
  "takes a grant back when nobody behind the viewer's port is a member of his group (PROTOCOL §12)",
  (bench, members, net) => {
    for (const host of ["10.0.0.7", "10.0.0.8"]) members.add(`${host} 232.0.1.0`);
    bench.joined("h1", "j1", ALICE);
    bench.joined("h2", "j2", { viewerHost: "10.0.0.8" });
    for (const handle of ["h1", "h2"]) bench.edge.onReport(1, handle, "success");
    net.run(10 * GONE_MS);
    members.delete("10.0.0.7 232.0.1.0");
    net.run(GONE_MS);
    assert.deepEqual([bench.ds.verdict(1, "h1"), bench.ds.verdict(1, "h2")], ["media-gone", "install"]);
    assert.deepEqual(bench.broker.joinIds(), ["j2"]);
  },
);

edgeTest("does not miss a viewer who has not acknowledged yet: his broadcaster may be asked for long", (bench, members, net) => {
  members.add("10.0.0.8 232.0.1.0");
  bench.joined("h1", "j1", ALICE);
  bench.joined("h2", "j2", { viewerHost: "10.0.0.8" });
  bench.edge.onReport(1, "h2", "success"); // for him it looks
  net.run(10 * GONE_MS);
  assert.equal(bench.ds.verdict(1, "h1"), "install");
  bench.edge.onReport(1, "h1", "success");
  net.run(GONE_MS);
  assert.equal(bench.ds.verdict(1, "h1"), "media-gone");
});

edgeTest("misses nobody who has the stream otherwise, or of whom no address is known", (bench, _, net) => {
  bench.joined("h1", "j1", { delivery: "websocket" });
  bench.joined("h2", "j2");
  bench.joined("h3", "j3", ALICE);
  for (const handle of ["h1", "h2", "h3"]) bench.edge.onReport(1, handle, "success");
  net.run(GONE_MS);
  const verdicts = ["h1", "h2", "h3"].map((handle) => bench.ds.verdict(1, handle));
  assert.deepEqual(verdicts, ["install", "install", "media-gone"]);
});
