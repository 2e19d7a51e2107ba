import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import { clock, type Finding, nodeVersion, openFiles, receiveBuffer } from "./doctor.ts";

const limits = (soft: string): string =>
  `Limit  Soft Limit  Hard Limit  Units\nMax open files            ${soft}   1048576  files\n`;
const NOW_MS = Date.UTC(2026, 5, 1);
const CASES: { name: string; found: Finding; kind: Finding["kind"]; says: RegExp }[] = [
  { name: "Node 26", found: nodeVersion("26.10.0"), kind: "good", says: /26\.10\.0/ },
  { name: "Node 20", found: nodeVersion("20.1.0"), kind: "fault", says: /26 or later/ },
  { name: "files enough", found: openFiles(limits("65536")), kind: "good", says: /65536/ },
  { name: "files without limit", found: openFiles(limits("unlimited")), kind: "good", says: /may be open/ },
  { name: "few files", found: openFiles(limits("20000")), kind: "warning", says: /raise it to 65536/ },
  { name: "hardly any files", found: openFiles(limits("256")), kind: "fault", says: /LimitNOFILE/ },
  { name: "no /proc", found: openFiles(""), kind: "warning", says: /cannot be told/ },
  { name: "a large receive buffer", found: receiveBuffer(`${LIMITS.datagramBufferBytes}\n`), kind: "good", says: /4 MiB/ },
  { name: "a small receive buffer", found: receiveBuffer("212992\n"), kind: "warning", says: /208 KiB.*rmem_max=4194304/ },
  { name: "a clock that is right", found: clock(NOW_MS, `${NOW_MS / 1_000 + 1}`), kind: "good", says: /2026-06-01/ },
  { name: "a clock that wanders", found: clock(NOW_MS, `${NOW_MS / 1_000 + 300}`), kind: "warning", says: /300 s off/ },
  { name: "a clock never set", found: clock(0, ""), kind: "fault", says: /1970/ },
];
for (const { name, found, kind, says } of CASES)
  test(`doctor on ${name}: ${kind}`, () => {
    assert.equal(found.kind, kind);
    assert.match(found.sentence, says);
  });
