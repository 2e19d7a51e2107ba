/** A database that does not do what it is asked: what people are told, and what goes on. */
import assert from "node:assert/strict";
import { StorageError } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";
import { type Logger, SILENT } from "#base/log.ts";
import { InProcessCarrier, type Json, OverlayNode } from "#overlay/index.ts";
import { type SimNetwork, simTest } from "#sim/index.ts";
import { openStore } from "#store/index.ts";
import { FAULTS, Placement, quickPasswords, Registration, registrationPorts, serveRegistration } from "./index.ts";

const MONTH_MS = 30 * 86_400_000;
const PERSON = { user: "alice", password: "correct horse", address: "10.2.0.9" };
/** Of the store, whatever writes, and one that reads. */
const REFUSED = ["addAccount", "addSession", "extendSession", "removeSession", "addChannel", "probe", "accounts"] as const;

function stage(net: SimNetwork) {
  const carrier = new InProcessCarrier(() => [1]);
  const host = net.host("registration", "127.0.1.1");
  const overlay = new OverlayNode(carrier, host, { id: "registration", role: "registration", info: {} });
  const ds = new OverlayNode(carrier, net.host("ds1", "127.0.1.2"), { id: "ds1", role: "ds", info: {} });
  const logged: string[] = [];
  const log: Logger = { ...SILENT, info: (event) => logged.push(event), error: (event) => logged.push(event) };
  const store = openStore(":memory:");
  const ports = registrationPorts(overlay, log);
  const means = { domain: "sipcast.test", placement: new Placement([]), store, hasher: quickPasswords(host), host, ports };
  const registration = new Registration(means);
  serveRegistration(overlay, registration);
  net.run(1);
  ds.setPhase("serving");
  net.run(50);
  const ask = (topic: string, body: Json): Readonly<Record<string, Json>> => {
    let answer: Json = null;
    ds.request("registration", `registration.${topic}`, body, (reply) => {
      if (reply.ok) answer = reply.body;
    });
    net.run(20);
    return answer ?? assert.fail(`no answer to ${topic}`);
  };
  return {
    registration,
    logged,
    ask,
    breakStore: (code: StorageError["code"]): void => {
      const refuse = (): never => {
        throw new StorageError(code, "database or disk is full");
      };
      for (const method of REFUSED) Object.assign(store, { [method]: refuse });
    },
    mendStore: (): void => {
      for (const method of REFUSED) Reflect.deleteProperty(store, method);
    },
  };
}

simTest("what the database cannot serve is unavailable, said once, and tried until it can", (net) => {
  const { registration, logged, ask, breakStore, mendStore } = stage(net);
  const { session = null } = ask("sign-up", PERSON);
  breakStore("failed");
  const asked = [
    ["sign-up", { ...PERSON, user: "bob" }],
    ["sign-in", PERSON],
    ["sign-out", { session }],
    ["add-channel", { session, name: "alice-2", title: "Alice", kbps: 1_000 }],
    ["catch-up", {}],
  ] as const;
  for (const [topic, body] of asked) assert.equal(ask(topic, body)["error"], FAULTS.unavailable, topic);
  net.setWall("registration", MONTH_MS - 1_000); // his session would be prolonged
  assert.equal(ask("session", { session })["user"], "alice", "who is signed in stays so");
  net.run(3 * LIMITS.storeProbeMs);
  assert.equal(registration.fault, "database or disk is full");
  assert.deepEqual(logged, ["database cannot be used"]);
  assert.ok(registration.counters.storeFailures > asked.length);
  mendStore();
  net.run(LIMITS.storeProbeMs);
  assert.equal(registration.fault, undefined);
  assert.deepEqual(logged, ["database cannot be used", "database can be used again"]);
  assert.equal(ask("sign-up", { ...PERSON, user: "bob" })["error"], undefined);
});

simTest("a database that is damaged is so until a restart", (net) => {
  const { registration, ask, breakStore, mendStore } = stage(net);
  breakStore("unusable");
  assert.equal(ask("catch-up", {})["error"], FAULTS.unavailable);
  mendStore();
  net.run(3 * LIMITS.storeProbeMs);
  assert.equal(registration.fault, "database or disk is full");
});

simTest("nothing is tried any more once registration has stopped", (net) => {
  const { registration, ask, breakStore } = stage(net);
  breakStore("failed");
  assert.equal(ask("catch-up", {})["error"], FAULTS.unavailable);
  registration.stop(() => undefined);
  const { storeFailures } = registration.counters;
  net.run(3 * LIMITS.storeProbeMs);
  assert.equal(registration.counters.storeFailures, storeFailures);
});
