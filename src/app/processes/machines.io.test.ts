/** Two `sipcast serve` that only NATS joins, with nothing but what `sipcast init` made. */
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { parse, stringify } from "yaml";
import { toolOrSkip } from "#host/node/test-tools.ts";
import { tcpFree } from "../checks.ts";
import { demoYaml } from "../demo-plan.ts";
import { Bench, until } from "../test-program.ts";

const bench = new Bench();
after(() => bench.close());
const BASE = 26_500;
const NATS_HOST = `127.${(process.pid >> 8) & 0xff}.${process.pid & 0xff}.99`;
const at = (name: string): string => path.join(bench.folder, name);

/** The demo in two files, a site each: the first has broker, registration and web as well. */
function writeMachines(): void {
  const yaml = demoYaml({
    sites: 2,
    accessKbps: 100_000,
    coreKbps: 100_000,
    digest: ["SHA-256"],
    basePort: BASE,
    webPort: BASE + 90,
  });
  const { ds, edge, broker, web, domain } = parse(yaml) as Record<"ds" | "edge" | "broker" | "web", object[]> & {
    domain: string;
  };
  const nats = { servers: [`${NATS_HOST}:4222`], tls: { ca: at("keys/ca.pem") }, nkey: at("keys/nats.nkey") };
  const machine = (name: string, roles: object): void => {
    mkdirSync(at(name), { mode: 0o700 });
    copyFileSync(at("keys/operator.key"), at(`${name}/operator.key`));
    writeFileSync(at(`${name}.yaml`), stringify({ domain, data: at(name), overlay: { nats }, ...roles }));
  };
  const addresses = { sip: { ds2: `127.0.0.1:${BASE + 11}` }, media: { edge2: `127.0.0.1:${BASE + 13}` } };
  const registration = { placement: [{ ds: "ds2", prefix: "127.0.0.0/8" }] };
  const front = { ds: ds.slice(0, 1), edge: edge.slice(0, 1), broker, registration, web: [{ ...web[0], ...addresses }] };
  machine("front", front);
  const broker1 = `127.0.0.1:${BASE + 8}`;
  machine("back", { admin: `127.0.0.1:${BASE + 91}`, ds: ds.slice(1), edge: [{ ...edge[1], broker: broker1 }] });
}

test("a site on another machine is found by NATS: its users sign up here, and what is on air there is in the guide", async (t) => {
  if (!toolOrSkip(t, "nats-server")) return;
  assert.ok(await tcpFree("127.0.0.1", BASE + 8), `port ${BASE + 8} is free`);
  const init = bench.sipcast("init", at("keys"), "--domain", "sipcast.test", "--nats", NATS_HOST);
  assert.equal(await init.exit(), 0, init.err);
  writeMachines();
  const serve = (name: string) => bench.sipcast("serve", "--config", at(`${name}.yaml`), "--log", "json");
  const [front, back] = [serve("front"), serve("back")];
  await front.says(/"event":"overlay: no NATS server"/);
  bench.run("nats-server", "-c", at("keys/nats1.conf"));
  await Promise.all([front.says(/"event":"serving"/), back.says(/"event":"serving"/)]);

  const web = `http://127.0.0.1:${BASE + 90}`;
  const post = async (where: string, body: object, cookie = ""): Promise<{ answer: Record<string, unknown>; cookie: string }> => {
    const headers = { "content-type": "application/json", origin: web, cookie };
    const response = await fetch(`${web}${where}`, { method: "POST", headers, body: JSON.stringify(body) });
    assert.equal(response.status, 201, where);
    return { answer: await response.json(), cookie: response.headers.get("set-cookie")?.split(";")[0] ?? "" };
  };
  const { answer: account, cookie } = await post("/api/sign-up", { user: "dora", password: "a long enough password" });
  assert.equal(account["home"], "ds2");
  await post("/api/channels", { name: "dora-tv", title: "Dora", kbps: 500, mode: "open" }, cookie);
  const { answer: device } = await post("/api/device-secrets", { label: "studio" }, cookie);
  const identity = [
    "--ds",
    `127.0.0.1:${BASE + 10}`,
    "--domain",
    "sipcast.test",
    "--user",
    "dora",
    "--secret",
    String(device["secret"]),
  ];
  const broadcast = bench.sipcast("broadcast", "dora-tv", "testdata/clips/news.ts", ...identity);
  await broadcast.says(/^dora-tv is on air/m);
  const onAir = async (): Promise<unknown[]> => {
    const channels = (await (await fetch(`${web}/api/channels`)).json()) as { name: string; onAir: boolean }[];
    return channels.map(({ name, onAir }) => [name, onAir]);
  };
  await until("the guide here has what is on air there", async () => isDeepStrictEqual(await onAir(), [["dora-tv", true]]));
  assert.deepEqual(await Promise.all([front.stop("SIGTERM"), back.stop("SIGTERM")]), [0, 0]);
});
