/** What Wireshark makes of what we capture. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { concat, utf8 } from "#base/bytes.ts";
import { encodeMessage } from "#cops/wire/message.ts";
import { toolOrSkip } from "#host/node/test-tools.ts";
import { PcapWriter } from "./pcap.ts";
import type { SignallingMessage } from "./signalling.ts";

const OPTIONS = [
  "OPTIONS sip:tv.example SIP/2.0",
  "Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK1",
  "From: <sip:alice@tv.example>;tag=a",
  "To: <sip:tv.example>",
  "Call-ID: captured-call",
  "CSeq: 1 OPTIONS",
  "Max-Forwards: 70",
  "Content-Length: 0",
  "",
  "",
].join("\r\n");
const WALL_MS = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const v4 = { from: { host: "10.0.0.9", port: 5060 }, to: { host: "10.0.0.1", port: 5060 } };
const SIP: SignallingMessage = { protocol: "sip", transport: "udp", node: "ds1", ...v4, bytes: utf8(OPTIONS) };
const SIP6: SignallingMessage = {
  ...SIP,
  from: { host: "2001:db8::9", port: 5060 },
  to: { host: "2001:db8::1", port: 5060 },
};
const KEEP_ALIVE = encodeMessage({ op: "KA", clientType: 0, solicited: false, objects: [] });
const COPS: SignallingMessage = {
  protocol: "cops",
  transport: "tcp",
  node: "edge1",
  from: { host: "10.0.0.1", port: 40_000 },
  to: { host: "10.0.0.2", port: 3288 },
  bytes: KEEP_ALIVE,
};

/** A pcap file of messages, as tshark shows it: one line of fields a packet. */
function dissect(t: TestContext, messages: readonly SignallingMessage[], fields: readonly string[]): string[] {
  const folder = mkdtempSync(path.join(os.tmpdir(), "sipcast-capture-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const octets: Uint8Array[] = [];
  const writer = new PcapWriter((bytes) => octets.push(bytes.slice()));
  for (const message of messages) writer.add(message, WALL_MS);
  const file = path.join(folder, "capture.pcap");
  writeFileSync(file, concat(octets));
  const columns = ["_ws.malformed", ...fields].flatMap((field) => ["-e", field]);
  const out = execFileSync(
    "tshark",
    ["-r", file, "-n", "-T", "fields", "-E", "separator=|", ...columns, "-o", "ip.check_checksum:TRUE"],
    {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    },
  );
  return out.trimEnd().split("\n");
}

test("tshark reads a captured file: SIP over IPv4 and IPv6, COPS over TCP with its sequence", (t) => {
  if (!toolOrSkip(t, "tshark")) return;
  const fields = [
    "ip.src",
    "ipv6.src",
    "ip.checksum.status",
    "udp.dstport",
    "tcp.dstport",
    "tcp.seq_raw",
    "sip.Call-ID",
    "cops.op_code",
    "frame.time_epoch",
  ];
  const lines = dissect(t, [SIP, SIP6, COPS, COPS], fields);
  const time = "1767323045.678000000";
  assert.deepEqual(lines, [
    `|10.0.0.9||1|5060|||captured-call||${time}`,
    `||2001:db8::9||5060|||captured-call||${time}`,
    `|10.0.0.1||1||3288|0||9|${time}`,
    `|10.0.0.1||1||3288|8||9|${time}`,
  ]);
});
