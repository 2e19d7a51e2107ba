import assert from "node:assert/strict";
import { test } from "node:test";
import { fromHex } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import type { CopsMessage } from "../wire/message.ts";
import type { AnyCopsObject } from "../wire/objects.ts";
import { newCounters } from "./counters.ts";
import { closeMessage, deleteMessage, keepAlive, plain, reportMessage, requestMessage } from "./messages.ts";
import { type PdpConfig, PdpConnectionMachine, type PdpInput, type PdpOutput } from "./pdp-connection.ts";
import { CLIENT_TYPE, type CopsRequest, type Decision } from "./types.ts";

const { admission, provisioning } = CLIENT_TYPE;
const octets = (digits: string): Uint8Array => fromHex(digits.replaceAll(" ", "")) ?? assert.fail(digits);
const JOIN: CopsRequest = { kind: "admission-sink", attributes: { channel: "news", kbps: 4000 } };
const CHANNEL: CopsRequest = { kind: "configuration", attributes: { channel: "news", kbps: 4000 } };
const INSTALL: Decision = { command: "install", attributes: { kbps: 4000 } };
const REMOVE: Decision = { command: "remove", attributes: { reason: "core-full" } };
const OCTETS = "00000001"; // the handle on the wire
const NAME = `9101${OCTETS}`; // what the user is told
const CHANNEL_NAME = `9102${OCTETS}`;
const handle = { kind: "handle", handle: OCTETS } as const;

const message = (value: CopsMessage): PdpInput => ({ kind: "message", message: value });
const opn = (clientType: number, id = "edge1"): PdpInput => message(plain("OPN", clientType, [{ kind: "pepId", id }]));
const req = (clientType: number, request: CopsRequest): PdpInput => message(requestMessage(clientType, OCTETS, request));
const badReq = (...objects: AnyCopsObject[]): PdpInput => message(plain("REQ", admission, objects));
const context = { kind: "context", requestType: 2, messageType: 2 } as const;
const decide = (name: string, decision: Decision): PdpInput => ({ kind: "decide", handle: name, decision });
const tick: PdpInput = { kind: "tick" };

/** One line an output: what a reader of the RFC looks for. */
function show(output: PdpOutput): string {
  switch (output.kind) {
    case "open":
      return `open ${output.clientType.toString(16)} ${output.pepId}`;
    case "request": {
      const { kind, attributes, localDecision } = output.request;
      return `request ${output.handle} ${kind} ${JSON.stringify(attributes)}${localDecision ? ` after ${localDecision.command}` : ""}`;
    }
    case "report":
      return ["report", output.handle, output.report, ...Object.entries(output.data).flat()].join(" ");
    case "delete":
      return `delete ${output.handle} ${output.reason}`;
    case "synchronized":
      return `synchronized ${output.clientType.toString(16)} ${output.handle ?? "all"}`;
    case "ended":
      return "ended";
    case "send": {
      const { op, clientType, solicited, objects } = output.message;
      return [op + (solicited ? "*" : ""), clientType.toString(16), ...objects.map(showObject)].join(" ");
    }
  }
}
function showObject(object: AnyCopsObject): string {
  if (object.kind === "error") return `error=${object.code}/${object.subCode.toString(16)}`;
  if (object.kind === "kaTimer") return `${object.timerSec}s`;
  if (object.kind === "acctTimer") return `accounting ${object.timerSec}s`;
  if (object.kind === "handle") return `h${Number.parseInt(object.handle, 16)}`;
  if (object.kind === "context") return `${object.requestType}/${object.messageType}`;
  return object.kind === "decisionFlags" ? (["null", "install", "remove"][object.command] ?? "?") : object.kind;
}

function machine(more: Partial<PdpConfig> = {}) {
  const counters = newCounters();
  const config = { keepAliveSec: 30, accountingSec: undefined, secured: false, ...more };
  return { counters, pdp: new PdpConnectionMachine(config, counters, 0) };
}
function open() {
  const made = machine();
  for (const clientType of [admission, provisioning]) {
    made.pdp.step(opn(clientType), 100);
    made.pdp.step({ kind: "answer", clientType, accept: true }, 100);
  }
  return made;
}

type Script = readonly (readonly [atMs: number, input: PdpInput, wants: readonly string[]])[];
const asked = 'request 910100000001 admission-sink {"channel":"news","kbps":4000}';
const CASES: { name: string; begin: typeof machine; script: Script }[] = [
  {
    name: "accepts a client-type with its KA timer, refuses another (§3.6-§3.8)",
    begin: machine,
    script: [
      [1, opn(admission), ["open 9101 edge1"]],
      [1, { kind: "answer", clientType: admission, accept: true }, ["CAT 9101 30s"]],
      [2, opn(0x8002), ["open 8002 edge1"]],
      [2, { kind: "answer", clientType: 0x8002, accept: false }, ["CC 8002 error=6/0"]],
      [3, opn(admission), ["open 9101 edge1"]], // again, at any time (§3.6)
      [4, opn(admission, "edge2"), ["CC 9101 error=8/0"]],
    ],
  },
  {
    name: "answers a malformed OPN by CC with its error (§3.6)",
    begin: machine,
    script: [[1, message(plain("OPN", admission, [])), ["CC 9101 error=7/0", "ended"]]],
  },
  {
    name: "agrees on a key first, and on nothing without one (§4.1)",
    begin: () => machine({ secured: true, accountingSec: 60 }),
    script: [
      [1, opn(0), ["CAT 0 30s"]],
      [2, opn(admission), ["open 9101 edge1"]],
      [2, { kind: "answer", clientType: admission, accept: true }, ["CAT 9101 30s accounting 60s"]],
      [3, opn(0), ["CC 0 error=14/0"]],
      [4, req(admission, JOIN), [asked]],
    ],
  },
  {
    name: "ends what opens a client-type without a key (§4.1)",
    begin: () => machine({ secured: true }),
    script: [[1, opn(admission), ["CC 0 error=15/0", "ended"]]],
  },
  {
    name: "ends at what is not authentic (§4.1)",
    begin: open,
    script: [[200, { kind: "unauthentic", fault: { code: 14, subCode: 0 } }, ["CC 0 error=14/0", "ended"]]],
  },
  {
    name: "asks for what a PEP holds right after CAT, and tells when it is complete (§3.5, §3.10)",
    begin: machine,
    script: [
      [1, opn(admission), ["open 9101 edge1"]],
      [1, { kind: "synchronize", clientType: admission, handle: undefined }, []],
      [1, { kind: "answer", clientType: admission, accept: true }, ["CAT 9101 30s", "SSQ 9101"]],
      [2, { kind: "synchronize", clientType: admission, handle: undefined }, []], // once is enough
      [3, req(admission, JOIN), [asked]],
      [4, message(plain("SSC", admission, [])), ["synchronized 9101 all"]],
      [5, message(plain("SSC", admission, [])), []],
      [6, { kind: "synchronize", clientType: admission, handle: NAME }, ["SSQ 9101 h1"]],
      [7, message(plain("SSC", admission, [handle])), [`synchronized 9101 ${NAME}`]],
      [8, { kind: "synchronize", clientType: admission, handle: "910100000009" }, []],
    ],
  },
  {
    name: "takes the DRQ of a handle for the answer to its SSQ (§3.5)",
    begin: open,
    script: [
      [200, req(admission, JOIN), [asked]],
      [201, { kind: "synchronize", clientType: admission, handle: NAME }, ["SSQ 9101 h1"]],
      [202, message(deleteMessage(admission, OCTETS, "synchronize-unknown")), [`delete ${NAME} synchronize-unknown`]],
      [203, req(admission, JOIN), [asked]],
      [204, { kind: "synchronize", clientType: admission, handle: NAME }, ["SSQ 9101 h1"]],
    ],
  },
  {
    name: "tells what an accounting report says (§3.3)",
    begin: open,
    script: [
      [200, req(admission, JOIN), [asked]],
      [
        201,
        message(reportMessage(admission, OCTETS, "accounting", false, octets("0008 0012 00000007"))),
        [`report ${NAME} accounting carriedKiB 7`],
      ],
    ],
  },
  {
    name: "refuses to agree on integrity: it knows no key (§4.1)",
    begin: machine,
    script: [
      [
        1,
        message(
          plain("OPN", 0, [
            { kind: "pepId", id: "edge1" },
            { kind: "integrity", keyId: 1, sequence: 1, digest: new Uint8Array(12) },
          ]),
        ),
        ["CC 0 error=14/0"],
      ],
      [2, opn(admission), ["open 9101 edge1"]],
    ],
  },
  {
    name: "answers a REQ before OPN by CC (§4.3)",
    begin: machine,
    script: [[1, req(admission, JOIN), ["CC 9101 error=6/0"]]],
  },
  {
    name: "ends what opens nothing within copsOpenMs, KA or not",
    begin: machine,
    script: [
      [LIMITS.copsOpenMs - 1, message(keepAlive()), ["KA 0"]],
      [LIMITS.copsOpenMs - 1, tick, []],
      [LIMITS.copsOpenMs, tick, ["ended"]],
    ],
  },
  {
    name: "echoes KA and ends after the timer's interval without a message (§3.9, §4.6)",
    begin: open,
    script: [
      [20_000, message(keepAlive()), ["KA 0"]],
      [49_999, tick, []],
      [50_000, tick, ["ended"]],
    ],
  },
  {
    name: "passes on a request, decides it once solicited, then unsolicited (§3.1, §3.2, §4.4)",
    begin: open,
    script: [
      [200, req(admission, JOIN), [asked]],
      [201, decide(NAME, INSTALL), ["DEC* 9101 h1 2/2 install decisionClientSi"]],
      [202, message(reportMessage(admission, OCTETS, "success", true, new Uint8Array(0))), [`report ${NAME} success`]],
      [203, decide(NAME, REMOVE), ["DEC 9101 h1 2/2 remove decisionClientSi"]],
      [204, message(deleteMessage(admission, OCTETS, "pdp-directive")), [`delete ${NAME} pdp-directive`]],
      [205, decide(NAME, REMOVE), []],
    ],
  },
  {
    name: "solicits one decision for each update (§3.2)",
    begin: open,
    script: [
      [200, req(admission, JOIN), [asked]],
      [201, req(admission, JOIN), [asked]],
      [202, decide(NAME, INSTALL), ["DEC* 9101 h1 2/2 install decisionClientSi"]],
      [203, decide(NAME, INSTALL), ["DEC* 9101 h1 2/2 install decisionClientSi"]],
      [204, decide(NAME, INSTALL), ["DEC 9101 h1 2/2 install decisionClientSi"]],
    ],
  },
  {
    name: "keeps handles of two client-types apart (§2.4)",
    begin: open,
    script: [
      [200, req(admission, JOIN), [asked]],
      [201, req(provisioning, CHANNEL), [`request ${CHANNEL_NAME} configuration {"channel":"news","kbps":4000}`]],
      [202, decide(CHANNEL_NAME, INSTALL), ["DEC* 9102 h1 8/0 install decisionNamed"]],
      [203, message(deleteMessage(provisioning, OCTETS, "tear")), [`delete ${CHANNEL_NAME} tear`]],
      [204, decide(NAME, INSTALL), ["DEC* 9101 h1 2/2 install decisionClientSi"]],
    ],
  },
  {
    name: "removes before it installs why (RFC 3084 §3.2, §5.1)",
    begin: open,
    script: [
      [201, req(provisioning, CHANNEL), [`request ${CHANNEL_NAME} configuration {"channel":"news","kbps":4000}`]],
      [202, decide(CHANNEL_NAME, REMOVE), ["DEC* 9102 h1 8/0 remove decisionNamed 8/0 install decisionNamed"]],
      [203, decide(CHANNEL_NAME, { command: "null", attributes: {} }), ["DEC 9102 h1 8/0 null"]],
    ],
  },
  {
    name: "is told a local decision (§2.2.7)",
    begin: open,
    script: [[200, req(admission, { ...JOIN, localDecision: INSTALL }), [`${asked} after install`]]],
  },
  {
    name: "answers a REQ without context by Error 7 and goes on (§3.1, §2.2.8)",
    begin: open,
    script: [
      [200, badReq(handle), ["DEC* 9101 h1 error=7/0"]],
      [201, req(admission, JOIN), [asked]],
    ],
  },
  {
    name: "answers an admission that says nothing by Error 5 (§2.2.8)",
    begin: open,
    script: [[200, badReq(handle, context), ["DEC* 9101 h1 error=5/0"]]],
  },
  {
    name: "answers a context that it does not serve by Error 4 (§2.2.8)",
    begin: open,
    script: [[200, badReq(handle, { ...context, requestType: 3 }), ["DEC* 9101 h1 error=4/0"]]],
  },
  {
    name: "answers an unknown object by Error 13 with its numbers (§2.2.8)",
    begin: open,
    script: [[200, badReq(handle, context, { kind: "unknown", num: 17, type: 2 }), ["DEC* 9101 h1 error=13/1102"]]],
  },
  {
    name: "answers ClientSI that cannot be read by Error 3 (§2.2.8)",
    begin: open,
    script: [[200, badReq(handle, context, { kind: "signaledSi", data: Uint8Array.of(0, 3, 0, 4) }), ["DEC* 9101 h1 error=3/0"]]],
  },
  {
    name: "ends at a REQ without handle: there is nothing to answer to (§3.1)",
    begin: open,
    script: [[200, badReq(context), ["CC 9101 error=7/0", "CC 9102 error=7/0", "ended"]]],
  },
  {
    name: "answers RPT of an unknown handle by Error 2, and passes over such a DRQ (§2.2.8)",
    begin: open,
    script: [
      [200, message(reportMessage(admission, OCTETS, "success", true, new Uint8Array(0))), ["DEC 9101 h1 error=2/0"]],
      [201, message(deleteMessage(admission, OCTETS, "tear")), []],
    ],
  },
  {
    name: "takes a reason that it does not know as unspecified (§2.2.5)",
    begin: open,
    script: [
      [200, req(admission, JOIN), [asked]],
      [201, message(plain("DRQ", admission, [handle, { kind: "reason", code: 99, subCode: 0 }])), [`delete ${NAME} unspecified`]],
    ],
  },
  {
    name: "ends at a report type that is none (§2.2.12)",
    begin: open,
    script: [
      [200, req(admission, JOIN), [asked]],
      [
        201,
        message(plain("RPT", admission, [handle, { kind: "reportType", type: 4 }])),
        ["CC 9101 error=3/0", "CC 9102 error=3/0", "ended"],
      ],
    ],
  },
  {
    name: "passes over SSC: it has not asked (§3.10)",
    begin: open,
    script: [[200, message(plain("SSC", admission, [])), []]],
  },
  {
    name: "ends at what only a PDP may send (§3)",
    begin: open,
    script: [
      [
        200,
        message(plain("CAT", admission, [{ kind: "kaTimer", timerSec: 1 }])),
        ["CC 9101 error=3/0", "CC 9102 error=3/0", "ended"],
      ],
    ],
  },
  {
    name: "says CC at octets that are no message, also before OPN (§3.8)",
    begin: machine,
    script: [[1, { kind: "garbage", clientType: 0 }, ["CC 0 error=3/0", "ended"]]],
  },
  {
    name: "returns the states of a client-type in which the PEP failed; the other goes on (§3.4, §3.8)",
    begin: open,
    script: [
      [200, req(admission, JOIN), [asked]],
      [201, message(closeMessage(admission, { code: 8, subCode: 0 })), [`delete ${NAME} unspecified`]],
      [202, req(admission, JOIN), ["CC 9101 error=6/0"]],
      [203, req(provisioning, CHANNEL), [`request ${CHANNEL_NAME} configuration {"channel":"news","kbps":4000}`]],
    ],
  },
  {
    name: "ends as one when the PEP shuts down: its states may be adopted (PROTOCOL §7)",
    begin: open,
    script: [
      [200, req(admission, JOIN), [asked]],
      [201, message(closeMessage(admission, { code: 11, subCode: 0 })), ["ended"]],
      [202, message(closeMessage(provisioning, { code: 11, subCode: 0 })), []],
    ],
  },
  {
    name: "says Client-Close for every client-type when it stops (§4.7)",
    begin: open,
    script: [[200, { kind: "stop" }, ["CC 9101 error=11/0", "CC 9102 error=11/0", "ended"]]],
  },
];
for (const { name, begin, script } of CASES) {
  test(`a PDP's connection ${name}`, () => {
    const { pdp } = begin();
    for (const [atMs, input, wants] of script) assert.deepEqual(pdp.step(input, atMs).map(show), wants, `at ${atMs} ms`);
  });
}

test("a PDP's connection has LIMITS.copsStatesPerConnection request states at most: one more is Error 4 (RFC 2748 §2.2.8)", () => {
  const { pdp, counters } = open();
  const ask = (number: number): readonly string[] => {
    const octets = number.toString(16).padStart(8, "0");
    return pdp
      .step(message(requestMessage(admission, octets, { kind: "admission-sink", attributes: { kbps: 1 } })), 200)
      .map(show);
  };
  for (let number = 1; number <= LIMITS.copsStatesPerConnection; number++) assert.match(ask(number)[0] ?? "", /^request/);
  assert.match(ask(LIMITS.copsStatesPerConnection + 1)[0] ?? "", /error=4/);
  assert.match(ask(1)[0] ?? "", /^request/);
  assert.equal(counters.overLimit, 1);
});

test("a PDP's connection counts attributes that it does not know, and serves the request", () => {
  const { pdp, counters } = open();
  const data = Uint8Array.of(0, 8, 0x0f, 0xff, 1, 2, 3, 4);
  assert.equal(pdp.step(badReq(handle, context, { kind: "signaledSi", data }), 200)[0]?.kind, "request");
  assert.equal(counters.ignoredAttributes, 1);
});
