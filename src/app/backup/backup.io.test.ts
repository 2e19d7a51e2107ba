import assert from "node:assert/strict";
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { utf8 } from "#base/bytes.ts";
import { nodeHost } from "#host/node/index.ts";
import { openStore } from "#store/index.ts";
import { lockFolder, openDataFolder } from "../data-folder.ts";
import { Bench } from "../test-program.ts";
import { runBackup } from "./backup.ts";
import type { Manifest } from "./manifest.ts";
import { runRestore } from "./restore.ts";

const bench = new Bench();
after(() => bench.close());
let folders = 0;
const newFolder = (): string => path.join(bench.folder, `${folders++}`);

const RECORDS = ["first", "second", "third"];
const ACCOUNT = { user: "dora", passwordHash: "$x", accessKbps: 1_000, home: "ds1", createdWallMs: 1 };

/** A data folder with one account and a log of three records; `close` ends its use. */
async function kept(): Promise<{ data: string; close: () => void }> {
  const data = newFolder();
  const { logsOf, release } = openDataFolder(data);
  const store = openStore(path.join(data, "registration.sqlite"));
  store.addAccount(ACCOUNT, []);
  const log = nodeHost(logsOf("ds1")).log("rows");
  await new Promise<void>((durable) => {
    log.onDurable((ticket) => ticket === RECORDS.length && durable());
    log.replay(
      () => undefined,
      () => {
        for (const record of RECORDS) log.append(utf8(record));
      },
    );
  });
  return {
    data,
    close: () => {
      log.close();
      store.close();
      release();
    },
  };
}
function recordsOf(data: string): Promise<string[]> {
  const log = nodeHost({ logDirectory: path.join(data, "logs/ds1") }).log("rows");
  const records: string[] = [];
  return new Promise((done) =>
    log.replay(
      (bytes) => records.push(Buffer.from(bytes).toString()),
      () => {
        log.close();
        done(records);
      },
    ),
  );
}
const fails = (act: Promise<void>, message: RegExp): Promise<void> => assert.rejects(act, { name: "UsageError", message });

test("a backup made in use is restored: accounts, whole records, the key; for their owner alone", async (t) => {
  const { data, close } = await kept();
  t.after(close);
  appendFileSync(path.join(data, "logs/ds1/rows.log"), "half a rec");
  writeFileSync(path.join(data, "ca.pem"), "");
  const [to, back] = [newFolder(), newFolder()];
  const backup = bench.sipcast("backup", "--data", data, "--to", to);
  assert.equal(await backup.exit(), 0, backup.err);
  assert.match(backup.err, /operator\.key +32 octets\n/);
  assert.match(backup.err, /registration\.sqlite +\d+ rows, \d+ octets\n/);
  assert.match(backup.err, /logs\/ds1\/rows\.log +3 records, \d+ octets\n/);
  assert.match(backup.err, /It holds secrets/);
  assert.match(backup.err, /Not in it: .* in that folder: ca\.pem\./);
  const restore = bench.sipcast("restore", "--from", to, "--data", back);
  assert.equal(await restore.exit(), 0, restore.err);
  assert.deepEqual(readFileSync(path.join(back, "operator.key")), readFileSync(path.join(data, "operator.key")));
  const store = openStore(path.join(back, "registration.sqlite"));
  assert.deepEqual(store.account("dora"), ACCOUNT);
  store.close();
  assert.deepEqual(await recordsOf(back), RECORDS);
  for (const folder of [to, back]) {
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    for (const file of ["operator.key", "registration.sqlite", "logs/ds1/rows.log"])
      assert.equal(statSync(path.join(folder, file)).mode & 0o777, 0o600, file);
  }
});

test("a damaged log is copied up to its damage, and the backup says what is not in it", async (t) => {
  const { data, close } = await kept();
  t.after(close);
  const log = path.join(data, "logs/ds1/rows.log");
  const bytes = readFileSync(log);
  bytes.write("x", bytes.indexOf("second"));
  writeFileSync(log, bytes);
  writeFileSync(`${log}.damaged`, "of an earlier time");
  const to = newFolder();
  const backup = bench.sipcast("backup", "--data", data, "--to", to);
  assert.equal(await backup.exit(), 0, backup.err);
  assert.match(backup.err, /rows\.log +1 records, 21 octets; DAMAGED: 27 octets behind these are not in the copy\n/);
  assert.match(backup.err, /Not in it: .*: logs\/ds1\/rows\.log\.damaged\./);
  assert.deepEqual(await recordsOf(to), RECORDS.slice(0, 1));
});

test("--json is the manifest; a second backup wants a folder of its own", async (t) => {
  const { data, close } = await kept();
  t.after(close);
  const to = newFolder();
  const backup = bench.sipcast("backup", "--data", data, "--to", to, "--json");
  assert.equal(await backup.exit(), 0, backup.err);
  const manifest = JSON.parse(backup.out) as Manifest;
  assert.deepEqual(
    manifest.files.map(({ path, records }) => [path, records]),
    [
      ["operator.key", undefined],
      ["registration.sqlite", undefined],
      ["logs/ds1/rows.log", 3],
    ],
  );
  assert.deepEqual(JSON.parse(readFileSync(path.join(to, "manifest.json"), "utf8")), manifest);
  await fails(runBackup({ data, to }), /is not empty: give each backup a folder of its own/);
});

test("restore writes nothing over what is there unless it is told to, and never into a folder in use", async () => {
  const { data, close } = await kept();
  const to = newFolder();
  await runBackup({ data, to });
  await fails(runRestore({ from: to, data, force: true }), /is in use by another sipcast process/);
  close();
  const log = path.join(data, "logs/ds1/rows.log");
  writeFileSync(log, "spoilt");
  writeFileSync(path.join(data, "registration.sqlite-wal"), "of another database");
  await fails(runRestore({ from: to, data }), /is not empty \(.*operator\.key.*\)\. --force replaces/);
  assert.equal(readFileSync(log, "utf8"), "spoilt");
  await runRestore({ from: to, data, force: true });
  assert.deepEqual(await recordsOf(data), RECORDS);
  assert.ok(!existsSync(path.join(data, "registration.sqlite-wal")));
});

const DAMAGES: { name: string; damage: (backup: string) => void; wants: RegExp }[] = [
  {
    name: "a file that changed",
    damage: (backup) => appendFileSync(path.join(backup, "logs/ds1/rows.log"), "x"),
    wants: /is damaged: logs\/ds1\/rows\.log is not what was written/,
  },
  {
    name: "a file that is missing",
    damage: (backup) => rmSync(path.join(backup, "operator.key")),
    wants: /is not whole: operator\.key is missing/,
  },
  {
    name: "no manifest: it broke off",
    damage: (backup) => rmSync(path.join(backup, "manifest.json")),
    wants: /is no whole backup: it has no manifest\.json/,
  },
  {
    name: "a manifest of another format",
    damage: (backup) => changeManifest(backup, ({ files }) => ({ format: 2, files })),
    wants: /is a backup of another version of sipcast/,
  },
  {
    name: "a manifest that leads out of the folder",
    damage: (backup) =>
      changeManifest(backup, (manifest) => ({ ...manifest, files: [{ path: "../evil", octets: 0, sha256: "" }] })),
    wants: /is no backup that can be restored: it has a file \.\.\/evil/,
  },
];
function changeManifest(backup: string, change: (manifest: Manifest) => object): void {
  const file = path.join(backup, "manifest.json");
  writeFileSync(file, JSON.stringify(change(JSON.parse(readFileSync(file, "utf8")) as Manifest)));
}
for (const { name, damage, wants } of DAMAGES)
  test(`restore refuses ${name}, and leaves the target as it is`, async () => {
    const { data, close } = await kept();
    close();
    const [to, back] = [newFolder(), newFolder()];
    await runBackup({ data, to });
    damage(to);
    await fails(runRestore({ from: to, data: back }), wants);
    assert.ok(!existsSync(back));
  });

test("backup: a folder that is none, or has nothing of ours, is a sentence", async () => {
  await fails(runBackup({ data: newFolder(), to: newFolder() }), /There is no folder/);
  const empty = newFolder();
  mkdirSync(empty);
  await fails(runBackup({ data: empty, to: newFolder() }), /has nothing that sipcast keeps/);
  await fails(runBackup({ to: newFolder() }), /Give --data DIR, or the --config FILE/);
});

test("a folder is one process's until it lets go, whatever the collector finds", () => {
  const folder = newFolder();
  const release = lockFolder(folder);
  assert.throws(() => lockFolder(folder), /is in use by another sipcast process/);
  release();
  lockFolder(folder)();
  assert.deepEqual(readdirSync(folder), ["lock"]);
  assert.equal(statSync(path.join(folder, "lock")).size, 0);

  lockFolder(folder); // for as long as the process runs
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
  assert.throws(() => lockFolder(folder), /is in use by another sipcast process/);
});
