import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import { type CopsMessage, objectOf } from "../wire/message.ts";
import type { AnyCopsObject, PrObject } from "../wire/objects.ts";
import { prObjects } from "../wire/objects.ts";
import { newCounters } from "./counters.ts";
import { closeMessage, decisionMessage, errorDecision, keepAlive, plain } from "./messages.ts";
import { type PepConfig, PepConnectionMachine, type PepInput, type PepOutput } from "./pep-connection.ts";
import { CLIENT_TYPE, type CopsRequest, type Decision, type ReportKind, type RequestKind } from "./types.ts";

const { admission, provisioning } = CLIENT_TYPE;
const JOIN: CopsRequest = { kind: "admission-sink", attributes: { channel: "news", kbps: 4000 } };
const CHANNEL: CopsRequest = { kind: "configuration", attributes: { channel: "news", kbps: 4000 } };
const INSTALL: Decision = { command: "install", attributes: { kbps: 4000 } };
const HANDLE = "00000001";

const message = (value: CopsMessage): PepInput => ({ kind: "message", message: value });
const cat = (clientType: number, timerSec: number): PepInput =>
  message(plain("CAT", clientType, [{ kind: "kaTimer", timerSec }]));
const request = (clientType: number, asked: CopsRequest, handle = HANDLE): PepInput => ({
  kind: "request",
  clientType,
  handle,
  request: asked,
});
const decision = (clientType: number, kind: RequestKind, decided: Decision, solicited = true): PepInput =>
  message(decisionMessage(clientType, HANDLE, kind, decided, solicited));
const report = (kind: ReportKind, data = {}): PepInput => ({ kind: "report", handle: HANDLE, report: kind, data });
const tick: PepInput = { kind: "tick" };

/** One line an output: what a reader of the RFC looks for. */
function show(output: PepOutput): string {
  if (output.kind === "opened")
    return `opened ${output.clientType.toString(16)}${output.accountingSec ? ` accounting ${output.accountingSec}s` : ""}`;
  if (output.kind === "synchronize") return `synchronize ${output.clientType.toString(16)} ${output.handle ?? "all"}`;
  if (output.kind === "decision") return `decision ${output.decision.command} ${JSON.stringify(output.decision.attributes)}`;
  if (output.kind === "ended") return output.redirect ? `ended, to ${output.redirect.host}:${output.redirect.port}` : "ended";
  const { op, clientType, solicited, objects } = output.message;
  return [op + (solicited ? "*" : ""), clientType.toString(16), ...objects.map(showObject)].join(" ");
}
function showObject(object: AnyCopsObject): string {
  switch (object.kind) {
    case "handle":
      return `h${Number.parseInt(object.handle, 16)}`;
    case "error":
    case "reason":
      return `${object.kind}=${object.code}/${object.subCode.toString(16)}`;
    case "reportType":
      return ["", "success", "failure", "accounting"][object.type] ?? "?";
    case "context":
      return `${object.requestType}/${object.messageType}`;
    case "pepId":
      return object.id;
    case "namedSi": {
      const inner = prObjects.read(object.data, 0, object.data.length);
      return `named(${Array.isArray(inner) ? (inner as PrObject[]).map((pr) => ("code" in pr ? `${pr.kind}=${pr.code}` : pr.kind)).join(" ") : "?"})`;
    }
    default:
      return object.kind;
  }
}

function machine(random = 0.5, more: Partial<PepConfig> = {}) {
  const counters = newCounters();
  const config = { pepId: "ds1", clientTypes: [admission, provisioning], secured: false, lastPdp: undefined, ...more };
  return { counters, pep: new PepConnectionMachine(config, counters, () => random, 0) };
}
/** Both client-types open at 100 ms, timers 30 s and 20 s. */
function open(random?: number) {
  const made = machine(random);
  made.pep.step({ kind: "connected" }, 50);
  made.pep.step(cat(admission, 30), 100);
  made.pep.step(cat(provisioning, 20), 100);
  return made;
}

type Script = readonly (readonly [atMs: number, input: PepInput, wants: readonly string[]])[];
const CASES: { name: string; begin: typeof machine; script: Script }[] = [
  {
    name: "opens each client-type by its own OPN (§3.6, §4.3)",
    begin: machine,
    script: [
      [0, { kind: "connected" }, ["OPN 9101 ds1", "OPN 9102 ds1"]],
      [1, cat(provisioning, 30), ["opened 9102"]],
      [2, cat(admission, 30), ["opened 9101"]],
    ],
  },
  {
    name: "goes on without a client-type that is refused (§2.3, §3.8)",
    begin: machine,
    script: [
      [0, { kind: "connected" }, ["OPN 9101 ds1", "OPN 9102 ds1"]],
      [1, message(closeMessage(provisioning, { code: 6, subCode: 0 })), []],
      [2, cat(admission, 30), ["opened 9101"]],
    ],
  },
  {
    name: "ends when every client-type is refused (§3.8)",
    begin: machine,
    script: [
      [0, { kind: "connected" }, ["OPN 9101 ds1", "OPN 9102 ds1"]],
      [1, message(closeMessage(provisioning, { code: 6, subCode: 0 })), []],
      [2, message(closeMessage(admission, { code: 6, subCode: 0 })), ["ended"]],
    ],
  },
  {
    name: "ends when an open client-type is closed (§3.8)",
    begin: open,
    script: [[200, message(closeMessage(admission, { code: 11, subCode: 0 })), ["CC 9102 error=10/0", "ended"]]],
  },
  {
    name: "gives up an OPN without answer after copsOpenMs",
    begin: machine,
    script: [
      [LIMITS.copsOpenMs - 1, tick, []],
      [LIMITS.copsOpenMs, tick, ["ended"]],
    ],
  },
  {
    name: "ends at a CAT that nobody asked for",
    begin: open,
    script: [[200, cat(admission, 30), ["CC 9101 error=3/0", "CC 9102 error=3/0", "ended"]]],
  },
  {
    name: "answers a malformed CAT by CC with its error (§3.7)",
    begin: machine,
    script: [
      [0, { kind: "connected" }, ["OPN 9101 ds1", "OPN 9102 ds1"]],
      [1, message(plain("CAT", admission, [])), ["CC 9101 error=7/0", "CC 9102 error=7/0", "ended"]],
    ],
  },
  {
    name: "sends KA within its quarter of the least timer and takes any message as life (§3.9, §4.6)",
    begin: () => open(0),
    script: [
      [5_099, tick, []],
      [5_100, tick, ["KA 0"]],
      [10_100, tick, ["KA 0"]],
      [15_000, message(keepAlive()), []],
      [15_100, tick, ["KA 0"]],
      [34_999, tick, ["KA 0"]],
      [35_000, tick, ["CC 9101 error=9/0", "CC 9102 error=9/0", "ended"]],
      [35_001, message(keepAlive()), []],
    ],
  },
  {
    name: "sends the latest KA before three quarters of the timer are over (§3.9)",
    begin: () => open(0.999_999),
    script: [
      [14_000, tick, []],
      [15_000, tick, ["KA 0"]],
    ],
  },
  {
    name: "never sends KA nor misses one where the timer is 0 (§2.2.10)",
    begin: machine,
    script: [
      [0, { kind: "connected" }, ["OPN 9101 ds1", "OPN 9102 ds1"]],
      [1, cat(admission, 0), ["opened 9101"]],
      [1e9, tick, []],
    ],
  },
  {
    name: "asks, is answered, reports and returns an admission (§4.4)",
    begin: open,
    script: [
      [200, request(admission, JOIN), ["REQ 9101 h1 2/2 signaledSi"]],
      [210, decision(admission, "admission-sink", INSTALL), ['decision install {"kbps":4000}']],
      [220, report("success"), ["RPT* 9101 h1 success"]],
      [230, report("accounting"), ["RPT 9101 h1 accounting"]],
      [240, { kind: "delete", handle: HANDLE, reason: "tear" }, ["DRQ 9101 h1 reason=4/0"]],
      [250, { kind: "delete", handle: HANDLE, reason: "tear" }, []],
    ],
  },
  {
    name: "tells an unsolicited Remove (§3.2)",
    begin: open,
    script: [
      [200, request(admission, JOIN), ["REQ 9101 h1 2/2 signaledSi"]],
      [210, decision(admission, "admission-sink", INSTALL), ['decision install {"kbps":4000}']],
      [
        300,
        decision(admission, "admission-sink", { command: "remove", attributes: { reason: "preempted" } }, false),
        ['decision remove {"reason":"preempted"}'],
      ],
    ],
  },
  {
    name: "has one REQ of a handle under way: the latest update waits for the solicited DEC (§3.2)",
    begin: open,
    script: [
      [200, request(admission, JOIN), ["REQ 9101 h1 2/2 signaledSi"]],
      [201, request(admission, { ...JOIN, kind: "admission-source" }), []],
      [202, request(admission, JOIN), []],
      [205, decision(admission, "admission-sink", INSTALL, false), ['decision install {"kbps":4000}']],
      [210, decision(admission, "admission-sink", INSTALL), ["REQ 9101 h1 2/2 signaledSi", 'decision install {"kbps":4000}']],
      [220, decision(admission, "admission-sink", INSTALL), ['decision install {"kbps":4000}']],
      [230, request(admission, JOIN), ["REQ 9101 h1 2/2 signaledSi"]],
    ],
  },
  {
    name: "reports every provisioning decision, at the latest before DRQ (RFC 3084 §3.2, §3.3)",
    begin: open,
    script: [
      [200, request(provisioning, CHANNEL), ["REQ 9102 h1 8/0 named(prid epd)"]],
      [210, decision(provisioning, "configuration", INSTALL), ['decision install {"kbps":4000}']],
      [220, report("success"), ["RPT* 9102 h1 success"]],
      [
        230,
        decision(provisioning, "configuration", { command: "remove", attributes: { reason: "ingest-full" } }, false),
        ['decision remove {"reason":"ingest-full"}'],
      ],
      [240, { kind: "delete", handle: HANDLE, reason: "tear" }, ["RPT* 9102 h1 success", "DRQ 9102 h1 reason=4/0"]],
    ],
  },
  {
    name: "says what failed in a solicited failure (RFC 3084 §5.3.1)",
    begin: open,
    script: [
      [200, request(provisioning, CHANNEL), ["REQ 9102 h1 8/0 named(prid epd)"]],
      [210, decision(provisioning, "configuration", INSTALL), ['decision install {"kbps":4000}']],
      [220, report("failure"), ["RPT* 9102 h1 failure named(gperr=5)"]],
    ],
  },
  {
    name: "refuses to open a request state at the PDP's wish (RFC 3084 §3.2)",
    begin: open,
    script: [
      [200, request(provisioning, CHANNEL), ["REQ 9102 h1 8/0 named(prid epd)"]],
      [
        210,
        message(
          plain("DEC", provisioning, [
            { kind: "handle", handle: HANDLE },
            { kind: "context", requestType: 8, messageType: 0 },
            { kind: "decisionFlags", command: 1, flags: 2 },
          ]),
        ),
        ["RPT* 9102 h1 failure named(gperr=6)"],
      ],
    ],
  },
  {
    name: "returns the state of a malformed DEC and calls it refused (§3.4)",
    begin: open,
    script: [
      [200, request(admission, JOIN), ["REQ 9101 h1 2/2 signaledSi"]],
      [
        210,
        message(
          plain("DEC", admission, [
            { kind: "handle", handle: HANDLE },
            { kind: "decisionFlags", command: 1, flags: 0 },
          ]),
        ),
        ["DRQ 9101 h1 reason=12/0", 'decision remove {"reason":"malformed"}'],
      ],
    ],
  },
  {
    name: "returns the state of a DEC with an unknown object, naming it (§3.4)",
    begin: open,
    script: [
      [200, request(admission, JOIN), ["REQ 9101 h1 2/2 signaledSi"]],
      [
        210,
        message(
          plain("DEC", admission, [
            { kind: "handle", handle: HANDLE },
            { kind: "unknown", num: 17, type: 2 },
          ]),
        ),
        ["DRQ 9101 h1 reason=13/1102", 'decision remove {"reason":"malformed"}'],
      ],
    ],
  },
  {
    name: "returns the state that an Error object refuses (§3.2)",
    begin: open,
    script: [
      [200, request(admission, JOIN), ["REQ 9101 h1 2/2 signaledSi"]],
      [
        210,
        message(errorDecision(admission, HANDLE, { code: 5, subCode: 0 }, true)),
        ["DRQ 9101 h1 reason=8/0", 'decision remove {"reason":"malformed"}'],
      ],
    ],
  },
  {
    name: "passes over a DEC that crossed its DRQ (§2.4)",
    begin: open,
    script: [
      [200, request(admission, JOIN), ["REQ 9101 h1 2/2 signaledSi"]],
      [205, { kind: "delete", handle: HANDLE, reason: "timeout" }, ["DRQ 9101 h1 reason=5/0"]],
      [210, decision(admission, "admission-sink", INSTALL), []],
    ],
  },
  {
    name: "passes over a DEC under another client-type (§2.4)",
    begin: open,
    script: [
      [200, request(admission, JOIN), ["REQ 9101 h1 2/2 signaledSi"]],
      [210, decision(provisioning, "admission-sink", INSTALL), []],
    ],
  },
  {
    name: "repeats every state of the client-type when its user has what SSQ asks for, then SSC (§3.5, §3.10)",
    begin: open,
    script: [
      [200, request(admission, JOIN), ["REQ 9101 h1 2/2 signaledSi"]],
      [201, request(provisioning, CHANNEL, "00000002"), ["REQ 9102 h2 8/0 named(prid epd)"]],
      [202, request(admission, JOIN, "00000003"), ["REQ 9101 h3 2/2 signaledSi"]],
      [210, decision(admission, "admission-sink", INSTALL), ['decision install {"kbps":4000}']],
      [220, message(plain("SSQ", admission, [])), ["synchronize 9101 all"]],
      [
        230,
        { kind: "synchronized", clientType: admission, handle: undefined },
        ["REQ 9101 h1 2/2 signaledSi lpdpFlags lpdpClientSi", "SSC 9101"], // h3 is on its way already
      ],
    ],
  },
  {
    name: "repeats the one state that SSQ names, a configuration without decisions (§3.5, RFC 3084 §3.1)",
    begin: open,
    script: [
      [200, request(provisioning, CHANNEL), ["REQ 9102 h1 8/0 named(prid epd)"]],
      [201, request(provisioning, CHANNEL, "00000002"), ["REQ 9102 h2 8/0 named(prid epd)"]],
      [210, decision(provisioning, "configuration", INSTALL), ['decision install {"kbps":4000}']],
      [211, report("success"), ["RPT* 9102 h1 success"]],
      [220, message(plain("SSQ", provisioning, [{ kind: "handle", handle: HANDLE }])), [`synchronize 9102 ${HANDLE}`]],
      [
        230,
        { kind: "synchronized", clientType: provisioning, handle: HANDLE },
        ["REQ 9102 h1 8/0 named(prid epd)", "SSC 9102 h1"],
      ],
    ],
  },
  {
    name: "ends at SSQ before CAT (§3.5)",
    begin: machine,
    script: [
      [0, { kind: "connected" }, ["OPN 9101 ds1", "OPN 9102 ds1"]],
      [1, message(plain("SSQ", admission, [])), ["CC 9101 error=3/0", "CC 9102 error=3/0", "ended"]],
    ],
  },
  {
    name: "agrees on a key before it opens anything (§4.1, §4.3)",
    begin: () => machine(0.5, { secured: true, lastPdp: { host: "10.0.0.9", port: 3288 } }),
    script: [
      [0, { kind: "connected" }, ["OPN 0 ds1"]],
      [1, cat(0, 30), ["OPN 9101 ds1 lastPdp4", "OPN 9102 ds1 lastPdp4"]],
      [2, cat(admission, 30), ["opened 9101"]],
    ],
  },
  {
    name: "says CC for client-type 0 at what is not authentic (§4.1)",
    begin: open,
    script: [
      [200, { kind: "unauthentic", fault: { code: 14, subCode: 0 } }, ["CC 0 error=14/0", "ended"]],
      [201, request(admission, JOIN), []],
    ],
  },
  {
    name: "goes where a CC sends it, with all client-types (§2.2.13, §2.3)",
    begin: machine,
    script: [
      [0, { kind: "connected" }, ["OPN 9101 ds1", "OPN 9102 ds1"]],
      [
        1,
        message(
          plain("CC", admission, [
            { kind: "error", code: 12, subCode: 0 },
            { kind: "pdpRedirect4", address: "10.0.0.8", port: 3288 },
          ]),
        ),
        ["CC 9102 error=10/0", "ended, to 10.0.0.8:3288"],
      ],
    ],
  },
  {
    name: "tells how often it is to account, and does (§2.2.15, §3.3)",
    begin: machine,
    script: [
      [0, { kind: "connected" }, ["OPN 9101 ds1", "OPN 9102 ds1"]],
      [
        1,
        message(
          plain("CAT", admission, [
            { kind: "kaTimer", timerSec: 30 },
            { kind: "acctTimer", timerSec: 60 },
          ]),
        ),
        ["opened 9101 accounting 60s"],
      ],
      [2, request(admission, JOIN), ["REQ 9101 h1 2/2 signaledSi"]],
      [3, decision(admission, "admission-sink", INSTALL), ['decision install {"kbps":4000}']],
      [4, report("accounting", { carriedKiB: 7 }), ["RPT 9101 h1 accounting signaledSi"]],
      [5, report("success"), ["RPT* 9101 h1 success"]],
    ],
  },
  {
    name: "answers SSQ of an unknown handle by DRQ (§3.5)",
    begin: open,
    script: [[220, message(plain("SSQ", admission, [{ kind: "handle", handle: "00000009" }])), ["DRQ 9101 h9 reason=10/0"]]],
  },
  {
    name: "says Client-Close for every client-type when it stops (§4.7)",
    begin: open,
    script: [
      [200, { kind: "stop" }, ["CC 9101 error=11/0", "CC 9102 error=11/0", "ended"]],
      [300, request(admission, JOIN), []],
    ],
  },
  {
    name: "ends at octets that are no message",
    begin: open,
    script: [[200, { kind: "garbage" }, ["CC 9101 error=3/0", "CC 9102 error=3/0", "ended"]]],
  },
  {
    name: "ends at what only a PEP may send (§3)",
    begin: open,
    script: [
      [
        200,
        message(
          plain("DRQ", admission, [
            { kind: "handle", handle: HANDLE },
            { kind: "reason", code: 1, subCode: 0 },
          ]),
        ),
        ["CC 9101 error=3/0", "CC 9102 error=3/0", "ended"],
      ],
    ],
  },
];
for (const { name, begin, script } of CASES) {
  test(`a PEP's connection ${name}`, () => {
    const { pep } = begin();
    for (const [atMs, input, wants] of script) assert.deepEqual(pep.step(input, atMs).map(show), wants, `at ${atMs} ms`);
  });
}

test("a PEP's connection asks to be called at the earlier of KA and silence, and not after its end", () => {
  const { pep } = machine(0);
  assert.equal(pep.nextDeadlineMs, LIMITS.copsOpenMs);
  pep.step({ kind: "connected" }, 0);
  pep.step(cat(admission, 40), 0);
  assert.equal(pep.nextDeadlineMs, 10_000);
  pep.step({ kind: "stop" }, 1);
  assert.equal(pep.nextDeadlineMs, Infinity);
});

test("a PEP's connection counts what it passes over, and warns of classes it does not know (RFC 3084 §5.3.1)", () => {
  const { pep, counters } = open();
  pep.step(request(provisioning, CHANNEL), 200);
  const known = decisionMessage(provisioning, HANDLE, "configuration", INSTALL, true);
  const extra = prObjects.write({ kind: "prid", oid: "1.3.6.1.9" });
  const row = prObjects.write({ kind: "epd", data: Uint8Array.of(2, 1, 1) });
  const more: AnyCopsObject = { kind: "decisionNamed", data: Uint8Array.from([...extra, ...row]) };
  pep.step(message({ ...known, objects: [...known.objects, more] }), 210);
  const [reported] = pep.step(report("success"), 220);
  assert.ok(reported);
  assert.equal(show(reported), "RPT* 9102 h1 success named(errorPrid cperr=9)");
  pep.step({ kind: "delete", handle: "0000000f", reason: "tear" }, 230);
  assert.deepEqual([counters.ignoredAttributes, counters.unknownHandles], [1, 1]);
});

test("a PEP's REQ carries its local decision (RFC 2748 §2.2.7)", () => {
  const { pep } = open();
  const [sent] = pep.step(request(admission, { ...JOIN, localDecision: INSTALL }), 200);
  assert.ok(sent?.kind === "send");
  assert.deepEqual(objectOf(sent.message, "lpdpFlags"), { kind: "lpdpFlags", command: 1, flags: 0 });
  assert.throws(() => pep.step(request(provisioning, { ...CHANNEL, localDecision: INSTALL }, "00000002"), 201), TypeError);
});
