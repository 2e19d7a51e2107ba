import assert from "node:assert/strict";
import { test } from "node:test";
import { fromHex, hex, utf8 } from "#base/bytes.ts";
import { answerStun, isStun } from "./stun.ts";

const ID = "b7e7a701bc34d686fa87dfae"; // of RFC 5769 §2
const octets = (digits: string): Uint8Array => fromHex(digits.replaceAll(" ", "")) ?? assert.fail(digits);
const request = (attributes = "", type = "0001"): Uint8Array =>
  octets(`${type} ${(attributes.replaceAll(" ", "").length / 2).toString(16).padStart(4, "0")} 2112a442 ${ID} ${attributes}`);
const V4 = { host: "192.0.2.1", port: 32_853 };
const V6 = { host: "2001:db8:1234:5678:11:2233:4455:6677", port: 32_853 };

const ANSWERED: [name: string, bytes: Uint8Array, from: typeof V4, wants: string][] = [
  ["with its IPv4 source (RFC 5769 §2.2)", request(), V4, `0101 000c 2112a442 ${ID} 0020 0008 0001 a147 e112a643`],
  [
    "with its IPv6 source (RFC 5769 §2.3)",
    request(),
    V6,
    `0101 0018 2112a442 ${ID} 0020 0014 0002 a147 0113a9faa5d3f179bc25f4b5bed2b9d9`,
  ],
  [
    "whatever optional attributes it has",
    request("8022 0003 61626300"),
    V4,
    `0101 000c 2112a442 ${ID} 0020 0008 0001 a147 e112a643`,
  ],
  ["though it says who it is", request("0006 0004 61626364"), V4, `0101 000c 2112a442 ${ID} 0020 0008 0001 a147 e112a643`],
  [
    "420 when it has attributes that are not understood (RFC 8489 §6.3.1)",
    request("0003 0004 00000006 7fff 0000"),
    V4,
    `0111 0024 2112a442 ${ID} 0009 0015 00000414 ${hex(utf8("Unknown Attribute"))} 000000 000a 0004 0003 7fff`,
  ],
];
for (const [name, bytes, from, wants] of ANSWERED)
  test(`a Binding request is answered ${name}`, () => {
    assert.ok(isStun(bytes));
    assert.equal(hex(answerStun(bytes, from) ?? assert.fail("no answer")), wants.replaceAll(" ", ""));
  });

const UNANSWERED: [name: string, bytes: Uint8Array][] = [
  ["an indication", request("", "0011")],
  ["an answer", request("", "0101")],
  ["a length that is not its own", request().subarray(0, 20).fill(9, 2, 4)],
  ["an attribute cut off", request("8022 0008 61626364")],
  ["half an attribute's head", request("8022")],
];
for (const [name, bytes] of UNANSWERED)
  test(`${name} is not answered`, () => assert.equal(isStun(bytes) && answerStun(bytes, V4), undefined));

test("SIP, a keep-alive and STUN without the magic cookie are not STUN", () => {
  for (const bytes of [utf8("OPTIONS sip:b@h SIP/2.0\r\n"), utf8("\r\n\r\n"), request().fill(0, 4, 8), request().subarray(0, 19)])
    assert.equal(isStun(bytes), false);
});
