import assert from "node:assert/strict";
import { test } from "node:test";
import type { AccountRow, ChannelRow, DeviceSecretRow } from "./index.ts";
import { openStore, type Store } from "./index.ts";

const account = (user: string, home = "ds1"): AccountRow => {
  return { user, passwordHash: "$argon2id$…", accessKbps: 10_000, home, createdWallMs: 1_000 };
};
const channel = (name: string, owner: string): ChannelRow => ({
  name,
  owner,
  title: `The channel ${name}`,
  mode: "open",
  kbps: 1_000,
});
const secret = (id: string, user: string, createdWallMs = 1): DeviceSecretRow => {
  return { id, user, label: "phone", createdWallMs, ha1Md5: "aa", ha1Sha256: "bb" };
};
const token = (octet: number): Uint8Array => new Uint8Array(32).fill(octet);

function withStore(name: string, body: (store: Store) => void): void {
  test(name, () => {
    const store = openStore(":memory:");
    body(store);
    store.close();
  });
}

withStore("an account is read as it was written", (store) => {
  assert.deepEqual(store.addAccount(account("alice"), [channel("alice-tv", "alice")]), { ok: true });
  assert.deepEqual(store.account("alice"), account("alice"));
  assert.deepEqual(store.channels("alice"), [channel("alice-tv", "alice")]);
  assert.equal(store.account("bob"), undefined);
});

withStore("users and channels share one name space, and a refused addition leaves nothing (PROTOCOL §2)", (store) => {
  store.addAccount(account("alice"), [channel("news", "alice")]);
  const taken = (name: string) => ({ ok: false, cause: "name-taken", name });
  assert.deepEqual(store.addAccount(account("alice"), []), taken("alice"));
  assert.deepEqual(store.addAccount(account("news"), []), taken("news"));
  assert.deepEqual(store.addChannel(channel("alice", "alice")), taken("alice"));
  assert.deepEqual(store.addChannel(channel("news", "alice")), taken("news"));
  assert.deepEqual(store.addAccount(account("bob"), [channel("news", "bob")]), taken("news"));
  assert.equal(store.account("bob"), undefined);
  assert.deepEqual(store.addAccount(account("bob"), []), { ok: true });
});

withStore("a channel of an owner without account is our own fault", (store) => {
  assert.throws(() => store.addChannel(channel("news", "nobody")), /FOREIGN KEY/);
  store.addAccount(account("alice"), []);
  assert.deepEqual(store.addChannel(channel("news", "alice")), { ok: true }, "the name was not kept by the failed addition");
});

withStore("accounts are paged in order of user, and counted by home", (store) => {
  for (const user of ["carol", "alice", "bob"]) store.addAccount(account(user, user === "bob" ? "ds2" : "ds1"), []);
  assert.deepEqual(
    store.accounts("", 2).map(({ user }) => user),
    ["alice", "bob"],
  );
  assert.deepEqual(
    store.accounts("bob", 2).map(({ user }) => user),
    ["carol"],
  );
  assert.deepEqual([...store.accountsByHome()].sort(), [
    ["ds1", 2],
    ["ds2", 1],
  ]);
});

withStore("a session is found by its hash until it is removed, expired or pushed out by later ones", (store) => {
  store.addAccount(account("alice"), []);
  for (const at of [1, 2, 3]) store.addSession(token(at), "alice", 1_000 * at, 2);
  assert.equal(store.session(token(1)), undefined);
  assert.deepEqual(store.session(token(2)), { user: "alice", expiresWallMs: 2_000 });
  store.extendSession(token(2), 9_000);
  store.removeExpiredSessions(3_000);
  assert.equal(store.session(token(3)), undefined);
  assert.equal(store.session(token(2))?.expiresWallMs, 9_000);
  store.removeSession(token(2));
  assert.equal(store.session(token(2)), undefined);
});

withStore("device secrets are listed oldest first, and removed only by their user", (store) => {
  for (const user of ["alice", "bob"]) store.addAccount(account(user), []);
  for (const each of [secret("2", "alice", 20), secret("1", "alice", 10), secret("3", "bob")]) store.addDeviceSecret(each);
  assert.deepEqual(store.deviceSecrets("alice"), [secret("1", "alice", 10), secret("2", "alice", 20)]);
  assert.equal(store.removeDeviceSecret("bob", "1"), false);
  assert.equal(store.removeDeviceSecret("alice", "1"), true);
  assert.deepEqual(store.deviceSecrets("alice"), [secret("2", "alice", 20)]);
});

withStore("all channels are listed by name", (store) => {
  store.addAccount(account("alice"), [channel("zoo", "alice")]);
  store.addChannel(channel("art", "alice"));
  assert.deepEqual(
    store.channels().map(({ name }) => name),
    ["art", "zoo"],
  );
  assert.deepEqual(store.channel("zoo"), channel("zoo", "alice"));
});
