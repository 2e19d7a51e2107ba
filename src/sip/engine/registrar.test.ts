import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import { SAFE, type Ticket } from "#base/ticket.ts";
import { request } from "../wire/builders.ts";
import type { NameAddr, SipRequest, SipResponse } from "../wire/message.ts";
import { sipUri } from "../wire/uri.ts";
import { type Binding, type BindingRow, type BindingTable, routesTo } from "./location.ts";
import type { Flow, TransportName } from "./ports.ts";
import { Registrar, type RegistrarConfig } from "./registrar.ts";

type Fields = readonly (readonly [string, string])[];

/** One server's table in memory, on a clock of its own; it tells of changes when asked to. */
class MemoryTable implements BindingTable {
  nowMs = 5_000_000;
  ticket: Ticket = SAFE;
  readonly #rows = new Map<string, BindingRow>();
  readonly #untold: (() => void)[] = [];
  readonly #handlers: ((key: string, row: BindingRow | undefined) => void)[] = [];

  put(key: string, value: Binding, order: number, lifetimeSec: number): Ticket {
    return this.#change(key, { key, value, order, expiresAtMs: this.nowMs + 1_000 * lifetimeSec });
  }
  remove(key: string): Ticket {
    return this.#change(key, undefined);
  }
  get(key: string): BindingRow | undefined {
    return this.#rows.get(key);
  }
  under(aor: string): readonly BindingRow[] {
    return [...this.#rows.values()].filter(({ key }) => key.startsWith(`${aor} `));
  }
  onChange(changed: (key: string, row: BindingRow | undefined) => void): void {
    this.#handlers.push(changed);
  }
  get size(): number {
    return this.#rows.size;
  }
  tell(): void {
    for (const told of this.#untold.splice(0)) told();
  }
  pass(sec: number): void {
    this.nowMs += 1_000 * sec;
    for (const { key, expiresAtMs } of [...this.#rows.values()]) if (expiresAtMs <= this.nowMs) this.remove(key);
  }
  #change(key: string, row: BindingRow | undefined): Ticket {
    if (row) this.#rows.set(key, row);
    else this.#rows.delete(key);
    this.#untold.push(() => {
      for (const changed of this.#handlers) changed(key, row);
    });
    return this.ticket;
  }
}

const flow = (id = "udp-1", transport: TransportName = "udp", host = "10.0.0.7"): Flow => ({
  id,
  transport,
  local: { host: "10.0.0.1", port: 5060 },
  remote: { host, port: 5070 },
});
function registrar(config: Partial<RegistrarConfig> = {}) {
  const table = new MemoryTable();
  let drawn = 0;
  const host = { nowMs: () => table.nowMs, random: (octets: number) => new Uint8Array(octets).fill(++drawn) };
  /** Of WebSockets, by the `edge` that they get here. */
  const flows = new Map<string, Flow>();
  const edgeOf = (_register: SipRequest, _contact: NameAddr, flow: Flow): string | undefined => {
    if (flow.transport !== "ws") return undefined;
    flows.set(flow.id, flow);
    return flow.id;
  };
  const flowOf = ({ value }: BindingRow): Flow | "gone" | undefined => {
    const [first] = routesTo(value);
    return first?.startsWith("ws") ? (flows.get(first) ?? "gone") : undefined;
  };
  const service = new Registrar({ table, host, edgeOf, flowOf }, { domain: "tv.example", ...config });
  const close = (id: string): void => {
    const gone = flows.get(id);
    flows.delete(id);
    if (gone) service.onFlowClosed(gone);
  };
  return { table, service, close };
}
let cseq = 0;
interface Wish {
  callId?: string;
  cseq?: number;
  to?: string;
  more?: Fields;
}
const REGISTER = (contacts: readonly string[], { callId = "1", cseq: number = ++cseq, to, more = [] }: Wish = {}): SipRequest =>
  request("REGISTER", sipUri({ host: "tv.example" }), [
    ["Via", "SIP/2.0/UDP 10.0.0.7:5070;branch=z9hG4bK1"],
    ["From", "<sip:alice@tv.example>;tag=f"],
    ["To", to ?? "<sip:alice@tv.example>"],
    ["Call-ID", callId],
    ["CSeq", `${number} REGISTER`],
    ...contacts.map((contact) => ["Contact", contact] as const),
    ...more,
  ]);
const contactsIn = (response: SipResponse): readonly string[] => response.headers.list("contact");
const AOR = "sip:alice@tv.example";

test("a contact is bound, told with its lifetime, and found (RFC 3261 §10.3)", () => {
  const { service, table } = registrar();
  const { response } = service.onRegister(REGISTER(["<sip:alice@10.0.0.7:5070>;q=0.5"]), flow(), "alice");
  assert.equal(response.status, 200);
  assert.deepEqual(contactsIn(response), ["<sip:alice@10.0.0.7:5070>;q=0.5;expires=3600"]);
  const [row] = table.under(AOR);
  assert.deepEqual([row?.value.contact, row?.value.edge], ["<sip:alice@10.0.0.7:5070>;q=0.5", undefined]);
});
test("without Contact the bindings are told with what is left of them (RFC 3261 §10.3 step 8)", () => {
  const { service, table } = registrar();
  service.onRegister(REGISTER(["<sip:a@1>;expires=100", "<sip:a@2>;expires=200"]), flow(), "alice");
  table.pass(99.5);
  const told = () => contactsIn(service.onRegister(REGISTER([]), flow(), "alice").response);
  assert.deepEqual(told(), ["<sip:a@1>;expires=1", "<sip:a@2>;expires=101"]);
  table.pass(0.5);
  assert.deepEqual(told(), ["<sip:a@2>;expires=100"]);
});

const LIFETIMES: { name: string; contact: string; more?: Fields; wants: number | string }[] = [
  { name: "its own parameter first", contact: "<sip:a@1>;expires=120", more: [["Expires", "900"]], wants: 120 },
  { name: "else Expires", contact: "<sip:a@1>", more: [["Expires", "900"]], wants: 900 },
  { name: "else the default", contact: "<sip:a@1>", wants: 3_600 },
  { name: "no more than the most", contact: "<sip:a@1>;expires=4000000000", wants: 7_200 },
  { name: "a broken one is none", contact: "<sip:a@1>;expires=soon", wants: 3_600 },
  { name: "the least is enough", contact: "<sip:a@1>;expires=60", wants: 60 },
  { name: "too short: 423", contact: "<sip:a@1>;expires=59", wants: "423 60" },
];
for (const { name, contact, more, wants } of LIFETIMES) {
  test(`a contact's lifetime: ${name} (RFC 3261 §10.3 step 7)`, () => {
    const { service } = registrar();
    const { response } = service.onRegister(REGISTER([contact], { more }), flow(), "alice");
    const granted = /expires=(\d+)/.exec(response.headers.get("contact") ?? "")?.[1];
    const got = response.status === 200 ? Number(granted) : `${response.status} ${response.headers.get("min-expires")}`;
    assert.equal(got, wants);
  });
}

const REFUSED: { name: string; request: SipRequest; user?: string; status: number }[] = [
  { name: "another's address-of-record", request: REGISTER(["<sip:a@1>"]), user: "bob", status: 403 },
  { name: "another domain", request: REGISTER(["<sip:a@1>"], { to: "<sip:alice@other>" }), status: 404 },
  { name: "a To that is no SIP URI", request: REGISTER(["<sip:a@1>"], { to: "<tel:1>" }), status: 400 },
  { name: "an extension it lacks", request: REGISTER(["<sip:a@1>"], { more: [["Require", "gruu"]] }), status: 420 },
  { name: "a broken Contact", request: REGISTER(["<sip:a@1"]), status: 400 },
  { name: "a broken Path", request: REGISTER(["<sip:a@1>"], { more: [["Path", "<sip:p"]] }), status: 400 },
  { name: "* without Expires", request: REGISTER(["*"]), status: 400 },
  { name: "* with Expires 1", request: REGISTER(["*"], { more: [["Expires", "1"]] }), status: 400 },
  { name: "* and another", request: REGISTER(["*", "<sip:a@1>"], { more: [["Expires", "0"]] }), status: 400 },
  { name: "one contact twice", request: REGISTER(["<sip:a@1>", "<sip:a@1>"]), status: 400 },
  {
    name: "two flows at once",
    request: REGISTER(['<sip:a@1>;+sip.instance="<urn:1>";reg-id=1', "<sip:a@2>"]),
    status: 400,
  },
];
for (const { name, request, user = "alice", status } of REFUSED) {
  test(`a REGISTER with ${name} is answered ${status} and changes nothing (RFC 3261 §10.3, RFC 5626 §6)`, () => {
    const { service, table } = registrar();
    const { response, ticket } = service.onRegister(request, flow(), user);
    assert.equal(response.status, status);
    assert.equal(ticket, SAFE);
    assert.equal(table.size, 0);
  });
}
test("the extensions that are lacking are named (RFC 3261 §8.2.2.3)", () => {
  const { response } = registrar().service.onRegister(REGISTER([], { more: [["Require", "path, gruu"]] }), flow(), "alice");
  assert.equal(response.headers.get("unsupported"), "gruu");
});

test("within a Call-ID only a higher CSeq changes a binding, whole or not at all (RFC 3261 §10.3 step 7)", () => {
  const { service, table } = registrar();
  service.onRegister(REGISTER(["<sip:a@1>"], { cseq: 10 }), flow(), "alice");
  for (const late of [9, 10]) {
    const wish = { cseq: late, more: [["Expires", "0"]] as Fields };
    assert.equal(service.onRegister(REGISTER(["<sip:a@2>", "<sip:a@1>"], { cseq: late }), flow(), "alice").response.status, 500);
    assert.equal(service.onRegister(REGISTER(["*"], wish), flow(), "alice").response.status, 500);
  }
  assert.deepEqual(
    table.under(AOR).map(({ value }) => value.contact),
    ["<sip:a@1>"],
  );
  assert.equal(service.onRegister(REGISTER(["<sip:a@1>;expires=0"], { cseq: 11 }), flow(), "alice").response.status, 200);
  assert.deepEqual(table.under(AOR), []);
});
test("asked again because the answer was lost, the same CSeq changes it: a lower one does not (PROTOCOL §9)", () => {
  const { service, table } = registrar();
  const ask = (contact: string, cseq: number, isRepeat?: boolean): number =>
    service.onRegister(REGISTER([contact], { cseq }), flow(), "alice", isRepeat).response.status;
  assert.deepEqual([ask("<sip:a@1>", 10), ask("<sip:a@1>", 9, true), ask("<sip:a@1>", 10, true)], [200, 500, 200]);
  assert.equal(ask("<sip:a@1>;expires=0", 10, true), 200);
  assert.deepEqual(table.under(AOR), []);
});
test("another Call-ID may begin anew, and its row still is the later one (RFC 3261 §10.3, DESIGN §5)", () => {
  const { service, table } = registrar();
  service.onRegister(REGISTER(["<sip:a@1>"], { cseq: 10 }), flow(), "alice");
  service.onRegister(REGISTER(["<sip:A@1;x=1>", "<sip:a@1;x=1>"], { callId: "2", cseq: 1 }), flow(), "alice");
  const rows = table.under(AOR);
  assert.deepEqual(
    rows.map(({ value, order }) => [value.contact, value.cseq, order]),
    [
      ["<sip:a@1;x=1>", 1, 11],
      ["<sip:A@1;x=1>", 1, 1],
    ],
  );
});
test("* removes every binding (RFC 3261 §10.3 step 6)", () => {
  const { service, table } = registrar();
  service.onRegister(REGISTER(["<sip:a@1>", "<sip:a@2>"]), flow(), "alice");
  const { response } = service.onRegister(REGISTER(["*"], { callId: "2", more: [["Expires", "0"]] }), flow(), "alice");
  assert.deepEqual([response.status, contactsIn(response), table.under(AOR)], [200, [], []]);
});
test(`an address-of-record has at most ${LIMITS.sipContacts} contacts (sipContacts)`, () => {
  const { service } = registrar();
  for (let at = 0; at < LIMITS.sipContacts; at++) {
    assert.equal(service.onRegister(REGISTER([`<sip:a@${at}.x>`]), flow(), "alice").response.status, 200);
  }
  assert.equal(service.onRegister(REGISTER(["<sip:a@more>"]), flow(), "alice").response.status, 403);
  const swap = service.onRegister(REGISTER(["<sip:a@more>", "<sip:a@0.x>;expires=0"]), flow(), "alice");
  assert.equal(contactsIn(swap.response).length, LIMITS.sipContacts);
});

const INSTANCE = '+sip.instance="<urn:uuid:1>"';
const OUTBOUND: Fields = [["Supported", "path, outbound"]];
test("instance and reg-id name the binding: a new flow replaces the old (RFC 5626 §6)", () => {
  const { service, table } = registrar();
  const first = service.onRegister(REGISTER([`<sip:a@1>;${INSTANCE};reg-id=1`], { more: OUTBOUND }), flow("ws-1", "ws"), "alice");
  assert.equal(first.response.headers.get("require"), "outbound");
  service.onRegister(REGISTER([`<sip:a@2>;${INSTANCE};reg-id=1`], { callId: "2", more: OUTBOUND }), flow("ws-2", "ws"), "alice");
  service.onRegister(REGISTER([`<sip:a@3>;${INSTANCE};reg-id=2`], { callId: "2", more: OUTBOUND }), flow("ws-3", "ws"), "alice");
  const rows = table.under(AOR);
  assert.deepEqual(
    rows.map(({ value }) => [value.contact.slice(0, 9), value.edge]),
    [
      ["<sip:a@2>", "ws-2"],
      ["<sip:a@3>", "ws-3"],
    ],
  );
});
const HOPS: {
  name: string;
  contact?: string;
  more: Fields;
  wants: [status: number, require: string | undefined, regId: number | undefined];
}[] = [
  { name: "directly", more: OUTBOUND, wants: [200, "outbound", 1] },
  { name: "directly, without Supported", more: [], wants: [200, undefined, 1] },
  { name: "without instance", contact: "<sip:a@1>;reg-id=1", more: OUTBOUND, wants: [200, undefined, undefined] },
  {
    name: "through an edge proxy",
    more: [...OUTBOUND, ["Via", "SIP/2.0/UDP 2"], ["Path", "<sip:e;lr;ob>"]],
    wants: [200, "outbound", 1],
  },
  {
    name: "through another proxy",
    more: [...OUTBOUND, ["Via", "SIP/2.0/UDP 2"], ["Path", "<sip:e;lr>"]],
    wants: [439, undefined, undefined],
  },
  { name: "so without Supported", more: [["Via", "SIP/2.0/UDP 2"]], wants: [200, undefined, undefined] },
];
for (const { name, contact = `<sip:a@1>;${INSTANCE};reg-id=1`, more, wants } of HOPS) {
  test(`outbound ${name} (RFC 5626 §6)`, () => {
    const { service, table } = registrar();
    const { response } = service.onRegister(REGISTER([contact], { more }), flow(), "alice");
    const [row] = table.under(AOR);
    assert.deepEqual([response.status, response.headers.get("require"), row?.value.regId], wants);
  });
}
test("Path is kept in its order and told back (RFC 3327 §5.3)", () => {
  const { service, table } = registrar();
  const more: Fields = [
    ["Path", "<sip:p1;lr>, <sip:p2;lr>"],
    ["Path", "<sip:p3;lr>"],
  ];
  const { response } = service.onRegister(REGISTER(["<sip:a@1>"], { more }), flow(), "alice");
  const wants = ["<sip:p1;lr>", "<sip:p2;lr>", "<sip:p3;lr>"];
  assert.deepEqual(response.headers.list("path"), wants);
  assert.deepEqual(table.under(AOR)[0]?.value.path, wants);
});
test("what was registered on a connection goes with it (RFC 5626 §5.3)", () => {
  const { service, table, close } = registrar();
  service.onRegister(REGISTER(["<sip:a@r.invalid;transport=ws>"]), flow("ws-1", "ws"), "alice");
  service.onRegister(REGISTER(["<sip:a@2>"]), flow("udp-2"), "alice");
  table.tell();
  close("ws-1");
  assert.deepEqual(
    table.under(AOR).map(({ value }) => value.contact),
    ["<sip:a@2>"],
  );
});
test("so does what another server registered, by a Path that begins here, even where that is heard later (PROTOCOL §9)", () => {
  const { service, table, close } = registrar();
  const bound = () => table.under(AOR).length;
  const away = (cseq: number): void => {
    const value = { aor: AOR, contact: "<sip:a@r.invalid>", callId: "1", cseq, path: ["ws-1"] };
    table.put(`${AOR} away`, value, cseq, 60);
  };
  service.onRegister(REGISTER(["<sip:a@r.invalid;transport=ws>"]), flow("ws-1", "ws"), "alice");
  away(1);
  table.tell();
  close("ws-1");
  assert.equal(bound(), 0);
  away(2);
  table.tell();
  assert.equal(bound(), 0);
});
test("what the table tells late changes nothing that is known already (DESIGN §5)", () => {
  const { service, table } = registrar();
  const bound = () => table.under(AOR).length;
  const seen: number[] = [];
  for (const contacts of [["<sip:a@1>"], ["<sip:a@1>;expires=0"], ["<sip:a@1>"]]) {
    service.onRegister(REGISTER(contacts), flow(), "alice");
    seen.push(bound());
  }
  table.tell();
  assert.deepEqual([...seen, bound()], [1, 0, 1, 1]);
  table.pass(3_600);
  table.tell();
  assert.equal(bound(), 0);
});
test("the answer's ticket is safe when every row is (DESIGN §5, the gate)", () => {
  const { service, table } = registrar();
  const waiting: (() => void)[] = [];
  table.ticket = { safe: false, onSafe: (then) => waiting.push(then) };
  const { ticket } = service.onRegister(REGISTER(["<sip:a@1>", "<sip:a@2>"]), flow(), "alice");
  let safe = 0;
  ticket.onSafe(() => safe++);
  waiting[0]?.();
  assert.deepEqual([ticket.safe, safe], [false, 0]);
  waiting[1]?.();
  assert.equal(safe, 1);
});
