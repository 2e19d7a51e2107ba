/** A DS whose disk has no room (DESIGN §5): it promises nothing, others take what is new, and it goes on by itself. */
import assert from "node:assert/strict";
import { LIMITS } from "#base/limits.ts";
import { Asker } from "./phone.ts";
import { world, worldTest } from "./world.ts";

worldTest(
  "a DS without room on its disk lets no 2xx out, says that it does not serve, and takes its users back once there is",
  (net) => {
    const w = world(net, { sites: 2 });
    const alice = w.signUp("alice", 1);
    const away = { ...w.signUp("bob", 2), user: alice.user, deviceSecret: alice.deviceSecret };
    const here = new Asker(net, alice);
    const there = new Asker(net, away, "alice elsewhere");
    w.run(1_000);
    const register = (asker: Asker, contact: string): readonly number[] => {
      asker.ask("REGISTER", "alice", [["Contact", `<sip:alice@${contact}>`]]);
      w.run(1_500);
      return asker.heard.splice(0).map(({ status }) => status);
    };
    const phase = (): string | undefined => w.operator.overlays.get("ds1")?.self.phase;
    assert.deepEqual(register(here, "10.0.0.1"), [200]);

    net.fillDisk("ds1", true);
    assert.deepEqual(register(here, "10.0.0.2"), []);
    assert.deepEqual([phase(), net.isUp("ds1")], ["joining", true]);
    assert.deepEqual(register(here, "10.0.0.3"), [503]);
    assert.deepEqual(register(there, "10.0.0.4"), [200], "another DS takes home's place");

    net.fillDisk("ds1", false);
    w.run(LIMITS.logRetryMs + 10);
    assert.equal(phase(), "serving");
    here.heard.splice(0);
    assert.deepEqual(register(here, "10.0.0.5"), [200]);
    assert.deepEqual(register(there, "10.0.0.6"), [200]);
  },
);
