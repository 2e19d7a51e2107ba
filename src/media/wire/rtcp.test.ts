import assert from "node:assert/strict";
import { test } from "node:test";
import { fromHex, hex } from "#base/bytes.ts";
import { isCompoundRtcp, writeReceiverReport } from "./rtcp.ts";

test("a receiver report: one block, then its CNAME, ended by a zero octet (RFC 3550 §6.4.2, §6.5)", () => {
  const block = { ssrc: 0x01020304, lostShare: 0.25, lost: 258, highest: 0x0001fffe, jitterTicks: 90 };
  assert.equal(
    hex(writeReceiverReport(0xaabbccdd, "ab", block)),
    ["81c90007", "aabbccdd", "01020304", "40000102", "0001fffe", "0000005a", "00000000", "00000000"]
      .concat(["81ca0003", "aabbccdd", "01026162", "00000000"])
      .join(""),
  );
});

test("a receiver report before the first packet has no block; a CNAME fills whole words (RFC 3550 §6.4.2, §6.5)", () => {
  assert.equal(
    hex(writeReceiverReport(1, "a", undefined)),
    ["80c90001", "00000001", "81ca0002", "00000001", "01016100"].join(""),
  );
  assert.throws(() => writeReceiverReport(1, "a".repeat(256), undefined), RangeError);
});

test("what is lost goes into its bits, whatever it is (RFC 3550 §6.4.1)", () => {
  const block = { ssrc: 1, lostShare: 1, lost: 2 ** 30, highest: 0, jitterTicks: 0 };
  assert.equal(hex(writeReceiverReport(1, "a", block)).slice(24, 32), "ff7fffff");
});

const RR = "80c9000100000001";
const SDES = "81ca00020000000101016100";
const CASES: { name: string; octets: string; is: boolean }[] = [
  { name: "a receiver report and a CNAME", octets: RR + SDES, is: true },
  { name: "a sender report", octets: `80c80006${"00".repeat(24)}`, is: true },
  { name: "a report and a BYE", octets: `${RR}81cb000100000001`, is: true },
  { name: "no report first", octets: SDES, is: false },
  { name: "RTP", octets: "80210001000000010000000247", is: false },
  { name: "another version", octets: "40c9000100000001", is: false },
  { name: "another version within", octets: `${RR}41ca000100000001`, is: false },
  { name: "padding in the first packet", octets: "a0c9000100000001", is: false },
  { name: "cut off", octets: `${RR}81ca00020000000101`, is: false },
  { name: "too long", octets: `${RR}00`, is: false },
  { name: "nothing", octets: "", is: false },
];
for (const { name, octets, is } of CASES)
  test(`${name}: ${is ? "is" : "is no"} compound RTCP (RFC 3550 §A.2)`, () => {
    assert.equal(isCompoundRtcp(fromHex(octets) ?? assert.fail("hex")), is);
  });
