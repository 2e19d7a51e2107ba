import assert from "node:assert/strict";
import type { Json, Overlay, Reply, RoleName } from "../types.ts";

/** Where a case runs: on real or virtual time. */
export interface Stage {
  join(id: string, role: RoleName): Overlay;
}
/** A case yields what must come true before it goes on. */
export type Script = Generator<() => boolean, void>;
export interface ConformanceCase {
  readonly name: string;
  readonly script: (stage: Stage) => Script;
}

const ids = (overlay: Overlay, role?: RoleName): string =>
  overlay
    .members(role)
    .map(({ id }) => id)
    .join(" ");

/** What every carrier must let the overlay do, whatever it loses, repeats or overtakes. */
export const CONFORMANCE: readonly ConformanceCase[] = [
  {
    name: "members meet, and are listed by id and by role",
    *script({ join }) {
      const all = [join("web1", "web"), join("ds2", "ds"), join("ds1", "ds")];
      yield () => all.every((one) => ids(one) === "ds1 ds2 web1");
      for (const one of all) assert.equal(ids(one, "ds"), "ds1 ds2");
      assert.deepEqual(all[0]?.members("ds")[0], { id: "ds1", role: "ds", phase: "joining", info: { name: "ds1" } });
    },
  },
  {
    name: "a member is told of those who come, change their phase and go",
    *script({ join }) {
      const told: string[] = [];
      const watcher = join("ds1", "ds");
      watcher.onMembers(({ id, phase }, change) => told.push(`${id} ${phase} ${change}`));
      const other = join("ds2", "ds");
      yield () => told.length === 1;
      other.setPhase("serving");
      yield () => told.length === 2;
      other.leave();
      yield () => ids(watcher) === "ds1";
      assert.deepEqual(told.slice(0, 3), ["ds2 joining joined", "ds2 serving changed", "ds2 serving left"]);
    },
  },
  {
    name: "a request is answered by the one it was sent to, unknown fields and all",
    *script({ join }) {
      const [asker, server] = [join("web1", "web"), join("registration", "registration")];
      let asked: Json = null;
      server.handle("double", (body, from, reply) => {
        asked = body;
        reply({ from, twice: [body, body] });
      });
      yield () => ids(asker) === "registration web1";
      const body = { n: 1, "a field of tomorrow": [null, "ü"] };
      let answer: Reply | undefined;
      for (let tries = 0; !answer?.ok && tries < 20; tries++) {
        answer = undefined;
        asker.request("registration", "double", body, (reply) => {
          answer = reply;
        });
        assert.equal(answer, undefined, "no answer before `request` returns");
        yield () => answer !== undefined;
      }
      assert.deepEqual(asked, body);
      assert.deepEqual(answer, { ok: true, body: { from: "web1", twice: [body, body] } });
    },
  },
  {
    name: "a request to nobody fails as unknown-member",
    *script({ join }) {
      let answer: Reply | undefined;
      join("web1", "web").request("ds9", "topic", {}, (reply) => {
        answer = reply;
      });
      assert.equal(answer, undefined, "no answer before `request` returns");
      yield () => answer !== undefined;
      assert.deepEqual(answer, { ok: false, cause: "unknown-member" });
    },
  },
  {
    name: "a row appears, changes and goes at every member that copies the table",
    *script({ join }) {
      const [owner, copy, stranger] = [join("ds1", "ds"), join("ds2", "ds"), join("web1", "web")];
      const [table, copied, strange] = [owner, copy, stranger].map((one) => one.table<{ n: number }>("numbers", ["ds"]));
      assert.ok(table && copied && strange);
      const told: string[] = [];
      copied.onChange((key, row, before) => told.push(`${key} ${before?.value.n} → ${row?.value.n}`));
      yield () => ids(owner) === "ds1 ds2 web1";
      assert.equal(table.put("k", { n: 1 }, 1, 60).safe, true);
      assert.equal(table.get("k")?.value.n, 1);
      yield () => copied.get("k")?.value.n === 1;
      table.put("k", { n: 2 }, 2, 60);
      yield () => copied.get("k")?.value.n === 2;
      table.remove("k");
      yield () => copied.get("k") === undefined;
      yield () => told.length === 3;
      assert.deepEqual(told, ["k undefined → 1", "k 1 → 2", "k 2 → undefined"]);
      assert.equal(strange.get("k"), undefined);
      assert.equal(owner.table("numbers", ["ds"]), table, "the same object for the same name");
    },
  },
  {
    name: "whoever comes later is sent what was written before, and what was written for a table it opens later",
    *script({ join }) {
      const owner = join("ds1", "ds");
      const table = owner.table<string>("early", ["ds"]);
      for (let at = 0; at < 500; at++) table.put(`key ${at}`, "x".repeat(400), 1, 3_600);
      const late = join("ds2", "ds");
      yield () => ids(late) === "ds1 ds2";
      const copied = late.table<string>("early", ["ds"]);
      yield () => [...copied.rows()].length === 500;
      assert.equal(copied.get("key 499")?.owner, "ds1");
    },
  },
];
