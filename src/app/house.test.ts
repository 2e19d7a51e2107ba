/** The house rules that a machine can read (DESIGN §4): who imports whom, and who may name the outside world. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

const SRC = path.resolve(import.meta.dirname, "..");
const FREE = ["base", "host"]; // `host`: its interface; the implementations below are for `app`
const EVERY_AREA = readdirSync(SRC);
const HTTP_AND_BELOW = ["sip", "cops", "broker", "edge", "overlay", "media", "tv", "registration", "store", "client", "trace"];

/** area → areas it may import besides itself, `base` and `host`'s interface. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  host: [],
  sip: [],
  cops: [],
  overlay: [],
  media: [],
  store: [],
  trace: ["sip", "cops"],
  broker: ["cops"],
  edge: ["cops", "media"],
  tv: ["sip", "cops", "overlay", "media"],
  registration: ["overlay", "store", "tv"],
  client: ["sip", "media"],
  http: HTTP_AND_BELOW,
  roles: [...HTTP_AND_BELOW, "http"],
  sim: [...HTTP_AND_BELOW, "http", "roles"],
  app: [...HTTP_AND_BELOW, "http", "roles", "sim"],
};
/** Roles' configuration types are what `broker` and `edge` are told; types only. */
const TYPES_FOR_ALL = ["roles/types.ts"];
const IMPLEMENTATIONS = ["host/node/", "host/browser/"];
/** What only tests import. */
const TEST_SUPPORT = [
  "sim/sim-test.ts",
  "sim/flow-stage.ts",
  "host/conformance.ts",
  "host/log-conformance.ts",
  "overlay/carriers/test-child.ts",
  "overlay/carriers/test-nats.ts",
];
/** Where Node's APIs, clocks, timers and randomness may be named. */
const MAY_NAME_THE_WORLD = [...IMPLEMENTATIONS, "store/", "overlay/carriers/", "http/", "edge/linux/", "app/", ...TEST_SUPPORT];
const THE_WORLD =
  /from "node:|\bimport\("node:|\bDate\b|\bperformance\.|Math\.random|\bset(?:Timeout|Interval|Immediate)\b|\bqueueMicrotask\b|(?<![\w-])process\.|\bBuffer\b/;
const LAYERS = ["wire", "engine"]; // inner first: a layer imports only itself and what stands before it

interface Import {
  readonly file: string; // below src, e.g. "sip/engine/calls.ts"
  readonly target: string; // below src
  readonly typeOnly: boolean;
}

const files = (readdirSync(SRC, { recursive: true }) as string[]).filter((file) => file.endsWith(".ts"));
const code = new Map(files.map((file) => [file, withoutComments(readFileSync(path.join(SRC, file), "utf8"))]));

function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "$1");
}
function importsOf(file: string): Import[] {
  const found: Import[] = [];
  for (const [, kind = "", from = ""] of (code.get(file) ?? "").matchAll(
    /(?:^|\n)\s*((?:import|export)\s+[^;"]*?from\s+|import\s+)"([^"]+)"/g,
  )) {
    const target = from.startsWith("#")
      ? from.slice(1).replace(/^([a-z]+)$/, "$1/index.ts")
      : from.startsWith(".")
        ? path.join(path.dirname(file), from)
        : undefined;
    if (target !== undefined) found.push({ file, target, typeOnly: /^\s*(?:import|export)\s+type\b/.test(kind) });
  }
  return found;
}
const areaOf = (file: string): string => file.split("/")[0] ?? "";
const isTest = (file: string): boolean => file.endsWith(".test.ts");
const isAnyOf = (file: string, places: readonly string[]): boolean => places.some((place) => file.startsWith(place));

function faultOf({ file, target, typeOnly }: Import): string | undefined {
  const [from, to] = [areaOf(file), areaOf(target)];
  if (from === to) {
    const [outer, inner] = [file, target].map((name) => LAYERS.indexOf(name.split("/")[1] ?? ""));
    const upward = outer !== undefined && inner !== undefined && outer >= 0 && (inner < 0 || inner > outer);
    const isAgreement = target === `${to}/types.ts`; // what the layers of an area share
    return upward && !isAgreement && !isTest(file) ? `${file} is of an inner layer and imports ${target}` : undefined;
  }
  if (isAnyOf(target, IMPLEMENTATIONS) && from !== "app" && !isTest(file) && !TEST_SUPPORT.includes(file))
    return `${file} imports ${target}: implementations are for app`;
  if (FREE.includes(to) || (typeOnly && TYPES_FOR_ALL.includes(target))) return undefined;
  if (isTest(file) && to === "sim") return undefined;
  return MAY_IMPORT[from]?.includes(to) ? undefined : `${file} imports ${target}: ${from} may not import ${to}`;
}

test("every area has its line in the table of imports", () => {
  assert.deepEqual(
    EVERY_AREA.filter((area) => !(area in MAY_IMPORT)),
    [],
  );
});

test("an area imports only what DESIGN §4 lets it import", () => {
  assert.deepEqual(files.flatMap(importsOf).map(faultOf).filter(Boolean), []);
});

test("only the edges of the house name Node's APIs, clocks, timers and randomness", () => {
  const offenders = files
    .filter((file) => !isTest(file) && !isAnyOf(file, MAY_NAME_THE_WORLD))
    .flatMap((file) => {
      const named = THE_WORLD.exec(code.get(file) ?? "");
      return named ? [`${file}: ${named[0]}`] : [];
    });
  assert.deepEqual(offenders, []);
});

test("no file is longer than 500 lines", () => {
  const long = files.filter((file) => readFileSync(path.join(SRC, file), "utf8").split("\n").length > 501);
  assert.deepEqual(long, []);
});

test("every limit is somebody's, and a test names it", () => {
  const limits = [...(code.get("base/limits.ts") ?? "").matchAll(/^ {2}(\w+):/gm)].map(([, name = ""]) => name);
  const named = (files: readonly string[]): Set<string> =>
    new Set(files.flatMap((file) => readFileSync(path.join(SRC, file), "utf8").match(/\w+/g) ?? []));
  const isForTests = (file: string): boolean => isTest(file) || TEST_SUPPORT.includes(file);
  const used = named(files.filter((file) => file !== "base/limits.ts" && !isForTests(file)));
  const tested = named(files.filter(isForTests));
  assert.ok(limits.length > 100);
  assert.deepEqual(
    limits.filter((name) => !used.has(name) || !tested.has(name)),
    [],
  );
});

test("the rules see what they should see", () => {
  const refused: Import[] = [
    { file: "sip/driver.ts", target: "cops/index.ts", typeOnly: false },
    { file: "sip/wire/parse.ts", target: "sip/engine/calls.ts", typeOnly: false },
    { file: "tv/engine/sessions.ts", target: "host/node/index.ts", typeOnly: false },
    { file: "media/driver.ts", target: "sim/index.ts", typeOnly: false },
  ];
  for (const one of refused) assert.notEqual(faultOf(one), undefined, `${one.file} → ${one.target}`);
  assert.match("const at = Date.now();", THE_WORLD);
});
