import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { argon2id, openStore } from "./index.ts";

const PAGE_OCTETS = 4096;

function inFolder(body: (file: string) => void): void {
  const folder = mkdtempSync(path.join(tmpdir(), "sipcast-store-"));
  try {
    body(path.join(folder, "accounts.sqlite"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("what was written is there when the file is opened again, in WAL mode with full synchronization", () => {
  inFolder((file) => {
    const first = openStore(file);
    first.addAccount({ user: "alice", passwordHash: "x", accessKbps: 64, home: "ds1", createdWallMs: 1 }, []);
    first.close();
    const again = openStore(file);
    assert.equal(again.account("alice")?.home, "ds1");
    again.close();
    const database = new DatabaseSync(file);
    assert.deepEqual({ ...database.prepare("PRAGMA journal_mode").get() }, { journal_mode: "wal" });
    database.close();
  });
});

test("the file of a newer program is refused", () => {
  inFolder((file) => {
    openStore(file).close();
    const database = new DatabaseSync(file);
    database.exec("PRAGMA user_version = 99");
    database.close();
    assert.throws(() => openStore(file), {
      name: "StorageError",
      code: "unusable",
      message: new RegExp(`^Cannot use the database ${file}: it is of version 99, written by a newer sipcast`),
    });
  });
});

test("a file that is no database, or cannot be one, is refused by its name", () => {
  inFolder((file) => {
    writeFileSync(file, "x".repeat(10_000));
    assert.throws(() => openStore(file), {
      name: "StorageError",
      code: "unusable",
      message: `Cannot use the database ${file}: file is not a database`,
    });
    const folder = path.dirname(file);
    assert.throws(() => openStore(folder), { name: "StorageError", message: new RegExp(`^Cannot use the database ${folder}: `) });
  });
});

test("a database that cannot be written changes nothing, says why, and goes on once it can", () => {
  inFolder((file) => {
    openStore(file).close();
    const others = new DatabaseSync(file);
    const store = openStore(file);
    store.probe();
    others.exec("BEGIN IMMEDIATE");
    const account = { user: "alice", passwordHash: "x", accessKbps: 64, home: "ds1", createdWallMs: 1 };
    assert.throws(() => store.addAccount(account, []), { name: "StorageError", code: "failed", message: "database is locked" });
    assert.throws(() => store.probe(), { name: "StorageError", code: "failed" });
    others.exec("ROLLBACK");
    others.close();
    store.probe();
    assert.equal(store.account("alice"), undefined);
    assert.deepEqual(store.addAccount(account, []), { ok: true });
    store.close();
  });
});

test("a database that is damaged within says so of what stands there", () => {
  inFolder((file) => {
    const store = openStore(file);
    store.close();
    const pages = readFileSync(file);
    writeFileSync(file, pages.fill(0xff, PAGE_OCTETS));
    const again = openStore(file);
    assert.throws(() => again.channels(), { name: "StorageError", code: "unusable" });
    again.close();
  });
});

const hashOf = (password: string): Promise<string> => new Promise((done) => argon2id.hash(password, done));
const verifies = (password: string, phc: string): Promise<boolean> => new Promise((done) => argon2id.verify(password, phc, done));

test("a password is kept as an argon2id PHC string with its own salt, and verified against it (RFC 9106)", async () => {
  const [one, two] = await Promise.all([hashOf("correct horse"), hashOf("correct horse")]);
  assert.match(one, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  assert.notEqual(one, two);
  assert.deepEqual(await Promise.all([verifies("correct horse", one), verifies("correct horsE", one)]), [true, false]);
});

test("a hash of another cost is read by what it says of itself", async () => {
  // The test vector of the reference implementation: argon2id, m=65536, t=2, p=1, "password", "somesalt".
  const phc = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
  assert.deepEqual(await Promise.all([verifies("password", phc), verifies("passwore", phc)]), [true, false]);
});

for (const phc of [
  "",
  "plain",
  "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
  "$2b$10$abc",
]) {
  test(`a hash that is none of ours verifies nothing: "${phc.slice(0, 12)}"`, async () => {
    assert.equal(await verifies("password", phc), false);
  });
}
