/** Integrity of a connection (RFC 2748 §2.2.16, §4.1). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fromHex, hex } from "#base/bytes.ts";
import { simNetwork } from "#sim/index.ts";
import { type CopsMessage, decode, objectOf } from "../wire/message.ts";
import { type CopsKey, copsKey, Integrity } from "./integrity.ts";
import { keepAlive, openMessage, plain } from "./messages.ts";

const KEY = copsKey({ keyId: 7, key: "a secret of ours" });
const OTHER = copsKey({ keyId: 8, key: "another one" });
const OPN = openMessage(0, "ds1", undefined);
const CAT = plain("CAT", 0, [{ kind: "kaTimer", timerSec: 30 }]);
const read = (octets: Uint8Array): CopsMessage => {
  const decoded = decode(octets);
  return decoded.status === "ok" ? decoded.value : assert.fail("not a message");
};
/** Two sides of one connection; a random 32-bit number always is `random`. */
function sides(pepKeys: readonly CopsKey[], pdpKeys: readonly CopsKey[], random = "00000064") {
  const net = simNetwork(1);
  const host = net.host("a", "127.0.0.1");
  const entropy = {
    random: () => fromHex(random) ?? assert.fail(),
    hmac: (algorithm: "MD5" | "SHA-256", key: Uint8Array, bytes: Uint8Array) => host.hmac(algorithm, key, bytes),
  };
  return { pep: new Integrity(pepKeys, entropy), pdp: new Integrity(pdpKeys, entropy) };
}
/** Error code of what one side sends as the other sees it, 0 where it is right. */
function pass(from: Integrity, to: Integrity, message: CopsMessage, spoil?: (octets: Uint8Array) => void): number {
  const octets = from.seal(message);
  spoil?.(octets);
  return to.check(read(octets), octets)?.code ?? 0;
}
/** Agreed. */
function agreed() {
  const both = sides([KEY], [OTHER, KEY]);
  assert.equal(pass(both.pep, both.pdp, OPN), 0);
  assert.equal(pass(both.pdp, both.pep, CAT), 0);
  return both;
}
const sequenceOf = (octets: Uint8Array): number | undefined => objectOf(read(octets), "integrity")?.sequence;

test("a sealed message is these octets: HMAC-MD5 of all before the digest, its first 96 bits (§2.2.16; RFC 2104)", () => {
  const { pep } = sides([KEY], []);
  const head = "10060000 00000028 00080b01 64733100 00181001 00000007 00000064";
  assert.equal(hex(pep.seal(OPN)), `${head.replaceAll(" ", "")}7db1335847827f0be3a0a5d8`);
});

test("numbers begin with what the other side chose, and count up by one each way; they roll over (§4.1)", () => {
  const { pep, pdp } = sides([KEY], [KEY], "fffffffe");
  pass(pep, pdp, OPN);
  pass(pdp, pep, CAT);
  for (const wants of [0xffff_ffff, 0, 1]) {
    const octets = pep.seal(keepAlive());
    assert.equal(sequenceOf(octets), wants);
    assert.equal(pdp.check(read(octets), octets), undefined);
    assert.equal(pass(pdp, pep, keepAlive()), 0);
  }
});

const SPOILT: { name: string; spoil: (octets: Uint8Array) => void; code: number }[] = [
  { name: "another client-type", spoil: (octets) => octets.set([0x91], 2), code: 14 },
  {
    name: "a digest that differs in one bit",
    spoil: (octets) => octets.set([(octets.at(-1) ?? 0) ^ 1], octets.length - 1),
    code: 14,
  },
  { name: "another key id", spoil: (octets) => octets.set([8], octets.length - 17), code: 14 },
  { name: "another sequence number", spoil: (octets) => octets.set([9], octets.length - 13), code: 14 },
  { name: "a C-Type of Integrity that is not known", spoil: (octets) => octets.set([2], octets.length - 21), code: 13 },
];
for (const { name, spoil, code } of SPOILT) {
  test(`${name} is error ${code} (§4.1)`, () => {
    const { pep, pdp } = agreed();
    assert.equal(pass(pep, pdp, keepAlive(), spoil), code);
  });
}

test("a message without Integrity is error 15, one that is repeated or left out error 14 (§4.1)", () => {
  const { pep, pdp } = agreed();
  const plainly = sides([], []).pep.seal(keepAlive());
  assert.equal(pdp.check(read(plainly), plainly)?.code, 15);
  const octets = pep.seal(keepAlive());
  assert.equal(pdp.check(read(octets), octets), undefined);
  assert.equal(pdp.check(read(octets), octets)?.code, 14);
  pep.seal(keepAlive());
  assert.equal(pass(pep, pdp, keepAlive()), 14);
});

test("a PDP takes any of its keys, then only the one that was agreed on; an unknown one is error 14 (§4.2)", () => {
  const { pdp } = agreed();
  const stranger = sides([OTHER], []).pep;
  assert.equal(pass(stranger, pdp, OPN), 14);
  const both = sides([KEY], [OTHER]);
  assert.equal(pass(both.pep, both.pdp, OPN), 14);
});

test("what ends a failed agreement is not sealed; without keys nothing is sealed or checked (§4.1)", () => {
  const failed = sides([KEY], [OTHER]);
  pass(failed.pep, failed.pdp, OPN);
  const close = plain("CC", 0, [{ kind: "error", code: 14, subCode: 0 }]);
  assert.equal(sequenceOf(failed.pdp.seal(close)), undefined);
  assert.equal(sequenceOf(failed.pep.seal(close)), undefined);
  const { pep, pdp } = sides([], []);
  assert.equal(pass(pep, pdp, OPN), 0);
  assert.equal(sequenceOf(pep.seal(keepAlive())), undefined);
});
