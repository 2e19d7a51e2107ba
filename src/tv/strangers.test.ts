/** What strangers leave at a DS, and how much of it they can send to others (RFC 3261 §26.3.2.4). */
import assert from "node:assert/strict";
import { text } from "#base/bytes.ts";
import { Phone } from "#sim/phone.ts";
import { world, worldTest } from "#sim/world.ts";
import { octets } from "#sip/test-party.ts";

const DS = { host: "10.0.1.1", port: 5060 };
const FLOOD = 1_000;
const PATIENCE_MS = 32_000; // 64*T1
const CREDENTIALS = 'Digest username="bob", realm="sipcast.test", nonce="old", uri="sip:sipcast.test", nc=00000001';

const FLOODS: { name: string; method: string; uri: string; more?: Readonly<Record<string, string>>; answer: string }[] = [
  { name: "INVITE of a person", method: "INVITE", uri: "sip:bob@sipcast.test", answer: "407 Proxy Authentication Required" },
  { name: "INVITE of a channel", method: "INVITE", uri: "sip:bob-tv@sipcast.test", answer: "401 Unauthorized" },
  { name: "REGISTER", method: "REGISTER", uri: "sip:sipcast.test", answer: "401 Unauthorized" },
  {
    name: "REGISTER with credentials that nobody has",
    method: "REGISTER",
    uri: "sip:sipcast.test",
    more: { credentials: `Authorization: ${CREDENTIALS}, cnonce="c", qop=auth, response="00"` },
    answer: "401 Unauthorized",
  },
  {
    name: "INVITE within a dialog that nobody has",
    method: "INVITE",
    uri: "sip:10.0.1.1",
    more: { to: "To: <sip:bob@sipcast.test>;tag=1" },
    answer: "481 Call/Transaction Does Not Exist",
  },
  {
    name: "INVITE with a forged Route of ours",
    method: "INVITE",
    uri: "sip:10.0.9.9",
    more: { route: "Route: <sip:00112233445566778899@10.0.1.1;lr>" },
    answer: "403 Forbidden",
  },
];
for (const { name, method, uri, more, answer } of FLOODS)
  worldTest(
    `${FLOOD} times ${name}, without ACK: as many datagrams, nothing kept; others are served (RFC 3261 §8.2.7)`,
    (net) => {
      const w = world(net, { sites: 1 });
      const [alice, bob] = ["alice", "bob"].map((user) => new Phone(net, w.signUp(user, 1))) as [Phone, Phone];
      w.run(1_000);
      const heard: string[] = [];
      const datagram = (bytes: Uint8Array): void => void heard.push(text(bytes).split("\r\n")[0] ?? "");
      const stranger = net
        .host("stranger", "10.0.9.1")
        .datagram({ host: "10.0.9.1", port: 5060 }, { datagram, failed: assert.fail });
      w.run(PATIENCE_MS); // registration's own transactions end
      for (let at = 0; at < FLOOD; at++) {
        const fields = {
          start: `${method} ${uri} SIP/2.0`,
          via: `Via: SIP/2.0/UDP 10.0.9.1:5060;branch=z9hG4bK${at};rport`,
          from: "From: <sip:alice@sipcast.test>;tag=1",
          callId: `Call-ID: ${at}`,
          ...more,
        };
        stranger.send(octets(method, fields), DS);
      }
      w.run(100);
      const sip = w.servers.get("ds1")?.sip ?? assert.fail();
      assert.equal(sip.transactions.server, 0);
      const call = alice.call("bob");
      w.run(500);
      assert.equal(alice.look().at(-1), "180");
      alice.ua.calls.end(call);
      w.run(2 * PATIENCE_MS);
      assert.deepEqual([...new Set(heard)], [`SIP/2.0 ${answer}`]);
      assert.deepEqual([heard.length, sip.transactions.server, bob.look().at(-1)], [FLOOD, 0, "ended canceled"]);
    },
  );
