import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { migrate, SCHEMA_VERSION, StoreError } from "./migrations.ts";

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

test("a database of a newer program is refused with a sentence for the operator, and left as it is", () => {
  const database = fresh(SCHEMA_VERSION);
  database.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`);
  assert.throws(
    () => migrate(database),
    (error) => error instanceof StoreError && /written by a newer sipcast/.test(error.message),
  );
  assert.deepEqual({ ...database.prepare("PRAGMA user_version").get() }, { user_version: SCHEMA_VERSION + 1 });
});
