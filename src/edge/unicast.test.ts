/** Viewers with a stream of their own at an edge: when it begins, and from which ports. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { simNetwork } from "#sim/index.ts";
import { EdgeBench, join } from "./testing.ts";

const UNICAST = { delivery: "unicast", unicastTo: "127.0.0.7:6000" } as const;
function edgeTest(name: string, body: (bench: EdgeBench) => void): void {
  test(`Edge ${name}`, () => body(new EdgeBench(simNetwork(1).host("edge1", "127.0.0.1")).policed()));
}
const portOf = (bench: EdgeBench, handle: string): string => (bench.ds.grant(1, handle) as { source: string }).source;

edgeTest("sends a unicast viewer nothing before he has acknowledged, from a pair of ports of his own (RFC 3550 §11)", (bench) => {
  bench.joined("h1", "j1", UNICAST);
  bench.joined("h2", "j2", UNICAST);
  assert.equal(portOf(bench, "h2"), "127.0.0.1:41002");
  bench.edge.onReport(1, "h2", "failure");
  assert.deepEqual([...bench.media.begun], []);
  for (const handle of ["h2", "h9"]) bench.edge.onReport(1, handle, "success");
  assert.deepEqual([...bench.media.begun], ["j2"]);
  bench.edge.onSinkGone("tv2", "j2");
  assert.equal(bench.ds.verdict(1, "h2"), "media-gone");
  bench.joined("h3", "j3", UNICAST);
  assert.equal(portOf(bench, "h3"), "127.0.0.1:41002");
});

edgeTest("refuses a unicast viewer for whom it has no ports, keeps nothing of him, and gives the others theirs", (bench) => {
  for (const n of [1, 2]) bench.joined(`h${n}`, `j${n}`, UNICAST);
  bench.joined("h3", "j3", { ...UNICAST, channel: "tv3", coreGroup: "232.0.2.1:5004" });
  assert.equal(bench.ds.verdict(1, "h3"), "unicast-full");
  assert.deepEqual([...bench.media.streams.keys()], ["tv2"]);
  assert.deepEqual(bench.broker.joinIds(), ["j1", "j2"]);
  for (const n of [1, 2]) bench.edge.onDelete(1, `h${n}`, "tear");
  assert.deepEqual([bench.edge.reservations(), bench.media.sinks(), bench.broker.joinIds()], [[], [], []]);
});

edgeTest("gives a unicast viewer after a restart the ports that he had", (bench) => {
  const attributes = { kbps: 1_000, group: "232.0.1.0:5004", source: "127.0.0.1:41002" };
  bench.ask("h1", { ...join("j1", UNICAST), localDecision: { command: "install", attributes } });
  bench.install("j1");
  assert.equal(portOf(bench, "h1"), attributes.source);
});
