import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { migrate, SCHEMA_VERSION } from "./migrations.ts";

const schemaOf = (database: DatabaseSync): unknown[] =>
  database.prepare("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").all();
function fresh(version: number): DatabaseSync {
  const database = new DatabaseSync(":memory:");
  migrate(database, version);
  return database;
}

for (let version = 0; version <= SCHEMA_VERSION; version++) {
  test(`a database of version ${version} is brought to version ${SCHEMA_VERSION}`, () => {
    const database = fresh(version);
    migrate(database);
    assert.deepEqual({ ...database.prepare("PRAGMA user_version").get() }, { user_version: SCHEMA_VERSION });
    assert.deepEqual(schemaOf(database), schemaOf(fresh(SCHEMA_VERSION)));
  });
}

test("channels of version 1 are kept, and from version 2 on a channel may ask its broadcaster", () => {
  const database = fresh(1);
  database.exec(`
    INSERT INTO names VALUES ('bob', 'user'), ('bob-tv', 'channel'), ('ask-bob', 'channel');
    INSERT INTO accounts VALUES ('bob', 'user', 'x', 1, 'ds1', 0);
    INSERT INTO channels VALUES ('bob-tv', 'channel', 'bob', 'Bob', 'open', 800)`);
  const ask = "INSERT INTO channels VALUES ('ask-bob', 'channel', 'bob', 'Bob', 'ask', 800)";
  assert.throws(() => database.exec(ask), /CHECK/);
  migrate(database);
  database.exec(ask);
  const kept = database.prepare("SELECT name, mode FROM channels ORDER BY name").all();
  assert.deepEqual(
    kept.map((row) => ({ ...row })),
    [
      { name: "ask-bob", mode: "ask" },
      { name: "bob-tv", mode: "open" },
    ],
  );
});

test("a database of a newer program is refused with a sentence for the operator, and left as it is", () => {
  const database = fresh(SCHEMA_VERSION);
  database.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`);
  assert.throws(() => migrate(database), { name: "StorageError", code: "unusable", message: /written by a newer sipcast/ });
  assert.deepEqual({ ...database.prepare("PRAGMA user_version").get() }, { user_version: SCHEMA_VERSION + 1 });
});
