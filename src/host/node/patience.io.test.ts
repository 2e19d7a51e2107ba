/** How long the node host waits for peers that do not answer: with the timers of the test runner, on real sockets. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import type { Address } from "../host.ts";
import { nodeHost } from "./index.ts";

const ADDRESS = "127.0.1.1";
const HANDSHAKE =
  "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
const PING = 0x89; // RFC 6455 §5.2: final, opcode 9

test("a message peer that answers no ping is dropped when the next is due (RFC 6455 §5.5.2)", async (context) => {
  context.mock.timers.enable({ apis: ["setInterval"] });
  const told: string[] = [];
  const bound = Promise.withResolvers<Address>();
  const opened = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const listener = nodeHost().listenMessages(
    { host: ADDRESS, port: 0 },
    { protocols: [], maxMessageBytes: 100 },
    {
      listening: bound.resolve,
      accept: () => ({
        opened: () => opened.resolve(),
        message: () => undefined,
        closed: (error) => {
          told.push(`closed: ${error?.message}`);
          closed.resolve();
        },
      }),
      failed: bound.reject,
    },
  );
  const peer = connect((await bound.promise).port, ADDRESS);
  peer.write(HANDSHAKE);
  await Promise.all([opened.promise, once(peer, "data")]);
  context.mock.timers.tick(LIMITS.pingEveryMs);
  const [ping] = (await once(peer, "data")) as [Buffer];
  assert.equal(ping[0], PING);
  assert.deepEqual(told, []);
  context.mock.timers.tick(LIMITS.pingEveryMs);
  await closed.promise;
  assert.deepEqual(told, ["closed: The peer does not answer pings"]);
  peer.destroy();
  listener.close();
});

test("a stream that was closed is dropped after the linger limit when its peer does not close", async (context) => {
  const bound = Promise.withResolvers<Address>();
  const closed = Promise.withResolvers<Error | undefined>();
  const accepted = Promise.withResolvers<void>();
  const listener = nodeHost().listen(
    { host: ADDRESS, port: 0 },
    {},
    {
      listening: bound.resolve,
      accept: (stream) => {
        context.mock.timers.enable({ apis: ["setTimeout"] });
        stream.close();
        accepted.resolve();
        return { data: () => undefined, closed: (error) => closed.resolve(error) };
      },
      failed: bound.reject,
    },
  );
  const peer = connect({ port: (await bound.promise).port, host: ADDRESS, allowHalfOpen: true });
  peer.resume();
  await Promise.all([accepted.promise, once(peer, "end")]);
  context.mock.timers.tick(LIMITS.lingerMs);
  assert.equal(await closed.promise, undefined);
  peer.destroy();
  listener.close();
});
