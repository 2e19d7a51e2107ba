import assert from "node:assert/strict";
import { copiedTo, InProcessCarrier, OverlayNode } from "#overlay/index.ts";
import { type SimNetwork, simTest } from "#sim/index.ts";
import { type Answer, answer, answerMembers } from "./control.ts";

/** Members ds1, ds2 and ds3, of which the last knows no such questions; and how ds1 answers one. */
function stage(net: SimNetwork) {
  const carrier = new InProcessCarrier();
  const join = (id: string): OverlayNode => {
    const host = net.host(id, `127.0.0.${id.at(-1)}`);
    const overlay = new OverlayNode(carrier, host, { id, role: "ds", info: {} });
    if (id !== "ds3") answerMembers(overlay);
    return overlay;
  };
  const [ds1, ds2] = [join("ds1"), join("ds2"), join("ds3")];
  net.run(2_000);
  const ask = (question: unknown): Answer => {
    let answered: Answer | undefined;
    answer(ds1, question, (one) => {
      answered = one;
    });
    net.run(50);
    return answered ?? assert.fail("no answer");
  };
  return { ds1, ds2, ask };
}
function told(answer: Answer): object {
  assert.ok(answer.ok);
  return answer.told;
}

simTest("ctl: members are those that one member knows", (net) => {
  const { ds1, ask } = stage(net);
  ds1.setPhase("serving");
  const { by, members } = told(ask({ ask: "members" })) as { by: string; members: Record<string, unknown>[] };
  assert.equal(by, "ds1");
  assert.deepEqual(
    members.map(({ id, role, phase }) => `${id} ${role} ${phase}`),
    ["ds1 ds serving", "ds2 ds joining", "ds3 ds joining"],
  );
});

simTest("ctl: tables and rows are those of all who answer, each as it has them", (net) => {
  const { ds1, ds2, ask } = stage(net);
  const [table] = [ds1, ds2].map((overlay) => overlay.table("onAir", copiedTo("ds")));
  table?.put("news", { title: "News" }, 3, 60);
  net.run(1_000);
  const { tables, silent } = told(ask({ ask: "tables" })) as { tables: Record<string, unknown>[]; silent: string[] };
  const found = tables.filter(({ name }) => name === "onAir");
  assert.deepEqual(
    found.map(({ at, rows, own, marks, positions }) => ({ at, rows, own, marks, positions })),
    [
      { at: "ds1", rows: 1, own: 1, marks: 0, positions: { ds1: 1, ds2: 0 } },
      { at: "ds2", rows: 1, own: 0, marks: 0, positions: { ds1: 1 } },
    ],
  );
  assert.deepEqual(silent, ["ds3"]);
  const row = { table: "onAir", key: "news", owner: "ds1", order: 3, term: 0, leftSec: 59, value: { title: "News" } };
  assert.deepEqual(told(ask({ ask: "row", key: "news" })), { rows: ["ds1", "ds2"].map((at) => ({ at, ...row })), silent });
  assert.deepEqual(told(ask({ ask: "row", key: "sport" })), { rows: [], silent });
});

simTest("ctl: a life of a member is declared dead, the known one or another", (net) => {
  const { ds1, ds2, ask } = stage(net);
  const dead: string[] = [];
  ds1.onDead((id, incarnation) => dead.push(`${id} ${incarnation}`));
  const { incarnation } = ds2;
  assert.deepEqual(told(ask({ ask: "dead", member: "ds2" })), { member: "ds2", incarnation });
  assert.deepEqual(told(ask({ ask: "dead", member: "ds9", incarnation: 3 })), { member: "ds9", incarnation: 3 });
  assert.deepEqual(ask({ ask: "dead", member: "ds8" }), {
    ok: false,
    reason: "No member ds8 is present: give its incarnation as well.",
  });
  assert.deepEqual(dead, [`ds2 ${incarnation}`, "ds9 3"]);
});

simTest("ctl: what is no question is refused", (net) => {
  const { ask } = stage(net);
  const strange = [undefined, null, "members", { ask: "all" }, { ask: "row" }, { ask: "dead", member: "x", incarnation: "1" }];
  for (const question of strange) assert.equal(ask(question).ok, false);
});
