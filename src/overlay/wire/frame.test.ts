import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import { type Body, decodeFrame, encodeFrame, type Frame, VERSION } from "./frame.ts";

const FROM = { from: "ds1", incarnation: 7 };
const POSITION = { table: "channels", owner: "ds1", life: 7, audience: "", seq: 3 };
const BODIES: readonly Body[] = [
  {
    kind: "hello",
    id: 5,
    upMs: 9,
    speaks: 1,
    role: "ds",
    phase: "serving",
    info: { sip: "127.0.0.1:5060" },
    heads: [POSITION],
  },
  { kind: "bye" },
  { kind: "outlived", life: 7, known: 9 },
  { kind: "tell", id: 1, topic: "push.channel", body: { name: "bob-tv" } },
  { kind: "ask", id: 2, topic: "registration.channels", body: {} },
  { kind: "answer", id: 2, body: null },
  { kind: "no-such-topic", id: 2 },
  { kind: "ping", id: 4 },
  { kind: "pong", id: 4 },
  { kind: "rows", octets: Uint8Array.of(0, 255, 7) },
  { kind: "want", positions: [POSITION] },
  { kind: "have", positions: [] },
];
for (const body of BODIES) {
  test(`a frame of kind ${body.kind} is read as it was written`, () => {
    const decoded = decodeFrame(encodeFrame({ ...FROM, ...body }));
    assert.equal(decoded.status, "ok");
    assert.deepEqual(decoded.status === "ok" && decoded.value, { ...FROM, ...body });
  });
}

/** A frame whose head is that, of that version. */
function frameOf(head: unknown, version = VERSION): Uint8Array {
  const words = utf8(JSON.stringify(head));
  const envelope = new Uint8Array(5);
  envelope[0] = version;
  new DataView(envelope.buffer).setUint32(1, words.length);
  return concat([envelope, words]);
}

test("fields that a later version adds are let through", () => {
  const head = { ...FROM, ...BODIES[0], heads: [{ ...POSITION, colour: "red" }], hops: 3 };
  const decoded = decodeFrame(frameOf(head));
  assert.deepEqual(decoded.status === "ok" && decoded.value, head);
});

const hello = { ...FROM, ...BODIES[0] };
const BAD: readonly { name: string; frame: unknown }[] = [
  { name: "a number", frame: 1 },
  { name: "a list", frame: [hello] },
  { name: "no sender", frame: { ...hello, from: undefined } },
  { name: "an incarnation below zero", frame: { ...hello, incarnation: -1 } },
  { name: "an incarnation with a fraction", frame: { ...hello, incarnation: 0.5 } },
  { name: "an unknown kind", frame: { ...hello, kind: "shout" } },
  { name: "a kind that every object has", frame: { ...hello, kind: "toString" } },
  { name: "an unknown role", frame: { ...hello, role: "king" } },
  { name: "an unknown phase", frame: { ...hello, phase: "asleep" } },
  { name: "info that is not text", frame: { ...hello, info: { port: 1 } } },
  { name: "heads without a number", frame: { ...hello, heads: [{ ...POSITION, seq: undefined }] } },
  { name: "a message without a body", frame: { ...FROM, kind: "tell", id: 1, topic: "t" } },
  { name: "heads that are no list", frame: { ...hello, heads: {} } },
  {
    name: "more positions than there may be streams",
    frame: { ...hello, heads: new Array(LIMITS.overlayStreams + 1).fill(POSITION) },
  },
];
for (const { name, frame } of BAD) {
  test(`a frame is refused: ${name}`, () => {
    const decoded = decodeFrame(frameOf(frame));
    assert.equal(decoded.status === "bad" && decoded.error.code, "bad-value");
  });
}

const BAD_OCTETS: readonly { name: string; octets: Uint8Array; code: string }[] = [
  { name: "nothing", octets: new Uint8Array(0), code: "truncated" },
  { name: "no head", octets: Uint8Array.of(VERSION, 0, 0, 0), code: "truncated" },
  { name: "a head that claims 4 GiB", octets: Uint8Array.of(VERSION, 255, 255, 255, 255, 0x7b), code: "truncated" },
  { name: "a head that is no JSON", octets: Uint8Array.of(VERSION, 0, 0, 0, 1, 0x7b), code: "bad-value" },
  { name: "a version of the future", octets: frameOf(hello, VERSION + 1), code: "bad-value" },
];
for (const { name, octets, code } of BAD_OCTETS) {
  test(`a frame is refused: ${name}`, () => {
    const decoded = decodeFrame(octets);
    assert.equal(decoded.status === "bad" && decoded.error.code, code);
  });
}

test("a frame of overlayFrameBytes passes, one octet more is refused on both sides", () => {
  const frame = (padding: number): Frame => ({ ...FROM, kind: "tell", id: 1, topic: "t", body: "x".repeat(padding) });
  const overhead = encodeFrame(frame(0)).length;
  const largest = encodeFrame(frame(LIMITS.overlayFrameBytes - overhead));
  assert.equal(largest.length, LIMITS.overlayFrameBytes);
  assert.equal(decodeFrame(largest).status, "ok");
  assert.throws(() => encodeFrame(frame(LIMITS.overlayFrameBytes - overhead + 1)), RangeError);
  const decoded = decodeFrame(new Uint8Array(LIMITS.overlayFrameBytes + 1));
  assert.equal(decoded.status === "bad" && decoded.error.code, "too-large");
});
