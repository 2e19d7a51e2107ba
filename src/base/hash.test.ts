import assert from "node:assert/strict";
import { createHmac, hash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import type { DigestAlgorithm } from "#host/host.ts";
import { hex, utf8 } from "./bytes.ts";
import { digest, hmac } from "./hash.ts";

const VECTORS: { name: string; algorithm: DigestAlgorithm; input: string; wants: string }[] = [
  { name: "RFC 1321 §A.5, empty", algorithm: "MD5", input: "", wants: "d41d8cd98f00b204e9800998ecf8427e" },
  { name: "RFC 1321 §A.5, abc", algorithm: "MD5", input: "abc", wants: "900150983cd24fb0d6963f7d28e17f72" },
  {
    name: "RFC 1321 §A.5, 80 digits",
    algorithm: "MD5",
    input: "1234567890".repeat(8),
    wants: "57edf4a22be3c955ac49da2e2107b67a",
  },
  {
    name: "FIPS 180, one block",
    algorithm: "SHA-256",
    input: "abc",
    wants: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  },
  {
    name: "FIPS 180, two blocks",
    algorithm: "SHA-256",
    input: "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
    wants: "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
  },
];
for (const { name, algorithm, input, wants } of VECTORS) {
  test(`digest ${algorithm}: ${name}`, () => assert.equal(hex(digest(algorithm, utf8(input))), wants));
}

test("hmac SHA-256: RFC 4231 §4.3", () => {
  const mac = hmac("SHA-256", utf8("Jefe"), utf8("what do ya want for nothing?"));
  assert.equal(hex(mac), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
});

for (const algorithm of ["MD5", "SHA-256"] as const) {
  const theirs = algorithm === "MD5" ? "md5" : "sha256";
  test(`digest and hmac ${algorithm} agree with the platform's at every length up to 200, keys shorter and longer than a block`, () => {
    const octets = fc.uint8Array({ maxLength: 200 });
    fc.assert(
      fc.property(octets, octets, (bytes, key) => {
        assert.equal(hex(digest(algorithm, bytes)), hash(theirs, bytes));
        assert.equal(hex(hmac(algorithm, key, bytes)), createHmac(theirs, key).update(bytes).digest("hex"));
      }),
      { numRuns: 500 },
    );
  });
}
