import assert from "node:assert/strict";
import { test } from "node:test";
import { readAddress } from "./addresses.ts";
import { type Address, showAddress } from "./host.ts";

const CASES: { text: string; wants: Address | undefined }[] = [
  { text: "232.0.1.7:5004", wants: { host: "232.0.1.7", port: 5004 } },
  { text: "[2001:db8::1]:65535", wants: { host: "2001:db8::1", port: 65_535 } },
  { text: "232.0.1.7", wants: undefined },
  { text: "232.0.1.7:0", wants: undefined },
  { text: "232.0.1.7:65536", wants: undefined },
  { text: "232.0.1.256:5004", wants: undefined },
  { text: "232.0.1:5004", wants: undefined },
  { text: "[2001:db8::1::2]:5004", wants: undefined },
  { text: "host.example:5004", wants: undefined },
  { text: "", wants: undefined },
];
for (const { text, wants } of CASES)
  test(`readAddress of "${text}" is ${wants ? showAddress(wants) : "nothing"}`, () => {
    assert.deepEqual(readAddress(text), wants);
    if (wants) assert.equal(showAddress(wants), text);
  });
