import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { hmacHex } from "./hmac.ts";

for (const algorithm of ["md5", "sha256"] as const)
  test(`hmacHex ${algorithm} is Node's Hmac: texts of up to 200 characters, keys shorter and longer than a block (RFC 2104 §2)`, () => {
    for (const keyOctets of [0, 1, 32, 63, 64, 65, 200]) {
      const key = Uint8Array.from({ length: keyOctets }, (_, at) => 7 * at + keyOctets);
      for (const char of ["a", "é", "\u20ac", "\u{1f4fa}", "\ud800"])
        for (let length = 0; length <= 200; length++) {
          const text = char.repeat(length);
          const expected = createHmac(algorithm, key).update(text).digest("hex");
          assert.equal(hmacHex(algorithm, key, text), expected, `key of ${keyOctets}, ${length} times ${char}`);
        }
    }
  });
