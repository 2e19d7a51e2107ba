import assert from "node:assert/strict";
import { test } from "node:test";
import { hex } from "#base/bytes.ts";
import { HASHES } from "#base/hash.ts";
import type { Entropy } from "#host/host.ts";
import { ha1s, newDeviceSecret, newSession, sessionHash } from "./secrets.ts";

const entropyOf = (octets: readonly number[]): Entropy => ({ random: () => Uint8Array.from(octets), ...HASHES });

for (const [octets, secret] of [
  [new Array(16).fill(0), "0000-0000-0000-0000-0000-0000-00"],
  [new Array(16).fill(255), "zzzz-zzzz-zzzz-zzzz-zzzz-zzzz-zw"],
  [
    [0b00001_000, 0b10_00011_0, 0b0100_0010, 0b1_00110_00, 0b111_01000, ...new Array(11).fill(0)],
    "1234-5678-0000-0000-0000-0000-00",
  ],
] as const) {
  test(`a device secret holds 128 bits in groups of four: ${secret}`, () =>
    assert.equal(newDeviceSecret(entropyOf(octets)), secret));
}

test("a session is 256 bits, and only its SHA-256 is for keeping", () => {
  const entropy = entropyOf(new Array(32).fill(1));
  assert.equal(newSession(entropy), "01".repeat(32));
  assert.equal(hex(sessionHash(entropy, "abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});

test("HA1 is the digest of user, realm and secret (RFC 7616 §3.9.1)", () => {
  const { ha1Md5, ha1Sha256 } = ha1s(entropyOf([]), "Mufasa", "http-auth@example.org", "Circle of Life");
  assert.equal(ha1Md5, "3d78807defe7de2157e2b0b6573a855f");
  assert.equal(ha1Sha256, "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232");
});
