/** What an operator is told when a disk, a log or a database fails, and what goes on. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, test } from "node:test";
import { toolOrSkip, until } from "#host/node/test-tools.ts";
import { TestOperator } from "./test-operator.ts";
import { post, signUp } from "./test-people.ts";
import { Bench, HOME, type Program, SERVING } from "./test-program.ts";
import { RawSip } from "./test-raw-sip.ts";

const bench = new Bench();
let operator: TestOperator;
/** A folder of data as a service left it: dora has an account. */
let left: string;

before(async () => {
  operator = await TestOperator.planned(bench);
  delete operator.config.registration["database"]; // it stands in `data`
  left = path.join(bench.folder, "left");
  const program = await bench.serve(configured(left));
  await signUp(operator.web, "dora");
  assert.equal(await program.stop("SIGTERM"), 0);
});
after(() => bench.close());

/** The operator's file with that folder of data; `process`: where its second DS runs. */
function configured(data: string, process?: string): string {
  const { ds, ...others } = operator.config;
  const [first, second] = ds;
  return operator.write(path.basename(data), { ...others, ds: [first, { ...second, ...(process && { process }) }], data });
}
/** A copy of what was left, spoilt. */
function spoilt(name: string, spoil: (at: (file: string) => string) => void): string {
  const data = path.join(bench.folder, name);
  cpSync(left, data, { recursive: true });
  spoil((file) => path.join(data, file));
  return data;
}

const DATABASE = "registration.sqlite";
const LOG = "logs/ds2/rows-ds2.log";
const UNUSABLE: { name: string; spoil: (at: (file: string) => string) => void; says: RegExp }[] = [
  {
    name: "a database that is none",
    spoil: (at) => writeFileSync(at(DATABASE), "x".repeat(5_000)),
    says: /^sipcast: Cannot use the database \S+registration\.sqlite: file is not a database$/,
  },
  {
    name: "a database of a newer program",
    spoil: (at) => {
      const database = new DatabaseSync(at(DATABASE));
      database.exec("PRAGMA user_version = 99");
      database.close();
    },
    says: /^sipcast: Cannot use the database \S+: it is of version 99, written by a newer sipcast;/,
  },
  {
    name: "a log that is none",
    spoil: (at) => writeFileSync(at(LOG), "no log at all"),
    says: /^sipcast: Cannot use \S+rows-ds2\.log: it is no log of this version of sipcast\.$/,
  },
  {
    name: "a folder where a log should be",
    spoil: (at) => {
      rmSync(at(LOG));
      mkdirSync(at(LOG));
    },
    says: /^sipcast: Cannot open the log \S+rows-ds2\.log: EISDIR/,
  },
];
for (const [at, { name, spoil, says }] of UNUSABLE.entries())
  test(`serve ends with one sentence for ${name}`, async () => {
    const program = bench.sipcast("serve", "--config", configured(spoilt(`unusable-${at}`, spoil)), "--log", "json");
    assert.equal(await program.exit(), 1);
    assert.match(sentences(program), says);
  });

test("a child whose log is none ends the whole service, which says so", async () => {
  const data = spoilt("child", (at) => writeFileSync(at(LOG), "no log at all"));
  const program = bench.sipcast("serve", "--config", configured(data, "south"), "--log", "json");
  assert.equal(await program.exit(), 1);
  assert.match(sentences(program), /^sipcast: The process south: Cannot use \S+rows-ds2\.log: it is no log of this version/);
});

/** What it said besides its log. */
function sentences({ err }: Program): string {
  return err
    .trim()
    .split("\n")
    .filter((line) => !line.startsWith("{"))
    .join("\n");
}

test("a log that is damaged in its middle is told and kept aside; its member comes back through the copies of others", async () => {
  let found: Buffer | undefined;
  const data = spoilt("damaged", (at) => {
    const log = readFileSync(at(LOG));
    log[20] = (log[20] ?? 0) ^ 1;
    writeFileSync(at(LOG), log);
    found = log;
  });
  const program = await bench.serve(configured(data));
  const log = path.join(data, LOG);
  assert.match(
    program.err,
    new RegExp(`"level":"warn".*"member":"ds2","file":"${log}","atBytes":8,"lostBytes":${(found?.length ?? 0) - 8}`),
  );
  assert.deepEqual(readFileSync(`${log}.damaged`), found);
  assert.equal(await program.stop("SIGTERM"), 0);
});

test("without room on the disk nothing new is promised and all else goes on, until there is room again", async (t) => {
  if (!toolOrSkip(t, "prlimit")) return;
  const { program, room } = await onLimitedDisk(path.join(bench.folder, "full"));
  const { web, config } = operator;
  const { secret } = await signUp(web, "erin");
  const sip = await RawSip.at({ host: "127.0.0.1", port: operator.basePort + 10 }, config.domain);
  t.after(() => sip.close());
  const register = async (): Promise<number> => {
    const asked = { method: "REGISTER", from: "erin", to: `sip:erin@${config.domain}` };
    const { response } = await sip.asUser({ user: "erin", secret }, asked);
    return response.status;
  };
  const ready = async (): Promise<string> => (await fetch(`${web}/readyz`)).text();
  assert.equal(await register(), 200);

  room("none");
  const signedUp = await post(web, "sign-up", { user: "fred", password: "a-long-password" });
  assert.deepEqual(
    [signedUp.status, await signedUp.json()],
    [503, { error: "unavailable", message: "Accounts cannot be used right now. Please try again in a few minutes." }],
  );
  await register().then(
    (status) => assert.equal(status, 503),
    (error: Error) => assert.match(error.message, /No answer to REGISTER/, "the promise under way is not made"),
  );
  await until("DSs take nothing new", async () => (await register()) === 503);
  await until("/readyz says why", async () => {
    const said = await ready();
    return (
      /registration cannot use its database, nobody/.test(said) && /ds1 cannot write its log, and takes nothing new/.test(said)
    );
  });
  assert.equal((await fetch(`${web}/api/channels`)).status, 200);
  assert.equal((await fetch(`${web}/livez`)).status, 200);

  room("enough");
  await until("all serve again", async () => (await fetch(`${web}/readyz`)).status === 200);
  assert.equal(await register(), 200);
  await signUp(web, "fred");
  assert.equal(program.err.match(/"event":"database cannot be used"/g)?.length, 1, "said once, not for each who asks");
  assert.equal(await program.stop("SIGTERM"), 0);
  assert.ok(!existsSync(path.join(bench.folder, "full", `${LOG}.damaged`)));
});

/** A service whose files may, or may not, become larger. */
async function onLimitedDisk(data: string): Promise<{ program: Program; room: (how: "none" | "enough") => void }> {
  const serve = [path.join(HOME, "bin/sipcast"), "serve", "--config", configured(data), "--log", "json"];
  const program = bench.run("bash", "-c", `trap "" XFSZ; exec "$@"`, "bash", ...serve);
  await program.says(SERVING);
  const room = (how: "none" | "enough"): void => {
    const limit = how === "none" ? "1:unlimited" : "unlimited:unlimited";
    assert.equal(spawnSync("prlimit", ["--pid", `${program.pid}`, `--fsize=${limit}`]).status, 0);
  };
  return { program, room };
}
