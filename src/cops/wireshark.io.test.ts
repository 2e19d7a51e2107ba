/** Our octets as Wireshark reads them: both client-types and every message on real TCP, captured on loopback. */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Address, Host } from "#host/host.ts";
import { nodeHost } from "#host/node/index.ts";
import { toolOrSkip, until } from "#host/node/test-tools.ts";
import { copsKey } from "./engine/integrity.ts";
import {
  edgePolicyAttributes,
  type JoinRequest,
  joinGrantAttributes,
  joinRequestAttributes,
  provisionGrantAttributes,
  provisionRequestAttributes,
} from "./engine/iptv.ts";
import { plain } from "./engine/messages.ts";
import { CLIENT_TYPE, type CopsRequest, type PepUser } from "./engine/types.ts";
import { CopsPdp } from "./pdp.ts";
import { CopsPep } from "./pep.ts";
import { encodeMessage, OP_CODES } from "./wire/message.ts";

const { admission, provisioning } = CLIENT_TYPE;
const KEY = copsKey({ keyId: 7, key: "a secret of 16 octets or more" });
const LOOPBACK: Address = { host: "127.0.0.1", port: 0 };
const ID = "000102030405060708090a0b0c0d0e0f";
const JOIN: JoinRequest = {
  joinId: ID,
  channel: "news",
  user: "zoë",
  kbps: 4000,
  accessKbps: 20_000,
  sourceEdge: "edge1",
  coreGroup: "232.0.1.7:5004",
  coreSource: "10.0.0.1",
  delivery: "multicast",
};
const GRANT = provisionGrantAttributes({ kbps: 4000, group: "232.0.1.7:5004", source: "10.0.0.1", ingest: "10.0.0.1:9" });
const POLICY = edgePolicyAttributes({
  groupFirst: "232.0.1.0",
  groupCount: 256,
  groupPort: 5004,
  maxChannelKbps: 20_000,
  localQuotaKbps: 8_000,
  ingestKbps: 100_000,
  accessKbps: 500_000,
});

/** tshark on `lo`: what it captured is in `file`, a line for each packet in `seen`. */
interface Capture {
  readonly process: ChildProcess;
  readonly file: string;
  seen: string;
}
/** Connections that say nothing, until the capture shows one of their ports. */
async function seenByCapture(host: Host, capture: Capture, to: Address): Promise<void> {
  const ports: number[] = [];
  const isSeen = (): boolean => ports.some((port) => capture.seen.includes(` ${port} `));
  for (let attempts = 0; !isSeen(); attempts++) {
    assert.ok(attempts < 100 && capture.process.exitCode === null, "tshark does not capture on lo");
    host.connect(
      to,
      {},
      {
        opened: (stream) => {
          ports.push(stream.local.port);
          stream.close();
        },
        data: () => undefined,
        closed: () => undefined,
      },
    );
    await sleep(100);
  }
}

/** Each COPS message of the capture as a line: what Wireshark says of its fields. Throws where it finds a fault. */
function readCapture(file: string, ports: readonly number[]): readonly string[] {
  const decodeAs = ports.flatMap((port) => ["-d", `tcp.port==${port},cops`]);
  const args = ["-r", file, ...decodeAs, "-T", "pdml"];
  const pdml = execFileSync("tshark", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], maxBuffer: 64 << 20 });
  assert.doesNotMatch(pdml, /_ws\.malformed|_ws\.expert\.severity"[^>]*show="8388608"/); // Error
  return pdml
    .split('<proto name="cops"')
    .slice(1)
    .map((block) => showMessage(block.split("</proto>")[0] ?? ""));
}
const OP_NAMES = new Map(Object.entries(OP_CODES).map(([name, code]) => [String(code), name]));
/** Fields that tell one message from another; objects as C-Num.C-Type. */
const TELLING = [
  "pepid.id",
  "handle",
  "context.r_type",
  "context.m_type",
  "decision.cmd",
  "error",
  "reason",
  "report_type",
  "katimer.value",
  "gperror",
];
const ROWS = ["prid.instance_id", "pprid.prefix_id"];
function showMessage(block: string): string {
  const all = (name: string, size = "\\d+"): string[] =>
    [...block.matchAll(new RegExp(`<field name="cops\\.${name}"[^>]* size="${size}"[^>]* show="([^"]*)"`, "g"))].map(
      ([, value = ""]) => value,
    );
  const clientType = Number(all("client_type")[0]).toString(16);
  const types = all("c_type");
  const objects = all("c_num", "1").map((num, index) => `${num}.${types[index]}`);
  const told = TELLING.flatMap((name) => all(name).map((value) => `${name}=${value.replace(/^0x0+(?=.)/, "")}`));
  const rows = ROWS.flatMap((name) => all(name).map((value) => value.replace("1.3.6.1.4.1.32473.37122", "pib")));
  const solicited = all("flags")[0] === "0x01" ? "*" : "";
  return [`${OP_NAMES.get(all("op_code")[0] ?? "")}${solicited}`, clientType, `[${objects.join(" ")}]`, ...told, ...rows].join(
    " ",
  );
}

function startCapture(directory: string, ports: readonly number[]): Capture {
  const file = path.join(directory, "cops.pcapng");
  const filter = ports.map((port) => `tcp port ${port}`).join(" or ");
  const process = spawn("tshark", ["-i", "lo", "-f", filter, "-w", file, "-P", "-l", "-n"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const capture: Capture = { process, file, seen: "" };
  process.stdout.on("data", (chunk: Buffer) => {
    capture.seen += chunk.toString();
  });
  return capture;
}

/** A PDP with a key, which asks for accounting and for all that is held. */
function startKeyedPdp(host: Host, listening: (at: Address) => void): CopsPdp {
  const pdp: CopsPdp = new CopsPdp(
    host,
    { bind: LOOPBACK, accountingSec: 60, integrity: [KEY], onListening: listening },
    {
      onOpen: (pep, _pepId, clientType) => {
        pdp.synchronize(pep, clientType);
        return true;
      },
      onRequest: (pep, _clientType, handle) => pdp.decide(pep, handle, { command: "install", attributes: { kbps: 4000 } }),
      onReport: (pep, handle, kind) => kind === "accounting" && pdp.synchronize(pep, admission, handle),
      onDelete: () => undefined,
      onSynchronized: () => undefined,
      onGone: () => undefined,
    },
  );
  return pdp;
}

/** Every decision that the service takes, by channel name. */
function startPdp(host: Host, listening: (at: Address) => void): CopsPdp {
  const pdp: CopsPdp = new CopsPdp(
    host,
    { bind: LOOPBACK, keepAliveSec: 1, onListening: listening },
    {
      onOpen: () => true,
      onRequest: (pep, clientType, handle, { attributes }) => {
        const granted =
          clientType === admission ? joinGrantAttributes({ kbps: 4000, token: "t" }) : "channel" in attributes ? GRANT : POLICY;
        if (attributes["channel"] === "full")
          pdp.decide(pep, handle, { command: "remove", attributes: { reason: "ingest-full" } });
        else pdp.decide(pep, handle, { command: "install", attributes: granted });
      },
      onReport: (pep, handle) => {
        if (handle.startsWith("9101")) pdp.decide(pep, handle, { command: "remove", attributes: { reason: "preempted" } });
      },
      onDelete: () => undefined,
      onSynchronized: () => undefined,
      onGone: () => undefined,
    },
  );
  return pdp;
}

/** A whole life of a PEP, each step after the one before has been answered. */
async function livePep(host: Host, peer: Address): Promise<void> {
  let opened = 0;
  let decided = 0;
  const user: PepUser = {
    onOpened: () => opened++,
    onDecision: () => decided++,
    onSynchronize: () => assert.fail("nobody asked"),
    onLost: (cause) => assert.fail(cause),
  };
  const pep = new CopsPep(host, { peer, pepId: "ds1", clientTypes: [admission, provisioning] }, user);
  await until("CAT", () => opened === 2);
  const join = pep.request(admission, { kind: "admission-sink", attributes: joinRequestAttributes(JOIN) });
  await until("a decision on the join", () => decided === 1);
  pep.report(admission, join, "success");
  await until("the join taken back", () => decided === 2);
  pep.delete(admission, join, "pdp-directive");
  const channel = pep.request(provisioning, channelRequest("news"));
  await until("a decision on the channel", () => decided === 3);
  pep.report(provisioning, channel, "success");
  pep.delete(provisioning, channel, "tear");
  const refused = pep.request(provisioning, channelRequest("full"));
  await until("a refusal of the channel", () => decided === 4);
  pep.delete(provisioning, refused, "insufficient-resources");
  const edge = pep.request(provisioning, { kind: "configuration", attributes: {} });
  await until("a policy", () => decided === 5);
  pep.report(provisioning, edge, "failure");
  const before = pep.counters.received;
  await until("a KA", () => pep.counters.received > before);
  pep.stop();
}
const channelRequest = (channel: string): CopsRequest => ({
  kind: "configuration",
  attributes: provisionRequestAttributes({ joinId: ID, channel, user: "bob", kbps: 4000, sender: "10.0.0.9" }),
});

/** Sealed: opens, is asked for nothing, joins, accounts, is asked for the join. */
async function liveKeyedPep(host: Host, peer: Address): Promise<void> {
  let decided = 0;
  let synchronized = 0;
  const pep: CopsPep = new CopsPep(
    host,
    { peer, pepId: "ds2", clientTypes: [admission], integrity: KEY },
    {
      onOpened: () => undefined,
      onDecision: () => decided++,
      onSynchronize: (clientType, handle) => {
        synchronized++;
        pep.synchronized(clientType, handle);
      },
      onLost: (cause) => assert.fail(cause),
    },
  );
  await until("SSQ", () => synchronized === 1);
  const join = pep.request(admission, { kind: "admission-sink", attributes: joinRequestAttributes(JOIN) });
  await until("a decision on the join", () => decided === 1);
  pep.report(admission, join, "accounting", { carriedKiB: 77 });
  await until("the join again", () => decided === 2);
  pep.stop();
}

/** A request that lacks its context, from a PEP that is not ours. */
async function liveBadPep(host: Host, to: Address): Promise<void> {
  let answers = 0;
  host.connect(
    to,
    {},
    {
      opened: (stream) => {
        stream.send(encodeMessage(plain("OPN", admission, [{ kind: "pepId", id: "stranger" }])));
        stream.send(encodeMessage(plain("REQ", admission, [{ kind: "handle", handle: "0000000a" }])));
      },
      data: () => {
        answers++;
      },
      closed: () => undefined,
    },
  );
  await until("an Error", () => answers > 0);
}

/** Op code (* = solicited), client-type, [C-Num.C-Type of each object], fields, rows of our PIB. */
const EXPECTED = [
  // livePep
  "OPN 9101 [11.1] pepid.id=ds1",
  "OPN 9102 [11.1] pepid.id=ds1",
  "CAT 9101 [10.1] katimer.value=1",
  "CAT 9102 [10.1] katimer.value=1",
  "REQ 9101 [1.1 2.1 9.1] handle=1 context.r_type=2 context.m_type=2",
  "DEC* 9101 [1.1 2.1 6.1 6.4] handle=1 context.r_type=2 context.m_type=2 decision.cmd=1",
  "RPT* 9101 [1.1 12.1] handle=1 report_type=1",
  "DEC 9101 [1.1 2.1 6.1 6.4] handle=1 context.r_type=2 context.m_type=2 decision.cmd=2",
  "DRQ 9101 [1.1 5.1] handle=1 reason=8",
  "REQ 9102 [1.1 2.1 9.2] handle=2 context.r_type=8 context.m_type=0 pib.1.1.1",
  "DEC* 9102 [1.1 2.1 6.1 6.5] handle=2 context.r_type=8 context.m_type=0 decision.cmd=1 pib.2.1.1",
  "RPT* 9102 [1.1 12.1] handle=2 report_type=1",
  "DRQ 9102 [1.1 5.1] handle=2 reason=4",
  "REQ 9102 [1.1 2.1 9.2] handle=3 context.r_type=8 context.m_type=0 pib.1.1.1",
  "DEC* 9102 [1.1 2.1 6.1 6.5 2.1 6.1 6.5] handle=3 context.r_type=8 context.r_type=8 context.m_type=0 context.m_type=0 decision.cmd=2 decision.cmd=1 pib.5.1.1 pib",
  "RPT* 9102 [1.1 12.1] handle=3 report_type=1",
  "DRQ 9102 [1.1 5.1] handle=3 reason=7",
  "REQ 9102 [1.1 2.1] handle=4 context.r_type=8 context.m_type=0",
  "DEC* 9102 [1.1 2.1 6.1 6.5] handle=4 context.r_type=8 context.m_type=0 decision.cmd=1 pib.3.1.1 pib.4.1.1",
  "RPT* 9102 [1.1 12.1 9.2] handle=4 report_type=2 gperror=5",
  "CC 9101 [8.1] error=11",
  "CC 9102 [8.1] error=11",
  // liveBadPep
  "OPN 9101 [11.1] pepid.id=stranger",
  "REQ 9101 [1.1] handle=a",
  "CAT 9101 [10.1] katimer.value=1",
  "DEC* 9101 [1.1 8.1] handle=a error=7",
  // liveKeyedPep
  "OPN 0 [11.1 16.1] pepid.id=ds2",
  "CAT 0 [10.1 16.1] katimer.value=30",
  "OPN 9101 [11.1 16.1] pepid.id=ds2",
  "CAT 9101 [10.1 15.1 16.1] katimer.value=30",
  "SSQ 9101 [16.1]",
  "SSC 9101 [16.1]",
  "REQ 9101 [1.1 2.1 9.1 16.1] handle=1 context.r_type=2 context.m_type=2",
  "DEC* 9101 [1.1 2.1 6.1 6.4 16.1] handle=1 context.r_type=2 context.m_type=2 decision.cmd=1",
  "RPT 9101 [1.1 12.1 9.1 16.1] handle=1 report_type=3",
  "SSQ 9101 [1.1 16.1] handle=1",
  "REQ 9101 [1.1 2.1 9.1 7.1 7.4 16.1] handle=1 context.r_type=2 context.m_type=2 decision.cmd=1",
  "SSC 9101 [1.1 16.1] handle=1",
  "DEC* 9101 [1.1 2.1 6.1 6.4 16.1] handle=1 context.r_type=2 context.m_type=2 decision.cmd=1",
  "CC 9101 [8.1 16.1] error=11",
];

test("Wireshark reads every message of both client-types as it was meant, without a fault (RFC 2748, RFC 3084)", async (t) => {
  if (!toolOrSkip(t, "tshark")) return;
  const directory = mkdtempSync(path.join(tmpdir(), "sipcast-"));
  const host = nodeHost();
  const at: Address[] = [];
  const pdp = startPdp(host, (address) => at.push(address));
  await until("listening", () => at.length === 1);
  const keyedPdp = startKeyedPdp(host, (address) => at.push(address));
  await until("listening", () => at.length === 2);
  const [main, keyedAt] = at as [Address, Address];
  const ports = [main.port, keyedAt.port];
  const capture = startCapture(directory, ports);
  try {
    await seenByCapture(host, capture, main);
    await livePep(host, main);
    await liveBadPep(host, main);
    await liveKeyedPep(host, keyedAt);
    await seenByCapture(host, capture, main);
    capture.process.kill("SIGINT");
    await once(capture.process, "exit");
    const lines = readCapture(capture.file, ports);
    assert.ok(lines.filter((line) => line === "KA 0 []").length >= 2, "KA and its echo");
    assert.deepEqual(
      lines.filter((line) => !line.startsWith("KA")).sort(), // the two directions cross as they like
      [...EXPECTED].sort(),
    );
  } finally {
    capture.process.kill();
    pdp.stop();
    keyedPdp.stop();
    rmSync(directory, { recursive: true });
  }
});
