/** `sipcast serve` with roles in several processes. */
import assert from "node:assert/strict";
import dgram from "node:dgram";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, type TestContext, test } from "node:test";
import { tcpFree, udpFree } from "../checks.ts";
import { demoYaml } from "../demo-plan.ts";
import { Bench, type Program, until } from "../test-program.ts";

const bench = new Bench();
after(() => bench.close());
const OPTIONS = { sites: 2, accessKbps: 100_000, coreKbps: 100_000, digest: ["SHA-256"] } as const;
let nextBase = 26_000;

/** The demo's configuration on free ports, each site in a process of its own. */
async function configuration(): Promise<{ file: string; base: number; url: (path: string) => string }> {
  for (; nextBase < 27_000; nextBase += 100) {
    if (!((await udpFree("127.0.0.1", nextBase)) && (await tcpFree("127.0.0.1", nextBase + 8)))) continue;
    const base = nextBase;
    nextBase += 100;
    const yaml = demoYaml({ ...OPTIONS, basePort: base, webPort: base + 90 });
    const [head, ds = "", edge = "", rest] = yaml.split(/^(?=ds:|edge:|broker:)/m);
    const apart = (roles: string): string =>
      roles.replace(/^ {2}- id: \w+(\d)\n/gm, (all, site) => `${all}    process: site${site}\n`);
    const file = path.join(bench.folder, `${base}.yaml`);
    writeFileSync(file, `${head}${apart(ds)}${apart(edge)}${rest}`);
    return { file, base, url: (path) => `http://127.0.0.1:${base + 90}${path}` };
  }
  throw new Error("No free ports from 26000 to 27000");
}
function serve(t: TestContext, file: string): Program {
  const program = bench.sipcast("serve", "--config", file, "--log", "json");
  t.after(() => program.running && program.kill());
  return program;
}
const get = async (url: string): Promise<string> => (await fetch(url)).text();
/** Processes whose parent has this id. */
function childrenOf({ pid }: Program): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((one) => {
      try {
        return (
          one > 0 &&
          Number(
            readFileSync(`/proc/${one}/stat`, "utf8")
              .replace(/^.*\) . /s, "")
              .split(" ")[0],
          ) === pid
        );
      } catch {
        return false; // gone meanwhile
      }
    });
}
const exists = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

test("sites in processes of their own are one service: one log, one status, one exposition; a child that dies is started again", async (t) => {
  const { file, url } = await configuration();
  const program = serve(t, file);
  await program.says(/"event":"serving"/);
  for (const site of ["1", "2"])
    assert.match(program.err, new RegExp(`"process":"site${site}",.*"id":"ds${site}".*"event":"DS serves"`));
  const ready = '{"status":"ready","reasons":[]}';
  await until("the edges have their DSs and their broker", async () => (await get(url("/readyz"))) === ready);
  const metrics = await get(url("/metrics"));
  for (const line of [
    'sipcast_ready{process="main"} 1',
    'sipcast_ready{process="site2"} 1',
    'sipcast_sip_garbage_total{ds="ds1",process="site1"} 0',
    'sipcast_process_restarts_total{process="site1"} 0',
  ])
    assert.ok(metrics.includes(`${line}\n`), `${line} in:\n${metrics}`);
  const heads = [...metrics.matchAll(/^# HELP (\S+)/gm)].map(([, name]) => name);
  assert.equal(new Set(heads).size, heads.length, "each metric stands in one block");

  const [victim = 0] = childrenOf(program);
  process.kill(victim, "SIGKILL");
  await program.says(/"how":"SIGKILL","againInMs":500,"event":"process ended"/);
  assert.match(await get(url("/readyz")), /"not ready","reasons":\["The process site\d is being started\."/);
  await until("it serves again", async () => (await get(url("/readyz"))) === ready);
  assert.match(await get(url("/metrics")), /^sipcast_process_restarts_total\{process="site\d"\} 1$/m);

  const children = childrenOf(program);
  assert.equal(children.length, 2);
  assert.equal(await program.stop("SIGTERM"), 0);
  assert.deepEqual(children.filter(exists), []);
  assert.equal(program.err.match(/"event":"process ended"/g)?.length, 1, "whoever stops is not started again");
});

test("children of a process that was killed go by themselves", async (t) => {
  const { file } = await configuration();
  const program = serve(t, file);
  await program.says(/"event":"serving"/);
  const children = childrenOf(program);
  assert.equal(children.length, 2);
  program.kill();
  await until("they are gone", () => !children.some(exists));
});

test("a port that a child cannot have ends serve with a sentence", async (t) => {
  const { file, base } = await configuration();
  const squatter = dgram.createSocket("udp4").bind(base + 10, "127.0.0.1");
  t.after(() => squatter.close());
  await once(squatter, "listening");
  const program = serve(t, file);
  assert.equal(await program.exit(), 1);
  assert.match(program.err, new RegExp(`sipcast: SIP over UDP at 127\\.0\\.0\\.1:${base + 10}: bind EADDRINUSE`));
});
