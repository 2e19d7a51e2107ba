import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import { TS_PACKET_BYTES } from "../wire/ts.ts";
import { GopCache, NO_KEY_FRAME } from "./gop.ts";
import { MessageSink } from "./message-sink.ts";
import { testPattern } from "./test-pattern.ts";

const STREAM = testPattern({ frames: 40, framesPerSec: 10, gopFrames: 10, kbps: 200 });
const LIVE = STREAM.slice(-TS_PACKET_BYTES);

class FakePort {
  queuedBytes = 0;
  readonly sent: Uint8Array[] = [];
  send(data: string | Uint8Array): void {
    assert.ok(data instanceof Uint8Array);
    this.sent.push(data);
  }
}
function joined(gop = new GopCache()): { gop: GopCache; port: FakePort; sink: MessageSink } {
  if (gop.opening().length === 0) gop.add(STREAM, 0);
  const port = new FakePort();
  return { gop, port, sink: new MessageSink(port, gop) };
}

test("a WebSocket viewer gets the opening as one message, then each packet once (PROTOCOL §3)", () => {
  const { gop, port, sink } = joined();
  assert.deepEqual(port.sent, [gop.opening()]);
  sink.packets(LIVE, gop.add(LIVE, 0), 0);
  assert.deepEqual(port.sent.slice(1), [LIVE]);
});

test("a WebSocket viewer of a stream whose tables are not known yet gets nothing before them", () => {
  const gop = new GopCache();
  const port = new FakePort();
  const sink = new MessageSink(port, gop);
  sink.packets(LIVE, gop.add(LIVE, 0), 0);
  assert.equal(port.sent.length, 0);
  sink.packets(STREAM, gop.add(STREAM, 0), 0);
  assert.deepEqual(port.sent, [gop.opening()]);
});

test("a slow viewer may queue its opening and slowSinkBytes, then waits for a key frame and half an empty queue", () => {
  const { gop, port, sink } = joined();
  const openingBytes = gop.opening().length;
  const live = (queuedBytes: number, keyFrameAt = NO_KEY_FRAME): boolean => {
    port.queuedBytes = queuedBytes;
    const before = port.sent.length;
    sink.packets(LIVE, keyFrameAt, 0);
    return port.sent.length > before;
  };
  assert.equal(live(openingBytes + LIMITS.slowSinkBytes), true, "still within");
  assert.equal(live(openingBytes + LIMITS.slowSinkBytes + 1), false, "one octet over");
  assert.equal(live(0), false, "no key frame");
  assert.equal(live(LIMITS.slowSinkBytes / 2, 0), false, "a key frame, the queue half full");
  assert.equal(live(0, 0), true, "a key frame, the queue empty");
  assert.equal(live(LIMITS.slowSinkBytes), true);
  assert.equal(live(LIMITS.slowSinkBytes + 1), false, "the opening is through: less is allowed");
  assert.deepEqual([sink.skips, sink.skippedBytes], [2, 4 * TS_PACKET_BYTES]);
});

test("a viewer of a stream without key frames goes on as soon as its queue is half empty", () => {
  const { port, sink } = joined();
  const nowMs = LIMITS.gopCacheMs + 1;
  port.queuedBytes = 2 * LIMITS.slowSinkBytes + STREAM.length;
  sink.packets(LIVE, NO_KEY_FRAME, nowMs);
  assert.equal(port.sent.length, 1);
  port.queuedBytes = 0;
  sink.packets(LIVE, NO_KEY_FRAME, nowMs);
  assert.equal(port.sent.length, 2);
});
