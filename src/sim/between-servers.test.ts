/** What DSs say to one another, by UDP, TCP and TLS (PROTOCOL §1, §5, §9). */
import assert from "node:assert/strict";
import type { DsConfig } from "#roles/types.ts";
import { LONG_MS, Stage } from "./flow-stage.ts";
import { Phone } from "./phone.ts";
import { simCertificate } from "./sim-tls.ts";
import type { SimNetwork } from "./types.ts";
import { type World, worldTest } from "./world.ts";

const MOMENT_MS = 500;
const TROUBLE_MS = 20_000;

const listening = (id: string, host: string): Partial<DsConfig> => ({
  tcp: { host, port: 5060 },
  tls: { host, port: 5071 },
  certificate: { ...simCertificate("CA", `DNS:${id}.sipcast.test`), ca: "CA" },
});
/** Datagrams between the two DSs: what goes by streams is not in a ladder. */
const datagrams = (lines: string): number => lines.split("\n").filter((line) => /ds\d → ds\d/.test(line)).length;

for (const peers of ["udp", "tcp", "tls"] as const) {
  worldTest(`by ${peers}: somebody of the other site is called and hangs up, and registers away`, (net) => {
    const { w } = new Stage(net, { ds: (id, host) => ({ ...listening(id, host), peers }) });
    const alice = new Phone(net, w.signUp("alice", 1));
    const bob = new Phone(net, { ...w.signUp("bob", 1), ds: { host: "10.0.2.1", port: 5060 } });
    let answered = 0;
    bob.onRing = (call) => {
      answered = call;
      bob.accept(call);
    };
    w.run(MOMENT_MS);
    alice.call("bob");
    w.run(MOMENT_MS);
    bob.ua.calls.end(answered);
    w.run(MOMENT_MS);
    assert.deepEqual(alice.look().slice(-3), ["180", "answered", "ended bye"]);
    assert.equal(datagrams(net.ladder()) > 0, peers === "udp");
  });
  worldTest(`by ${peers}: a broadcaster of the other site is asked for a viewer, who leaves`, (net) => {
    const stage = new Stage(net, { ds: (id, host) => ({ ...listening(id, host), peers }) });
    stage.waiting("bob", 1);
    stage.joins(stage.viewer("alice", 2), "bob-ask");
    stage.goodbye();
    assert.equal(datagrams(net.ladder()) > 0, peers === "udp");
  });
  for (const [what, trouble] of [
    [
      "the line between them was cut",
      (w, net) => {
        net.cut("ds1", "ds2");
        w.run(TROUBLE_MS);
        net.heal("ds1", "ds2");
      },
    ],
    [
      "the other crashed with its machine",
      (w) => {
        w.kill("ds2", "machine");
        w.run(TROUBLE_MS);
        w.restart("ds2");
      },
    ],
  ] as const satisfies readonly [string, (w: World, net: SimNetwork) => void][])
    worldTest(`by ${peers}: after ${what}, somebody of the other site is called and asked for a viewer as before`, (net) => {
      const stage = new Stage(net, { ds: (id, host) => ({ ...listening(id, host), peers }) });
      const alice = new Phone(net, stage.w.signUp("alice", 1));
      const bob = new Phone(net, stage.w.signUp("bob", 2));
      bob.onRing = (call) => bob.accept(call);
      stage.waiting("carol", 1);
      const dave = stage.viewer("dave", 2);
      const connects = (): void => {
        alice.look();
        const call = alice.call("bob");
        stage.w.run(MOMENT_MS);
        assert.deepEqual(alice.look(), ["180", "answered"]);
        alice.ua.calls.end(call);
        stage.joins(dave, "carol-ask");
        dave.leave();
        stage.w.run(MOMENT_MS);
      };
      connects();
      alice.call("bob"); // is told nothing while they cannot reach one another
      trouble(stage.w, net);
      stage.w.run(LONG_MS);
      connects();
      stage.goodbye();
    });
}
