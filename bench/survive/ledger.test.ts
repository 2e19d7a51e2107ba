import assert from "node:assert/strict";
import { test } from "node:test";
import { type Account, faultOf, type Word } from "./ledger.ts";

const word = (cseq: number, expiresSec: number, sentMs = 0): Word => ({ callId: "a", cseq, expiresSec, sentMs });
const promise = (cseq: number, expiresSec: number, sentMs = 0) => ({
  ...word(cseq, expiresSec, sentMs),
  answeredMs: sentMs + 10,
});
const found = (cseq: number, callId = "a") => ({ callId, cseq });
const AT = 10_000;

const CASES: { name: string; account: Omit<Account, "aor">; found?: { callId: string; cseq: number }; wants: unknown }[] = [
  { name: "nothing promised, nothing found", account: { promised: undefined, doubtful: [] }, wants: undefined },
  {
    name: "what was promised is there",
    account: { promised: promise(2, 3_600), doubtful: [] },
    found: found(2),
    wants: undefined,
  },
  { name: "what was promised is not there", account: { promised: promise(2, 3_600), doubtful: [] }, wants: "lost" },
  {
    name: "an older one is in its place",
    account: { promised: promise(2, 3_600), doubtful: [] },
    found: found(1),
    wants: "lost",
  },
  {
    name: "one of an earlier Call-ID is in its place",
    account: { promised: promise(2, 3_600), doubtful: [] },
    found: found(2, "b"),
    wants: "lost",
  },
  {
    name: "a later word that was not answered was heard",
    account: { promised: promise(2, 3_600), doubtful: [word(3, 60)] },
    found: found(3),
    wants: undefined,
  },
  {
    name: "a removal that was not answered was heard",
    account: { promised: promise(2, 3_600), doubtful: [word(3, 0)] },
    wants: undefined,
  },
  { name: "a removed one is gone", account: { promised: promise(3, 0), doubtful: [] }, wants: undefined },
  { name: "a removed one is there", account: { promised: promise(3, 0), doubtful: [] }, found: found(2), wants: "returned" },
  { name: "its time is over", account: { promised: promise(2, 5), doubtful: [] }, wants: undefined },
  { name: "it outlives its time", account: { promised: promise(2, 5), doubtful: [] }, found: found(2), wants: "returned" },
  { name: "its time is nearly over", account: { promised: promise(2, 9), doubtful: [] }, found: found(2), wants: undefined },
];
for (const { name, account, found, wants } of CASES)
  test(`survive: ${name}: ${wants ?? "in order"}`, () => assert.equal(faultOf({ aor: "sip:u@x", ...account }, found, AT), wants));
