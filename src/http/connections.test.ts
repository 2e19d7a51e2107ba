import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import { Connections } from "./connections.ts";

const take = (connections: Connections, address: string, times: number) =>
  Array.from({ length: times }, () => connections.take(address));

test("Connections: an address has its share, whatever others have, and again what it gave back (httpConnectionsPerAddress)", () => {
  const connections = new Connections();
  assert.ok(take(connections, "192.0.2.1", LIMITS.httpConnectionsPerAddress).every(Boolean));
  assert.equal(connections.take("192.0.2.1"), false);
  assert.equal(connections.take("192.0.2.2"), true);
  connections.release("192.0.2.1");
  assert.deepEqual(take(connections, "192.0.2.1", 2), [true, false]);
  assert.deepEqual(connections.refused, { address: 2, all: 0 });
});

const ONE: readonly { name: string; addresses: readonly [string, string]; isOne: boolean }[] = [
  { name: "IPv4, and the same mapped into IPv6", addresses: ["192.0.2.1", "::ffff:192.0.2.1"], isOne: true },
  { name: "two of one IPv6 network of 64 bits", addresses: ["2001:db8::1", "2001:db8::9:8:7:6"], isOne: true },
  { name: "two of two such networks", addresses: ["2001:db8::1", "2001:db8:0:1::1"], isOne: false },
  { name: "a link-local address with its zone", addresses: ["fe80::1%eth0", "fe80::1"], isOne: true },
];
for (const { name, addresses, isOne } of ONE)
  test(`Connections: ${name} ${isOne ? "are one subscriber" : "are two"} (RFC 6177 §2)`, () => {
    const connections = new Connections();
    take(connections, addresses[0], LIMITS.httpConnectionsPerAddress);
    assert.equal(connections.take(addresses[1]), !isOne);
  });
