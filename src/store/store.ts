import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { StorageError } from "#base/errors.ts";
import { migrate, SCHEMA_VERSION } from "./migrations.ts";

export interface AccountRow {
  readonly user: string;
  /** A PHC string (`passwords.ts`). */
  readonly passwordHash: string;
  readonly accessKbps: number;
  /** Member id of the DS that serves the user. */
  readonly home: string;
  readonly createdWallMs: number;
}
export interface DeviceSecretRow {
  readonly id: string;
  readonly user: string;
  readonly label: string;
  readonly createdWallMs: number;
  /** Hex. */
  readonly ha1Md5: string;
  readonly ha1Sha256: string;
}
export interface ChannelRow {
  readonly name: string;
  readonly owner: string;
  readonly title: string;
  readonly mode: "open" | "ask";
  readonly kbps: number;
}
/** A name stands for one user or one channel, never two things (PROTOCOL §2). */
export type Added = { readonly ok: true } | { readonly ok: false; readonly cause: "name-taken"; readonly name: string };

/**
 * Everything registration keeps. Each method is one transaction, on the disk when it returns; times are wall-clock ms. Throws a
 * StorageError, and has changed nothing, where the database cannot be read or written.
 */
export interface Store {
  account(user: string): AccountRow | undefined;
  /** The account, and its first channels: all or nothing. */
  addAccount(account: AccountRow, channels: readonly ChannelRow[]): Added;
  /** Accounts in order of user, those after `after`, at most `limit`. */
  accounts(after: string, limit: number): readonly AccountRow[];
  /** How many accounts each DS is home of; those of none are absent. */
  accountsByHome(): ReadonlyMap<string, number>;

  /** Keeps at most `keep` sessions of the user: those that expire first go. */
  addSession(tokenHash: Uint8Array, user: string, expiresWallMs: number, keep: number): void;
  session(tokenHash: Uint8Array): { readonly user: string; readonly expiresWallMs: number } | undefined;
  extendSession(tokenHash: Uint8Array, expiresWallMs: number): void;
  removeSession(tokenHash: Uint8Array): void;
  removeExpiredSessions(nowWallMs: number): void;

  addDeviceSecret(secret: DeviceSecretRow): void;
  /** Oldest first. */
  deviceSecrets(user: string): readonly DeviceSecretRow[];
  /** False when the user has no such secret. */
  removeDeviceSecret(user: string, id: string): boolean;

  addChannel(channel: ChannelRow): Added;
  channel(name: string): ChannelRow | undefined;
  /** In order of name; of all owners when none is given. */
  channels(owner?: string): readonly ChannelRow[];

  /** Writes to the disk what changes nothing: throws while that cannot be done. */
  probe(): void;
  close(): void;
}

const ACCOUNT = `user, password_hash AS passwordHash, access_kbps AS accessKbps, home, created_wall_ms AS createdWallMs`;
const SECRET = `id, user, label, created_wall_ms AS createdWallMs, ha1_md5 AS ha1Md5, ha1_sha256 AS ha1Sha256`;
const CHANNEL = `name, owner, title, mode, kbps`;

/**
 * Opens or creates the database, and brings it to this program's version. Throws StorageError for one that is damaged, cannot
 * be written or is of a newer program.
 */
export function openStore(path: string): Store {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { enableForeignKeyConstraints: true, timeout: 2_000 });
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    migrate(database);
    return new SqliteStore(database);
  } catch (error) {
    database?.close();
    throw new StorageError("unusable", `Cannot use the database ${path}: ${(error as Error).message}`, error);
  }
}

class SqliteStore implements Store {
  readonly #database: DatabaseSync;
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#statements = prepare(database);
  }

  account(user: string): AccountRow | undefined {
    return this.#statements.account.get(user);
  }
  addAccount(account: AccountRow, channels: readonly ChannelRow[]): Added {
    const claims: Claim[] = [[account.user, "user"], ...channels.map(({ name }): Claim => [name, "channel"])];
    return this.#add(claims, () => {
      this.#statements.addAccount.run({ ...account });
      for (const channel of channels) this.#statements.addChannel.run({ ...channel });
    });
  }
  accounts(after: string, limit: number): readonly AccountRow[] {
    return this.#statements.accounts.all(after, limit);
  }
  accountsByHome(): ReadonlyMap<string, number> {
    return new Map(this.#statements.accountsByHome.all().map(({ home, count }) => [home, count]));
  }

  addSession(tokenHash: Uint8Array, user: string, expiresWallMs: number, keep: number): void {
    this.#transaction(() => {
      this.#statements.addSession.run(tokenHash, user, expiresWallMs);
      this.#statements.trimSessions.run(user, keep);
      return true;
    });
  }
  session(tokenHash: Uint8Array): { user: string; expiresWallMs: number } | undefined {
    return this.#statements.session.get(tokenHash);
  }
  extendSession(tokenHash: Uint8Array, expiresWallMs: number): void {
    this.#statements.extendSession.run(expiresWallMs, tokenHash);
  }
  removeSession(tokenHash: Uint8Array): void {
    this.#statements.removeSession.run(tokenHash);
  }
  removeExpiredSessions(nowWallMs: number): void {
    this.#statements.removeExpiredSessions.run(nowWallMs);
  }

  addDeviceSecret(secret: DeviceSecretRow): void {
    this.#statements.addDeviceSecret.run({ ...secret });
  }
  deviceSecrets(user: string): readonly DeviceSecretRow[] {
    return this.#statements.deviceSecrets.all(user);
  }
  removeDeviceSecret(user: string, id: string): boolean {
    return this.#statements.removeDeviceSecret.run(user, id) > 0;
  }

  addChannel(channel: ChannelRow): Added {
    return this.#add([[channel.name, "channel"]], () => this.#statements.addChannel.run({ ...channel }));
  }
  channel(name: string): ChannelRow | undefined {
    return this.#statements.channel.get(name);
  }
  channels(owner?: string): readonly ChannelRow[] {
    return owner === undefined ? this.#statements.channels.all() : this.#statements.channelsOf.all(owner);
  }

  probe(): void {
    this.#execute(`PRAGMA user_version = ${SCHEMA_VERSION}`);
  }
  close(): void {
    this.#database.close();
  }

  #add(claims: readonly Claim[], insert: () => void): Added {
    let taken: Claim | undefined;
    this.#transaction(() => {
      taken = claims.find(([name, kind]) => this.#statements.claim.run(name, kind) === 0);
      if (taken === undefined) insert();
      return taken === undefined;
    });
    return taken === undefined ? { ok: true } : { ok: false, cause: "name-taken", name: taken[0] };
  }

  /** Commits what `change` did if it says so. */
  #transaction(change: () => boolean): void {
    this.#execute("BEGIN IMMEDIATE");
    try {
      this.#execute(change() ? "COMMIT" : "ROLLBACK");
    } catch (error) {
      if (this.#database.isTransaction) this.#execute("ROLLBACK"); // of some errors SQLite has ended it already
      throw error;
    }
  }
  #execute(sql: string): void {
    asked(() => this.#database.exec(sql));
  }
}

type Claim = readonly [name: string, kind: "user" | "channel"];

/** A statement and the type of its rows. */
interface Statement<R> {
  get(...values: SQLInputValue[]): R | undefined;
  all(...values: SQLInputValue[]): readonly R[];
}
interface Change {
  /** How many rows changed. */
  run(...values: SQLInputValue[] | [Record<string, SQLInputValue>]): number;
}

function prepare(database: DatabaseSync) {
  const rows = <R>(sql: string): Statement<R> => {
    const statement = database.prepare(sql);
    return {
      get: (...values) => own<R>(asked(() => statement.get(...values))),
      all: (...values) => asked(() => statement.all(...values)).map((row) => ({ ...row }) as R),
    };
  };
  const change = (sql: string): Change => {
    const statement = database.prepare(sql);
    return { run: (...values) => Number(asked(() => statement.run(...(values as SQLInputValue[]))).changes) };
  };
  return {
    claim: change("INSERT INTO names (name, kind) VALUES (?, ?) ON CONFLICT DO NOTHING"),
    account: rows<AccountRow>(`SELECT ${ACCOUNT} FROM accounts WHERE user = ?`),
    addAccount: change(
      `INSERT INTO accounts (user, password_hash, access_kbps, home, created_wall_ms)
       VALUES (:user, :passwordHash, :accessKbps, :home, :createdWallMs)`,
    ),
    accounts: rows<AccountRow>(`SELECT ${ACCOUNT} FROM accounts WHERE user > ? ORDER BY user LIMIT ?`),
    accountsByHome: rows<{ home: string; count: number }>("SELECT home, count(*) AS count FROM accounts GROUP BY home"),
    addSession: change("INSERT INTO sessions (token_hash, user, expires_wall_ms) VALUES (?, ?, ?)"),
    trimSessions: change(
      `DELETE FROM sessions WHERE token_hash IN
       (SELECT token_hash FROM sessions WHERE user = ? ORDER BY expires_wall_ms DESC LIMIT -1 OFFSET ?)`,
    ),
    session: rows<{ user: string; expiresWallMs: number }>(
      "SELECT user, expires_wall_ms AS expiresWallMs FROM sessions WHERE token_hash = ?",
    ),
    extendSession: change("UPDATE sessions SET expires_wall_ms = ? WHERE token_hash = ?"),
    removeSession: change("DELETE FROM sessions WHERE token_hash = ?"),
    removeExpiredSessions: change("DELETE FROM sessions WHERE expires_wall_ms <= ?"),
    addDeviceSecret: change(
      `INSERT INTO device_secrets (id, user, label, created_wall_ms, ha1_md5, ha1_sha256)
       VALUES (:id, :user, :label, :createdWallMs, :ha1Md5, :ha1Sha256)`,
    ),
    deviceSecrets: rows<DeviceSecretRow>(`SELECT ${SECRET} FROM device_secrets WHERE user = ? ORDER BY created_wall_ms, id`),
    removeDeviceSecret: change("DELETE FROM device_secrets WHERE user = ? AND id = ?"),
    addChannel: change("INSERT INTO channels (name, owner, title, mode, kbps) VALUES (:name, :owner, :title, :mode, :kbps)"),
    channel: rows<ChannelRow>(`SELECT ${CHANNEL} FROM channels WHERE name = ?`),
    channels: rows<ChannelRow>(`SELECT ${CHANNEL} FROM channels ORDER BY name`),
    channelsOf: rows<ChannelRow>(`SELECT ${CHANNEL} FROM channels WHERE owner = ? ORDER BY name`),
  };
}

/** Result codes of SQLite that are the disk's doing, or the file's: busy, locked, read-only, I/O error, full, cannot open. */
const FAILED = [5, 6, 8, 10, 13, 14];
/** Corrupt, not a database. */
const DAMAGED = [11, 26];

/** What SQLite answers; where its file is the reason that it does not, a StorageError. */
function asked<T>(ask: () => T): T {
  try {
    return ask();
  } catch (error) {
    const code = ((error as { errcode?: number }).errcode ?? 0) & 0xff; // without what extends it
    if (DAMAGED.includes(code)) throw new StorageError("unusable", (error as Error).message, error);
    if (FAILED.includes(code)) throw new StorageError("failed", (error as Error).message, error);
    throw error;
  }
}

/** SQLite's rows have no prototype: a plain copy compares and prints like any other object. */
const own = <R>(row: object | undefined): R | undefined => (row === undefined ? undefined : ({ ...row } as R));
