import assert from "node:assert/strict";
import { test } from "node:test";
import { isCount, parseJson } from "./json.ts";

test("what is no JSON is undefined, which no JSON is", () => {
  assert.deepEqual(["", "{", "undefined", '{"a":', "null", '"x"', "[1]"].map(parseJson), [
    ...new Array(4).fill(undefined),
    null,
    "x",
    [1],
  ]);
});

test("a count is a whole number from 0 that a double holds exactly", () => {
  for (const count of [0, 1, Number.MAX_SAFE_INTEGER]) assert.ok(isCount(count), `${count}`);
  for (const other of [-1, 0.5, 2 ** 53, Number.NaN, Infinity, "1", null, undefined]) assert.ok(!isCount(other), `${other}`);
});
