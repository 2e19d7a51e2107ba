import assert from "node:assert/strict";
import { test } from "node:test";
import { hex, utf8 } from "#base/bytes.ts";
import { hepPacket } from "./hep.ts";
import type { SignallingMessage } from "./signalling.ts";

const WALL_MS = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const AGENT = { agentId: 7 };
const SIP: SignallingMessage = {
  protocol: "sip",
  transport: "udp",
  node: "ds1",
  from: { host: "10.0.0.9", port: 5_061 },
  to: { host: "10.0.0.1", port: 5_060 },
  bytes: utf8("SIP!"),
};
const COPS: SignallingMessage = {
  protocol: "cops",
  transport: "tcp",
  node: "edge1",
  from: { host: "2001:db8::9", port: 40_000 },
  to: { host: "2001:db8::1", port: 3_288 },
  bytes: Uint8Array.of(0x10, 9, 0, 0, 0, 0, 0, 8),
};

/** Vendor 0, type, length, value, as in the packet: digits of one chunk each. */
const CASES: { name: string; message: SignallingMessage; chunks: string[] }[] = [
  {
    name: "SIP over UDP and IPv4",
    message: SIP,
    chunks: [
      "0000 0001 0007 02", // IPv4
      "0000 0002 0007 11", // UDP
      "0000 0003 000a 0a000009",
      "0000 0004 000a 0a000001",
      "0000 0007 0008 13c5",
      "0000 0008 0008 13c4",
      "0000 0009 000a 695735a5", // seconds
      "0000 000a 000a 000a5870", // microseconds
      "0000 000b 0007 01", // SIP
      "0000 000c 000a 00000007",
      "0000 0013 0009 647331", // ds1
      "0000 000f 000a 53495021",
    ],
  },
  {
    name: "COPS over TCP and IPv6",
    message: COPS,
    chunks: [
      "0000 0001 0007 0a", // IPv6
      "0000 0002 0007 06", // TCP
      "0000 0005 0016 20010db8000000000000000000000009",
      "0000 0006 0016 20010db8000000000000000000000001",
      "0000 0007 0008 9c40",
      "0000 0008 0008 0cd8",
      "0000 0009 000a 695735a5",
      "0000 000a 000a 000a5870",
      "0000 000b 0007 c8", // ours for COPS
      "0000 000c 000a 00000007",
      "0000 0013 000b 6564676531", // edge1
      "0000 000f 000e 1009000000000008",
    ],
  },
];
for (const { name, message, chunks } of CASES)
  test(`a HEP packet of ${name} has these octets`, () => {
    const digits = chunks.join("").replaceAll(" ", "");
    const length = (6 + digits.length / 2).toString(16).padStart(4, "0");
    assert.equal(hex(hepPacket(message, WALL_MS, AGENT) ?? new Uint8Array()), `48455033${length}${digits}`);
  });

test("what is longer than a HEP packet may be, or has ends of two families, is left out", () => {
  assert.equal(hepPacket({ ...SIP, bytes: new Uint8Array(65_500) }, WALL_MS, AGENT), undefined);
  assert.equal(hepPacket({ ...SIP, to: COPS.to }, WALL_MS, AGENT), undefined);
});
