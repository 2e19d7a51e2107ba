/** Any order of what can happen to an edge: nothing is carried without a reservation, and nothing stays after all is returned. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CLIENT_TYPE, type Decision } from "#cops/engine/types.ts";
import { simNetwork } from "#sim/index.ts";
import { EdgeBench, join, POLICY, provision } from "./testing.ts";

const peps = fc.constantFrom(1, 2);
const handles = fc.constantFrom("h1", "h2", "h3", "h4");
const joinIds = fc.constantFrom("j1", "j2", "j3");
const channels = fc.constantFrom("tv1", "tv2", "tv3", "tv4");
const joins = fc.record({
  joinId: joinIds,
  channel: channels,
  sourceEdge: fc.constantFrom("edge1", "edge2"),
  coreGroup: fc.constantFrom("232.0.2.0:5004", "232.0.2.1:5004"),
  delivery: fc.constantFrom("multicast" as const, "unicast" as const, "websocket" as const),
});
const requests = fc.oneof(
  joins.map(({ joinId, ...more }) => join(joinId, { ...more, unicastTo: "127.0.0.7:6000" })),
  joins
    .map(({ joinId, ...more }) => join(joinId, more, "admission-source"))
    .filter(({ attributes }) => attributes["delivery"] !== "unicast"),
  fc.tuple(joinIds, channels).map(([joinId, channel]) => provision(joinId, { channel })),
);
const nth = fc.nat(9);
const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ act: fc.constant("ask" as const), pep: peps, handle: handles, request: requests }) },
    { weight: 6, arbitrary: fc.record({ act: fc.constant("decide" as const), nth, yes: fc.boolean() }) },
    { weight: 2, arbitrary: fc.record({ act: fc.constant("return" as const), pep: peps, handle: handles }) },
    { weight: 1, arbitrary: fc.record({ act: fc.constantFrom("lose" as const, "back" as const) }) },
    { weight: 1, arbitrary: fc.record({ act: fc.constant("gone" as const), pep: peps }) },
    { weight: 1, arbitrary: fc.record({ act: fc.constant("unwatched" as const), nth }) },
    { weight: 1, arbitrary: fc.record({ act: fc.constant("wait" as const), ms: fc.constantFrom(10_000, 60_000) }) },
  ),
  { maxLength: 60 },
);
type Step = typeof steps extends fc.Arbitrary<(infer S)[]> ? S : never;

function perform(bench: EdgeBench, net: ReturnType<typeof simNetwork>, step: Step): void {
  const { broker, edge } = bench;
  const isUp = broker.isOpen(CLIENT_TYPE.admission);
  if (step.act === "ask") bench.ask(step.handle, step.request, step.pep);
  else if (step.act === "decide") decide(bench, step.nth, step.yes);
  else if (step.act === "return") edge.onDelete(step.pep, step.handle, "tear");
  else if (step.act === "gone") edge.onGone(step.pep, "ds");
  else if (step.act === "unwatched") unwatch(bench, step.nth);
  else if (step.act === "wait") net.run(step.ms);
  else if (step.act === "lose" && isUp) bench.lose();
  else if (step.act === "back" && !isUp) bench.policed();
}
function decide({ broker, edge }: EdgeBench, which: number, yes: boolean): void {
  const [handle] = [...broker.live].filter(([, { kind }]) => kind !== "configuration")[which] ?? [];
  const decision: Decision = yes
    ? { command: "install", attributes: { kbps: 1_000 } }
    : { command: "remove", attributes: { reason: "core-full" } };
  if (handle !== undefined) edge.onDecision(handle, decision);
}
function unwatch({ media, edge }: EdgeBench, which: number): void {
  const all = [...media.streams].flatMap(([stream, { sinks }]) => [...sinks.keys()].map((sink) => [stream, sink] as const));
  const [stream, sink] = all[which] ?? [];
  if (stream !== undefined && sink !== undefined) edge.onSinkGone(stream, sink);
}

/** What the media plane does is what reservations say, and the broker is asked for exactly the joins that are held. */
function assertConsistent({ edge, media, broker }: EdgeBench): void {
  const held = edge.reservations();
  const granted = held.filter(({ state }) => state === "granted");
  const carrying = granted.filter(({ kind }) => kind !== "admission-source").map(({ channel }) => channel);
  assert.deepEqual([...media.streams.keys()].sort(), [...new Set(carrying)].sort());
  for (const sink of media.sinks())
    assert.ok(
      granted.some(({ kind, joinId }) => kind === "admission-sink" && joinId === sink),
      sink,
    );
  const joinIdsHeld = held.filter(({ kind }) => kind !== "configuration").map(({ joinId }) => joinId);
  if (broker.isOpen(CLIENT_TYPE.admission)) assert.deepEqual(broker.joinIds(), joinIdsHeld.sort());
  else assert.ok(granted.length === held.length, "nothing waits while the broker is away");
}

/** A handle that named a channel names one of its viewers' joins next: both go, once each. */
const RENAMED_WITH_ITS_VIEWER: Step[] = [
  {
    act: "ask",
    pep: 1,
    handle: "h1",
    request: {
      kind: "configuration",
      attributes: { joinId: "j1", channel: "tv3", user: "bob", kbps: 1000, sender: "127.0.0.9" },
    },
  },
  {
    act: "ask",
    pep: 2,
    handle: "h1",
    request: {
      kind: "admission-sink",
      attributes: {
        joinId: "j2",
        channel: "tv3",
        user: "j2",
        kbps: 1000,
        accessKbps: 0,
        sourceEdge: "edge1",
        coreGroup: "232.0.2.0:5004",
        coreSource: "127.0.0.2",
        delivery: "multicast",
        unicastTo: "127.0.0.7:6000",
      },
    },
  },
  { act: "decide", nth: 0, yes: true },
  {
    act: "ask",
    pep: 1,
    handle: "h1",
    request: {
      kind: "admission-sink",
      attributes: {
        joinId: "j2",
        channel: "tv1",
        user: "j2",
        kbps: 1000,
        accessKbps: 0,
        sourceEdge: "edge1",
        coreGroup: "232.0.2.0:5004",
        coreSource: "127.0.0.2",
        delivery: "multicast",
        unicastTo: "127.0.0.7:6000",
      },
    },
  },
];

test("Edge: whatever happens in whatever order, streams have reservations and returned is returned", () => {
  fc.assert(
    fc.property(steps, (script) => {
      const net = simNetwork(1);
      const bench = new EdgeBench(net.host("edge1", "127.0.0.1")).policed({ ...POLICY, ingestKbps: 3_000 });
      for (const step of script) {
        perform(bench, net, step);
        assertConsistent(bench);
      }
      for (const pep of [1, 2]) for (const handle of ["h1", "h2", "h3", "h4"]) bench.edge.onDelete(pep, handle, "tear");
      net.run(60_010); // orphans
      assert.deepEqual(bench.edge.reservations(), []);
      assert.equal(bench.media.streams.size, 0);
      assert.deepEqual(bench.broker.joinIds(), []);
    }),
    { numRuns: 1_000, examples: [[RENAMED_WITH_ITS_VIEWER]] },
  );
});
