/** `sipcast serve`, `check` and `--data` as processes of their own. */
import assert from "node:assert/strict";
import dgram from "node:dgram";
import { once } from "node:events";
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, type TestContext, test } from "node:test";
import { tcpFree, udpFree } from "./checks.ts";
import { demoYaml } from "./demo-plan.ts";
import { Bench, type Program } from "./test-program.ts";

const bench = new Bench();
after(() => bench.close());
const OPTIONS = { sites: 2, accessKbps: 100_000, coreKbps: 100_000, digest: ["SHA-256"] } as const;
let nextBase = 13_000;

/** The demo's configuration on free ports, as a file. */
async function configuration(change: (yaml: string) => string = (yaml) => yaml) {
  for (; nextBase < 14_000; nextBase += 100) {
    const isFree = (await udpFree("127.0.0.1", nextBase)) && (await tcpFree("127.0.0.1", nextBase + 8));
    if (!isFree) continue;
    const base = nextBase;
    nextBase += 100;
    const file = path.join(bench.folder, `${base}.yaml`);
    const write = (more = ""): void =>
      writeFileSync(file, change(demoYaml({ ...OPTIONS, basePort: base, webPort: base + 90 })) + more);
    write();
    return { file, base, write, url: (path: string) => `http://127.0.0.1:${base + 90}${path}` };
  }
  throw new Error("No free ports from 13000 to 14000");
}
function serve(t: TestContext, file: string, ...flags: string[]): Program {
  const program = bench.sipcast("serve", "--config", file, "--log", "json", ...flags);
  t.after(() => program.running && program.kill());
  return program;
}
const get = async (url: string): Promise<{ status: number; body: string }> => {
  const answer = await fetch(url);
  return { status: answer.status, body: await answer.text() };
};

test("check says OK, or every fault with its line, and exits 1", async () => {
  const { file, write } = await configuration();
  const good = bench.sipcast("check", "--config", file);
  assert.deepEqual([await good.exit(), good.out], [0, "OK\n"]);
  write("nonsense: 1\nlog: { level: loud }\n");
  const bad = bench.sipcast("check", "--config", file);
  assert.equal(await bad.exit(), 1);
  assert.match(bad.err, /2 faults in the configuration\n.*:\d+:1: nonsense is not known\n.*:\d+:15: log\.level is "loud"/);
  const none = bench.sipcast("check", "--config", "/no/such/file");
  assert.equal(await none.exit(), 1);
  assert.match(none.err, /There is no file \/no\/such\/file\./);
});

test("serve shows how it is, takes SIGHUP, and on SIGTERM says 503 before it closes", async (t) => {
  const { file, write, url, base } = await configuration((yaml) => `${yaml}stop: { noticeMs: 1000 }\n`);
  const program = serve(t, file);
  await program.says(/"event":"serving"/);
  assert.deepEqual(await get(url("/livez")), { status: 200, body: "alive\n" });
  assert.deepEqual(await get(url("/readyz")), { status: 200, body: '{"status":"ready","reasons":[]}' });
  const { body } = await get(url("/metrics"));
  for (const line of [
    "sipcast_ready 1",
    'sipcast_link_capacity_bits_per_second{broker="broker",link="core1",kind="core"} 100000000',
    'sipcast_cops_lost_total{member="broker",side="pdp"} 0',
    'sipcast_sip_garbage_total{ds="ds1"} 0',
  ])
    assert.ok(body.includes(`${line}\n`), `${line} in:\n${body}`);
  for (const [, name = ""] of body.matchAll(/^(sipcast_\w+?)(?:_bucket|_sum|_count)?[ {]/gm))
    assert.ok(body.includes(`# HELP ${name} `), `${name} has a help text`);

  write(`origins: [http://elsewhere.example]\nadmin: 127.0.0.1:${base + 91}\n`);
  program.signal("SIGHUP");
  await program.says(/"keys":\["admin"\],"event":"changes that need a restart"/);
  const answer = await fetch(url("/"));
  assert.match(answer.headers.get("content-security-policy") ?? "", /ws:\/\/elsewhere\.example/);
  write("nonsense: 1\n");
  program.signal("SIGHUP");
  await program.says(/"event":"not reloaded"/);

  const stopped = program.stop("SIGTERM");
  await program.says(/"event":"stopping"/);
  const notReady = await get(url("/readyz"));
  assert.deepEqual([notReady.status, /The process is about to stop\./.test(notReady.body)], [503, true]);
  assert.equal(await stopped, 0);
});

test("edges and their broker in one process, DSs in another: COPS joins them; readyz tells what is missing", async (t) => {
  const { base, url } = await configuration();
  const yaml = demoYaml({ ...OPTIONS, basePort: base, webPort: base + 90 });
  const [head = "", ds = "", edge = "", broker = "", rest = ""] = yaml.split(/^(?=ds:|edge:|broker:|registration:)/m);
  const fileOf = (name: string, text: string): string => {
    const file = path.join(bench.folder, `${base}-${name}.yaml`);
    writeFileSync(file, text);
    return file;
  };
  const elsewhere = ds.replaceAll(
    /edge: edge(\d)/g,
    (all, site: string) => `${all}\n    edgeCops: 127.0.0.1:${base + 10 * Number(site) - 8}`,
  );
  const front = serve(t, fileOf("front", head + elsewhere + rest));
  await front.says(/"event":"serving"/);
  const alone = await get(url("/readyz"));
  assert.match(alone.body, /"status":"degraded".*ds1 is not connected to its edge/);
  const back = serve(t, fileOf("back", `${head}admin: 127.0.0.1:${base + 91}\n${edge}${broker}`));
  await back.says(/"event":"serving"/);
  assert.equal((await get(`http://127.0.0.1:${base + 91}/readyz`)).body, '{"status":"ready","reasons":[]}');
  let now = await get(url("/readyz"));
  for (let tries = 0; tries < 50 && now.body.includes("degraded"); tries++) {
    await new Promise((later) => setTimeout(later, 100));
    now = await get(url("/readyz"));
  }
  assert.equal(now.body, '{"status":"ready","reasons":[]}');
  assert.deepEqual(await Promise.all([front.stop("SIGTERM"), back.stop("SIGTERM")]), [0, 0]);
});

test("a port that is taken ends serve with a sentence", async (t) => {
  const { file, base } = await configuration();
  const squatter = dgram.createSocket("udp4").bind(base + 10, "127.0.0.1");
  t.after(() => squatter.close());
  await once(squatter, "listening");
  const program = serve(t, file);
  assert.equal(await program.exit(), 1);
  assert.match(program.err, new RegExp(`SIP over UDP at 127\\.0\\.0\\.1:${base + 10}: bind EADDRINUSE`));
});

test("--data keeps accounts and the operator key over a restart, for their owner alone", async (t) => {
  const data = path.join(bench.folder, "data");
  t.after(() => rmSync(data, { recursive: true, force: true }));
  const { file, url } = await configuration((yaml) => yaml.replace(/registration:\n.*\n/, "registration: {}\n"));
  const first = serve(t, file, "--data", data);
  await first.says(/"event":"serving"/);
  const origin = new URL(url("/")).origin;
  const post = (where: string, body: object): Promise<Response> =>
    fetch(url(where), { method: "POST", headers: { "content-type": "application/json", origin }, body: JSON.stringify(body) });
  const account = { user: "dora", password: "a long enough password" };
  assert.equal((await post("/api/sign-up", account)).status, 201);
  const key = readFileSync(path.join(data, "operator.key"));
  const modes = [data, path.join(data, "operator.key")].map((file) => statSync(file).mode & 0o777);
  assert.deepEqual(modes, [0o700, 0o600]);
  assert.equal(await first.stop("SIGTERM"), 0);
  const second = serve(t, file, "--data", data);
  await second.says(/"event":"serving"/);
  assert.equal((await post("/api/sign-in", account)).status, 200);
  assert.deepEqual(readFileSync(path.join(data, "operator.key")), key);
  assert.equal(await second.stop("SIGTERM"), 0);
});
