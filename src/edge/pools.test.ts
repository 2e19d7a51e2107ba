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

test("a pool gives what is wanted where it is its own and free (PROTOCOL §7)", () => {
  const groups = new GroupPool("232.0.1.0", 3, 5004);
  const wanted = { host: "232.0.1.2", port: 5004 };
  const given = [wanted, wanted, { host: "232.0.1.1", port: 6000 }, { host: "232.0.1.9", port: 5004 }].map((at) =>
    groups.take(at),
  );
  assert.deepEqual(
    given.map((group) => group?.host),
    ["232.0.1.2", "232.0.1.0", "232.0.1.1", undefined],
  );
  const ports = new PortPool("127.0.0.2", 40_000, 3);
  const foreign = { host: "127.0.0.3", port: 40_002 };
  assert.deepEqual(
    [{ host: "127.0.0.2", port: 40_001 }, foreign].map((at) => ports.take(at)?.port),
    [40_001, 40_000],
  );
});
