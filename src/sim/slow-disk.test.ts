/** A disk that takes 20 ms for a flush (DESIGN §5, the gate): what promises a row waits for it, in order, and nothing else does. */
import assert from "node:assert/strict";
import type { SipResponse } from "#sip/wire/message.ts";
import { Asker } from "./phone.ts";
import type { SimNetwork } from "./types.ts";
import { type World, world, worldTest } from "./world.ts";

const FLUSH_MS = 20;
/** There and back between a machine and its DS. */
const WAY_MS = 2;
/** Between two who ask: several of them fall into one flush. */
const EVERY_MS = 3;
const ASKERS = 30;
const CONTACT = [["Contact", "<sip:me@10.0.0.9>"]] as const;

/** Askers of site 1 who have answered their challenge, and nothing of whom is on its way. */
function askers(net: SimNetwork, w: World): readonly Asker[] {
  const all = Array.from({ length: ASKERS }, (_, at) => new Asker(net, w.signUp(`user${at}`, 1)));
  w.run(100);
  for (const [at, asker] of all.entries()) asker.ask("REGISTER", `user${at}`);
  w.run(100);
  for (const { heard } of all) assert.deepEqual(statuses(heard.splice(0)), [200]);
  return all;
}
const statuses = (heard: readonly SipResponse[]): readonly number[] => heard.map(({ status }) => status);

/** They ask one after the other; how long after that each had a 2xx, and in which order they had. */
function delays(w: World, all: readonly Asker[], ask: (asker: Asker, at: number) => void) {
  const tookMs: number[] = [];
  const order: number[] = [];
  for (let ms = 0; order.length < all.length && ms < 1_000; ms++) {
    const next = ms % EVERY_MS === 0 ? all[ms / EVERY_MS] : undefined;
    if (next) ask(next, ms / EVERY_MS);
    w.run(1);
    for (const [at, { heard }] of all.entries()) {
      if (heard.length === 0) continue;
      assert.deepEqual(statuses(heard.splice(0)), [200]);
      order.push(at);
      tookMs[at] = ms + 1 - at * EVERY_MS;
    }
  }
  return { order, least: Math.min(...tookMs), most: Math.max(...tookMs) };
}

worldTest(
  "a 2xx to REGISTER waits for the flush under way and for its own, in order; what promises nothing waits for neither",
  (net) => {
    const w = world(net, { sites: 2 });
    const all = askers(net, w);
    net.setDisk("ds1", { flushMs: FLUSH_MS });
    const bound = delays(w, all, (asker, at) => asker.ask("REGISTER", `user${at}`, CONTACT));
    assert.deepEqual(bound.order, [...all.keys()]);
    assert.ok(bound.least >= WAY_MS + FLUSH_MS && bound.most <= WAY_MS + 2 * FLUSH_MS, `${bound.least} to ${bound.most} ms`);
    assert.ok(
      bound.least < WAY_MS + FLUSH_MS + EVERY_MS && bound.most > WAY_MS + 1.5 * FLUSH_MS,
      "some wait for one, some for two",
    );

    // The disk is kept busy meanwhile by half of them; the others only ask what is there.
    const looked = all.filter((_, at) => at % 2 === 1);
    const quick = delays(w, looked, (asker, at) => {
      all[2 * at]?.ask("REGISTER", `user${2 * at}`, CONTACT);
      asker.ask("REGISTER", `user${2 * at + 1}`);
    });
    assert.deepEqual([quick.least, quick.most], [WAY_MS, WAY_MS]);
  },
);
