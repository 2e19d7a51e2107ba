import assert from "node:assert/strict";
import { utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import type { Address, Handshake, Host, MessagePort, Refusal } from "#host/host.ts";
import { type SimNetwork, simTest } from "#sim/index.ts";
import type { Flow } from "../engine/ports.ts";
import { ask, octets, Party } from "../test-party.ts";
import { response } from "../wire/builders.ts";
import { serialize } from "../wire/serialize.ts";
import { viaOf } from "../wire/values.ts";
import { WsTransport } from "./ws.ts";
import { WsListener, type WsPeer } from "./ws-listener.ts";

const AT: Address = { host: "127.0.0.2", port: 8088 };
const URL = "ws://127.0.0.2:8088/sip/north";

/** A server that takes pages from one origin, each for the user in its cookie. */
function server(net: SimNetwork): Party {
  const host = net.host("server", AT.host);
  const party = new Party(host);
  const accept = ({ headers, path }: Handshake): WsPeer | Refusal => {
    const { origin, cookie } = headers;
    if (origin !== "http://tv" || path !== "/sip/north") return { refuse: 403 };
    return { origin, ...(cookie !== undefined && { user: cookie }) };
  };
  party.driver.addTransport(new WsListener(host, AT, { accept, failed: assert.fail }));
  net.run(5);
  return party;
}

interface Page extends Party {
  flow: Flow | undefined;
  failed: number;
}
function page(host: Host, origin = "http://tv"): Page {
  const party: Page = Object.assign(new Party(host), { flow: undefined, failed: 0 });
  const transport = new WsTransport(host);
  party.driver.addTransport(transport);
  transport.connect(URL, {
    headers: { origin, cookie: "alice" },
    opened: (flow) => {
      party.flow = flow;
    },
    failed: () => {
      party.failed++;
    },
  });
  return party;
}

simTest("a page's request goes through, its answer comes back, and its flow says whose it is (RFC 7118, PROTOCOL §14)", (net) => {
  const b = server(net);
  const a = page(net.host("page", "127.0.0.1"));
  net.run(50);
  const flow = a.flow ?? assert.fail("no flow");
  a.driver.request(ask("OPTIONS"), flow);
  net.run(50);
  assert.deepEqual([a.told, b.told], [["200"], ["OPTIONS"]]);
  const via = viaOf(b.requests[0] ?? assert.fail());
  assert.match(via?.host ?? "", /^[0-9a-f]+\.invalid$/);
  assert.deepEqual([via?.transport, via?.port, via?.params.has("received")], ["WS", undefined, false]);
  assert.deepEqual([b.flows[0]?.user, b.flows[0]?.origin, b.flows[0]?.transport], ["alice", "http://tv", "ws"]);
  assert.deepEqual(a.driver.localUri(flow), { host: via?.host, transport: "ws" });
  assert.deepEqual(b.driver.localUri(b.flows[0] ?? assert.fail()), { ...AT, transport: "ws" });
});

simTest("a server's request goes out on the page's flow (RFC 5626)", (net) => {
  const b = server(net);
  const a = page(net.host("page", "127.0.0.1"));
  net.run(50);
  a.driver.request(ask("REGISTER"), a.flow ?? assert.fail());
  net.run(50);
  b.driver.request(ask("INVITE"), b.flows[0] ?? assert.fail());
  net.run(50);
  assert.deepEqual(
    [a.told, b.told],
    [
      ["200", "INVITE"],
      ["REGISTER", "200"],
    ],
  );
});

simTest("a foreign origin is refused", (net) => {
  server(net);
  const a = page(net.host("page", "127.0.0.1"), "http://elsewhere");
  net.run(50);
  assert.deepEqual([a.flow, a.failed], [undefined, 1]);
});

simTest("a flow that closes is told on both sides, and fails what waits on it (RFC 3261 §8.1.3.1)", (net) => {
  const b = server(net);
  b.answer = () => undefined;
  const a = page(net.host("page", "127.0.0.1"));
  net.run(50);
  const flow = a.flow ?? assert.fail();
  a.driver.request(ask("INVITE"), flow);
  net.run(50);
  b.driver.request(ask("OPTIONS"), b.flows[0] ?? assert.fail());
  b.driver.request(ask("OPTIONS"), b.flows[0] ?? assert.fail());
  net.run(0);
  a.driver.stop();
  net.run(50);
  assert.deepEqual(b.told, ["INVITE", "transport", "transport", "closed"]);
  b.driver.request(ask("OPTIONS"), b.flows[0] ?? assert.fail());
  b.driver.respond(b.ids[0] ?? assert.fail(), response(b.requests[0] ?? assert.fail(), 200));
  net.run(50);
  assert.deepEqual(b.told.slice(4), ["transport"], "a closed flow takes nothing");
  assert.equal(b.driver.counters.unsent, 1);
});

simTest("the far end of a page's flow goes: closed, and pending requests fail", (net) => {
  const b = server(net);
  b.answer = () => b.driver.stop();
  const a = page(net.host("page", "127.0.0.1"));
  net.run(50);
  a.driver.request(ask("INVITE"), a.flow ?? assert.fail());
  net.run(50);
  assert.deepEqual(a.told, ["transport", "closed"]);
});

/** A WebSocket without a driver. */
function raw(net: SimNetwork): { heard: (string | Uint8Array)[]; port: () => MessagePort; closed: number } {
  const heard: (string | Uint8Array)[] = [];
  let port: MessagePort | undefined;
  const all = { heard, port: () => port ?? assert.fail("not open"), closed: 0 };
  net.host("raw", "127.0.0.3").connectMessages(
    URL,
    { protocols: ["sip"], headers: { origin: "http://tv" } },
    {
      opened: (opened) => {
        port = opened;
      },
      message: (data) => void heard.push(data),
      closed: () => {
        all.closed++;
      },
    },
  );
  net.run(50);
  return all;
}
const WS_VIA = { via: "Via: SIP/2.0/WS x.invalid;branch=z9hG4bKraw" };

simTest(
  "text and binary messages are both taken, with or without Content-Length; CRLF is a keep-alive (RFC 7118 §4.2, §5)",
  (net) => {
    const b = server(net);
    const { heard, port } = raw(net);
    port().send(octets("OPTIONS", WS_VIA));
    port().send("\r\n\r\n");
    port().send(new TextDecoder().decode(octets("MESSAGE", { via: "Via: SIP/2.0/WS x.invalid;branch=z9hG4bKtext" })));
    net.run(50);
    assert.deepEqual(b.told, ["OPTIONS", "MESSAGE"]);
    assert.ok(
      heard.length === 2 && heard.every((message) => typeof message === "string" && message.startsWith("SIP/2.0 200 OK\r\n")),
    );
    assert.equal(b.driver.counters.keepAlives, 1);
  },
);

simTest("what is not UTF-8 leaves as a binary message (RFC 7118 §4.2)", (net) => {
  const b = server(net);
  const body = new Uint8Array([0xff, 0xfe]);
  b.answer = (asked, id) => b.driver.respond(id, { ...response(asked, 200), body });
  const { heard, port } = raw(net);
  port().send(octets("OPTIONS", WS_VIA));
  net.run(50);
  assert.ok(heard[0] instanceof Uint8Array);
  assert.deepEqual([...heard[0].subarray(-2)], [...body]);
});

simTest("a request above 64 KiB is answered 513; above the limit of a frame the WebSocket closes; others are served", (net) => {
  const b = server(net);
  const big = raw(net);
  const a = page(net.host("page", "127.0.0.1"));
  big.port().send(octets("OPTIONS", { ...WS_VIA, x: `X: ${"a".repeat(70_000)}` }));
  net.run(50);
  assert.deepEqual(
    big.heard.map((message) => String(message).split("\r\n")[0]),
    ["SIP/2.0 513 Message Too Large"],
  );
  big.port().send(utf8("a".repeat(LIMITS.sipFrameBytes + 1)));
  net.run(50);
  assert.equal(big.closed, 1);
  a.driver.request(ask("OPTIONS"), a.flow ?? assert.fail());
  net.run(50);
  assert.deepEqual([a.told, b.driver.counters.malformed], [["200"], 1]);
});

simTest("nothing is sent twice on a reliable transport (RFC 3261 §17)", (net) => {
  const b = server(net);
  b.answer = (asked, id) => asked.method === "INVITE" && b.driver.respond(id, response(asked, 486));
  const { heard, port } = raw(net);
  port().send(
    serialize({ ...ask("INVITE"), headers: ask("INVITE").headers.prepend("via", "SIP/2.0/WS x.invalid;branch=z9hG4bK1") }),
  );
  net.run(40_000);
  assert.equal(heard.length, 1, "the 486 once, though no ACK came");
  const a = page(net.host("page", "127.0.0.1"));
  net.run(50);
  a.driver.request(ask("OPTIONS"), a.flow ?? assert.fail());
  net.run(3_000);
  assert.deepEqual(b.told, ["INVITE", "OPTIONS"]);
  assert.deepEqual([a.driver.counters.retransmissionsOut, b.driver.counters.retransmissionsIn], [0, 0]);
});
