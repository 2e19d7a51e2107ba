/** What looks after a service that keeps its data: ctl, backup, restore, and the lock on its folder. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { TestOperator } from "./test-operator.ts";
import { post } from "./test-people.ts";
import { Bench, type Program } from "./test-program.ts";

const bench = new Bench();
after(() => bench.close());
const ACCOUNT = { user: "dora", password: "a long enough password" };

async function done(...args: string[]): Promise<Program> {
  const program = bench.sipcast(...args);
  assert.equal(await program.exit(), 0, program.err);
  return program;
}

test("a service answers ctl, has its folder to itself, and is restored from a backup made while it ran", async () => {
  const operator = await TestOperator.planned(bench, { sites: 1 });
  operator.config.registration = {};
  Object.assign(operator.config.ds[0] ?? {}, { process: "north" }); // the overlay reaches it
  const file = operator.write();
  const [data, backup, restored] = ["data", "backup", "restored"].map((name) => path.join(bench.folder, name)) as [
    string,
    string,
    string,
  ];
  const asks = async (where: string): Promise<number> => (await post(operator.web, where, ACCOUNT)).status;

  const first = await bench.serve(file, "--data", data);
  assert.equal(await asks("sign-up"), 201);

  const ctl = (...args: string[]): Promise<Program> => done("ctl", ...args, "--data", data);
  const second = bench.sipcast("serve", "--config", file, "--data", data);
  const [members, tables, row, made] = await Promise.all([
    ctl("members", "--json"),
    ctl("tables"),
    ctl("row", "news"),
    done("backup", "--config", file, "--data", data, "--to", backup),
  ]);
  assert.equal(await second.exit(), 1);
  assert.equal(second.err, `sipcast: ${data} is in use by another sipcast process: stop that one, or take another folder.\n`);
  assert.deepEqual(
    (JSON.parse(members.out) as { members: { id: string; phase: string }[] }).members.map(({ id, phase }) => `${id} ${phase}`),
    ["broker", "ds1", "edge1", "registration", "web"].map((id) => `${id} serving`),
  );
  assert.match(tables.out, /^at +table +rows +own +marks +octets +unreplicated +positions$/m);
  assert.match(tables.out, /^ds1 +channels +0 /m);
  assert.equal(row.out, "No table has that row.\n");
  assert.match(made.err, /logs\/ds1\/rows-ds1\.log +\d+ records/);
  assert.equal(await first.stop("SIGTERM"), 0);

  await done("restore", "--from", backup, "--data", restored);
  const third = await bench.serve(file, "--data", restored);
  assert.equal(await asks("sign-in"), 200);
  assert.deepEqual(readFileSync(path.join(restored, "operator.key")), readFileSync(path.join(data, "operator.key")));
  assert.equal(await third.stop("SIGTERM"), 0);
});
