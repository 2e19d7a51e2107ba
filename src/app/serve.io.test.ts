/** `sipcast serve`, `check` and `--data` as processes of their own. */
import assert from "node:assert/strict";
import dgram from "node:dgram";
import { once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { until } from "#host/node/test-tools.ts";
import { SPARE_OFFSET, TestOperator } from "./test-operator.ts";
import { post } from "./test-people.ts";
import { Bench, SERVING } from "./test-program.ts";

const bench = new Bench();
after(() => bench.close());

const READY = '{"status":"ready","reasons":[]}';
const get = async (url: string): Promise<{ status: number; body: string }> => {
  const answer = await fetch(url);
  return { status: answer.status, body: await answer.text() };
};

test("check says OK, or every fault with its line, and exits 1", async () => {
  const operator = await TestOperator.planned(bench);
  const check = (file: string) => bench.sipcast("check", "--config", file);
  const good = check(operator.write());
  const bad = check(operator.write("bad", operator.config, "nonsense: 1\nlog: { level: loud }\n"));
  const none = check("/no/such/file");
  assert.deepEqual([await good.exit(), good.out], [0, "OK\n"]);
  assert.equal(await bad.exit(), 1);
  assert.match(bad.err, /2 faults in the configuration\n.*:\d+:1: nonsense is not known\n.*:\d+:15: log\.level is "loud"/);
  assert.equal(await none.exit(), 1);
  assert.match(none.err, /There is no file \/no\/such\/file\./);
});

test("serve shows how it is, takes SIGHUP, and on SIGTERM says 503 before it closes", async () => {
  const operator = await TestOperator.planned(bench);
  operator.config["stop"] = { noticeMs: 1_000 };
  const program = await bench.serve(operator.write());
  const { web } = operator;
  assert.deepEqual(await get(`${web}/livez`), { status: 200, body: "alive\n" });
  assert.deepEqual(await get(`${web}/readyz`), { status: 200, body: READY });
  const { body } = await get(`${web}/metrics`);
  for (const line of [
    "sipcast_ready 1",
    'sipcast_link_capacity_bits_per_second{broker="broker",link="core1",kind="core"} 100000000',
    'sipcast_cops_lost_total{member="broker",side="pdp"} 0',
    'sipcast_sip_garbage_total{ds="ds1"} 0',
    'sipcast_proxy_forwarded_total{ds="ds1"} 0',
    'sipcast_register_home_silent_total{ds="ds1"} 0',
    'sipcast_refused_strangers_total{ds="ds1"} 0',
  ])
    assert.ok(body.includes(`${line}\n`), `${line} in:\n${body}`);
  for (const [, name = ""] of body.matchAll(/^(sipcast_\w+?)(?:_bucket|_sum|_count)?[ {]/gm))
    assert.ok(body.includes(`# HELP ${name} `), `${name} has a help text`);

  Object.assign(operator.config, { origins: ["http://elsewhere.example"], admin: operator.at(SPARE_OFFSET) });
  operator.write();
  program.signal("SIGHUP");
  await program.says(/"keys":\["admin"\],"event":"changes that need a restart"/);
  const answer = await fetch(web);
  assert.match(answer.headers.get("content-security-policy") ?? "", /ws:\/\/elsewhere\.example/);
  operator.config["nonsense"] = 1;
  operator.write();
  program.signal("SIGHUP");
  await program.says(/"event":"not reloaded"/);

  const stopped = program.stop("SIGTERM");
  await program.says(/"event":"stopping"/);
  const notReady = await get(`${web}/readyz`);
  assert.deepEqual([notReady.status, /The process is about to stop\./.test(notReady.body)], [503, true]);
  assert.equal(await stopped, 0);
});

test("edges and their broker in one process, DSs in another: COPS joins them; readyz tells what is missing", async () => {
  const operator = await TestOperator.planned(bench);
  const { domain, ds, edge, broker, registration, web } = operator.config;
  const elsewhere = ds.map((one, at) => ({ ...one, edgeCops: edge[at]?.["cops"] }));
  const front = await bench.serve(operator.write("front", { domain, ds: elsewhere, registration, web }));
  assert.match((await get(`${operator.web}/readyz`)).body, /"status":"degraded".*ds1 is not connected to its edge/);
  const admin = operator.at(SPARE_OFFSET);
  const back = await bench.serve(operator.write("back", { domain, admin, edge, broker }));
  assert.equal((await get(`http://${admin}/readyz`)).body, READY);
  await until("the DSs are connected to their edges", async () => (await get(`${operator.web}/readyz`)).body === READY);
  assert.deepEqual(await Promise.all([front.stop("SIGTERM"), back.stop("SIGTERM")]), [0, 0]);
});

for (const [name, process] of [
  ["a port that is taken ends serve with a sentence", undefined],
  ["so does one that a process of its own wants", "site2"],
] as const)
  test(name, async (t) => {
    const operator = await TestOperator.planned(bench);
    if (process) Object.assign(operator.config.ds[1] ?? {}, { process });
    const squatter = dgram.createSocket("udp4").bind(operator.basePort + 10, "127.0.0.1");
    t.after(() => squatter.close());
    await once(squatter, "listening");
    const program = bench.sipcast("serve", "--config", operator.write(), "--log", "json");
    assert.equal(await program.exit(), 1);
    assert.match(program.err, new RegExp(`sipcast: SIP over UDP at ${operator.at(10)}: bind EADDRINUSE`));
    assert.doesNotMatch(program.err, SERVING);
  });

test("--data keeps accounts and the operator key over a restart, for their owner alone", async () => {
  const data = path.join(bench.folder, "data");
  const operator = await TestOperator.planned(bench);
  operator.config.registration = {};
  const file = operator.write();
  const first = await bench.serve(file, "--data", data);
  const account = { user: "dora", password: "a long enough password" };
  assert.equal((await post(operator.web, "sign-up", account)).status, 201);
  const key = readFileSync(path.join(data, "operator.key"));
  const modes = [data, path.join(data, "operator.key")].map((file) => statSync(file).mode & 0o777);
  assert.deepEqual(modes, [0o700, 0o600]);
  assert.equal(await first.stop("SIGTERM"), 0);
  const second = await bench.serve(file, "--data", data);
  assert.equal((await post(operator.web, "sign-in", account)).status, 200);
  assert.deepEqual(readFileSync(path.join(data, "operator.key")), key);
  assert.equal(await second.stop("SIGTERM"), 0);
});
