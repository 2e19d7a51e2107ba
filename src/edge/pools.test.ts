import assert from "node:assert/strict";
import { test } from "node:test";
import { GroupPool, PortPool } from "./pools.ts";

test("GroupPool gives the lowest free group, across octets, and no-one else's (PROTOCOL §3)", () => {
  const pool = new GroupPool("232.0.1.254", 3, 5004);
  const taken = [pool.take(), pool.take(), pool.take()];
  assert.deepEqual(
    taken.map((group) => group?.host),
    ["232.0.1.254", "232.0.1.255", "232.0.2.0"],
  );
  assert.equal(taken[0]?.port, 5004);
  assert.equal(pool.take(), undefined);
  pool.give({ host: "232.0.1.255", port: 5004 });
  assert.deepEqual(pool.take(), { host: "232.0.1.255", port: 5004 });
  assert.equal(pool.take(), undefined);
});

test("PortPool gives as many ports as it has, the lowest free first", () => {
  const pool = new PortPool("127.0.0.2", 40_000, 2);
  assert.deepEqual(
    [pool.take(), pool.take(), pool.take()].map((at) => at?.port),
    [40_000, 40_001, undefined],
  );
  pool.give({ host: "127.0.0.2", port: 40_000 });
  assert.deepEqual(pool.take(), { host: "127.0.0.2", port: 40_000 });
});
