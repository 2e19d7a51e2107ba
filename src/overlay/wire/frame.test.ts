import assert from "node:assert/strict";
import { test } from "node:test";
import { text, utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import { type Body, decodeFrame, encodeFrame, type Frame } from "./frame.ts";

const FROM = { from: "ds1", incarnation: 7 };
const row = { key: "bob-tv", seq: 3, order: 2, term: 1, leftSec: 59.5, value: { title: "Bob", more: [1, null] } };
const BODIES: readonly Body[] = [
  {
    kind: "hello",
    id: 5,
    speaks: 1,
    role: "ds",
    phase: "serving",
    info: { sip: "127.0.0.1:5060" },
    heads: { channels: { epoch: 7, seq: 3 } },
  },
  { kind: "bye" },
  { kind: "outlived", known: 9 },
  { kind: "tell", id: 1, topic: "push.channel", body: { name: "bob-tv" } },
  { kind: "ask", id: 2, topic: "registration.channels", body: {} },
  { kind: "answer", id: 2, body: null },
  { kind: "no-such-topic", id: 2 },
  { kind: "rows", table: "channels", piece: { epoch: 7, after: 2, through: 3, head: 3, rows: [row] } },
  { kind: "ask-rows", table: "channels", epoch: 7, after: 0 },
];
for (const body of BODIES) {
  test(`a frame of kind ${body.kind} is read as it was written`, () => {
    const decoded = decodeFrame(encodeFrame({ ...FROM, ...body }));
    assert.equal(decoded.status, "ok");
    assert.deepEqual(decoded.status === "ok" && decoded.value, { v: 1, ...FROM, ...body });
  });
}

test("fields that a later version adds are let through, in the envelope and in rows", () => {
  const piece = { epoch: 1, after: 0, through: 1, head: 1, rows: [{ ...row, colour: "red" }], urgent: true };
  const frame = { v: 1, ...FROM, kind: "rows", table: "channels", piece, hops: 3 };
  assert.deepEqual(decodeFrame(utf8(JSON.stringify(frame))), {
    status: "ok",
    value: frame,
    usedBytes: JSON.stringify(frame).length,
  });
});

const hello = { v: 1, ...FROM, ...BODIES[0] };
const BAD: readonly { name: string; frame: unknown }[] = [
  { name: "a number", frame: 1 },
  { name: "a list", frame: [hello] },
  { name: "no version", frame: { ...hello, v: undefined } },
  { name: "a version of the future", frame: { ...hello, v: 2 } },
  { name: "no sender", frame: { ...hello, from: undefined } },
  { name: "an incarnation below zero", frame: { ...hello, incarnation: -1 } },
  { name: "an incarnation with a fraction", frame: { ...hello, incarnation: 0.5 } },
  { name: "an unknown kind", frame: { ...hello, kind: "shout" } },
  { name: "a kind that every object has", frame: { ...hello, kind: "toString" } },
  { name: "an unknown role", frame: { ...hello, role: "king" } },
  { name: "an unknown phase", frame: { ...hello, phase: "asleep" } },
  { name: "info that is not text", frame: { ...hello, info: { port: 1 } } },
  { name: "heads without a number", frame: { ...hello, heads: { channels: { epoch: 1 } } } },
  { name: "a message without a body", frame: { v: 1, ...FROM, kind: "tell", id: 1, topic: "t" } },
  {
    name: "rows that are no list",
    frame: { v: 1, ...FROM, kind: "rows", table: "t", piece: { epoch: 1, after: 0, through: 0, head: 0, rows: {} } },
  },
  {
    name: "a row with a life that is no number",
    frame: {
      v: 1,
      ...FROM,
      kind: "rows",
      table: "t",
      piece: { epoch: 1, after: 0, through: 1, head: 1, rows: [{ ...row, leftSec: "1" }] },
    },
  },
];
for (const { name, frame } of BAD) {
  test(`a frame is refused: ${name}`, () => {
    const decoded = decodeFrame(utf8(JSON.stringify(frame)));
    assert.equal(decoded.status === "bad" && decoded.error.code, "bad-value");
  });
}

test("a row with a life longer than a number holds is refused: it could not be written again", () => {
  const piece = { epoch: 1, after: 0, through: 1, head: 1, rows: [{ ...row, leftSec: 59.5 }] };
  const frame = JSON.stringify({ v: 1, ...FROM, kind: "rows", table: "t", piece });
  assert.equal(decodeFrame(utf8(frame)).status, "ok");
  assert.equal(decodeFrame(utf8(frame.replace("59.5", "1e999"))).status, "bad");
});

test("octets that are no JSON are refused", () => {
  assert.equal(decodeFrame(Uint8Array.of(0xff, 0x00)).status, "bad");
  assert.equal(decodeFrame(new Uint8Array(0)).status, "bad");
});

test("a frame of overlayFrameBytes passes, one octet more is refused on both sides", () => {
  const frame = (padding: number): Frame => ({ ...FROM, kind: "tell", id: 1, topic: "t", body: "x".repeat(padding) });
  const overhead = text(encodeFrame(frame(0))).length;
  const largest = encodeFrame(frame(LIMITS.overlayFrameBytes - overhead));
  assert.equal(largest.length, LIMITS.overlayFrameBytes);
  assert.equal(decodeFrame(largest).status, "ok");
  assert.throws(() => encodeFrame(frame(LIMITS.overlayFrameBytes - overhead + 1)), RangeError);
  const decoded = decodeFrame(new Uint8Array(LIMITS.overlayFrameBytes + 1));
  assert.equal(decoded.status === "bad" && decoded.error.code, "too-large");
});
