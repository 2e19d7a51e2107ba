import assert from "node:assert/strict";
import { test } from "node:test";
import { type ConfigNode, type GroupKey, nearest, overrideConfig, parseConfig } from "./config.ts";

const SCHEMA = {
  kind: "group",
  doc: "",
  keys: {
    name: { kind: "text", pattern: /^[a-z]+$/, form: "small letters", doc: "" },
    rateKbps: { kind: "whole", unit: "kbit/s", least: 1, most: 100, default: 10, doc: "" },
    mode: { kind: "choice", of: ["open", "ask"], default: "open", doc: "" },
    at: { kind: "address", optional: true, doc: "" },
    tags: { kind: "list", of: { kind: "text", form: "a text", doc: "" }, least: 0, most: 2, doc: "" },
    peers: { kind: "table", of: { kind: "address", doc: "" }, doc: "" },
    log: {
      kind: "group",
      doc: "",
      keys: { level: { kind: "choice", of: ["low", "high"], default: "low", doc: "" } },
    },
    sites: {
      kind: "list",
      least: 0,
      most: 9,
      doc: "",
      of: { kind: "group", doc: "", keys: { id: { kind: "text", form: "a text", doc: "" } } },
    },
  },
} as const satisfies GroupKey;

/** A tree in which everything stands at a line of its own, in order. */
function tree(value: unknown, line = { next: 1 }): ConfigNode {
  const place = { line: line.next++, column: 1 };
  if (Array.isArray(value)) return { kind: "list", place, items: value.map((item) => tree(item, line)) };
  if (typeof value !== "object" || value === null) return { kind: "scalar", place, value: value as string };
  const entries = Object.entries(value).map(([name, inner]) => {
    const keyPlace = { line: line.next, column: 0 };
    return [name, { place: keyPlace, node: tree(inner, line) }] as const;
  });
  return { kind: "map", place, entries: new Map(entries) };
}
const faultsOf = (value: unknown): string[] => parseConfig(SCHEMA, tree(value)).faults.map(({ message }) => message);

test("what is not said has its default, or nothing", () => {
  const { value, faults } = parseConfig(SCHEMA, tree({ name: "tv" }));
  assert.deepEqual(faults, []);
  assert.deepEqual(value, {
    name: "tv",
    rateKbps: 10,
    mode: "open",
    at: undefined,
    tags: [],
    peers: {},
    log: { level: "low" },
    sites: [],
  });
});

test("what is said is read", () => {
  const said = { name: "tv", rateKbps: 1, mode: "ask", at: "[::1]:80", tags: ["a"], peers: { ds1: "10.0.0.1:5060" }, log: null };
  assert.deepEqual(parseConfig(SCHEMA, tree(said)).value, {
    ...said,
    at: { host: "::1", port: 80 },
    peers: { ds1: { host: "10.0.0.1", port: 5060 } },
    log: { level: "low" },
    sites: [],
  });
});

const CASES: { name: string; value: unknown; wants: string[] }[] = [
  { name: "a missing key", value: {}, wants: ["name is missing: small letters needed"] },
  { name: "a wrong type", value: { name: 5 }, wants: ["name is 5, small letters needed"] },
  {
    name: "a value above its range",
    value: { name: "tv", rateKbps: 101 },
    wants: ["rateKbps is 101, a whole number from 1 to 100 (kbit/s) needed"],
  },
  {
    name: "a value below its range",
    value: { name: "tv", rateKbps: 0 },
    wants: ["rateKbps is 0, a whole number from 1 to 100 (kbit/s) needed"],
  },
  {
    name: "a fraction",
    value: { name: "tv", rateKbps: 1.5 },
    wants: ["rateKbps is 1.5, a whole number from 1 to 100 (kbit/s) needed"],
  },
  { name: "a choice that there is not", value: { name: "tv", mode: "shut" }, wants: ['mode is "shut", open or ask needed'] },
  { name: "no address", value: { name: "tv", at: "8080" }, wants: ['at is "8080", an address like 127.0.0.1:5060 needed'] },
  { name: "a group for a value", value: { name: { a: 1 } }, wants: ["name is a group of keys, small letters needed"] },
  { name: "a value for a list", value: { name: "tv", tags: "a" }, wants: ['tags is "a", a list needed'] },
  { name: "a list that is too long", value: { name: "tv", tags: ["a", "b", "c"] }, wants: ["tags has 3 entries, 0 to 2 needed"] },
  { name: "a misspelt key", value: { nmae: "tv", name: "tv" }, wants: ["nmae is not known: is name meant?"] },
  { name: "a key like nothing there is", value: { name: "tv", zzzzzz: 1 }, wants: ["zzzzzz is not known"] },
  { name: "a key that every object has", value: { name: "tv", toString: 1 }, wants: ["toString is not known"] },
  {
    name: "a fault within a list",
    value: { name: "tv", sites: [{ id: "a" }, {}] },
    wants: ["sites[1].id is missing: a text needed"],
  },
  { name: "no map at all", value: "tv", wants: ['the configuration is "tv", keys and values needed'] },
  { name: "nothing at all", value: null, wants: ["the configuration is empty, keys and values needed"] },
  {
    name: "a list far too long, reading no more of it than there may be",
    value: { name: "tv", sites: Array.from({ length: 100 }, () => 1) },
    wants: [
      "sites has 100 entries, 0 to 9 needed",
      ...Array.from({ length: 9 }, (_, at) => `sites[${at}] is 1, keys and values needed`),
    ],
  },
];
for (const { name, value, wants } of CASES) test(`parseConfig tells of ${name}`, () => assert.deepEqual(faultsOf(value), wants));

test("where a group could not be read, one stands in whose every key is there", () => {
  const { value } = parseConfig(SCHEMA, tree([1]));
  const text = { name: "", mode: "", rateKbps: 0 };
  assert.deepEqual(value, { ...text, at: undefined, tags: [], peers: {}, log: { level: "" }, sites: [] });
});

test("all faults are told at once, each with its place", () => {
  const { faults } = parseConfig(SCHEMA, tree({ name: 1, rateKbps: 0, mode: "no", log: { level: "no", leval: "low" } }));
  assert.deepEqual(
    faults.map(({ place }) => place),
    [
      { line: 2, column: 1 },
      { line: 3, column: 1 },
      { line: 4, column: 1 },
      { line: 7, column: 0 }, // the unknown key itself
      { line: 6, column: 1 },
    ],
  );
});

test("placeOf tells where a value stands, or what it would stand in", () => {
  const { placeOf } = parseConfig(SCHEMA, tree({ name: "tv", sites: [{ id: "a" }] }));
  assert.deepEqual(placeOf("sites[0].id"), { line: 5, column: 1 });
  assert.deepEqual(placeOf("sites[0].other"), { line: 4, column: 1 });
  assert.deepEqual(placeOf("log.level"), { line: 1, column: 1 });
});

test("nearest finds what was meant, and nothing where all is far", () => {
  assert.equal(nearest("lisen", ["listen", "pages"]), "listen");
  assert.equal(nearest("LISTEN", ["listen", "pages"]), "listen");
  assert.equal(nearest("database", ["listen", "pages"]), undefined);
});

const place = { variable: "V" };
function override(root: ConfigNode, path: string, value: string): string | undefined {
  const read = (): ConfigNode => ({ kind: "scalar", place, value: /^\d+$/.test(value) ? Number(value) : value });
  return overrideConfig(root, SCHEMA, path.split("__"), { place, value, read });
}

test("overrideConfig puts a value where the file has one, and where it has none", () => {
  const root = tree({ name: "tv", sites: [{ id: "a" }] });
  for (const [path, value] of [
    ["RATEKBPS", "20"],
    ["NAME", "radio"],
    ["SITES__0__ID", "b"],
    ["SITES__1__ID", "c"],
    ["LOG__LEVEL", "high"],
  ] as const)
    assert.equal(override(root, path, value), undefined);
  const { value, faults, placeOf } = parseConfig(SCHEMA, root);
  assert.deepEqual([value.name, value.rateKbps, value.sites], ["radio", 20, [{ id: "b" }, { id: "c" }]]);
  assert.deepEqual([value.log.level, faults], ["high", []]);
  assert.equal(placeOf("name"), place);
});

for (const { path, wants } of [
  { path: "NOSUCH", wants: "there is no key nosuch" },
  { path: "NAME__X", wants: "NAME has no keys of its own" },
  { path: "SITES__7__ID", wants: "7 is no index from 0 to 0" },
  { path: "", wants: "there is no key " },
])
  test(`overrideConfig of ${path || "nothing"}: ${wants}`, () => assert.equal(override(tree({}), path, "x"), wants));
