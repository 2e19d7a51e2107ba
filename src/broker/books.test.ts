import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { REFUSAL, type Refusal } from "#cops/engine/iptv.ts";
import type { Topology } from "#roles/types.ts";
import { Books, type Claim } from "./books.ts";
import { Network } from "./topology.ts";

const TOPOLOGY: Topology = {
  edges: [
    { id: "edge1", site: "1", accessKbps: 4_000, coreLinks: ["a", "trunk"] },
    { id: "edge2", site: "2", accessKbps: 4_000, coreLinks: ["b", "trunk"] },
    { id: "edge3", site: "3", accessKbps: 2_500, coreLinks: ["c"] },
  ],
  links: [
    { name: "a", kbps: 3_000 },
    { name: "b", kbps: 2_000 },
    { name: "c", kbps: 2_000 },
    { name: "trunk", kbps: 2_500 },
  ],
};
const newBooks = (): Books => new Books(new Network(TOPOLOGY));
const claim = (joinId: string, more: Partial<Claim> = {}): Claim => {
  return { joinId, channel: "tv1", user: joinId, kbps: 1_000, accessKbps: 0, sourceEdge: "edge1", sinkEdge: "edge2", ...more };
};
/** Booked kbit/s by link; links with nothing are left out. */
function booked(books: Books): Record<string, number> {
  return Object.fromEntries(books.links().flatMap(({ name, bookedKbps }) => (bookedKbps > 0 ? [[name, bookedKbps]] : [])));
}

interface Case {
  readonly name: string;
  /** A claim to book and what comes of it, or a join id to release. */
  readonly script: readonly (string | readonly [Claim, Refusal | undefined])[];
  readonly wants: Record<string, number>;
}
const ok = (joinId: string, more?: Partial<Claim>): readonly [Claim, undefined] => [claim(joinId, more), undefined];
const no = (refusal: Refusal, joinId: string, more?: Partial<Claim>): readonly [Claim, Refusal] => [claim(joinId, more), refusal];

const CASES: readonly Case[] = [
  {
    name: "a join takes the core links of both edges and the viewer's access link",
    script: [ok("j1")],
    wants: { a: 1_000, b: 1_000, trunk: 1_000, edge2: 1_000 },
  },
  {
    name: "a join at the source edge takes its access link only",
    script: [ok("j1", { sinkEdge: "edge1" })],
    wants: { edge1: 1_000 },
  },
  {
    name: "a channel crosses a core link once, each viewer takes of the access link",
    script: [ok("j1"), ok("j2"), ok("j3")],
    wants: { a: 1_000, b: 1_000, trunk: 1_000, edge2: 3_000 },
  },
  {
    name: "a channel counts at its highest rate on a core link",
    script: [ok("j1"), ok("j2", { kbps: 1_500 })],
    wants: { a: 1_500, b: 1_500, trunk: 1_500, edge2: 2_500 },
  },
  {
    name: "a channel to two edges crosses the source's link once",
    script: [ok("j1"), ok("j2", { sinkEdge: "edge3" })],
    wants: { a: 1_000, b: 1_000, trunk: 1_000, c: 1_000, edge2: 1_000, edge3: 1_000 },
  },
  {
    name: "a full core refuses and keeps nothing of the refused",
    script: [ok("j1"), no(REFUSAL.coreFull, "j2", { channel: "tv2", kbps: 1_001 })],
    wants: { a: 1_000, b: 1_000, trunk: 1_000, edge2: 1_000 },
  },
  {
    name: "a full access link refuses",
    script: [ok("j1", { sinkEdge: "edge1", kbps: 4_000 }), no(REFUSAL.accessFull, "j2", { sinkEdge: "edge1", kbps: 1 })],
    wants: { edge1: 4_000 },
  },
  {
    name: "a viewer's own line refuses over all his joins",
    script: [ok("j1", { user: "alice", accessKbps: 1_500 }), no(REFUSAL.userFull, "j2", { user: "alice", accessKbps: 1_500 })],
    wants: { a: 1_000, b: 1_000, trunk: 1_000, edge2: 1_000 },
  },
  { name: "an unknown source edge refuses", script: [no(REFUSAL.unknownEdge, "j1", { sourceEdge: "edge9" })], wants: {} },
  { name: "an unknown sink edge refuses", script: [no(REFUSAL.unknownEdge, "j1", { sinkEdge: "edge9" })], wants: {} },
  {
    name: "a join asked for twice is booked once",
    script: [ok("j1"), ok("j1")],
    wants: { a: 1_000, b: 1_000, trunk: 1_000, edge2: 1_000 },
  },
  {
    name: "a join asked for again at another rate is booked at that",
    script: [ok("j1"), ok("j1", { kbps: 500 })],
    wants: { a: 500, b: 500, trunk: 500, edge2: 500 },
  },
  { name: "the last viewer's release frees the core", script: [ok("j1"), ok("j2"), "j1", "j2"], wants: {} },
  {
    name: "a release of the unknown changes nothing",
    script: [ok("j1"), "j9"],
    wants: { a: 1_000, b: 1_000, trunk: 1_000, edge2: 1_000 },
  },
  {
    name: "a change to a smaller channel keeps the larger until the old is released",
    script: [ok("j1", { kbps: 2_000 }), ok("j2", { user: "j1", channel: "tv2", kbps: 1_500, replaces: "j1" })],
    wants: { a: 2_000, b: 2_000, trunk: 2_000, edge2: 2_000 },
  },
  {
    name: "a change is settled when the old is released",
    script: [ok("j1", { kbps: 2_000 }), ok("j2", { user: "j1", channel: "tv2", kbps: 1_500, replaces: "j1" }), "j1"],
    wants: { a: 1_500, b: 1_500, trunk: 1_500, edge2: 1_500 },
  },
  {
    name: "a change that is given up leaves the old as it was",
    script: [ok("j1", { kbps: 1_500 }), ok("j2", { user: "j1", channel: "tv2", kbps: 2_000, replaces: "j1" }), "j2"],
    wants: { a: 1_500, b: 1_500, trunk: 1_500, edge2: 1_500 },
  },
  {
    name: "a change away from a channel that others watch needs room for both on the core",
    script: [ok("j1"), ok("j2"), no(REFUSAL.coreFull, "j3", { user: "j1", channel: "tv2", kbps: 1_001, replaces: "j1" })],
    wants: { a: 1_000, b: 1_000, trunk: 1_000, edge2: 2_000 },
  },
  {
    name: "a change fits a viewer's own line",
    script: [
      ok("j1", { user: "alice", accessKbps: 1_000 }),
      ok("j2", { user: "alice", accessKbps: 1_000, channel: "tv2", replaces: "j1" }),
    ],
    wants: { a: 1_000, b: 1_000, trunk: 1_000, edge2: 1_000 },
  },
  {
    name: "nobody replaces another viewer's join",
    script: [ok("j1", { kbps: 2_000 }), no(REFUSAL.coreFull, "j2", { channel: "tv2", replaces: "j1" })],
    wants: { a: 2_000, b: 2_000, trunk: 2_000, edge2: 2_000 },
  },
  {
    name: "a join is replaced by one other at a time",
    script: [
      ok("j1", { user: "u" }),
      ok("j2", { user: "u", channel: "tv2", replaces: "j1" }),
      ok("j3", { user: "u", channel: "tv3", replaces: "j1" }),
    ],
    wants: { a: 2_000, b: 2_000, trunk: 2_000, edge2: 2_000 },
  },
  {
    name: "a new viewer of a channel that somebody is leaving pays for it",
    script: [
      ok("j1", { kbps: 2_000 }),
      ok("j2", { user: "j1", channel: "tv2", replaces: "j1" }),
      no(REFUSAL.coreFull, "j3", { kbps: 2_000 }),
    ],
    wants: { a: 2_000, b: 2_000, trunk: 2_000, edge2: 2_000 },
  },
];
for (const { name, script, wants } of CASES)
  test(`Books: ${name} (PROTOCOL §6, §7)`, () => {
    const books = newBooks();
    for (const line of script) {
      if (typeof line === "string") books.release(line);
      else assert.equal(books.book(line[0]), line[1], line[0].joinId);
    }
    assert.deepEqual(booked(books), wants);
  });

const edges = fc.constantFrom("edge1", "edge2", "edge3");
const joinIds = fc.constantFrom("j1", "j2", "j3", "j4", "j5", "j6");
const steps = fc.array(
  fc.oneof(
    { weight: 1, arbitrary: joinIds },
    {
      weight: 3,
      arbitrary: fc.record({
        joinId: joinIds,
        channel: fc.constantFrom("tv1", "tv2", "tv3"),
        user: fc.constantFrom("u1", "u2", "u3"),
        kbps: fc.constantFrom(500, 1_000, 1_500),
        accessKbps: fc.constantFrom(0, 2_000),
        sourceEdge: edges,
        sinkEdge: edges,
        replaces: fc.option(joinIds, { nil: undefined }),
      }),
    },
  ),
  { maxLength: 40 },
);

test("Books never promise a link above its capacity, nor raise a load by a release", () => {
  fc.assert(
    fc.property(steps, (script) => {
      const books = newBooks();
      for (const step of script) {
        const before = booked(books);
        if (typeof step === "string") books.release(step);
        else if (books.book(step) === undefined && step.accessKbps > 0) assert.ok(books.lineKbps(step.user) <= step.accessKbps);
        for (const { name, kbps, bookedKbps } of books.links()) {
          assert.ok(bookedKbps <= kbps, `${name}: ${bookedKbps} of ${kbps}`);
          if (typeof step === "string") assert.ok(bookedKbps <= (before[name] ?? 0), `${name} after a release`);
        }
      }
    }),
    { numRuns: 500 },
  );
});

/** What must be there at least, whichever of two joins that replace one another goes: counted anew from all that is held. */
function settledLoad(held: ReadonlyMap<string, Claim>): Record<string, number> {
  const network = new Network(TOPOLOGY);
  const core = new Map<string, number>();
  const load: Record<string, number> = {};
  for (const { channel, kbps, sourceEdge, sinkEdge } of held.values()) {
    load[sinkEdge] = (load[sinkEdge] ?? 0) + kbps;
    for (const name of network.corePath(sourceEdge, sinkEdge) ?? [])
      core.set(`${name} ${channel}`, Math.max(core.get(`${name} ${channel}`) ?? 0, kbps));
  }
  for (const [key, kbps] of core) {
    const name = key.split(" ")[0] ?? "";
    load[name] = (load[name] ?? 0) + kbps;
  }
  return load;
}

test("Books without changes under way hold what a count anew gives, and nothing once all is released in any order", () => {
  fc.assert(
    fc.property(steps, fc.func(fc.nat()), (script, place) => {
      const books = newBooks();
      const held = new Map<string, Claim>();
      for (const step of script) {
        const joinId = typeof step === "string" ? step : step.joinId;
        held.delete(joinId);
        if (typeof step === "string") books.release(step);
        else {
          const { replaces: _, ...alone } = step;
          if (books.book(alone) === undefined) held.set(joinId, alone);
        }
        assert.deepEqual(booked(books), sorted(books, settledLoad(held)));
      }
      for (const joinId of [...held.keys()].sort((a, b) => place(a) - place(b))) books.release(joinId);
      assert.deepEqual(booked(books), {});
      for (const user of ["u1", "u2", "u3"]) assert.equal(books.lineKbps(user), 0);
    }),
    { numRuns: 300 },
  );
});
const sorted = (books: Books, load: Record<string, number>): Record<string, number> =>
  Object.fromEntries(books.links().flatMap(({ name }) => (load[name] ? [[name, load[name]]] : [])));
