import assert from "node:assert/strict";
import { LIMITS } from "#base/limits.ts";
import { type SimNetwork, simCertificate, simTest } from "#sim/index.ts";
import { Party } from "./test-party.ts";
import { StreamTransport } from "./transport/streams.ts";
import { type CallUser, UserAgent } from "./ua.ts";
import { StreamUplink } from "./uplink.ts";
import { response } from "./wire/builders.ts";
import { contactOf } from "./wire/values.ts";

const [ONE, TWO, HERE] = ["10.0.0.1", "10.0.0.2", "10.0.0.5"] as const;
const SERVERS = [ONE, TWO].map((host) => ({ host, port: 5061 })) as [
  { host: string; port: number },
  { host: string; port: number },
];

/** Grants every registration. */
function server(net: SimNetwork, address: string, certificate?: string): Party {
  const host = net.host(address, address);
  const party = new Party(host);
  party.answer = (asked, id) => {
    const answer = response(asked, 200);
    answer.headers.add("Contact", `${asked.headers.get("contact")};expires=3600`);
    party.driver.respond(id, answer);
  };
  const tls = certificate === undefined ? {} : { tls: { server: simCertificate("CA", `URI:sip:${certificate}`) } };
  party.driver.addTransport(
    new StreamTransport(host, { listen: { bind: { host: address, port: 5061 }, failed: assert.fail }, ...tls }),
  );
  net.run(5);
  return party;
}

function agent(net: SimNetwork, tls?: { domain: string; ca: string }) {
  const told: string[] = [];
  const host = net.host("alice", HERE);
  const nobody: CallUser = {
    onInvite: () => undefined,
    onProvisional: () => undefined,
    onAnswered: () => undefined,
    onEstablished: () => undefined,
    onEnded: () => undefined,
  };
  const user = { ...nobody, onRegistration: ({ kind }: { kind: string }) => void told.push(kind) };
  const ua = new UserAgent(host, new StreamUplink(host, HERE, SERVERS, tls), { user: "alice", domain: "tv.example" }, user);
  ua.register();
  net.run(200);
  return { ua, told };
}

simTest("a user agent registers over TCP, is reached by its connection, and takes the next server when that is gone", (net) => {
  const [one, two] = [server(net, ONE), server(net, TWO)];
  const { told } = agent(net);
  assert.deepEqual([told.at(-1), one.told], ["registered", ["REGISTER"]]);
  const contact = contactOf(one.requests[0] ?? assert.fail());
  assert.deepEqual([contact?.uri.host, contact?.uri.params.get("transport"), contact?.params.get("reg-id")], [HERE, "tcp", "1"]);
  one.driver.request({ ...(one.requests[0] ?? assert.fail()), method: "OPTIONS" }, one.flows[0] ?? assert.fail());
  net.run(50);
  assert.equal(one.told.at(-1), "400", "reached, though what was sent is not in order");
  one.driver.stop();
  net.run(60_000);
  assert.deepEqual([told.at(-1), two.told], ["registered", ["REGISTER"]]);
});

simTest("a user agent on TLS wants the certificate of its domain, wherever the server is (RFC 5922 §7.3)", (net) => {
  const [one, two] = [server(net, ONE, "other.example"), server(net, TWO, "tv.example")];
  const { told, ua } = agent(net, { domain: "tv.example", ca: "CA" });
  net.run(10_000);
  assert.deepEqual([told.at(-1), one.told, two.told], ["registered", [], ["REGISTER"]]);
  assert.equal(ua.server?.transport, "tls");
  net.cut("alice", TWO);
  net.run(LIMITS.sipPingMs + LIMITS.sipPongMs + 1_000);
  assert.notEqual(told.at(-1), "registered", "a dead connection is noticed (RFC 5626 §4.4.1)");
});
