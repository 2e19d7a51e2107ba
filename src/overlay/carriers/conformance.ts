import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { text, utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";

import type { Carrier, CarrierPort } from "../carrier.ts";
import { type MemberHost, OverlayNode } from "../node.ts";
import { copiedTo, type Json, type MemberId, type Overlay, type Reply, type RoleName } from "../types.ts";
import { faulty } from "./faulty.ts";
import type { Fate } from "./in-process.ts";

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

/** The same for the carrier itself. */
export interface CarrierStage {
  /** Takes a member's place and notes what it hears. */
  join(id: MemberId): { readonly port: CarrierPort; readonly heard: string[] };
}
export interface CarrierCase {
  readonly name: string;
  readonly script: (stage: CarrierStage) => Script;
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
      const [table, copied, strange] = [owner, copy, stranger].map((one) => one.table<{ n: number }>("numbers", copiedTo("ds")));
      assert.ok(table && copied && strange);
      const told: string[] = [];
      copied.onChange((key, row, before) => told.push(`${key} ${before?.value.n} → ${row?.value.n}`));
      yield () => ids(owner) === "ds1 ds2 web1";
      assert.equal(table.put("k", { n: 1 }, 1, 60).safe, false, "not before it is on the disk");
      assert.equal(table.get("k")?.value.n, 1);
      yield () => copied.get("k")?.value.n === 1;
      table.put("k", { n: 2 }, 2, 60);
      yield () => copied.get("k")?.value.n === 2;
      table.remove("k");
      yield () => copied.get("k") === undefined;
      yield () => told.length === 3;
      assert.deepEqual(told, ["k undefined → 1", "k 1 → 2", "k 2 → undefined"]);
      assert.equal(strange.get("k"), undefined);
      assert.equal(owner.table("numbers", copiedTo("ds")), table, "the same object for the same name");
    },
  },
  {
    name: "whoever comes later is sent what was written before, and what was written for a table it opens later",
    *script({ join }) {
      const owner = join("ds1", "ds");
      let isReady = false;
      owner.whenCaughtUp(() => {
        isReady = true;
      });
      yield () => isReady;
      const table = owner.table<string>("early", copiedTo("ds"));
      for (let at = 0; at < 500; at++) table.put(`key ${at}`, "x".repeat(400), 1, 3_600);
      const late = join("ds2", "ds");
      yield () => ids(late) === "ds1 ds2";
      const copied = late.table<string>("early", copiedTo("ds"));
      yield () => [...copied.rows()].length === 500;
      assert.equal(copied.get("key 499")?.owner, "ds1");
    },
  },
];

type Seated = ReturnType<CarrierStage["join"]>;
const hears = ({ heard }: Seated, line: string): boolean => heard.includes(line);

/** Members that are not there yet miss what is said: each calls until all hear it. */
function* met(all: Readonly<Record<MemberId, Seated>>): Script {
  yield () => {
    for (const [id, { port }] of Object.entries(all)) port.sendAll(utf8(`hello of ${id}`));
    return Object.entries(all).every(([id, seated]) =>
      Object.keys(all).every((other) => other === id || hears(seated, `hello of ${other}`)),
    );
  };
}

/** What every carrier must do by itself, in fair weather. */
export const CARRIER_CONFORMANCE: readonly CarrierCase[] = [
  {
    name: "a frame goes to the one it is for, which may be the sender, or to all others",
    *script({ join }) {
      const [a, b, c] = [join("a"), join("b"), join("c")];
      yield* met({ a, b, c });
      a.port.send("b", utf8("for b"));
      a.port.send("a", utf8("for a"));
      a.port.send("nobody", utf8("lost"));
      assert.ok(!hears(a, "for a"), "nothing is told before `send` returns");
      yield () => hears(b, "for b") && hears(a, "for a");
      c.port.sendAll(utf8("for all"));
      yield () => hears(a, "for all") && hears(b, "for all");
      const heard = [a, b, c].map(({ heard: lines }) => lines.filter((line) => !line.startsWith("hello")).sort());
      assert.deepEqual(heard, [["for a", "for all"], ["for all", "for b"], []]);
      for (const [id, { heard: lines }] of Object.entries({ a, b, c })) assert.ok(!lines.includes(`hello of ${id}`));
    },
  },
  {
    name: "frames of every size up to overlayFrameBytes arrive whole",
    *script({ join }) {
      const [a, b] = [join("a"), join("b")];
      yield* met({ a, b });
      const sizes = [0, 1, 65_536, 262_144, 1_048_576, LIMITS.overlayFrameBytes];
      const frames = sizes.map((size, at) => String.fromCharCode(97 + at).repeat(size));
      for (const frame of frames) {
        a.port.send("b", utf8(frame));
        yield () => hears(b, frame);
      }
    },
  },
  {
    name: "who left, and whose place another took, says and hears nothing more",
    *script({ join }) {
      const [a, b, first] = [join("a"), join("b"), join("c")];
      yield* met({ a, b, c: first });
      const second = join("c");
      yield* met({ a, b, c: second });
      b.port.leave();
      const [heardByB, heardByFirst] = [b.heard.length, first.heard.length];
      first.port.sendAll(utf8("of the first"));
      first.port.leave();
      b.port.sendAll(utf8("of who left"));
      for (const [from, to] of [
        [a, second],
        [second, a],
      ] as const) {
        yield () => {
          from.port.sendAll(utf8("last")); // again and again: who takes another's place may miss some
          return hears(to, "last");
        };
      }
      assert.deepEqual([b.heard.length, first.heard.length], [heardByB, heardByFirst]);
      assert.ok(!hears(a, "of the first") && !hears(a, "of who left"));
    },
  },
];

/** Loses a sixth of the frames, repeats a sixth, and lets them overtake one another. */
const FOUL: Fate = () => {
  const delayMs = (): number => 20 * Math.random();
  return Math.random() < 1 / 6 ? [] : Math.random() < 1 / 6 ? [delayMs(), delayMs()] : [delayMs()];
};
const PATIENCE_MS = 20_000;
const POLL_MS = 2;

/** Where members are put in turn: a carrier for each process or machine. */
type Places = readonly Carrier[];
type MemberPlaces = (id: MemberId) => Carrier;

/** A test on real time for each case; `withPlaces` makes carriers of their own for each. The test around them is concurrent. */
export async function testCarrier(
  t: TestContext,
  host: MemberHost,
  withPlaces: (body: (places: Places) => Promise<void>) => Promise<void>,
): Promise<void> {
  const each = (name: string, body: (places: Places) => Promise<void>): Promise<void> => t.test(name, () => withPlaces(body));
  await Promise.all([
    ...CARRIER_CONFORMANCE.map(({ name, script }) => each(name, (places) => play(script(carrierStage(places, host))))),
    ...CONFORMANCE.flatMap(({ name, script }) => [
      each(`fair weather: ${name}`, (places) => playOverlay(script, placed(places), host)),
      each(`foul weather: ${name}`, (places) => playOverlay(script, placed(places.map((place) => faulty(place, FOUL))), host)),
    ]),
    each("two that are cut off from each other still hear a third, and once healed one another", (places) =>
      playCut(places, host),
    ),
  ]);
}

async function playCut(places: Places, host: MemberHost): Promise<void> {
  let isCut = false;
  let lost = 0; // from a to b
  const fate: Fate = (from, to) => {
    if (!isCut || `${from}${to}` === "ac") return [0];
    if (`${from}${to}` === "ab") lost++;
    return [];
  };
  const { join } = carrierStage(
    places.map((place) => faulty(place, fate)),
    host,
  );
  const [a, b, c] = [join("a"), join("b"), join("c")];
  await play(met({ a, b, c }));
  a.port.send("b", utf8("last before"));
  await until(() => hears(b, "last before")); // nothing is under way to b
  isCut = true;
  a.port.send("b", utf8("while cut"));
  a.port.sendAll(utf8("to all while cut"));
  await until(() => hears(c, "to all while cut") && lost === 2);
  isCut = false;
  await until(() => {
    a.port.send("b", utf8("healed"));
    return hears(b, "healed");
  });
  assert.ok(!hears(b, "while cut") && !hears(b, "to all while cut"));
}

function carrierStage(places: Places, host: MemberHost): CarrierStage {
  const placeOf = placed(places);
  return {
    join: (id) => {
      const heard: string[] = [];
      return { port: placeOf(id).join(id, host, (frame) => void heard.push(text(frame))), heard };
    },
  };
}

async function playOverlay(script: ConformanceCase["script"], placeOf: MemberPlaces, host: MemberHost): Promise<void> {
  const joined: OverlayNode[] = [];
  const join: Stage["join"] = (id, role) => {
    const overlay = new OverlayNode(placeOf(id), host, { id, role, info: { name: id } });
    joined.push(overlay);
    return overlay;
  };
  await play(script({ join }));
  for (const overlay of joined) overlay.leave();
}

async function play(script: Script): Promise<void> {
  for (const condition of script) await until(condition);
}

/** Waits for what must come true on real time. */
export async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS;
  while (!condition()) {
    assert.ok(performance.now() < endMs, `within ${PATIENCE_MS} ms: ${condition}`);
    await sleep(POLL_MS);
  }
}

/** The next place for a member that was not seen before, for another the same again. */
function placed(places: Places): MemberPlaces {
  const known = new Map<MemberId, Carrier>();
  return (id) => {
    const place = known.get(id) ?? places[known.size % places.length] ?? assert.fail("no place");
    known.set(id, place);
    return place;
  };
}
