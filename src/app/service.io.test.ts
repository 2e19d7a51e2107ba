/** What looks after a service that keeps its data: ctl, backup, restore, and the lock on its folder. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { tcpFree } from "./checks.ts";
import { demoYaml } from "./demo-plan.ts";
import { Bench, type Program } from "./test-program.ts";

const bench = new Bench();
after(() => bench.close());
const BASE = 26_700;
const WEB = `http://127.0.0.1:${BASE + 90}`;
const [file, data, backup, restored] = ["f.yaml", "data", "backup", "restored"].map((name) => path.join(bench.folder, name)) as [
  string,
  string,
  string,
  string,
];

async function serve(folder: string): Promise<Program> {
  const program = bench.sipcast("serve", "--config", file, "--data", folder, "--log", "json");
  await program.says(/"event":"serving"/);
  return program;
}
async function done(...args: string[]): Promise<Program> {
  const program = bench.sipcast(...args);
  assert.equal(await program.exit(), 0, program.err);
  return program;
}
async function post(where: string): Promise<number> {
  const headers = { "content-type": "application/json", origin: WEB };
  const body = JSON.stringify({ user: "dora", password: "a long enough password" });
  return (await fetch(`${WEB}${where}`, { method: "POST", headers, body })).status;
}

test("a service answers ctl, has its folder to itself, and is restored from a backup made while it ran", async () => {
  assert.ok(await tcpFree("127.0.0.1", BASE + 8), `port ${BASE + 8} is free`);
  const options = { sites: 1, accessKbps: 100_000, coreKbps: 100_000, digest: ["SHA-256"] } as const;
  const yaml = demoYaml({ ...options, basePort: BASE, webPort: BASE + 90 });
  // The DS in a process of its own is reached by the overlay.
  writeFileSync(
    file,
    yaml.replace(/registration:\n.*\n/, "registration: {}\n").replace("- id: ds1\n", "- id: ds1\n    process: north\n"),
  );
  const first = await serve(data);
  assert.equal(await post("/api/sign-up"), 201);

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
  const third = await serve(restored);
  assert.equal(await post("/api/sign-in"), 200);
  assert.deepEqual(readFileSync(path.join(restored, "operator.key")), readFileSync(path.join(data, "operator.key")));
  assert.equal(await third.stop("SIGTERM"), 0);
});
