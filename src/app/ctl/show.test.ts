import assert from "node:assert/strict";
import { test } from "node:test";
import { SHOW, table } from "./show.ts";

const CASES: { name: string; text: string; wants: string[] }[] = [
  {
    name: "columns are as wide as what is in them; numbers stand at the right, nothing is a dash",
    text: table(
      ["who", "count", "delay"],
      [
        ["ds1", 5, "12 ms"],
        ["registration", 1_234, undefined],
      ],
    ),
    wants: ["who           count  delay", "ds1               5  12 ms", "registration   1234      -"],
  },
  { name: "a table of nothing has its heads", text: table(["who", "count"], []), wants: ["who  count"] },
  {
    name: "members, as one of them knows them",
    text: SHOW.members({
      by: "ds1",
      members: [
        { id: "ds1", role: "ds", phase: "serving", incarnation: 7, heardMs: null, delayMs: null },
        { id: "edge1", role: "edge", phase: "joining", incarnation: 12, heardMs: 340.4, delayMs: 1.62 },
      ],
    }),
    wants: [
      "member  role  phase    incarnation   heard   delay",
      "ds1     ds    serving            7       -       -",
      "edge1   edge  joining           12  340 ms  1.6 ms",
      "As ds1 knows them.",
    ],
  },
  {
    name: "tables of every member that answered",
    text: SHOW.tables({
      tables: [
        {
          at: "ds1",
          name: "bindings",
          rows: 3,
          own: 1,
          marks: 0,
          octets: 900,
          unreplicated: 0,
          positions: { ds1: 4, ds2: 17, edge1: 0 },
        },
      ],
      silent: ["ds2", "ds3"],
    }),
    wants: [
      "at   table     rows  own  marks  octets  unreplicated  positions",
      "ds1  bindings     3    1      0     900             0  ds1:4 ds2:17",
      "No answer from ds2, ds3.",
    ],
  },
  {
    name: "a row at every member that has it",
    text: SHOW.row({
      rows: [
        { at: "ds1", table: "onAir", key: "news", owner: "ds2", order: 3, term: 0, leftSec: 59, value: { title: "News" } },
        { at: "web", table: "onAir", key: "news", owner: "ds2", order: 3, term: 0, leftSec: 5, value: null },
      ],
      silent: [],
    }),
    wants: [
      "at   table  key   owner  order  term  left  value",
      'ds1  onAir  news  ds2        3     0  59 s  {"title":"News"}',
      "web  onAir  news  ds2        3     0   5 s  null",
    ],
  },
  { name: "a key that no table has", text: SHOW.row({ rows: [], silent: [] }), wants: ["No table has that row."] },
  {
    name: "who is declared dead",
    text: SHOW.dead({ member: "ds2", incarnation: 7 }),
    wants: ["ds2, in its life 7, is declared dead."],
  },
];
for (const { name, text, wants } of CASES) test(`ctl shows ${name}`, () => assert.deepEqual(text.split("\n"), wants));
