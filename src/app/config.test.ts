import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { parse, stringify } from "yaml";
import type { Key } from "#base/config.ts";
import { childrenOf, planOf } from "./config.ts";
import { allFaults } from "./config-checks.ts";
import { readConfig, showFault } from "./config-file.ts";
import { CONFIG_SCHEMA } from "./config-schema.ts";
import { demoYaml, planDemo } from "./demo-plan.ts";
import { changes } from "./serve.ts";

const HOME = path.resolve(import.meta.dirname, "../..");
const OPTIONS = { sites: 2, basePort: 5_060, webPort: 8_080, accessKbps: 1_000, coreKbps: 1_000, digest: ["SHA-256"] } as const;
const GOOD = demoYaml(OPTIONS);

const faultsOf = (text: string, environment: NodeJS.ProcessEnv = {}): string[] =>
  allFaults(readConfig(text, environment)).map((fault) => showFault(fault, "f.yaml"));
/** The good configuration with a text replaced. */
function changed(from: string | RegExp, to: string): string {
  assert.match(GOOD, new RegExp(from));
  return GOOD.replace(from, to);
}

test("the example for deployment has no faults", () => {
  assert.deepEqual(faultsOf(readFileSync(path.join(HOME, "deploy/all-in-one.yaml"), "utf8")), []);
});

test("the demo is a configuration without faults, with one site or two", () => {
  for (const sites of [1, 2]) assert.equal(planDemo({ ...OPTIONS, sites }).config.ds.length, sites);
});

const CASES: { name: string; text: string; wants: (string | RegExp)[] }[] = [
  { name: "an empty file", text: "", wants: ["f.yaml:1:1: the configuration is empty, keys and values needed"] },
  {
    name: "a long text",
    text: "word ".repeat(1_000),
    wants: [/^f\.yaml:1:1: the configuration is "(?:word ){11}word…, keys and/],
  },
  {
    name: "a value where a group belongs",
    text: changed(/\n {4}media:\n/, "\n    media: 5\n    unknown:\n"),
    wants: [/edge\[0\]\.media is 5, keys and values needed/, /edge\[0\]\.unknown is not known/],
  },
  {
    name: "broken YAML",
    text: "domain: [",
    wants: [/^f\.yaml:1:10: Flow sequence/, /^f\.yaml:1:9: domain is a list/],
  },
  {
    name: "an unknown key, with what is meant",
    text: changed("    groupPort:", "    gruopPort:"),
    wants: [/^f\.yaml:\d+:5: broker\[0\]\.gruopPort is not known: is groupPort meant\?$/],
  },
  {
    name: "two faults in two lines at once",
    text: changed("accessKbps: 1000", "accessKbps: 0").replace("domain: sipcast.test", "domain: SIP CAST"),
    wants: [/^f\.yaml:1:9: domain is "SIP CAST", a domain in small letters/, /broker\[0\]\.edges\[0\]\.accessKbps is 0/],
  },
  {
    name: "a port used twice",
    text: changed("ws: 127.0.0.1:5061", "ws: 127.0.0.1:5060"),
    wants: [/^f\.yaml:\d+:9: ds\[0\]\.ws: TCP 127\.0\.0\.1:5060 is used twice, by ds\[0\]\.tcp as well$/],
  },
  {
    name: "a port that a wildcard takes too",
    text: changed("listen: 127.0.0.1:8080", "listen: 0.0.0.0:5061"),
    wants: [/web\[0\]\.listen: TCP 0\.0\.0\.0:5061 is used twice, by ds\[0\]\.ws as well$/],
  },
  {
    name: "ingest ports that two edges of one address share",
    text: changed("address: 127.0.2.1", "address: 127.0.1.1").replace("ingestFirst: 6160", "ingestFirst: 6159"),
    wants: [/edge\[1\]\.media\.ingestFirst: UDP 127\.0\.1\.1:6159 is used twice, by edge\[0\]\.media\.ingestFirst as well$/],
  },
  {
    name: "an odd port for RTP (RFC 3550 §11)",
    text: changed("unicastFirst: 8060", "unicastFirst: 8061"),
    wants: [/edge\[0\]\.media\.unicastFirst: 8061 is odd/],
  },
  {
    name: "ports for unicast viewers beyond the last port",
    text: changed("unicastFirst: 8060", "unicastFirst: 65500"),
    wants: [/edge\[0\]\.media\.unicastFirst: 25 viewers from port 65500 on are too many/],
  },
  {
    name: "a bridge that can be no interface",
    text: changed("site: site1\n    cops", "site: site1\n    members: { bridge: a/b }\n    cops"),
    wants: [/edge\[0\]\.members\.bridge is "a\/b", the name of an interface/],
  },
  {
    name: "a name used twice",
    text: changed("id: ds2", "id: ds1"),
    wants: [/ds\[1\]\.id: ds1 is the name of ds\[0\]\.id already$/],
  },
  {
    name: "an edge that does not exist",
    text: changed("edge: edge2", "edge: edge9"),
    wants: [/ds\[1\]\.edge: there is no edge edge9 in this file \(there is: edge1, edge2\)/],
  },
  {
    name: "an edge that its broker does not know",
    text: changed(/ {2}- id: edge2\n {4}site: site2\n {4}cops/, "  - id: edge3\n    site: site2\n    cops").replace(
      "edge: edge2",
      "edge: edge3",
    ),
    wants: [/edge\[1\]\.id: the topology of broker has no edge edge3/],
  },
  {
    name: "a topology with faults",
    text: changed("- core2", "- core7"),
    wants: [/broker\[0\]\.edges: edge "edge2": no link "core7"$/],
  },
  {
    name: "accounts that are kept nowhere",
    text: changed(/registration:\n {2}database: .*\n/, "registration: {}\n"),
    wants: [/registration: accounts would not be kept: give data/],
  },
  {
    name: "a DS that nobody tells its users",
    text: changed(/registration:\n {2}database: .*\n/, ""),
    wants: [
      /ds: registration is missing here: no user would be known \(roles that meet on the overlay/,
      /web: registration is missing here/,
    ],
  },
  {
    name: "a certificate that cannot be read",
    text: changed("    edge: edge1", "    tls: 127.0.0.1:5099\n    certificate: { cert: /none, key: /none }\n    edge: edge1"),
    wants: [
      /:9:26: ds\[0\]\.certificate\.cert: There is no file \/none\.$/,
      /:9:38: ds\[0\]\.certificate\.key: There is no file \/none\.$/,
    ],
  },
  {
    name: "DSs that are to come by what is not there",
    text: changed("    edge: edge1", "    peers: tls\n    edge: edge1"),
    wants: [/ds\[0\]\.peers: it has no tls$/],
  },
  {
    name: "TLS without a certificate, and TCP on another port than UDP (RFC 3261 §18.2.1)",
    text: changed("tcp: 127.0.0.1:5060", "tcp: 127.0.0.1:5098\n    tls: 127.0.0.1:5099"),
    wants: [/ds\[0\]: tls and wss need a certificate$/, /ds\[0\]\.tcp: its port must be that of udp, 5060$/],
  },
  {
    name: "processes of which nothing tells how they are",
    text: changed("  - listen: 127.0.0.1:8080", "  - listen: 127.0.0.1:8080\n    process: front"),
    wants: [/^f\.yaml:1:1: admin is missing: with a process front, and no web in the main one/],
  },
  {
    name: "a process without a name",
    text: changed("- id: ds2", '- id: ds2\n    process: "Site 2"'),
    wants: [/^f\.yaml:\d+:14: ds\[1\]\.process is "Site 2", a name of at most 32 letters/],
  },
  {
    name: "NATS without what it takes",
    text: `${GOOD}overlay:\n  nats: { servers: [], nkye: x }\n`,
    wants: [
      /:24: overlay\.nats\.nkye is not known: is nkey meant\?$/,
      /:20: overlay\.nats\.servers has 0 entries, 1 to 64 needed$/,
      /:9: overlay\.nats\.tls\.ca is missing: a path needed$/,
      /:9: overlay\.nats\.nkey is missing: a path needed$/,
    ],
  },
  {
    name: "a server of NATS that is none",
    text: `${GOOD}overlay: { nats: { servers: ["http://x"], tls: { ca: x }, nkey: x } }\n`,
    wants: [/:30: overlay\.nats\.servers\[0\] is "http:\/\/x", a server like nats1\.tv\.example:4222 needed$/],
  },
  {
    name: "machines that do not share the operator key, and half a certificate",
    text: `${GOOD}overlay: { nats: { servers: [10.0.0.1], tls: { ca: /none, cert: /none }, nkey: /none } }\n`,
    wants: [
      /overlay\.nats: data is missing: all machines share the operator\.key in it/,
      /overlay\.nats\.tls: cert and key need one another$/,
      /:80: overlay\.nats\.nkey: There is no file \/none\.$/,
      /:52: overlay\.nats\.tls\.ca: There is no file \/none\.$/,
      /:65: overlay\.nats\.tls\.cert: There is no file \/none\.$/,
    ],
  },
  {
    name: "a folder of data without the operator key",
    text: `data: /none\n${GOOD}overlay: { nats: { servers: [10.0.0.1], tls: { ca: /none }, nkey: /none } }\n`,
    wants: [
      /overlay\.nats: there is no \/none\/operator\.key: all machines share that of sipcast init/,
      /no file \/none\.$/,
      /no file/,
    ],
  },
  {
    name: "YAML that stands in itself, and a name that nothing has",
    text: `${GOOD}data: &a [*a]\norigins: [*b]\n`,
    wants: [
      /^f\.yaml:\d+:11: \*a stands in what it names itself$/,
      /data is a list/,
      /^f\.yaml:\d+:11: \*b names nothing that stands before it$/,
      /origins\[0\] is empty/,
    ],
  },
  {
    name: "a key of several lines, in one",
    text: `${GOOD}"two\\nlines\\e[2J${"x".repeat(1_000)}": 1\n`,
    wants: [/^f\.yaml:\d+:1: two lines \[2Jx{3,400}$/],
  },
  { name: "nothing to run", text: "domain: tv.example", wants: ["f.yaml:1:1: no role is configured: nothing would run"] },
];
for (const { name, text, wants } of CASES)
  test(`check tells of ${name}`, () => {
    const faults = faultsOf(text);
    assert.equal(faults.length, wants.length, faults.join("\n"));
    faults.forEach((fault, at) => {
      const want = wants[at];
      if (typeof want === "string") assert.equal(fault, want);
      else assert.match(fault, want ?? /never/);
    });
  });

test("an edge and its broker may stand in a process of their own, and a DS may name an edge elsewhere", () => {
  const [head = "", ds = "", edge = "", broker = "", registration = ""] = GOOD.split(/^(?=ds:|edge:|broker:|registration:)/m);
  assert.deepEqual(faultsOf(head + edge + broker), []);
  const elsewhere = ds.replaceAll(/edge: (edge\d)/g, "edge: $1\n    edgeCops: 10.0.0.9:3288");
  assert.deepEqual(faultsOf(head + elsewhere + registration), []);
});

/** `GOOD` in two files, one a site, both with what `sipcast init` makes. */
function machines(t: TestContext, nkey = `SU${"A".repeat(56)}`): { first: string; second: string } {
  const folder = mkdtempSync(path.join(tmpdir(), "sipcast-"));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [file, content] of Object.entries({ "operator.key": "", "ca.pem": "", nkey }))
    writeFileSync(path.join(folder, file), content);
  const joined = `data: ${folder}\noverlay: { nats: { servers: [nats1, "nats2:4223"], tls: { ca: ${folder}/ca.pem }, nkey: ${folder}/nkey } }\n`;
  const both = parse(GOOD) as Record<"ds" | "edge", unknown[]> & { domain: string; web: object[]; registration: object };
  const [ds1, ds2, edge1, edge2] = [...both.ds, ...both.edge];
  const web = both.web.map((one) => ({ ...one, sip: { ds2: "10.0.0.2:5071" }, media: { edge2: "10.0.0.2:5073" } }));
  const placement = [{ ds: "ds2", prefix: "10.2.0.0/16" }];
  const first = { ...both, ds: [ds1], edge: [edge1], web, registration: { ...both.registration, placement } };
  const second = { domain: both.domain, ds: [ds2], edge: [{ ...Object(edge2), broker: "10.0.0.1:3288" }] };
  return { first: stringify(first) + joined, second: stringify(second) + joined };
}

test("with NATS a file may have a second site alone, and the first may name it", (t) => {
  const { first, second } = machines(t);
  assert.deepEqual([faultsOf(first), faultsOf(second)], [[], []]);
  const { webs } = planOf(readConfig(first, {}).value, []);
  assert.deepEqual(webs[0]?.sip, { ds1: "127.0.0.1:5061", ds2: "10.0.0.2:5071" });
  assert.match(faultsOf(machines(t, "SX").second).join(), /overlay\.nats\.nkey: .*nkey has no seed of a user's nkey/);
});

test("the plan of one process has its roles, which know those of the others", () => {
  const text = changed(/- id: ds2\n/, "- id: ds2\n    process: south\n").replace(
    "- id: edge2\n    site",
    "- id: edge2\n    process: south\n    site",
  );
  const { value, faults } = readConfig(text, {});
  assert.deepEqual([faults, childrenOf(value)], [[], ["south"]]);
  const [main, south] = [planOf(value, []), planOf(value, [], "south")];
  const ids = (plan: typeof main) => [...plan.servers, ...plan.edges, ...plan.brokers, ...plan.webs].map(({ id }) => id);
  assert.deepEqual(ids(main), ["ds1", "edge1", "broker", "web"]);
  assert.deepEqual(ids(south), ["ds2", "edge2"]);
  assert.deepEqual([main.registration?.id, south.registration], ["registration", undefined]);
  assert.deepEqual(south.edges[0]?.broker, main.brokers[0]?.cops);
  assert.deepEqual(Object.keys(main.webs[0]?.sip ?? {}), ["ds1", "ds2"]);
});

test("the environment overrides the file, and its faults name the variable", () => {
  const { value, faults } = readConfig(GOOD, {
    SIPCAST__LOG__LEVEL: "debug",
    SIPCAST__WEB__0__LISTEN: "127.0.0.1:8081",
    SIPCAST_SECRET: "x",
  });
  assert.deepEqual([value.log.level, value.web[0]?.listen.port, faults], ["debug", 8_081, []]);
  const listed = readConfig(GOOD, {
    SIPCAST__ORIGINS: "[https://a.example, https://b.example]",
    SIPCAST__BROKER__0__GROUPPORT: "6000",
  });
  assert.deepEqual(
    [listed.value.origins, listed.value.broker[0]?.groupPort],
    [["https://a.example", "https://b.example"], 6_000],
  );
  assert.deepEqual(faultsOf(GOOD, { SIPCAST__LOG__LEVEL: "loud", SIPCAST__LOGG: "x" }), [
    "SIPCAST__LOGG: there is no key logg",
    'SIPCAST__LOG__LEVEL: log.level is "loud", debug or info or warn or error needed',
  ]);
});

test("a configuration becomes what the roles are told", () => {
  const origins: string[] = [];
  const { servers, edges, brokers, registration, webs } = planOf(planDemo(OPTIONS).config, origins);
  assert.deepEqual(servers[1]?.edge, edges[1]?.cops);
  assert.deepEqual(edges[0]?.broker, brokers[0]?.cops);
  assert.deepEqual([registration?.database, brokers[0]?.topology.groupPort], [":memory:", 5_064]);
  assert.deepEqual(webs[0]?.sip, { ds1: "127.0.0.1:5061", ds2: "127.0.0.1:5071" });
  assert.deepEqual(webs[0]?.media, { edge1: "127.0.0.1:5063", edge2: "127.0.0.1:5073" });
  for (const role of [...servers, ...edges, ...webs])
    assert.equal(role.origins, origins, "one list, so that a reload is one change");
});

test("what a reload cannot take over is named by its path", () => {
  const before = planDemo(OPTIONS).config;
  const after = planDemo({ ...OPTIONS, coreKbps: 5, webPort: 8_090 }).config;
  assert.deepEqual(changes(before, after, ""), ["broker[0].links[0].kbps", "broker[0].links[1].kbps", "web[0].listen.port"]);
  assert.deepEqual(changes(before, before, ""), []);
});

// ---------------------------------------------------------------- docs/configuration.md

/** The table rows that the documentation must have: one a key, in the schema's order. */
function rows(key: Key, at: string): string[] {
  if (key.kind === "group")
    return Object.entries(key.keys).flatMap(([name, inner]) => {
      const below = at === "" ? name : `${at}.${name}`;
      return [row(inner, below), ...rows(inner, below)];
    });
  if (key.kind === "list") return rows(key.of, `${at}[]`);
  return [];
}
function row(key: Key, at: string): string {
  return `| \`${at}\` | ${kindOf(key)} | ${defaultOf(key)} | ${key.doc} |`;
}
function kindOf(key: Key): string {
  switch (key.kind) {
    case "whole":
      return `${key.least}..${key.most}${key.unit === "" ? "" : ` ${key.unit}`}`;
    case "choice":
      return key.of.join(", ");
    case "text":
      return key.form;
    case "list":
      return `list, ${key.least}..${key.most}${key.of.kind === "group" ? "" : ` of: ${kindOf(key.of)}`}`;
    case "table":
      return `names, each with: ${kindOf(key.of)}`;
    case "address":
      return "ip:port";
    case "group":
      return "group";
  }
}
function defaultOf(key: Key): string {
  if ("default" in key && key.default !== undefined) return String(key.default);
  const isNeeded = !key.optional && (key.kind === "list" ? key.least > 0 : key.kind !== "table" && key.kind !== "group");
  return isNeeded ? "required" : "–";
}

test("docs/configuration.md has a row for every key, with its range, default and meaning, and no other", () => {
  const document = readFileSync(path.join(HOME, "docs/configuration.md"), "utf8");
  const found = document.split("\n").filter((line) => line.startsWith("| `"));
  assert.deepEqual(found, rows(CONFIG_SCHEMA, ""));
});
