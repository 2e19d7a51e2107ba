import assert from "node:assert/strict";
import { text, utf8 } from "#base/bytes.ts";
import { simTest } from "#sim/index.ts";
import { type Answer, Answers } from "./answers.ts";

const KEEP_MS = 32_000;
const answer = (said: string, asked = "MESSAGE h:5060"): Answer => ({ asked, flowId: "udp:a:1>b:2", bytes: utf8(said) });
const saidBy = (answers: Answers, key: string): string | undefined => {
  const found = answers.find(key);
  return found && text(found.bytes);
};

simTest("answers are kept for their time, and at most a tenth of a second longer", (net) => {
  const host = net.host("a", "127.0.0.1");
  const answers = new Answers(host, KEEP_MS);
  for (const at of [0, 50, 100, 5_000]) {
    net.run(at - host.nowMs());
    answers.keep(`${at}`, answer(`said at ${at}`));
  }
  const kept = (): string[] => ["0", "50", "100", "5000"].filter((key) => saidBy(answers, key) === `said at ${key}`);
  net.run(KEEP_MS - host.nowMs());
  assert.deepEqual(kept(), ["0", "50", "100", "5000"]);
  net.run(120);
  assert.deepEqual(kept(), ["100", "5000"]);
  net.run(4_870);
  assert.deepEqual(kept(), ["5000"]);
  net.run(130);
  assert.equal(answers.size, 0);
});

simTest("answers of all sizes come back whole, with who asked and by which flow they go", (net) => {
  const answers = new Answers(net.host("a", "127.0.0.1"), KEEP_MS);
  const lengths = Array.from({ length: 400 }, (_, n) => (n % 7 === 0 ? 70_000 : 3 * n));
  for (const [n, length] of lengths.entries()) answers.keep(`${n}`, answer(`${n}\t\n${"ü".repeat(length)}`, `M${n} hé:${n}`));
  for (const [n, length] of lengths.entries())
    assert.deepEqual(answers.find(`${n}`), answer(`${n}\t\n${"ü".repeat(length)}`, `M${n} hé:${n}`));
  assert.equal(answers.find("400"), undefined);
});

simTest("what is handed over may be written over afterwards", (net) => {
  const answers = new Answers(net.host("a", "127.0.0.1"), KEEP_MS);
  const given = answer("as given");
  answers.keep("key", given);
  given.bytes.fill(0);
  assert.equal(saidBy(answers, "key"), "as given");
});

simTest("after clear nothing is kept, and nothing fires", (net) => {
  const answers = new Answers(net.host("a", "127.0.0.1"), KEEP_MS);
  answers.keep("key", answer("said"));
  answers.clear();
  net.run(KEEP_MS + 1_000);
  assert.deepEqual([answers.find("key"), answers.size], [undefined, 0]);
});
