import assert from "node:assert/strict";
import { test } from "node:test";
import { Placement } from "./placement.ts";

const placement = new Placement([
  { ds: "ds1", prefix: "10.0.0.0/8" },
  { ds: "ds2", prefix: "10.1.0.0/16" },
  { ds: "ds3", prefix: "10.1.2.128/25" },
  { ds: "ds3", prefix: "2001:db8::/32" },
  { ds: "ds2", prefix: "2001:db8:0:ff00::/57" },
]);
const ALL = ["ds1", "ds2", "ds3"];
const LOAD = new Map([
  ["ds1", 5],
  ["ds2", 3],
  ["ds3", 9],
]);

const CASES: readonly { name: string; address: string; serving?: string[]; ds: string | undefined }[] = [
  { name: "the only prefix", address: "10.200.0.1", ds: "ds1" },
  { name: "the longer of two", address: "10.1.3.1", ds: "ds2" },
  { name: "a prefix that ends within an octet", address: "10.1.2.129", ds: "ds3" },
  { name: "the other half of that octet", address: "10.1.2.127", ds: "ds2" },
  { name: "the longest that serves", address: "10.1.2.129", serving: ["ds1", "ds2"], ds: "ds2" },
  { name: "no prefix: the fewest own subscribers", address: "192.0.2.1", ds: "ds2" },
  {
    name: "no prefix of a DS that serves: the fewest of those that do",
    address: "10.1.2.129",
    serving: ["ds4", "ds5"],
    ds: "ds4",
  },
  { name: "IPv6", address: "2001:db8::1", ds: "ds3" },
  { name: "IPv6, longer", address: "2001:DB8:0:ff7f::1", ds: "ds2" },
  { name: "IPv6, just outside", address: "2001:db8:0:ff80::1", ds: "ds3" },
  { name: "IPv4 written as IPv6 (RFC 4291 §2.5.5.2)", address: "::ffff:10.1.2.129", ds: "ds3" },
  { name: "no address at all", address: "somewhere", ds: "ds2" },
  { name: "an octet too large", address: "10.1.2.256", ds: "ds2" },
  { name: "two runs of zeroes", address: "2001::db8::1", ds: "ds2" },
  { name: "too many groups", address: "1:2:3:4:5:6:7:8:9", ds: "ds2" },
  { name: "nobody serves", address: "10.1.2.3", serving: [], ds: undefined },
];
for (const { name, address, serving = ALL, ds } of CASES) {
  test(`the nearest DS: ${name} [B5] [B10]`, () => assert.equal(placement.nearest(address, serving, LOAD), ds));
}

for (const prefix of [
  "10.0.0.0",
  "10.0.0/8",
  "10.0.0.0/33",
  "10.0.0.0/8/8",
  "2001:db8::/129",
  "::1::/64",
  "ten/8",
  "10.0.0.0/-1",
]) {
  test(`a placement by "${prefix}" is refused at start`, () => {
    assert.throws(() => new Placement([{ ds: "ds1", prefix }]), /not an address prefix/);
  });
}
