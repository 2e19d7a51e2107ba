import assert from "node:assert/strict";
import { test } from "node:test";
import { sentence } from "./sentences.ts";

const CASES: { name: string; when: Parameters<typeof sentence>; says: RegExp }[] = [
  { name: "not enough bandwidth", when: [488, '370 ds1.tv.example "Insufficient bandwidth"'], says: /not enough bandwidth/ },
  {
    name: "the core is full",
    when: [488, '370 ds1 "Insufficient bandwidth"', 'COPS;text="core-full"'],
    says: /operator's network/,
  },
  { name: "the viewer's own line is full", when: [488, '370 ds1 "x"', 'COPS;text="user-full"'], says: /Your own line/ },
  {
    name: "no rendition at so low a rate",
    when: [488, '370 ds1 "x"', 'COPS;text="rate-wished"'],
    says: /no picture at so low a rate/,
  },
  { name: "a format nobody plays", when: [488, '305 ds1 "Incompatible media format"'], says: /format/ },
  { name: "488 without Warning", when: [488], says: /format/ },
  { name: "not allowed", when: [403], says: /not allowed/ },
  { name: "somebody else's channel", when: [403, undefined, 'SIP;cause=403;text="not-owner"'], says: /somebody else/ },
  { name: "no such channel", when: [404], says: /no such channel/ },
  { name: "off air", when: [480], says: /off air/ },
  { name: "session unknown", when: [481], says: /already ended/ },
  { name: "second source", when: [486], says: /already on air/ },
  { name: "DS sheds load", when: [503], says: /busy/ },
  { name: "edge or broker silent", when: [504], says: /in time/ },
  { name: "broadcaster declines", when: [603], says: /declined/ },
  { name: "no answer at all", when: [undefined, undefined, "timeout"], says: /did not answer/ },
  { name: "connection lost", when: [undefined, undefined, "transport"], says: /connection .* lost/ },
  { name: "bandwidth taken back", when: [undefined, undefined, 'COPS;text="preempted"'], says: /needed the bandwidth/ },
  { name: "far end hung up", when: [undefined], says: /has ended/ },
];
for (const { name, when, says } of CASES) {
  test(`sentence: ${name} (PROTOCOL §4)`, () => assert.match(sentence(...when), says));
}

test("sentence: a status without a row is named, so that a person can report it", () => {
  assert.match(sentence(499), /499/);
});

test("sentence: every status and way to fail of PROTOCOL §4 has its own words, none is left to the fallback", () => {
  for (const status of [403, 404, 480, 481, 486, 488, 503, 504, 603]) assert.doesNotMatch(sentence(status), /SIP status/);
});
