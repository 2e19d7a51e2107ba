import assert from "node:assert/strict";
import { test } from "node:test";
import { simTest } from "#sim/index.ts";
import { checkUserToken, mintUserToken } from "./user-token.ts";

const KEY = new Uint8Array(32).fill(1);
const FORGERIES: { name: string; forge: (token: string) => string }[] = [
  { name: "another user", forge: (token) => token.replace("alice", "bobby") },
  { name: "a later end", forge: (token) => token.replace(/\.(\d+)\./, (_, ms) => `.${Number(ms) + 1}.`) },
  { name: "another MAC", forge: (token) => token.replace(/.$/, (last) => (last === "0" ? "1" : "0")) },
  { name: "a shorter MAC", forge: (token) => token.slice(0, -2) },
  { name: "no MAC", forge: (token) => token.replace(/\.[0-9a-f]+$/, ".") },
  { name: "MAC of no hex", forge: (token) => token.replace(/\.[0-9a-f]+$/, ".zz") },
  { name: "nothing", forge: () => "" },
  { name: "dots", forge: () => ".." },
];

simTest("a user token is taken for 30 s, under its own key only (PROTOCOL §14)", (net) => {
  const host = net.host("web", "10.0.0.1");
  const token = mintUserToken(host, KEY, "alice");
  assert.equal(checkUserToken(host, KEY, token), "alice");
  assert.equal(checkUserToken(host, new Uint8Array(32), token), undefined);
  net.run(29_000);
  assert.equal(checkUserToken(host, KEY, token), "alice");
  net.run(2_000);
  assert.equal(checkUserToken(host, KEY, token), undefined);
});
for (const { name, forge } of FORGERIES)
  simTest(`a forged user token is refused: ${name} (PROTOCOL §14)`, (net) => {
    const host = net.host("web", "10.0.0.1");
    const token = mintUserToken(host, KEY, "alice");
    assert.notEqual(forge(token), token);
    assert.equal(checkUserToken(host, KEY, forge(token)), undefined);
  });

test("a token's user may hold dots", () => {
  const host = { wallMs: () => 0, hmac: () => Uint8Array.of(1, 2) } as unknown as Parameters<typeof mintUserToken>[0];
  assert.equal(checkUserToken(host, KEY, mintUserToken(host, KEY, "a.b")), "a.b");
});
