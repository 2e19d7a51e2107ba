import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, hex, text, utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import type { TapEvent } from "#host/tap.ts";
import { type SignallingMessage, SignallingReader } from "./signalling.ts";

const local = { host: "10.0.0.1", port: 5_060 };
const remote = { host: "10.0.0.9", port: 40_000 };
const KEEP_ALIVE = Uint8Array.of(0x10, 9, 0, 0, 0, 0, 0, 8); // COPS KA
const INVITE = utf8("INVITE sip:b@x SIP/2.0\r\nContent-Length: 0\r\n\r\n");

function seen(...events: Partial<TapEvent>[]): Pick<SignallingMessage, "protocol" | "transport" | "from" | "bytes">[] {
  const messages: SignallingMessage[] = [];
  const reader = new SignallingReader((message) => messages.push({ ...message, bytes: message.bytes.slice() }));
  for (const event of events)
    reader.add({ atMs: 0, node: "ds1", kind: "stream", direction: "in", local, remote, bytes: KEEP_ALIVE, ...event });
  return messages;
}

test("a datagram and a WebSocket message with SIP are told, media and STUN are not", () => {
  const found = seen(
    { kind: "datagram", bytes: INVITE },
    { kind: "datagram", bytes: Uint8Array.of(0x80, 33, 0, 1) },
    { kind: "datagram", bytes: Uint8Array.of(0, 1, 0, 0) },
    { kind: "message", direction: "out", bytes: INVITE },
  );
  assert.deepEqual(
    found.map(({ transport, from }) => [transport, from]),
    [
      ["udp", remote],
      ["tcp", local],
    ],
  );
});

test("COPS messages are told whole, however the stream is cut", () => {
  const stream = concat([KEEP_ALIVE, KEEP_ALIVE]);
  const found = seen(...Array.from(stream, (octet) => ({ bytes: Uint8Array.of(octet) })));
  assert.deepEqual(
    found.map(({ protocol, bytes }) => [protocol, hex(bytes)]),
    [
      ["cops", hex(KEEP_ALIVE)],
      ["cops", hex(KEEP_ALIVE)],
    ],
  );
});

test("SIP messages in a stream are cut by Content-Length, keep-alives between them left out (RFC 3261 §18.3)", () => {
  const found = seen({ bytes: concat([utf8("\r\n\r\n"), INVITE, INVITE.subarray(0, 10)]) }, { bytes: INVITE.subarray(10) });
  assert.deepEqual(
    found.map(({ bytes }) => text(bytes)),
    [text(INVITE), text(INVITE)],
  );
});

test("a stream that stops being COPS, and one that never was any of both, are not looked into", () => {
  assert.equal(seen({ bytes: concat([KEEP_ALIVE, utf8("no COPS here")]) }, {}).length, 1);
  assert.equal(seen({ bytes: utf8("\u0016\u0003\u0001") }, { bytes: INVITE }).length, 0);
});

test("LIMITS.captureStreams: beyond it the oldest stream is forgotten, with the half message it held", () => {
  const half = KEEP_ALIVE.subarray(0, 4);
  const rest = KEEP_ALIVE.subarray(4);
  const other = (port: number): Partial<TapEvent> => ({ remote: { host: "10.0.0.8", port } });
  const others = (count: number) => Array.from({ length: count }, (_, at) => other(1 + at));
  assert.equal(seen({ bytes: half }, ...others(LIMITS.captureStreams - 1), { bytes: rest }).length, LIMITS.captureStreams);
  assert.equal(seen({ bytes: half }, ...others(LIMITS.captureStreams), { bytes: rest }).length, LIMITS.captureStreams);
});
