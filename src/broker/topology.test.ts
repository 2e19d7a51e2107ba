import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import type { Topology } from "#roles/types.ts";
import { Network, topologyFaults } from "./topology.ts";

const edge = (id: string, coreLinks: readonly string[], accessKbps = 10_000): Topology["edges"][number] => {
  return { id, site: id, accessKbps, coreLinks };
};
const link = (name: string, kbps = 10_000): Topology["links"][number] => ({ name, kbps });
const SOUND: Topology = {
  edges: [edge("edge1", ["a", "trunk"]), edge("edge2", ["b", "trunk"]), edge("edge3", ["c"])],
  links: [link("a"), link("b"), link("c"), link("trunk")],
};

const PATHS: { name: string; from: string; to: string; wants: readonly string[] | undefined }[] = [
  { name: "within one edge no core link", from: "edge1", to: "edge1", wants: [] },
  { name: "between edges the links of both, source first", from: "edge1", to: "edge3", wants: ["a", "trunk", "c"] },
  { name: "a link that both pass once", from: "edge1", to: "edge2", wants: ["a", "trunk", "b"] },
  { name: "no path from a stranger", from: "edge9", to: "edge1", wants: undefined },
  { name: "no path to a stranger", from: "edge1", to: "edge9", wants: undefined },
];
for (const { name, from, to, wants } of PATHS)
  test(`Network gives ${name}`, () => assert.deepEqual(new Network(SOUND).corePath(from, to), wants));

const FAULTY: { name: string; topology: Topology; wants: readonly RegExp[] }[] = [
  { name: "nothing in a sound topology", topology: SOUND, wants: [] },
  { name: "nothing in an empty one", topology: { edges: [], links: [] }, wants: [] },
  {
    name: "an edge named twice",
    topology: { edges: [edge("edge1", []), edge("edge1", [])], links: [] },
    wants: [/"edge1" is named twice/],
  },
  { name: "a link named twice", topology: { edges: [], links: [link("a"), link("a")] }, wants: [/"a" is named twice/] },
  { name: "an unknown link", topology: { edges: [edge("edge1", ["a"])], links: [] }, wants: [/"edge1": no link "a"/] },
  {
    name: "a link passed twice",
    topology: { edges: [edge("edge1", ["a", "a"])], links: [link("a")] },
    wants: [/"a" is passed twice/],
  },
  {
    name: "every fault at once, rates and ids included",
    topology: { edges: [edge("", [], 0), edge("edge2", [], 1.5)], links: [link("a", -1)] },
    wants: [/kbps is -1/, /the id is empty/, /accessKbps is 0/, /"edge2": accessKbps is 1\.5/],
  },
  {
    name: "one edge more than there are group pools",
    topology: { edges: Array.from({ length: LIMITS.brokerEdges + 1 }, (_, at) => edge(`edge${at}`, [])), links: [] },
    wants: [/65535 edges, at most 65534/],
  },
];
for (const { name, topology, wants } of FAULTY)
  test(`topologyFaults reports ${name}`, () => {
    const faults = topologyFaults(topology);
    assert.equal(faults.length, wants.length, faults.join("\n"));
    for (const [at, want] of wants.entries()) assert.match(faults[at] ?? "", want);
  });

test("Network throws for a topology with faults", () => {
  assert.throws(() => new Network({ edges: [edge("edge1", ["a"])], links: [] }), /no link "a"/);
});

test("Network knows who shares a core link (DESIGN §6)", () => {
  const { sharers } = new Network({
    edges: [edge("edge1", ["a", "b"]), edge("edge2", ["a"])],
    links: [link("a"), link("b"), link("c")],
  });
  assert.deepEqual(
    [...sharers],
    [
      ["a", ["edge1", "edge2"]],
      ["b", ["edge1"]],
      ["c", []],
    ],
  );
});
