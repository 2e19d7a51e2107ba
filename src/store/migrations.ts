import type { DatabaseSync } from "node:sqlite";
import { StorageError } from "#base/errors.ts";

/**
 * What brings a database of version n (`user_version`) to n + 1. Never changed once released: a change is a new step.
 * Users and channels share one name space (PROTOCOL §2): `names` holds them all.
 */
const STEPS: readonly string[] = [
  `
  CREATE TABLE names (
    name TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('user', 'channel')),
    UNIQUE (name, kind)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE accounts (
    user TEXT PRIMARY KEY,
    kind TEXT NOT NULL DEFAULT 'user' CHECK (kind = 'user'),
    password_hash TEXT NOT NULL,
    access_kbps INTEGER NOT NULL,
    home TEXT NOT NULL,
    created_wall_ms INTEGER NOT NULL,
    FOREIGN KEY (user, kind) REFERENCES names (name, kind)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX accounts_home ON accounts (home);

  CREATE TABLE sessions (
    token_hash BLOB PRIMARY KEY,
    user TEXT NOT NULL REFERENCES accounts (user) ON DELETE CASCADE,
    expires_wall_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX sessions_user ON sessions (user, expires_wall_ms);
  CREATE INDEX sessions_expires ON sessions (expires_wall_ms);

  CREATE TABLE device_secrets (
    id TEXT PRIMARY KEY,
    user TEXT NOT NULL REFERENCES accounts (user) ON DELETE CASCADE,
    label TEXT NOT NULL,
    created_wall_ms INTEGER NOT NULL,
    ha1_md5 TEXT NOT NULL,
    ha1_sha256 TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX device_secrets_user ON device_secrets (user, created_wall_ms);

  CREATE TABLE channels (
    name TEXT PRIMARY KEY,
    kind TEXT NOT NULL DEFAULT 'channel' CHECK (kind = 'channel'),
    owner TEXT NOT NULL REFERENCES accounts (user),
    title TEXT NOT NULL,
    mode TEXT NOT NULL CHECK (mode IN ('open')),
    kbps INTEGER NOT NULL,
    FOREIGN KEY (name, kind) REFERENCES names (name, kind)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX channels_owner ON channels (owner);
  `,
  // a CHECK cannot be altered: the table is made anew
  `
  CREATE TABLE channels_2 (
    name TEXT PRIMARY KEY,
    kind TEXT NOT NULL DEFAULT 'channel' CHECK (kind = 'channel'),
    owner TEXT NOT NULL REFERENCES accounts (user),
    title TEXT NOT NULL,
    mode TEXT NOT NULL CHECK (mode IN ('open', 'ask')),
    kbps INTEGER NOT NULL,
    FOREIGN KEY (name, kind) REFERENCES names (name, kind)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO channels_2 (name, kind, owner, title, mode, kbps) SELECT name, kind, owner, title, mode, kbps FROM channels;
  DROP TABLE channels;
  ALTER TABLE channels_2 RENAME TO channels;
  CREATE INDEX channels_owner ON channels (owner);
  `,
];

/** The version of database that this program reads and writes. */
export const SCHEMA_VERSION = STEPS.length;

/** Brings a database to `version`, step by step, each in its own transaction. Throws StorageError for a newer database. */
export function migrate(database: DatabaseSync, version = SCHEMA_VERSION): void {
  const found = versionOf(database);
  if (found > SCHEMA_VERSION) {
    throw new StorageError(
      "unusable",
      `it is of version ${found}, written by a newer sipcast; this one reads up to version ${SCHEMA_VERSION}. ` +
        "Start the newer sipcast, or restore the copy made before it.",
    );
  }
  for (const [at, step] of STEPS.slice(0, version).entries()) {
    if (at >= found) database.exec(`BEGIN IMMEDIATE; ${step}; PRAGMA user_version = ${at + 1}; COMMIT`);
  }
}

function versionOf(database: DatabaseSync): number {
  return Number(database.prepare("PRAGMA user_version").get()?.user_version);
}
