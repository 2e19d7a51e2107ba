import assert from "node:assert/strict";
import { simTest } from "#sim/index.ts";
import { AT_B, ask, octets, pair, Stranger, udpParty } from "./test-party.ts";
import { response } from "./wire/builders.ts";

simTest("a branch that another client or method has is refused (RFC 3261 §17.2.3)", (net) => {
  const { b } = pair(net);
  const stranger = new Stranger(net.host("s", "127.0.0.9"));
  stranger.send(octets("OPTIONS"));
  stranger.send(octets("OPTIONS", { via: "Via: SIP/2.0/UDP 127.0.0.9:5999;branch=z9hG4bKraw;rport" }));
  stranger.send(octets("INFO"));
  stranger.send(octets("OPTIONS"));
  net.run(10);
  const refusal = "SIP/2.0 400 Branch in use";
  assert.deepEqual(stranger.heard, ["SIP/2.0 200 OK", refusal, refusal, "SIP/2.0 200 OK"]);
  assert.deepEqual(b.told, ["OPTIONS"]);
});

simTest(
  "above the limit of transactions (sipTransactions): a stateless 503 for requests, failure for ours (PROTOCOL §17)",
  (net) => {
    const a = udpParty(net.host("a", "127.0.0.1"), "127.0.0.1", { maxTransactions: 3 });
    const b = udpParty(net.host("b", "127.0.0.2"), "127.0.0.2", { maxTransactions: 2 });
    b.answer = () => undefined;
    for (let n = 0; n < 4; n++) a.driver.request(ask("INVITE"), AT_B);
    net.run(100);
    assert.deepEqual(b.told, ["INVITE", "INVITE"]);
    assert.deepEqual(a.told.sort(), ["503", "transport"]);
    assert.equal(a.last.headers.has("retry-after"), false);
    assert.deepEqual([b.driver.counters.shed, b.driver.transactions.server], [1, 2], "the ACK of the 503 goes no further");
  },
);

simTest("answered requests other than INVITE count by a third (sipTransactions)", (net) => {
  const b = udpParty(net.host("b", "127.0.0.2"), "127.0.0.2", { maxTransactions: 2 });
  const stranger = new Stranger(net.host("s", "127.0.0.9"));
  for (let n = 0; n < 7; n++) stranger.send(octets("MESSAGE", { via: `Via: SIP/2.0/UDP 127.0.0.9;branch=z9hG4bK${n};rport` }));
  net.run(100);
  assert.deepEqual([b.told.length, b.driver.counters.shed, b.driver.transactions.server], [6, 1, 6]);
  assert.equal(stranger.heard.at(-1), "SIP/2.0 503 Service Unavailable");
});

simTest("a final response is repeated to who asks again, to where it went, until Timer J (RFC 3261 §17.2.2)", (net) => {
  const { b } = pair(net);
  const host = net.host("s", "127.0.0.9");
  const [stranger, elsewhere] = [new Stranger(host), new Stranger(host, 40_000)];
  const asked = octets("MESSAGE");
  stranger.send(asked);
  net.run(31_900);
  elsewhere.send(asked);
  net.run(10);
  assert.deepEqual([stranger.heard.length, elsewhere.heard.length, b.told], [2, 0, ["MESSAGE"]]);
  assert.equal(stranger.messages[1], stranger.messages[0]);
  const { retransmissionsIn, retransmissionsOut, abandoned } = b.driver.counters;
  assert.deepEqual([retransmissionsIn, retransmissionsOut, abandoned], [1, 1, 0]);
  net.run(300);
  assert.equal(b.driver.transactions.server, 0);
  stranger.send(asked);
  net.run(10);
  assert.deepEqual(b.told, ["MESSAGE", "MESSAGE"]);
});

simTest("what is answered at once leaves nothing behind, and has the same tag each time (RFC 3261 §8.2.7)", (net) => {
  const { b } = pair(net);
  const stranger = new Stranger(net.host("s", "127.0.0.9"));
  b.answerAtOnce = (asked) => (asked.method === "OPTIONS" ? response(asked, 200) : undefined);
  const asked = octets("OPTIONS");
  stranger.send(asked);
  net.run(100);
  stranger.send(asked);
  stranger.send(octets("MESSAGE", { via: "Via: SIP/2.0/UDP 127.0.0.9;branch=z9hG4bKother" }));
  net.run(100);
  assert.deepEqual(b.told, ["MESSAGE"]);
  assert.equal(b.driver.transactions.server, 1);
  const [first = "", again] = stranger.messages;
  assert.match(first, /^SIP\/2.0 200 OK\r\n.*\r\nTo: [^\r]*;tag=[0-9a-f]{16}\r\n/s);
  assert.equal(again, first);
});

for (const method of ["INVITE", "REGISTER"])
  simTest(
    `a refused ${method} is forgotten: one answer each time it comes, its ACK ends, its CANCEL finds nothing (RFC 3261 §8.2.7)`,
    (net) => {
      const { b } = pair(net);
      b.answer = (asked, id) => b.driver.refuse(id, response(asked, 401));
      const stranger = new Stranger(net.host("s", "127.0.0.9"));
      stranger.send(octets(method));
      net.run(100_000);
      assert.deepEqual([stranger.heard, b.driver.transactions.server], [["SIP/2.0 401 Unauthorized"], 0]);
      stranger.send(octets(method));
      net.run(10);
      assert.equal(stranger.messages[1], stranger.messages[0], "the same tag, whenever it comes");
      stranger.send(octets("ACK", { to: /^To: .*$/m.exec(stranger.messages[0] ?? "")?.[0].trim() }));
      stranger.send(octets("CANCEL"));
      net.run(10);
      assert.deepEqual(stranger.heard.slice(2), ["SIP/2.0 481 Call/Transaction Does Not Exist"]);
      assert.deepEqual([b.told, b.driver.counters.refusals], [[method, method], 2]);
    },
  );

simTest("who has heard 100 is refused until he acknowledges: his INVITE does not come again (RFC 3261 §17.1.1.2)", (net) => {
  const { b } = pair(net);
  const stranger = new Stranger(net.host("s", "127.0.0.9"));
  b.answer = () => undefined;
  stranger.send(octets("INVITE"));
  net.run(300);
  b.driver.refuse(b.ids[0] ?? assert.fail(), response(b.requests[0] ?? assert.fail(), 401));
  net.run(600);
  const refused = "SIP/2.0 401 Unauthorized";
  assert.deepEqual(stranger.heard, ["SIP/2.0 100 Trying", refused, refused]);
  assert.deepEqual([b.driver.counters.refusals, b.driver.transactions.server], [0, 1]);
});

simTest("a user that throws after it has refused costs nothing more", (net) => {
  const { b } = pair(net);
  b.answer = (asked, id) => {
    b.driver.refuse(id, response(asked, 403));
    assert.fail("a fault");
  };
  const stranger = new Stranger(net.host("s", "127.0.0.9"));
  stranger.send(octets("INVITE"));
  net.run(1_000);
  assert.deepEqual([stranger.heard, b.driver.transactions.server], [["SIP/2.0 403 Forbidden"], 0]);
});

simTest("above the limit of transactions nothing is answered at once: an INVITE would fare no better (RFC 3261 §11.2)", (net) => {
  const b = udpParty(net.host("b", "127.0.0.2"), "127.0.0.2", { maxTransactions: 0 });
  b.answerAtOnce = (asked) => response(asked, 200);
  const stranger = new Stranger(net.host("s", "127.0.0.9"));
  stranger.send(octets("OPTIONS"));
  net.run(100);
  assert.deepEqual(stranger.heard, ["SIP/2.0 503 Service Unavailable"]);
});

for (const method of ["INVITE", "MESSAGE"])
  simTest(`an answer to ${method} that cannot be written is counted, and its transaction still ends`, (net) => {
    const { b } = pair(net);
    b.answer = (asked, id) => b.driver.respond(id, response(asked, 200, "two\r\nlines"));
    const stranger = new Stranger(net.host("s", "127.0.0.9"));
    stranger.send(octets(method));
    net.run(32_100);
    assert.equal(b.driver.counters.faults, 1);
    assert.equal(b.driver.transactions.server, 0);
  });
