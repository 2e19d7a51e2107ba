import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import { simNetwork } from "#sim/index.ts";
import { Rows } from "../test-rows.ts";
import { request, response } from "../wire/builders.ts";
import type { SipRequest, SipResponse, SipUri } from "../wire/message.ts";
import { formatUri, parseUri } from "../wire/uri.ts";
import { parseNameAddr } from "../wire/values.ts";
import type { Binding } from "./location.ts";
import type { Destination, Flow, TransactionPort } from "./ports.ts";
import { SipProxy } from "./proxy.ts";
import { portOf } from "./routing.ts";

const KEY = new Uint8Array(32).fill(1);
const uriOf = (text: string): SipUri => parseUri(text) ?? assert.fail(text);
const flow = (id: string, transport: Flow["transport"], host: string): Flow => ({
  id,
  transport,
  local: { host: "10.0.0.1", port: 5060 },
  remote: { host, port: 5060 },
});
const PAGE = flow("ws:page", "ws", "10.0.0.8");
const PHONE = flow("udp:phone", "udp", "10.0.0.9");

/** A proxy of `x` whose transaction layer only writes down what it is asked for. */
class Bench implements TransactionPort {
  readonly proxy: SipProxy;
  readonly rows: Rows;
  readonly sent: { readonly message: SipRequest; readonly to: Destination; readonly mark: string | undefined }[] = [];
  readonly acks: { readonly message: SipRequest; readonly to: Destination }[] = [];
  readonly canceled: string[] = [];
  readonly answers: SipResponse[] = [];
  readonly flows = new Map([PAGE, PHONE].map((open) => [open.id, open]));

  constructor(address = "10.0.0.1") {
    const host = simNetwork(1).host("proxy", address);
    this.rows = new Rows(host);
    const network = { flowNamed: (id: string) => this.flows.get(id), serves: (name: string) => name !== "tls" };
    const isHere = (uri: SipUri): boolean => uri.host === "x" || (uri.host === address && [80, 5060].includes(portOf(uri)));
    const peerAt = (uri: SipUri): Destination | undefined =>
      uri.host === "10.0.0.2" || uri.host === "ds2.x" ? { transport: "tcp", host: "10.0.0.2", port: portOf(uri) } : undefined;
    this.proxy = new SipProxy({ transactions: this, network, bindings: this.rows, isHere, peerAt, host }, KEY, "x");
  }
  request(message: SipRequest, to: Destination, mark?: string): string {
    this.sent.push({ message, to, mark });
    return `c${this.sent.length - 1}`;
  }
  ack(message: SipRequest, to: Destination): void {
    this.acks.push({ message, to });
  }
  cancel(id: string, reason?: string): void {
    this.canceled.push(reason === undefined ? id : `${id} ${reason}`);
  }
  respond(_id: string, answer: SipResponse): void {
    this.answers.push(answer);
  }
  refuse(_id: string, answer: SipResponse): void {
    this.answers.push(answer);
  }
  localUri({ transport }: Destination) {
    return { host: "10.0.0.1", port: transport === "ws" ? 80 : 5060, transport };
  }

  /** Binds Bob to a contact. */
  bind(contact: string, more: Partial<Binding> = {}, lifetimeSec = 60): void {
    const value = { aor: "sip:bob@x", contact, callId: "r", cseq: 1, path: [], ...more };
    this.rows.put(`sip:bob@x ${contact} ${more.regId}`, value, 1, lifetimeSec);
  }
  /** Alice's request to Bob, from that flow. */
  ask(fields: Fields = [], method = "INVITE", from = PHONE): void {
    this.proxy.toUser(askBob(fields, method), "s", from, "sip:bob@x");
  }
  /** What the whole way of a request within a dialog does: off our Routes, then on. */
  inDialog(method: string, uri: string, routes: readonly string[], from: Flow): "forged" | "none" | undefined {
    const came =
      this.proxy.arrived(
        askBob(
          routes.map((route) => ["Route", route]),
          method,
          uri,
        ),
      ) ?? assert.fail();
    const pass = this.proxy.passOf(came);
    if (pass === undefined || pass === "forged") return pass ?? "none";
    this.proxy.relay(came.request, "d", from, pass.flowId);
    return undefined;
  }
  answer(branch: number, status: number, fields: Fields = []): void {
    const made = response(this.sent[branch]?.message ?? assert.fail(), status, undefined, "b");
    made.headers.prepend("Via", "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKours");
    for (const [name, value] of fields) made.headers.add(name, value);
    this.proxy.onResponse(made, `c${branch}`);
  }
  last(): { readonly message: SipRequest; readonly to: Destination; readonly mark: string | undefined } {
    return this.sent.at(-1) ?? assert.fail("nothing was sent");
  }
  get statuses(): readonly number[] {
    return this.answers.map(({ status }) => status);
  }
}
type Fields = readonly (readonly [string, string])[];
const askBob = (fields: Fields = [], method = "INVITE", uri = "sip:bob@x"): SipRequest =>
  request(method, uriOf(uri), [
    ["Via", "SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKalice"],
    ["From", "<sip:alice@x>;tag=a"],
    ["To", "<sip:bob@x>"],
    ["Call-ID", "call"],
    ["CSeq", `1 ${method}`],
    ["Contact", "<sip:alice@10.0.0.9>"],
    ...fields,
  ]);
const BOB = "<sip:bob@10.0.0.7:5070>";
const shown = (to: Destination): string => ("id" in to ? to.id : `${to.transport} ${to.host}:${to.port}`);

test("the Request-URI becomes the contact, Max-Forwards one less, Max-Breadth is added (RFC 3261 §16.6, RFC 5393 §5.3.3)", () => {
  const bench = new Bench();
  bench.bind(BOB);
  bench.ask([["Max-Forwards", "12"]]);
  const { message, to } = bench.last();
  assert.deepEqual([formatUri(message.uri), shown(to)], ["sip:bob@10.0.0.7:5070", "udp 10.0.0.7:5070"]);
  assert.deepEqual(
    [message.headers.list("max-forwards"), message.headers.list("max-breadth")],
    [["11"], [`${LIMITS.sipMaxBreadth}`]],
  );
  assert.equal(message.headers.list("record-route").length, 1, "both sides write us alike");
});

const REFUSED: { name: string; fields?: Fields; contacts?: string[]; status: number }[] = [
  { name: "Max-Forwards 0 (§16.3 step 3)", fields: [["Max-Forwards", "0"]], contacts: [BOB], status: 483 },
  { name: "Proxy-Require (§16.3 step 5)", fields: [["Proxy-Require", "gadget"]], contacts: [BOB], status: 420 },
  {
    name: "more contacts than Max-Breadth (RFC 5393 §5.3.3)",
    fields: [["Max-Breadth", "1"]],
    contacts: [BOB, "<sip:bob@10.0.0.6>"],
    status: 440,
  },
  { name: "nobody registered", status: 480 },
  { name: "only where we cannot send", contacts: ["<sip:bob@some.example>", "<sip:bob@10.0.0.7;transport=tls>"], status: 480 },
];
for (const { name, fields = [], contacts = [], status } of REFUSED) {
  test(`refused: ${name}`, () => {
    const bench = new Bench();
    for (const contact of contacts) bench.bind(contact);
    bench.ask(fields);
    assert.deepEqual([bench.statuses, bench.sent.length, bench.proxy.pending], [[status], 0, 0]);
  });
}

test("all contacts at once share Max-Breadth; our credentials end here, others' pass (RFC 3261 §16.6, §22.3)", () => {
  const bench = new Bench();
  bench.bind(BOB);
  bench.bind("<sip:bob@10.0.0.6>");
  bench.ask([
    ["Max-Breadth", "100"],
    ["Proxy-Authorization", 'Digest realm="x"'],
    ["Proxy-Authorization", 'Digest realm="y"'],
  ]);
  assert.deepEqual(
    bench.sent.map(({ message }) => message.headers.list("max-breadth")),
    [["30"], ["30"]],
  );
  assert.deepEqual(bench.last().message.headers.list("proxy-authorization"), ['Digest realm="y"']);
});

test("a request that comes back with nothing changed has looped; a spiral goes on (RFC 5393 §4.2.2)", () => {
  const bench = new Bench();
  bench.bind(BOB);
  bench.ask();
  const via = `SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKours.${bench.last().mark}`;
  bench.ask([
    ["Via", via],
    ["Route", "<sip:else@10.0.0.5;lr>"],
  ]);
  assert.deepEqual([bench.statuses, bench.sent.length], [[], 2]);
  bench.ask([["Via", via]]);
  assert.deepEqual([bench.statuses, bench.proxy.counters.loops], [[482], 1]);
});

test("another server's Route is the server, whatever it calls itself there (PROTOCOL §9)", () => {
  const bench = new Bench();
  for (const route of ["<sip:token@10.0.0.2;lr;ob>", "<sip:token@ds2.x:5061;transport=tls;lr;ob>"]) {
    bench.bind(BOB, { path: [route] });
    bench.ask();
    assert.deepEqual(
      [shown(bench.last().to).slice(0, 12), bench.last().message.headers.list("route")],
      ["tcp 10.0.0.2", [route]],
    );
  }
});
test("a contact that is another server of the operator is asked as by a fellow (PROTOCOL §1)", () => {
  const bench = new Bench();
  bench.bind("<sip:carol@10.0.0.2>");
  bench.ask();
  const [route = ""] = bench.last().message.headers.list("route");
  assert.equal(shown(bench.last().to), "tcp 10.0.0.2:5060", "as the operator's servers speak with one another");
  const fellow = new Bench("10.0.0.2");
  assert.deepEqual(fellow.proxy.passOf(fellow.proxy.arrived(askBob([["Route", route]])) ?? assert.fail()), { flowId: "" });
});

test("Path: its entries become the Route, the first is where it goes (RFC 3327 §5.2)", () => {
  const bench = new Bench();
  bench.bind(BOB, { path: ["<sip:p1@10.0.0.4;lr>", "<sip:p2@10.0.0.5;lr>"] });
  bench.ask();
  assert.deepEqual(bench.last().message.headers.list("route"), ["<sip:p1@10.0.0.4;lr>", "<sip:p2@10.0.0.5;lr>"]);
  assert.equal(shown(bench.last().to), "udp 10.0.0.4:5060");
});

test("before a strict router it stands in the Request-URI, and the target in the last Route (RFC 3261 §16.6 step 6)", () => {
  const bench = new Bench();
  bench.bind(BOB, { path: ["<sip:strict@10.0.0.4>", "<sip:p2@10.0.0.5;lr>"] });
  bench.ask();
  const { message, to } = bench.last();
  assert.deepEqual(
    [formatUri(message.uri), message.headers.list("route"), shown(to)],
    ["sip:strict@10.0.0.4", ["<sip:p2@10.0.0.5;lr>", BOB], "udp 10.0.0.4:5060"],
  );
});

test("what a client has on a connection, or behind a NAT, is reached by that flow (RFC 5626 §5.3, PROTOCOL §13)", () => {
  const bench = new Bench();
  const contact = parseNameAddr("<sip:bob@192.168.1.2>") ?? assert.fail();
  const register = request("REGISTER", uriOf("sip:x"), [["Via", "SIP/2.0/UDP 192.168.1.2;branch=z9hG4bK1"]]);
  const behind = bench.proxy.edgeOf(register, contact, PHONE);
  assert.ok(behind !== undefined && bench.proxy.edgeOf(register, contact, PAGE) !== undefined);
  const open = parseNameAddr("<sip:bob@10.0.0.9:9>") ?? assert.fail();
  assert.equal(bench.proxy.edgeOf(register, open, PHONE), undefined, "he has an address");
  register.headers.add("Via", "SIP/2.0/UDP 10.0.0.4;branch=z9hG4bK2");
  assert.equal(bench.proxy.edgeOf(register, contact, PHONE), undefined, "he is another proxy's client");

  bench.bind("<sip:bob@192.168.1.2>", { edge: behind });
  bench.ask();
  assert.deepEqual([shown(bench.last().to), bench.last().message.headers.list("route")], [PHONE.id, []]);
  bench.flows.delete(PHONE.id);
  bench.ask();
  assert.deepEqual(bench.statuses, [480], "the flow is gone");
});

const FIRST_HOP = ["SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK1"];
const PATHS: { name: string; contact: string; vias?: string[]; from?: Flow; wants: boolean }[] = [
  { name: "for a client of outbound, which is promised its flow", contact: "<sip:bob@10.0.0.9:9>;reg-id=1", wants: true },
  { name: "for one behind a NAT", contact: "<sip:bob@192.168.1.2>", wants: true },
  { name: "for one on a connection", contact: "<sip:bob@r.invalid>", from: PAGE, wants: true },
  { name: "not for one who has an address", contact: "<sip:bob@10.0.0.9:9>", wants: false },
  {
    name: "not after the first hop",
    contact: "<sip:bob@192.168.1.2>;reg-id=1",
    vias: ["SIP/2.0/UDP 10.0.0.4;branch=z9hG4bK2", ...FIRST_HOP],
    wants: false,
  },
];
for (const { name, contact, vias = FIRST_HOP, from = PHONE, wants } of PATHS) {
  test(`in the Path of a REGISTER that goes elsewhere we stand ${name} (RFC 5626 §5.1)`, () => {
    const bench = new Bench();
    const fields = [["Contact", contact], ...vias.map((via) => ["Via", via] as const)] as const;
    const path = bench.proxy.pathOf(request("REGISTER", uriOf("sip:x"), fields), from);
    const uri = parseNameAddr(path ?? "")?.uri;
    assert.deepEqual([uri?.params.has("lr"), uri?.params.has("ob")], wants ? [true, true] : [undefined, undefined]);
  });
}
test("a Path that begins with us is the flow, which needs no Route to ourselves (RFC 5626 §5.3.1)", () => {
  const bench = new Bench();
  const register = request("REGISTER", uriOf("sip:x"), [
    ["Contact", "<sip:bob@192.168.1.2>"],
    ["Via", FIRST_HOP[0] ?? ""],
  ]);
  const own = bench.proxy.pathOf(register, PHONE) ?? assert.fail();
  bench.bind("<sip:bob@192.168.1.2>", { path: [own, "<sip:p2@10.0.0.5;lr>"] });
  bench.ask();
  assert.deepEqual([shown(bench.last().to), bench.last().message.headers.list("route")], [PHONE.id, ["<sip:p2@10.0.0.5;lr>"]]);
});
test("contacts here are those that no other server is needed for", () => {
  const bench = new Bench();
  bench.bind(BOB, {}, 30);
  bench.bind("<sip:bob@10.0.0.6>", { path: ["<sip:p1@10.0.0.5;lr>"] });
  bench.bind("<sip:bob@10.0.0.2>"); // another server
  bench.bind("<sip:bob@10.0.0.8>");
  assert.deepEqual(
    bench.proxy.contactsHere("sip:bob@x").map(({ to }) => shown(to)),
    ["udp 10.0.0.8:5060", "udp 10.0.0.7:5070"],
  );
});

test("of one device the newest flow is tried, after a 430 the next; the client sees 480 (RFC 5626 §7, §11.5)", () => {
  const bench = new Bench();
  for (const regId of [1, 2]) bench.bind(`<sip:bob@10.0.0.${regId}0>`, { instance: "<urn:uuid:1>", regId }, regId);
  bench.ask();
  assert.deepEqual(
    bench.sent.map(({ to }) => shown(to)),
    ["udp 10.0.0.20:5060"],
  );
  bench.answer(0, 430);
  assert.deepEqual([bench.sent.length, shown(bench.last().to), bench.answers], [2, "udp 10.0.0.10:5060", []]);
  bench.answer(1, 430);
  assert.deepEqual(bench.statuses, [480]);
});

test("between a page and a telephone two Record-Routes lead each side's requests to the other (RFC 5658 §3.3, RFC 5626 §5.3)", () => {
  const bench = new Bench();
  bench.bind(BOB);
  bench.ask([], "INVITE", PAGE);
  const routes = bench.last().message.headers.list("record-route");
  assert.deepEqual(
    routes.map((text) => parseNameAddr(text)?.uri.params.get("transport")),
    ["udp", "ws"],
  );
  assert.equal(bench.inDialog("BYE", "sip:alice@page.invalid", routes, PHONE), undefined);
  assert.equal(shown(bench.last().to), PAGE.id);
  assert.equal(bench.inDialog("BYE", "sip:bob@10.0.0.7:5070", routes.toReversed(), PAGE), undefined);
  const { message, to } = bench.last();
  assert.deepEqual(
    [shown(to), message.headers.list("route"), message.headers.list("record-route")],
    ["udp 10.0.0.7:5070", [], []],
  );
  bench.flows.delete(PAGE.id);
  bench.inDialog("BYE", "sip:alice@page.invalid", routes, PHONE);
  assert.deepEqual([bench.statuses, bench.proxy.counters.flowsGone], [[430], 1]);
});

test("a Route of ours that is forged, or of another dialog, lets nobody through (RFC 5626 §5.3.1)", () => {
  const bench = new Bench();
  bench.bind(BOB);
  bench.ask();
  const [ours = ""] = bench.last().message.headers.list("record-route");
  assert.equal(bench.inDialog("BYE", "sip:bob@10.0.0.7:5070", [ours], PHONE), undefined);
  assert.equal(bench.inDialog("BYE", "sip:bob@10.0.0.7:5070", [ours.replace(/[0-9a-f]@/, "z@")], PHONE), "forged");
  assert.equal(bench.inDialog("BYE", "sip:victim@10.0.0.7", ["<sip:10.0.0.1;lr>"], PHONE), "none");
  const elsewhere = bench.proxy.arrived(
    request("BYE", uriOf("sip:victim@10.0.0.7"), [
      ["Route", ours],
      ["Call-ID", "another"],
    ]),
  );
  assert.equal(bench.proxy.passOf(elsewhere ?? assert.fail()), "forged");
});

test("a strict router before us has our Route in the Request-URI: it is put right (RFC 3261 §16.4)", () => {
  const bench = new Bench();
  bench.bind(BOB);
  bench.ask();
  const ours = parseNameAddr(bench.last().message.headers.list("record-route")[0] ?? "") ?? assert.fail();
  assert.equal(bench.inDialog("BYE", formatUri(ours.uri), ["<sip:p@10.0.0.5;lr>", BOB], PHONE), undefined);
  const { message, to } = bench.last();
  assert.deepEqual(
    [formatUri(message.uri), message.headers.list("route"), shown(to)],
    ["sip:bob@10.0.0.7:5070", ["<sip:p@10.0.0.5;lr>"], "udp 10.0.0.5:5060"],
  );
  assert.equal(bench.proxy.arrived(askBob([["Route", "not a route"]])), undefined, "a Route that cannot be read");
});

test("the ACK of a 2xx goes on without any context (RFC 3261 §16.6, §13.2.2.4)", () => {
  const bench = new Bench();
  bench.bind(BOB);
  bench.ask();
  const [route = ""] = bench.last().message.headers.list("record-route");
  const ack = (fields: Fields): boolean => bench.proxy.onAck(askBob(fields, "ACK", "sip:bob@10.0.0.7:5070"));
  assert.deepEqual([ack([["Route", route]]), ack([]), ack([["Route", "<sip:0@10.0.0.1;lr>"]])], [true, false, true]);
  assert.deepEqual(
    bench.acks.map(({ message, to }) => [message.method, shown(to)]),
    [["ACK", "udp 10.0.0.7:5070"]],
  );
  assert.equal(
    ack([
      ["Route", route],
      ["Max-Forwards", "0"],
    ]),
    true,
  );
  assert.deepEqual([bench.acks.length, bench.proxy.counters.droppedAcks], [1, 2]);
});

test("our Via comes off; a response that had no other is a 502 (RFC 3261 §16.7 step 3)", () => {
  const bench = new Bench();
  bench.bind(BOB);
  bench.ask();
  bench.answer(0, 180);
  assert.deepEqual(bench.answers[0]?.headers.list("via"), ["SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKalice"]);
  const bare = response(request("INVITE", uriOf("sip:b"), [["Via", "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKours"]]), 200);
  bench.proxy.onResponse(bare, "c0");
  assert.deepEqual(bench.statuses, [180, 502]);
});

const SILENCE: { name: string; contact: string; cause: "timeout" | "transport"; status: number }[] = [
  { name: "silence is a 408 (§16.8)", contact: BOB, cause: "timeout", status: 408 },
  { name: "an address that cannot be reached is a 503, so 500 (§16.9)", contact: BOB, cause: "transport", status: 500 },
];
for (const { name, contact, cause, status } of SILENCE) {
  test(`${name} (RFC 3261)`, () => {
    const bench = new Bench();
    bench.bind(contact);
    bench.ask();
    assert.equal(bench.proxy.onFailure("c0", cause), true);
    assert.deepEqual([bench.statuses, bench.proxy.pending], [[status], 0]);
    assert.equal(bench.proxy.onFailure("c0", cause), false, "told once");
  });
}

test("CANCEL, and the end of the caller's connection, cancel what rings; who answers cancels the others (RFC 3261 §16.10)", () => {
  const bench = new Bench();
  bench.bind(BOB);
  bench.bind("<sip:bob@10.0.0.6>");
  bench.ask();
  assert.deepEqual([bench.proxy.onCancel("s"), bench.proxy.onCancel("t"), bench.canceled], [true, false, ["c0", "c1"]]);
  bench.answer(0, 487);
  bench.answer(1, 487);
  assert.deepEqual([bench.statuses, bench.proxy.onCancel("s")], [[487], false]);
  bench.ask([], "INVITE", PAGE);
  bench.proxy.onFlowClosed(PAGE);
  assert.deepEqual(bench.canceled.slice(2), ["c2", "c3"]);
  bench.ask();
  bench.answer(4, 200);
  assert.deepEqual(bench.canceled.slice(4), ['c5 SIP;cause=200;text="Call completed elsewhere"']);
});

test("copies of a 2xx go back until its transaction has settled (RFC 6026 §7.2)", () => {
  const bench = new Bench();
  bench.bind(BOB);
  bench.ask();
  bench.answer(0, 200);
  bench.answer(0, 200);
  assert.deepEqual([bench.statuses, bench.proxy.pending], [[200, 200], 0]);
  bench.proxy.onSettled("c0");
  assert.equal(bench.proxy.onResponse(response(askBob(), 200), "c0"), false);
});

for (const method of ["MESSAGE", "OPTIONS", "PUBLISH", "INFO", "NOTIFY"]) {
  test(`${method} passes without Record-Route`, () => {
    const bench = new Bench();
    bench.bind(BOB);
    bench.ask([], method);
    assert.deepEqual([bench.last().message.method, bench.last().message.headers.list("record-route")], [method, []]);
  });
}
