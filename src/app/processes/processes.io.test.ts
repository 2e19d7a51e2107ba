/** `sipcast serve` with roles in several processes. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { until } from "#host/node/test-tools.ts";
import { TestOperator } from "../test-operator.ts";
import { Bench, type Program } from "../test-program.ts";

const bench = new Bench();
after(() => bench.close());

/** Serves the demo's configuration, each site in a process of its own. */
async function serve(): Promise<{ program: Program; web: string }> {
  const operator = await TestOperator.planned(bench);
  const { config } = operator;
  for (const roles of [config.ds, config.edge])
    for (const [at, role] of roles.entries()) Object.assign(role, { process: `site${at + 1}` });
  return { program: await bench.serve(operator.write()), web: operator.web };
}
const get = async (url: string): Promise<string> => (await fetch(url)).text();
/** Processes whose parent that is. */
const childrenOf = ({ pid }: Program): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
const exists = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

test("sites in processes of their own are one service: one log, one status, one exposition; a child that dies is started again", async () => {
  const { program, web } = await serve();
  for (const site of ["1", "2"])
    assert.match(program.err, new RegExp(`"process":"site${site}",.*"id":"ds${site}".*"event":"DS serves"`));
  const ready = '{"status":"ready","reasons":[]}';
  await until("the edges have their DSs and their broker", async () => (await get(`${web}/readyz`)) === ready);
  const metrics = await get(`${web}/metrics`);
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
  assert.match(await get(`${web}/readyz`), /"not ready","reasons":\["The process site\d is being started\."/);
  await until("it serves again", async () => (await get(`${web}/readyz`)) === ready);
  assert.match(await get(`${web}/metrics`), /^sipcast_process_restarts_total\{process="site\d"\} 1$/m);

  const children = childrenOf(program);
  assert.equal(children.length, 2);
  assert.equal(await program.stop("SIGTERM"), 0);
  assert.deepEqual(children.filter(exists), []);
  assert.equal(program.err.match(/"event":"process ended"/g)?.length, 1, "whoever stops is not started again");
});

test("children of a process that was killed go by themselves", async () => {
  const { program } = await serve();
  const children = childrenOf(program);
  assert.equal(children.length, 2);
  program.kill();
  await until("they are gone", () => !children.some(exists));
});
