import assert from "node:assert/strict";
import { utf8 } from "#base/bytes.ts";
import type { Ticket } from "#base/ticket.ts";
import type { Address } from "#host/host.ts";
import { simTest } from "#sim/index.ts";
import { TRYING_AFTER_MS } from "./engine/timers.ts";
import { AT_B, ask, octets, Party, pair, Stranger, udpParty } from "./test-party.ts";
import { UdpTransport } from "./transport/udp.ts";
import { response } from "./wire/builders.ts";
import { parseMessage } from "./wire/parse.ts";
import { cseqOf, numberOf, toTagOf, viaOf } from "./wire/values.ts";

simTest(
  "a request gets Via with branch and rport, Max-Forwards 70; its response finds it (RFC 3261 §8.1.1, RFC 3581 §3)",
  (net) => {
    const { a, b } = pair(net);
    const id = a.driver.request(ask("OPTIONS"), AT_B);
    net.run(100);
    assert.deepEqual([b.told, a.told], [["OPTIONS"], ["200"]]);
    const [request] = b.requests;
    const via = request && viaOf(request);
    assert.deepEqual([via?.transport, via?.host, via?.port, via?.params.get("branch")], ["UDP", "127.0.0.1", 5060, id]);
    assert.deepEqual([via?.params.get("received"), via?.params.get("rport")], ["127.0.0.1", "5060"]);
    assert.equal(request && numberOf(request, "max-forwards"), 70);
    assert.equal(a.last.headers.count("via"), 1);
    assert.notEqual(toTagOf(a.last), undefined, "a To tag is added where the user gave none (RFC 3261 §8.2.6.2)");
  },
);

simTest(
  "with loss, copies and overtaking every request ends with its answer, and is told once (RFC 3261 §17)",
  (net) => {
    net.setFaults("a", "b", { loss: 0.3, duplicate: 0.2, delayMs: 20, jitterMs: 400 });
    const { a, b } = pair(net);
    b.answer = (asked, id) => b.driver.respond(id, response(asked, asked.method === "INVITE" ? 486 : 200));
    const asked = [..."0123456789"].flatMap((n) => [ask("INVITE", 1, `i${n}`), ask("OPTIONS", 1, `o${n}`)]);
    for (const request of asked) a.driver.request(request, AT_B);
    net.run(40_000);
    assert.deepEqual(
      b.requests.map(({ headers }) => headers.get("call-id")).sort(),
      asked.map(({ headers }) => headers.get("call-id")).sort(),
    );
    assert.deepEqual(a.told.sort(), [...Array(10).fill("200"), ...Array(10).fill("486")]);
    assert.deepEqual(
      b.told.filter((what) => what === "ACK"),
      [],
      "ACK for 486 ends in the transaction (§17.1.1.3)",
    );
    net.run(40_000);
    assert.deepEqual(
      [a.driver.transactions, b.driver.transactions],
      [
        { client: 0, server: 0 },
        { client: 0, server: 0 },
      ],
    );
  },
  { seeds: 5 },
);

simTest("ACK for a 2xx is passed up, and the 2xx goes as often as its user gives it (RFC 6026 §7.1)", (net) => {
  const { a, b } = pair(net);
  const invite = ask("INVITE");
  a.driver.request(invite, AT_B);
  net.run(100);
  const [request, id] = [b.requests[0] ?? assert.fail(), b.ids[0] ?? assert.fail()];
  b.driver.respond(id, response(request, 200));
  net.run(100);
  assert.deepEqual(a.told, ["200", "200"]);
  a.driver.ack({ ...ask("ACK", 1, "x"), method: "ACK" }, AT_B);
  net.run(100);
  assert.deepEqual(b.told, ["INVITE", "ACK"]);
});

simTest("an INVITE that is not answered within 200 ms hears 100 Trying (RFC 3261 §17.2.1)", (net) => {
  const { a, b } = pair(net);
  b.answer = () => undefined;
  a.driver.request(ask("INVITE"), AT_B);
  net.run(TRYING_AFTER_MS);
  assert.deepEqual(a.told, []);
  net.run(20);
  assert.deepEqual(a.told, ["100"]);
  assert.equal(toTagOf(a.last), undefined);
});

simTest("nobody there: onFailure timeout after 64*T1 (RFC 3261 §17.1.2.2)", (net) => {
  const { a } = pair(net);
  a.driver.request(ask("OPTIONS"), { ...AT_B, host: "127.0.0.3" });
  net.run(31_990);
  assert.deepEqual(a.told, []);
  net.run(20);
  assert.deepEqual(a.told, ["timeout"]);
});

simTest("no transport of that name: onFailure transport, after request has returned (RFC 3261 §8.1.3.1)", (net) => {
  const { a } = pair(net);
  a.driver.request(ask("OPTIONS"), { ...AT_B, transport: "tcp" });
  assert.deepEqual(a.told, []);
  net.run(1);
  assert.deepEqual(a.told, ["transport"]);
});

simTest(
  "CANCEL waits for a provisional response, is answered 200, and told once; the INVITE ends with 487 (RFC 3261 §9)",
  (net) => {
    net.setFaults("a", "b", { duplicate: 0.5 });
    const { a, b } = pair(net);
    b.answer = () => undefined;
    const id = a.driver.request(ask("INVITE"), AT_B);
    a.driver.cancel(id);
    net.run(TRYING_AFTER_MS);
    assert.deepEqual(b.told, ["INVITE"], "no CANCEL before the 100");
    net.run(1_000);
    assert.deepEqual(b.told, ["INVITE", "CANCEL"]);
    assert.deepEqual(a.told, ["100", "487"], "the 200 to CANCEL is the driver's own affair");
  },
);

simTest("CANCEL of what is answered changes nothing; CANCEL of nothing is answered 481 (RFC 3261 §9.2)", (net) => {
  const { b } = pair(net);
  const stranger = new Stranger(net.host("s", "127.0.0.9"));
  stranger.send(octets("INVITE"));
  net.run(10);
  stranger.send(octets("CANCEL"));
  stranger.send(octets("CANCEL", { via: "Via: SIP/2.0/UDP 127.0.0.9:5060;branch=z9hG4bKother;rport" }));
  net.run(10);
  assert.deepEqual(stranger.heard, ["SIP/2.0 200 OK", "SIP/2.0 200 OK", "SIP/2.0 481 Call/Transaction Does Not Exist"]);
  assert.deepEqual(b.told, ["INVITE"]);
});

simTest("a CANCEL that comes again is answered again and told once", (net) => {
  const { b } = pair(net);
  b.answer = () => undefined;
  b.obeysCancel = false;
  const stranger = new Stranger(net.host("s", "127.0.0.9"));
  stranger.send(octets("INVITE"));
  stranger.send(octets("CANCEL"));
  net.run(10);
  stranger.send(octets("CANCEL"));
  net.run(10);
  assert.deepEqual(stranger.heard, ["SIP/2.0 200 OK", "SIP/2.0 200 OK"]);
  assert.deepEqual(b.told, ["INVITE", "CANCEL"]);
});

simTest("a CANCEL into silence: its INVITE fails once, 64*T1 later (RFC 3261 §9.1)", (net) => {
  const { a, b } = pair(net);
  b.answer = (asked, id) => b.driver.respond(id, response(asked, 180));
  const id = a.driver.request(ask("INVITE"), AT_B);
  net.run(100);
  net.cut("a", "b");
  a.driver.cancel(id);
  net.run(31_990);
  assert.deepEqual(a.told, ["180"]);
  net.run(40_000);
  assert.deepEqual(a.told, ["180", "timeout"]);
});

/** A ticket that becomes safe when the test says so. */
class HandTicket implements Ticket {
  safe = false;
  #then: (() => void)[] = [];
  onSafe(then: () => void): void {
    this.#then.push(then);
  }
  release(): void {
    this.safe = true;
    for (const then of this.#then.splice(0)) then();
  }
}

simTest("answers leave when their tickets are safe, and in order (DESIGN §5)", (net) => {
  const { a, b } = pair(net);
  const [first, second] = [new HandTicket(), new HandTicket()];
  b.answer = (asked, id) => {
    b.driver.respond(id, response(asked, 180), first);
    b.driver.respond(id, response(asked, 181));
    b.driver.respond(id, response(asked, 200), second);
  };
  const id = a.driver.request(ask("INVITE"), AT_B);
  net.run(100);
  assert.deepEqual(a.told, []);
  second.release();
  net.run(100);
  assert.deepEqual(a.told, [], "the second does not overtake the first");
  first.release();
  net.run(100);
  assert.deepEqual(a.told, ["180", "181", "200"]);
  a.driver.cancel(id);
});

simTest("CANCEL while the final answer is held is not told: the INVITE is answered (RFC 3261 §9.2)", (net) => {
  const { a, b } = pair(net);
  const ticket = new HandTicket();
  b.answer = (asked, id) => b.driver.respond(id, response(asked, 200), ticket);
  const id = a.driver.request(ask("INVITE"), AT_B);
  a.driver.cancel(id);
  net.run(300);
  ticket.release();
  net.run(100);
  assert.deepEqual([a.told, b.told], [["100", "200"], ["INVITE"]]);
});

const BAD: [name: string, bytes: Uint8Array, answer: string[]][] = [
  ["chance", new Uint8Array([1, 2, 3, 250, 13, 10, 13, 10]), []],
  ["CRLF, a keep-alive (RFC 5626 §3.5.1)", utf8("\r\n\r\n"), []],
  ["an empty datagram", new Uint8Array(0), []],
  [
    "a response to nothing",
    utf8(
      "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x;branch=z9hG4bKno\r\nf: <sip:a@h>\r\nt: <sip:b@h>\r\ni: 1\r\nCSeq: 1 OPTIONS\r\n\r\n",
    ),
    [],
  ],
  ["a request cut off", octets("OPTIONS").subarray(0, -4), ["SIP/2.0 400 No empty line after the header fields"]],
  ["a request cut off in its Via", octets("OPTIONS").subarray(0, 35), ["SIP/2.0 400 No empty line after the header fields"]],
  ["a malformed Via (RFC 4475 §3.1.2.1)", octets("OPTIONS", { via: "Via: SIP/2.0/UDP h;;" }), ["SIP/2.0 400 Malformed Via"]],
  [
    "a body shorter than Content-Length (RFC 3261 §18.3)",
    octets("OPTIONS", { l: "Content-Length: 5" }),
    ["SIP/2.0 400 Body shorter than Content-Length"],
  ],
  ["a header field over the limit", octets("OPTIONS", { x: `X: ${"a".repeat(60_000)}` }), ["SIP/2.0 400 Header field too long"]],
  ["no Call-ID (RFC 3261 §8.1.1)", octets("OPTIONS", { callId: undefined }), ["SIP/2.0 400 Missing call-id"]],
  ["no Via", octets("OPTIONS", { via: undefined }), []],
  [
    "another version (RFC 4475 §3.1.2.16)",
    octets("OPTIONS", { start: "OPTIONS sip:b@h SIP/3.0" }),
    ["SIP/2.0 505 Version Not Supported"],
  ],
  ["a malformed ACK", octets("ACK", { callId: undefined }), []],
];
for (const [name, bytes, answer] of BAD)
  simTest(`${name}: ${answer.length === 0 ? "no answer" : "an answer that says why"}, and others are served meanwhile`, (net) => {
    const { a, b } = pair(net);
    const stranger = new Stranger(net.host("s", "127.0.0.9"));
    a.driver.request(ask("OPTIONS"), AT_B);
    stranger.send(bytes);
    net.run(100);
    assert.deepEqual(stranger.heard, answer);
    assert.deepEqual([a.told, b.told], [["200"], ["OPTIONS"]]);
    const { garbage, malformed, keepAlives, strays } = b.driver.counters;
    assert.equal(garbage + malformed + keepAlives + strays, 1, "what is dropped is counted");
  });

simTest("without rport the answer goes to the port that Via names, from source to `received` (RFC 3261 §18.2)", (net) => {
  pair(net);
  const host = net.host("s", "127.0.0.9");
  const [sender, listener] = [new Stranger(host, 40_000), new Stranger(host, 5062)];
  sender.send(octets("OPTIONS", { via: "Via: SIP/2.0/UDP some.name:5062;branch=z9hG4bKr" }));
  net.run(10);
  assert.deepEqual([sender.heard, listener.heard], [[], ["SIP/2.0 200 OK"]]);
  assert.match(listener.messages[0] ?? "", /Via: SIP\/2\.0\/UDP some\.name:5062;branch=z9hG4bKr;received=127\.0\.0\.9\r\n/);
});

simTest("a user that throws costs one transaction: 500, counted, logged with Call-ID (DESIGN §10)", (net) => {
  const logged: unknown[] = [];
  const nothing = (): void => undefined;
  const log = { debug: nothing, info: nothing, warn: nothing, error: (_event: string, fields?: object) => logged.push(fields) };
  const a = udpParty(net.host("a", "127.0.0.1"), "127.0.0.1");
  const b = udpParty(net.host("b", "127.0.0.2"), "127.0.0.2", { log });
  b.answer = (asked, id) => {
    if (asked.headers.get("call-id") === "bad") throw new Error("our fault");
    b.driver.respond(id, response(asked, 200));
  };
  a.driver.request(ask("OPTIONS", 1, "bad"), AT_B);
  a.driver.request(ask("OPTIONS", 1, "good"), AT_B);
  net.run(100);
  assert.deepEqual(
    a.responses.map((answer) => [answer.headers.get("call-id"), answer.status]),
    [
      ["bad", 500],
      ["good", 200],
    ],
  );
  assert.equal(b.driver.counters.faults, 1);
  assert.equal((logged[0] as { callId: string }).callId, "bad");
});

simTest("what its user throws before it answers at once is counted, and the request is told all the same", (net) => {
  const { a, b } = pair(net);
  b.answerAtOnce = () => assert.fail("a fault");
  a.driver.request(ask("OPTIONS"), AT_B);
  net.run(100);
  assert.deepEqual([a.told, b.told, b.driver.counters.faults], [["200"], ["OPTIONS"], 1]);
});

simTest("an answer after the transaction's end is dropped and counted", (net) => {
  const { a, b } = pair(net);
  b.answer = () => undefined;
  a.driver.request(ask("OPTIONS"), AT_B);
  net.run(33_000);
  const [request, id] = [b.requests[0] ?? assert.fail(), b.ids[0] ?? assert.fail()];
  b.driver.respond(id, response(request, 200));
  net.run(100);
  assert.equal(a.told.at(-1), "timeout");
  assert.deepEqual([b.driver.counters.lateAnswers, b.driver.counters.abandoned], [1, 1]);
});

simTest("after stop nothing is sent, taken or told", (net) => {
  const { a, b } = pair(net);
  a.driver.request(ask("OPTIONS"), { ...AT_B, host: "127.0.0.3" });
  a.driver.request(ask("OPTIONS"), { ...AT_B, transport: "tcp" });
  a.driver.stop();
  b.driver.request(ask("OPTIONS"), { ...AT_B, host: "127.0.0.1" });
  net.run(40_000);
  assert.deepEqual([a.told, b.told], [[], ["timeout"]]);
});

simTest("localUri says how peers reach us; a bound port replaces 0", (net) => {
  const host = net.host("a", "127.0.0.1");
  const party = new Party(host);
  let bound = 0;
  const listening = (at: Address): void => {
    bound = at.port;
  };
  party.driver.addTransport(new UdpTransport(host, { host: "127.0.0.1", port: 0 }, { listening, failed: assert.fail }));
  net.run(1);
  assert.deepEqual(party.driver.localUri(AT_B), { host: "127.0.0.1", port: bound, transport: "udp" });
  assert.throws(() => party.driver.localUri({ ...AT_B, transport: "tls" }), /No tls transport/);
});

simTest("an ACK for 300-699 has the INVITE's branch, its From, the response's To, CSeq with ACK (RFC 3261 §17.1.1.3)", (net) => {
  const { b } = pair(net);
  const stranger = new Stranger(net.host("s", "127.0.0.9"));
  b.driver.request(ask("INVITE", 7), { ...AT_B, host: "127.0.0.9" });
  net.run(10);
  const parsed = parseMessage(utf8(stranger.messages[0] ?? ""));
  const invite = parsed.status === "ok" && parsed.value.kind === "request" ? parsed.value : assert.fail();
  stranger.send(
    utf8(
      `SIP/2.0 486 Busy\r\n${response(invite, 486, "", "far")
        .headers.fields()
        .map(({ name, value }) => `${name}: ${value}\r\n`)
        .join("")}\r\n`,
    ),
  );
  net.run(10);
  const acked = parseMessage(utf8(stranger.messages[1] ?? ""));
  const ack = acked.status === "ok" && acked.value.kind === "request" ? acked.value : assert.fail();
  assert.deepEqual([ack.method, cseqOf(ack), toTagOf(ack)], ["ACK", { number: 7, method: "ACK" }, "far"]);
  assert.deepEqual([ack.headers.get("via"), ack.headers.get("from")], [invite.headers.get("via"), invite.headers.get("from")]);
});

simTest("STUN on the SIP port is answered to where it came from; it is no message (RFC 5626 §8)", (net) => {
  const { b } = pair(net);
  const stranger = new Stranger(net.host("s", "127.0.0.9"), 4_000);
  const binding = Uint8Array.of(0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, ...new Uint8Array(12));
  stranger.send(binding);
  stranger.send(binding.with(1, 0x11));
  net.run(50);
  assert.equal(stranger.heard.length, 1, "an indication is not answered");
  assert.match(stranger.messages[0] ?? "", /^\x01\x01\0\x0c/);
  const { keepAlives, messagesIn, garbage } = b.driver.counters;
  assert.deepEqual([keepAlives, messagesIn, garbage], [2, 0, 0]);
});
