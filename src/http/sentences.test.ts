/** Stands here because it needs both the network's reasons and the client's words. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sentence } from "#client/sentences.ts";
import { REFUSAL } from "#cops/engine/iptv.ts";
import { incompatibleMedia, refusalAnswer } from "#tv/engine/refusals.ts";

const answers = [
  ...Object.values(REFUSAL).map((reason) => refusalAnswer(reason, "ds1.tv.example")),
  incompatibleMedia("ds1.tv.example"),
];
for (const { status, headers } of answers) {
  const value = (name: string) => headers.find(([each]) => each === name)?.[1];
  test(`a refused reservation has a sentence: ${status} ${value("Reason") ?? value("Warning")}`, () => {
    const said = sentence(status, value("Warning"), value("Reason"));
    assert.doesNotMatch(said, /SIP status/);
    if (value("Warning")?.startsWith("370")) assert.doesNotMatch(said, /format/);
  });
}
