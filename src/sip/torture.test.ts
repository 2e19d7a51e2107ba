/** The messages of RFC 4475 and RFC 5118, each against the answer and the reading that its section asks for. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { text } from "#base/bytes.ts";
import { type SimNetwork, simTest } from "#sim/index.ts";
import { Registrar } from "./engine/registrar.ts";
import { parseSdp } from "./sdp/index.ts";
import { octets, Party } from "./test-party.ts";
import { Rows } from "./test-rows.ts";
import { UdpTransport } from "./transport/udp.ts";
import { type CallUser, UserAgent } from "./ua.ts";
import { UdpUplink } from "./uplink.ts";
import type { SipMessage } from "./wire/message.ts";
import { parseMessage } from "./wire/parse.ts";
import { formatUri } from "./wire/uri.ts";
import { contactOf, contactsOf, contentTypeOf, cseqOf, fromOf, numberOf, toOf, toTagOf, viaOf } from "./wire/values.ts";

const [HERE, FAR] = ["192.0.2.200", "192.0.2.100"];
const MESSAGES = path.resolve(import.meta.dirname, "../../testdata");

/** What comes back for that datagram from a registrar of example.com or a user agent there that is busy. */
function answerTo(net: SimNetwork, octets: Uint8Array): string {
  const raw = net.host("far", FAR);
  const sentBy = /^v(?:ia)?\s*:\s*SIP\s*\/\s*[\d.]+\s*\/\s*\S+\s+(?:\[[^\]]*\]|[^:;\s]+)(?:\s*:\s*(\d+))?/im.exec(text(octets));
  const port = Number(sentBy?.[1] ?? 5060);
  let heard = "";
  const datagram = (bytes: Uint8Array): void => {
    heard ||= text(bytes);
  };
  const far = raw.datagram({ host: FAR, port }, { datagram, failed: assert.fail });
  const host = net.host("here", HERE);
  const at = { host: HERE, port: 5060 };
  if (/^REGISTER /.test(text(octets))) {
    const registrar = new Registrar({ table: new Rows(host), host }, { domain: "example.com" });
    const party = new Party(host);
    party.answer = (asked, id) => {
      const { response, ticket } = registrar.onRegister(asked, party.flows[0] ?? assert.fail(), toOf(asked)?.uri.user ?? "");
      party.driver.respond(id, response, ticket);
    };
    party.driver.addTransport(new UdpTransport(host, at, { failed: assert.fail }));
  } else {
    const user: CallUser & { onRegistration(): void } = {
      onInvite: (call) => agent.calls.reject(call, 486),
      onProvisional: () => undefined,
      onAnswered: () => undefined,
      onEstablished: () => undefined,
      onEnded: () => undefined,
      onRegistration: () => undefined,
    };
    const agent = new UserAgent(
      host,
      new UdpUplink(host, at, [{ host: FAR, port: 5060 }]),
      { user: "user", domain: "example.com" },
      user,
    );
  }
  net.run(5);
  far.send(octets, at);
  net.run(100);
  return heard;
}

type Row = [section: string, name: string, wants: number | "nothing", reads?: (message: SipMessage) => void];
const uriOf = (message: SipMessage): string => (message.kind === "request" ? formatUri(message.uri) : assert.fail());
const contactUri = (message: SipMessage): string => formatUri((contactOf(message) ?? assert.fail()).uri);

/** 486 = served as an INVITE: the user agent is busy. 405 = served, but of no method that it has; 481 = a BYE to no call. */
const RFC_4475: Row[] = [
  [
    "3.1.1.1",
    "wsinv",
    481, // a To tag, and no such dialog
    (m) => {
      assert.deepEqual([fromOf(m)?.display, toTagOf(m), numberOf(m, "max-forwards")], ['J Rosenberg \\"', "1918181833n", 68]);
      assert.deepEqual([cseqOf(m), m.headers.list("via").length], [{ number: 9, method: "INVITE" }, 3]);
      assert.equal(contactOf(m)?.params.get("q"), "0.33");
    },
  ],
  [
    "3.1.1.2",
    "intmeth",
    405,
    (m) => {
      assert.equal(m.kind === "request" && m.method, "!interesting-Method0123456789_*+`.%indeed'~");
      assert.equal(toOf(m)?.display, "BEL:\x07 NUL:\0 DEL:\x7f");
      assert.equal(fromOf(m)?.params.get("tag"), "_token~1'+`*%!-.");
    },
  ],
  [
    "3.1.1.3",
    "esc01",
    486,
    (m) => {
      assert.equal(uriOf(m), "sip:sips%3Auser%40example.com@example.net");
      assert.equal(toOf(m)?.uri.user, "user");
      const { user, params } = (contactOf(m) ?? assert.fail()).uri;
      assert.deepEqual([user, params.get("lr"), params.get("name")], ["caller", true, "v%61lue%25%34%31"]);
    },
  ],
  [
    "3.1.1.4",
    "escnull",
    200,
    (m) => {
      const contacts = contactsOf(m);
      assert.deepEqual(contacts !== "*" && contacts?.map(({ uri }) => uri.user), ["\0", "\0\0"]);
    },
  ],
  ["3.1.1.5", "esc02", 405, (m) => assert.equal(m.kind === "request" && m.method, "RE%47IST%45R")],
  ["3.1.1.6", "lwsdisp", 200, (m) => assert.equal(fromOf(m)?.display, "caller")],
  [
    "3.1.1.7",
    "longreq",
    486,
    (m) => {
      assert.deepEqual([m.headers.list("via").length, toOf(m)?.display.length], [34, 103]);
    },
  ],
  ["3.1.1.8", "dblreq", 200, (m) => assert.equal(m.body.length, 0, "octets after Content-Length are dropped")],
  ["3.1.1.9", "semiuri", 200, (m) => assert.equal(m.kind === "request" && m.uri.user, "user;par=u@example.net")],
  ["3.1.1.10", "transports", 200, (m) => assert.equal(m.headers.list("via").length, 5)],
  ["3.1.1.11", "mpart01", 405, (m) => assert.deepEqual([contentTypeOf(m), m.body.length], ["multipart/mixed", 553])],
  ["3.1.1.12", "unreason", "nothing", (m) => assert.match(m.kind === "response" ? m.reason : "", /^= 2\*\*3 \* 5\*\*2 но/)],
  ["3.1.1.13", "noreason", "nothing", (m) => assert.deepEqual(m.kind === "response" && [m.status, m.reason], [100, ""])],
  ["3.1.2.1", "badinv01", 400],
  ["3.1.2.2", "clerr", 400],
  ["3.1.2.3", "ncl", 400],
  ["3.1.2.4", "scalar02", 400],
  ["3.1.2.5", "scalarlg", "nothing"],
  ["3.1.2.6", "quotbal", 400],
  ["3.1.2.7", "ltgtruri", 400],
  ["3.1.2.8", "lwsruri", 400],
  ["3.1.2.9", "lwsstart", 400],
  ["3.1.2.10", "trws", 400],
  ["3.1.2.11", "escruri", 486], // what is escaped is ignored
  ["3.1.2.12", "baddate", 486], // a Date is nothing to us: it may be ignored
  ["3.1.2.13", "regbadct", 400],
  ["3.1.2.14", "badaspec", 400],
  ["3.1.2.15", "baddn", 400],
  ["3.1.2.16", "badvers", 505],
  ["3.1.2.17", "mismatch01", 400],
  ["3.1.2.18", "mismatch02", 400],
  ["3.1.2.19", "bigcode", "nothing"],
  ["3.2.1", "badbranch", 200], // as if RFC 2543's
  ["3.3.1", "insuf", 400],
  ["3.3.2", "unkscm", 416],
  ["3.3.3", "novelsc", 416],
  ["3.3.4", "unksm2", 400],
  ["3.3.5", "bext01", 420],
  ["3.3.6", "invut", 415],
  ["3.3.7", "regaut01", 200],
  ["3.3.8", "multi01", 400],
  ["3.3.9", "mcl01", 400],
  ["3.3.10", "bcast", "nothing", (m) => assert.equal(viaOf(m)?.host, "192.0.2.198")],
  ["3.3.11", "zeromf", 200],
  ["3.3.12", "cparam01", 200, (m) => assert.equal(contactUri(m), "sip:+19725552222@gw1.example.net")],
  ["3.3.13", "cparam02", 200, (m) => assert.equal(contactUri(m), "sip:+19725552222@gw1.example.net;unknownparam")],
  ["3.3.14", "regescrt", 200, (m) => assert.equal(contactUri(m), "sip:user@example.com?Route=%3Csip:sip.example.com%3E")],
  ["3.3.15", "sdp01", 406],
  ["3.4.1", "inv2543", 400], // read; but without a Contact no dialog can be made of it (RFC 3261 §12.1.1)
];

const isIpv6Sdp = (address: string) => (m: SipMessage) => {
  const parsed = parseSdp(m.body);
  assert.ok(JSON.stringify(parsed).includes(address), JSON.stringify(parsed));
};
const RFC_5118: Row[] = [
  ["4.1", "ipv6-good", 200, (m) => assert.equal(uriOf(m), "sip:[2001:db8::10]")],
  ["4.2", "ipv6-bad", 400],
  ["4.3", "port-ambiguous", 200, (m) => assert.equal(m.kind === "request" && m.uri.port, undefined)],
  ["4.4", "port-unambiguous", 200, (m) => assert.equal(m.kind === "request" && m.uri.port, 5070)],
  ["4.5", "via-received-param-with-delim", 481, (m) => assert.equal(viaOf(m)?.params.get("received"), "[2001:db8::9:255]")],
  ["4.5", "via-received-param-no-delim", 200, (m) => assert.equal(viaOf(m)?.params.get("received"), "2001:db8::9:255")],
  ["4.6", "ipv6-in-sdp", 486, isIpv6Sdp("2001:db8::20")],
  ["4.7", "mult-ip-in-header", 481, (m) => assert.equal(m.headers.list("via").length, 3)],
  ["4.8", "mult-ip-in-sdp", 486, isIpv6Sdp("2001:db8::1")],
  ["4.9", "ipv4-mapped-ipv6", 486, (m) => assert.equal(contactUri(m), "sip:ted@[::ffff:192.0.2.2]")],
  ["4.10", "ipv6-bug-abnf-3-colons", 200, (m) => assert.equal(uriOf(m), "sip:user@[2001:db8::192.0.2.1]")],
  ["4.10", "ipv6-correct-abnf-2-colons", 200, (m) => assert.equal(uriOf(m), "sip:user@[2001:db8::192.0.2.1]")],
];

for (const [rfc, rows] of [
  ["4475", RFC_4475],
  ["5118", RFC_5118],
] as const) {
  const folder = path.join(MESSAGES, `rfc${rfc}`);
  for (const [section, name, wants, reads] of rows) {
    const octets = new Uint8Array(readFileSync(path.join(folder, `${name}.dat`)));
    simTest(`${name} is answered: ${wants} (RFC ${rfc} §${section})`, (net) => {
      const status = /^SIP\/2\.0 (\d{3}) .*/.exec(answerTo(net, octets))?.[1];
      assert.equal(status, wants === "nothing" ? undefined : `${wants}`);
      const parsed = parseMessage(octets);
      if (reads) reads(parsed.status === "ok" ? parsed.value : assert.fail(parsed.error.message));
    });
  }
  test(`every message of RFC ${rfc} has its row`, () => {
    assert.deepEqual(rows.map(([, name]) => `${name}.dat`).sort(), readdirSync(folder).sort());
  });
}

simTest(
  "a client of RFC 2543 has transactions, too: its copies are absorbed, its CANCEL and ACK find their INVITE (RFC 3261 §17.2.3)",
  (net) => {
    const host = net.host("here", HERE);
    const party = new Party(host);
    party.answer = () => undefined;
    const at = { host: HERE, port: 5060 };
    party.driver.addTransport(new UdpTransport(host, at, { failed: assert.fail }));
    const heard: string[] = [];
    const datagram = (bytes: Uint8Array): void => void heard.push(text(bytes).slice(8, 11));
    const far = net.host("far", FAR).datagram({ host: FAR, port: 5060 }, { datagram, failed: assert.fail });
    net.run(5);
    for (const [method, callId] of [
      ["INVITE", "1"],
      ["INVITE", "1"],
      ["INVITE", "2"],
      ["CANCEL", "1"],
      ["ACK", "1"],
    ] as const) {
      far.send(octets(method, { via: `Via: SIP/2.0/UDP ${FAR}`, callId: `Call-ID: ${callId}`, cseq: `CSeq: 1 ${method}` }), at);
      net.run(50);
    }
    net.run(10_000);
    assert.deepEqual(party.told, ["INVITE", "INVITE", "CANCEL"]);
    assert.deepEqual(heard.sort(), ["100", "200", "487"], "the 487 once: it was acknowledged");
  },
);
