import assert from "node:assert/strict";
import { text, utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import type { Host, StreamPort } from "#host/host.ts";
import { type SimNetwork, simCertificate, simTest } from "#sim/index.ts";
import type { Destination, TransportName } from "../engine/ports.ts";
import { ask, octets, Party } from "../test-party.ts";
import { response } from "../wire/builders.ts";
import { sipUri } from "../wire/uri.ts";
import { viaOf } from "../wire/values.ts";
import { StreamTransport, type StreamTransportOptions } from "./streams.ts";
import { UdpTransport } from "./udp.ts";

const [A, B, RAW] = ["127.0.0.1", "127.0.0.2", "127.0.0.9"];
const to = (host: string, transport: TransportName = "tcp", domain?: string): Destination => ({
  transport,
  host,
  port: 5060,
  ...(domain !== undefined && { domain }),
});

interface Peer extends Party {
  readonly streams: StreamTransport;
  readonly host: Host;
}
/** Listens on port 5060, for TCP unless the options say otherwise. */
function peer(net: SimNetwork, name: string, address: string, options: Partial<StreamTransportOptions> = {}): Peer {
  const host = net.host(name, address);
  const streams = new StreamTransport(host, { listen: { bind: { host: address, port: 5060 }, failed: assert.fail }, ...options });
  const party = Object.assign(new Party(host), { streams, host });
  party.driver.addTransport(streams);
  net.run(5);
  return party;
}
const pair = (net: SimNetwork): [Peer, Peer] => [peer(net, "a", A), peer(net, "b", B)];
const flowAt = (party: Peer, at = 0) => party.flows[at] ?? assert.fail("no flow");

/** A stream without a driver. */
function raw(net: SimNetwork, host: Host = net.host("raw", RAW)) {
  const all = { heard: "", closed: false, port: undefined as StreamPort | undefined };
  host.connect(
    { host: B, port: 5060 },
    {},
    {
      opened: (port) => {
        all.port = port;
      },
      data: (bytes) => {
        all.heard += text(bytes);
      },
      closed: () => {
        all.closed = true;
      },
    },
  );
  net.run(20);
  return { all, send: (bytes: Uint8Array | string) => all.port?.send(typeof bytes === "string" ? utf8(bytes) : bytes) };
}
const VIA = { via: "Via: SIP/2.0/TCP 127.0.0.9:5060;branch=z9hG4bKraw", length: "Content-Length: 0" };

simTest("requests to one address share a connection, and answers come back on it (RFC 3261 §18.1.1, §18.2.2)", (net) => {
  const [a, b] = pair(net);
  a.driver.request(ask("OPTIONS"), to(B));
  a.driver.request(ask("MESSAGE"), to(B));
  net.run(50);
  a.driver.request(ask("INFO"), to(B));
  net.run(50);
  assert.deepEqual(
    [a.told, b.told],
    [
      ["200", "200", "200"],
      ["OPTIONS", "MESSAGE", "INFO"],
    ],
  );
  assert.equal(new Set(b.flows.map(({ id }) => id)).size, 1);
  const via = viaOf(b.requests[0] ?? assert.fail());
  assert.deepEqual([via?.transport, via?.host, via?.port, via?.params.has("rport")], ["TCP", A, 5060, false]);
  assert.equal(flowAt(b).transport, "tcp");
});

simTest("an accepted connection is reached as a flow alone: its port is no address (RFC 3261 §18, RFC 5626 §5.3)", (net) => {
  const [a, b] = pair(net);
  a.driver.request(ask("OPTIONS"), to(B));
  net.run(50);
  const flow = flowAt(b);
  assert.deepEqual([flow.local, flow.remote.host], [{ host: B, port: 5060 }, A]);
  b.driver.request(ask("MESSAGE"), flow);
  b.driver.request(ask("INFO"), to(A));
  net.run(50);
  assert.deepEqual(a.told, ["200", "MESSAGE", "INFO"]);
  assert.notEqual(flowAt(a, 1).id, flowAt(a, 0).id, "a connection of its own");
  assert.equal(b.driver.flowNamed(flow.id)?.id, flow.id);
  b.driver.request(ask("INFO"), { transport: "tcp", ...flow.remote });
  net.run(50);
  assert.deepEqual(b.told.slice(-2), ["transport", "closed"]);
});

simTest("a connection that cannot be opened fails what waits for it (RFC 3261 §18.4)", (net) => {
  const a = peer(net, "a", A);
  net.host("b", B);
  a.driver.request(ask("INVITE"), to(B));
  a.driver.request(ask("OPTIONS"), to(B));
  assert.deepEqual(a.told, [], "not before it is known");
  net.run(50);
  assert.deepEqual(a.told, ["transport", "transport", "closed"]);
  a.driver.request(ask("OPTIONS"), to(B));
  net.run(50);
  assert.deepEqual(a.told.slice(3), ["transport", "closed"], "it is tried again");
});

simTest("more than a connection may queue is not taken while it opens", (net) => {
  const a = peer(net, "a", A);
  net.host("b", B);
  net.cut("a", "b");
  const large = { ...ask("MESSAGE"), body: new Uint8Array(60_000) };
  for (let sent = 0; sent <= LIMITS.streamQueuedBytes; sent += 60_000) a.driver.request(large, to(B));
  net.run(50);
  assert.deepEqual(a.told, ["transport"], "the last one alone, as yet");
});

simTest("a message in pieces, two in one segment, and a ping answered by a pong (RFC 5626 §3.5.1)", (net) => {
  const b = peer(net, "b", B);
  const { all, send } = raw(net);
  for (const octet of octets("OPTIONS", VIA)) send(Uint8Array.of(octet));
  net.run(50);
  const two = [octets("MESSAGE", { ...VIA, via: `${VIA.via}2` }), octets("INFO", { ...VIA, via: `${VIA.via}3` })];
  send(two.map(text).join(""));
  net.run(50);
  assert.deepEqual(b.told, ["OPTIONS", "MESSAGE", "INFO"]);
  assert.equal(all.heard.match(/^SIP\/2\.0 200 OK\r$/gm)?.length, 3);
  all.heard = "";
  send("\r\n\r\n");
  net.run(50);
  assert.deepEqual([all.heard, b.driver.counters.keepAlives], ["\r\n", 1]);
});

simTest("a peer that closes within a message has said nothing; its flow is told to be gone", (net) => {
  const b = peer(net, "b", B);
  const { all, send } = raw(net);
  send(octets("OPTIONS", VIA));
  send(octets("MESSAGE", { ...VIA, via: `${VIA.via}2`, length: "Content-Length: 9" }));
  send("half");
  all.port?.close();
  net.run(50);
  assert.deepEqual(b.told, ["OPTIONS", "closed"]);
  assert.equal(b.driver.flowNamed(flowAt(b).id), undefined);
});

const BROKEN: [name: string, bytes: Uint8Array, wants: RegExp][] = [
  [
    "no Content-Length is answered 400",
    octets("OPTIONS", { ...VIA, length: undefined }),
    /^SIP\/2\.0 400 Missing Content-Length\r\n/,
  ],
  [
    "a Content-Length above the limit is answered 513",
    octets("OPTIONS", { ...VIA, length: "Content-Length: 70000" }),
    /^SIP\/2\.0 513 /,
  ],
  ["no SIP in it is not answered", utf8("GET / HTTP/1.1\r\n\r\n"), /^$/],
];
for (const [name, bytes, wants] of BROKEN) {
  simTest(`a stream with ${name}, and closed (RFC 3261 §18.3)`, (net) => {
    const b = peer(net, "b", B);
    const { all, send } = raw(net);
    send(bytes);
    send(octets("OPTIONS", VIA));
    net.run(50);
    assert.deepEqual([b.told, all.closed], [["closed"], true]);
    assert.match(all.heard, wants);
    assert.equal(b.driver.counters.garbage + b.driver.counters.malformed, 1);
  });
}

simTest("a connection that brings nothing, or not the rest of a message, is closed; one that is used stands long", (net) => {
  const b = peer(net, "b", B);
  const silent = raw(net);
  const good = raw(net, net.host("raw2", "127.0.0.8"));
  good.send(octets("OPTIONS", VIA));
  net.run(LIMITS.sipStreamPartMs - 1_000);
  assert.equal(silent.all.closed, false);
  net.run(2_000);
  assert.deepEqual([silent.all.closed, b.streams.dropped.silent], [true, 1]);
  net.run(LIMITS.sipStreamIdleMs / 2);
  good.send(octets("OPTIONS", { ...VIA, via: `${VIA.via}2` }));
  net.run(LIMITS.sipStreamIdleMs / 2);
  good.send("OPT");
  net.run(LIMITS.sipStreamPartMs - 1_000);
  good.send("IONS");
  assert.equal(good.all.closed, false);
  net.run(2_000);
  assert.deepEqual([good.all.closed, b.streams.dropped.silent], [true, 2], "dripping does not help");
});

simTest("a connection on which nothing passes is closed in the end (RFC 3261 §18)", (net) => {
  const [a, b] = pair(net);
  a.driver.request(ask("OPTIONS"), to(B));
  net.run(LIMITS.sipStreamIdleMs - 1_000);
  assert.deepEqual(b.told, ["OPTIONS"]);
  net.run(2_000);
  assert.deepEqual(
    [a.told, b.told],
    [
      ["200", "closed"],
      ["OPTIONS", "closed"],
    ],
  );
});

simTest("connections above the limit (sipStreams) are closed at once, and none is opened", (net) => {
  const b = peer(net, "b", B, { maxConnections: 1 });
  const host = net.host("raw", RAW);
  const [first, second] = [raw(net, host), raw(net, host)];
  b.driver.request(ask("OPTIONS"), to(A));
  net.run(50);
  assert.deepEqual([first.all.closed, second.all.closed, b.streams.dropped.overLimit], [false, true, 2]);
  assert.deepEqual(b.told, ["transport"]);
});

simTest("a user agent's connection is asked whether it stands, and given up when nobody answers (RFC 5626 §4.4.1)", (net) => {
  const a = peer(net, "a", A, { pings: true });
  const b = peer(net, "b", B);
  a.driver.request(ask("OPTIONS"), to(B));
  net.run(10 * LIMITS.sipPingMs);
  assert.ok(b.driver.counters.keepAlives >= 10 && b.driver.counters.keepAlives <= 13, `${b.driver.counters.keepAlives}`);
  assert.equal(a.driver.counters.keepAlives, b.driver.counters.keepAlives, "each got its pong");
  net.cut("a", "b");
  net.run(LIMITS.sipPingMs + LIMITS.sipPongMs);
  assert.deepEqual(a.told, ["200", "closed"]);
});

simTest("an answer whose connection is gone goes to where its Via points, on a new one (RFC 3261 §18.2.2)", (net) => {
  const b = peer(net, "b", B);
  b.answer = () => undefined;
  const host = net.host("raw", RAW);
  const { all, send } = raw(net, host);
  send(octets("MESSAGE", { ...VIA, via: "Via: SIP/2.0/TCP somewhere.example:5066;branch=z9hG4bKraw" }));
  net.run(20);
  let heard = "";
  host.listen(
    { host: RAW, port: 5066 },
    {},
    {
      accept: () => ({
        data: (bytes) => {
          heard += text(bytes);
        },
        closed: () => undefined,
      }),
      failed: assert.fail,
    },
  );
  all.port?.close();
  net.run(20);
  assert.deepEqual(b.told, ["MESSAGE", "closed"]);
  b.driver.respond(b.ids[0] ?? assert.fail(), response(b.requests[0] ?? assert.fail(), 200));
  net.run(50);
  assert.match(
    heard,
    /^SIP\/2\.0 200 OK\r\nVia: SIP\/2\.0\/TCP somewhere\.example:5066;branch=z9hG4bKraw;received=127\.0\.0\.9\r\n/,
  );
});

/** Both transports on one port. */
function both(net: SimNetwork, name: string, address: string): Peer {
  const party = peer(net, name, address);
  party.driver.addTransport(new UdpTransport(party.host, { host: address, port: 5060 }, { failed: assert.fail }));
  net.run(5);
  return party;
}
const large = (octetsOfBody: number) => ({ ...ask("MESSAGE"), body: new Uint8Array(octetsOfBody) });

simTest("a request above 1,300 octets goes over TCP, its Via says so; a smaller one does not (RFC 3261 §18.1.1)", (net) => {
  const [a, b] = [both(net, "a", A), both(net, "b", B)];
  const overhead = 300; // more than the head
  a.driver.request(large(LIMITS.sipUdpRequestBytes), to(B, "udp"));
  a.driver.request(large(LIMITS.sipUdpRequestBytes - overhead), to(B, "udp"));
  net.run(50);
  assert.deepEqual(a.told, ["200", "200"]);
  assert.deepEqual(b.requests.map((asked) => [asked.body.length, viaOf(asked)?.transport]).sort(), [
    [1_000, "UDP"],
    [1_300, "TCP"],
  ]);
  const flow = b.flows.find(({ transport }) => transport === "udp") ?? assert.fail();
  b.driver.request(large(2_000), flow);
  net.run(50);
  assert.equal(a.flows[0]?.transport, "udp", "who is behind a flow is reached by it alone");
});

simTest("where TCP is refused, a large request goes over UDP after all, as the same transaction (RFC 3261 §18.1.1)", (net) => {
  const a = both(net, "a", A);
  const host = net.host("b", B);
  const b = new Party(host);
  b.driver.addTransport(new UdpTransport(host, { host: B, port: 5060 }, { failed: assert.fail }));
  net.run(5);
  const id = a.driver.request(large(2_000), to(B, "udp"));
  net.run(50);
  assert.deepEqual([a.told, b.told], [["closed", "200"], ["MESSAGE"]]);
  const via = viaOf(b.requests[0] ?? assert.fail());
  assert.deepEqual([via?.transport, via?.params.get("branch")], ["UDP", id]);
  assert.deepEqual(a.driver.transactions, { client: 1, server: 0 });
});

const tls = (...names: string[]): Pick<StreamTransportOptions, "tls"> => ({
  tls: { server: simCertificate("CA", ...names.map((name) => `URI:sip:${name}`)), ca: "CA" },
});

simTest(
  "TLS: the certificate must be the domain's that the request is for; each domain has its connection (RFC 5922 §7.3)",
  (net) => {
    const a = peer(net, "a", A, tls("a.example"));
    const b = peer(net, "b", B, tls("tv.example", "ds1.tv.example"));
    a.driver.request(ask("OPTIONS"), to(B, "tls", "tv.example"));
    a.driver.request(ask("INFO"), to(B, "tls", "ds1.tv.example"));
    a.driver.request(ask("MESSAGE"), to(B, "tls", "other.example"));
    a.driver.request(ask("PUBLISH"), to(B, "tls"));
    net.run(50);
    assert.deepEqual([...a.told].sort(), ["200", "200", "closed", "closed", "transport", "transport"]);
    assert.deepEqual(b.told.slice(0, 2).sort(), ["INFO", "OPTIONS"]);
    assert.notEqual(flowAt(b, 0).id, flowAt(b, 1).id);
    assert.equal(viaOf(b.requests[0] ?? assert.fail())?.transport, "TLS");
  },
);

simTest("a sips request leaves over TLS or not at all (RFC 3261 §26.2.2, RFC 5630 §3.1.3)", (net) => {
  const a = peer(net, "a", A, tls("a.example"));
  a.driver.addTransport(new UdpTransport(a.host, { host: A, port: 5060 }, { failed: assert.fail }));
  const b = peer(net, "b", B, tls("tv.example"));
  const secure = { ...ask("OPTIONS"), uri: sipUri({ scheme: "sips", host: "tv.example" }) };
  a.driver.request(secure, to(B, "udp"));
  a.driver.request(secure, to(B, "tls", "tv.example"));
  net.run(50);
  assert.deepEqual([a.told, b.told], [["transport", "200"], ["OPTIONS"]]);
});

simTest("IPv6: addresses stand in brackets in Via and URI, and without in received (RFC 3261 §25.1, RFC 5118 §4.5)", (net) => {
  const a = peer(net, "a", "2001:db8::a", { sentBy: { host: "a.example", port: 5060 } });
  const b = peer(net, "b", "2001:db8::b");
  a.driver.request(ask("OPTIONS"), to("2001:db8::b"));
  b.driver.request(ask("OPTIONS"), to("2001:db8::a"));
  net.run(50);
  assert.deepEqual(
    [a.told, b.told].map((told) => told.toSorted()),
    [
      ["200", "OPTIONS"],
      ["200", "OPTIONS"],
    ],
  );
  assert.match(b.requests[0]?.headers.get("via") ?? "", /^SIP\/2\.0\/TCP a\.example:5060;.*;received=2001:db8::a$/);
  assert.match(a.requests[0]?.headers.get("via") ?? "", /^SIP\/2\.0\/TCP \[2001:db8::b\]:5060;branch=[^;]+$/);
  assert.deepEqual(b.driver.localUri(flowAt(b)), { host: "[2001:db8::b]", port: 5060, transport: "tcp" });
});

simTest("what is stopped closes its connections and takes no more", (net) => {
  const [a, b] = pair(net);
  a.driver.request(ask("OPTIONS"), to(B));
  net.run(50);
  b.driver.stop();
  net.run(50);
  a.driver.request(ask("OPTIONS"), to(B));
  net.run(50);
  assert.deepEqual([a.told, b.told], [["200", "closed", "transport", "closed"], ["OPTIONS"]]);
});
