import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import { simNetwork } from "#sim/index.ts";
import { EventStream, HEARTBEAT_MS } from "./events.ts";

/** What `EventStream` needs of a response, in memory. */
class Listener {
  readonly got: string[] = [];
  writableLength = 0;
  state: "open" | "ended" | "destroyed" = "open";
  #closed = (): void => undefined;
  writeHead(): void {}
  write(text: string): void {
    this.got.push(text);
  }
  on(_event: "close", closed: () => void): void {
    this.#closed = closed;
  }
  end(): void {
    this.state = "ended";
    this.#closed();
  }
  destroy(): void {
    this.state = "destroyed";
    this.#closed();
  }
  response(): ServerResponse {
    return this as unknown as ServerResponse;
  }
}

function given() {
  const net = simNetwork(1);
  let version = 0;
  const stream = new EventStream(net.host("web", "127.0.0.1"), "channels", () => ++version);
  const listener = new Listener();
  stream.listen(listener.response(), {});
  return { net, stream, listener };
}
const event = (version: number) => `event: channels\ndata: ${version}\n\n`;

test("EventStream: the snapshot at once, and changes close together as one event", () => {
  const { net, stream, listener } = given();
  assert.deepEqual(listener.got, [event(1)]);
  stream.changed();
  stream.changed();
  net.run(100);
  assert.deepEqual(listener.got, [event(1), event(2)]);
  stream.changed();
  net.run(100);
  assert.equal(listener.got.length, 3);
});

test("EventStream: a quiet stream has a comment now and then", () => {
  const { net, listener } = given();
  net.run(2 * HEARTBEAT_MS);
  assert.deepEqual(listener.got.slice(1), [": still here\n\n", ": still here\n\n"]);
});

test("EventStream: a listener that does not read is closed and counted (eventQueuedBytes)", () => {
  const { net, stream, listener } = given();
  listener.writableLength = LIMITS.eventQueuedBytes;
  stream.changed();
  net.run(100);
  assert.equal(listener.state, "open");
  listener.writableLength++;
  stream.changed();
  net.run(100);
  assert.deepEqual([listener.state, stream.slowListeners], ["destroyed", 1]);
});

test("EventStream: full at its limit, and not when one has gone (eventListeners)", () => {
  const { stream, listener } = given();
  for (let at = 1; at < LIMITS.eventListeners; at++) {
    assert.equal(stream.full, false);
    stream.listen(new Listener().response(), {});
  }
  assert.equal(stream.full, true);
  listener.end();
  assert.equal(stream.full, false);
});

test("EventStream: closing ends every listener and its timers", () => {
  const { net, stream, listener } = given();
  stream.changed();
  stream.close();
  net.run(HEARTBEAT_MS);
  assert.deepEqual([listener.state, listener.got.length], ["ended", 1]);
});
