import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { LIMITS } from "#base/limits.ts";
import { type SimNetwork, simNetwork } from "#sim/index.ts";
import { World } from "#sim/world.ts";
import { LiveStreams } from "./live.ts";

/** What a player's connection was given; it is read, or not: `writableLength` octets wait. */
class Connection extends EventEmitter {
  status = 0;
  octets = 0;
  writableLength = 0;
  destroyed = false;

  get headersSent(): boolean {
    return this.status !== 0;
  }
  writeHead(status: number): void {
    this.status = status;
  }
  write(octets: Uint8Array | string): void {
    this.octets += octets.length;
  }
  end(): void {
    this.destroy();
  }
  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.emit("close");
  }
}

/** A web server on a machine of that network. */
function web(net: SimNetwork, ds: string) {
  let serve = (_request: FastifyRequest, _reply: FastifyReply): unknown => undefined;
  const ports = { host: net.host("web", "10.9.0.1"), operatorKey: new Uint8Array(32), holderOf: () => assert.fail("no cookie") };
  const live = new LiveStreams(ports, { domain: "sipcast.test", sip: { ds1: ds } });
  live.routes({ get: (_path: string, handler: typeof serve) => (serve = handler) } as unknown as FastifyInstance);
  /** Somebody's player asks for that file. */
  const play = async (file: string, user: string, secret: string, rate?: string | string[]): Promise<Connection> => {
    const raw = new Connection();
    const authorization = `Basic ${Buffer.from(`${user}:${secret}`).toString("base64")}`;
    const reply = {
      raw,
      hijack: () => undefined,
      code(status: number) {
        raw.writeHead(status);
        return this;
      },
      type: () => reply,
      send: () => reply,
    };
    const request = { params: { file }, query: { rate }, headers: { authorization } };
    await serve(request as unknown as FastifyRequest, reply as unknown as FastifyReply);
    return raw;
  };
  return { live, play };
}

test("/live: above liveStreams a player gets 503, and is taken again when one has gone", async () => {
  const { live, play } = web(simNetwork(1), "10.0.1.1:5061"); // where nobody answers yet
  const first = await play("news.ts", "alice", "secret");
  for (let at = 1; at < LIMITS.liveStreams; at++) await play("news.ts", "alice", "secret");
  assert.equal(live.size, LIMITS.liveStreams);
  assert.equal((await play("news.ts", "alice", "secret")).status, 503);
  first.destroy();
  assert.equal((await play("news.ts", "alice", "secret")).status, 0);
  assert.equal(live.size, LIMITS.liveStreams);
  live.close();
  assert.equal(live.size, 0);
});

test("/live: a player that leaves more than liveQueuedBytes unread is let go, and holds nothing (PROTOCOL §3)", async () => {
  const net = simNetwork(1);
  const w = new World(net, { sites: 1 });
  w.broadcaster("bob", 1).goLive("bob-tv");
  const { ds, deviceSecret } = w.signUp("alice", 1);
  w.run(2_000);
  const { play } = web(net, `${ds.host}:5061`);
  const connection = await play("bob-tv.ts", "alice", deviceSecret);
  w.run(2_000);
  assert.deepEqual([connection.status, connection.octets > 0, w.held().brokers.length], [200, true, 1]);
  connection.writableLength = LIMITS.liveQueuedBytes;
  w.run(1_000);
  assert.ok(!connection.destroyed);
  connection.writableLength++;
  w.run(1_000);
  assert.ok(connection.destroyed);
  assert.deepEqual(w.held().brokers, []);
});

test("/live: ?rate= is the rate that is wished: the best that fits is reserved [B8], if any does (PROTOCOL §3, §4)", () =>
  watchesAt([
    ["900", 200, 800],
    ["300", 200, 300],
    [undefined, 200, 2_000],
    [`${LIMITS.wishLeastKbps}`, 503, undefined],
    [`${LIMITS.wishMostKbps}`, 200, 2_000],
  ]));
test("/live: a rate that is none is answered 400 (wishLeastKbps, wishMostKbps)", () =>
  watchesAt(
    ["", "fast", "1e3", "-300", "300.5", `${LIMITS.wishLeastKbps - 1}`, `${LIMITS.wishMostKbps + 1}`, ["300", "800"]].map(
      (rate) => [rate, 400, undefined] as const,
    ),
  ));
/** Alice's player asks for a channel of three renditions with each of those rates in turn: its status, and what is reserved. */
async function watchesAt(
  rows: readonly (readonly [rate: string | string[] | undefined, status: number, kbps: number | undefined])[],
): Promise<void> {
  const net = simNetwork(1);
  const w = new World(net, { sites: 1 });
  w.broadcaster("bob", 1, [2_000, 800, 300]).goLive("bob-tv");
  const { ds, deviceSecret } = w.signUp("alice", 1);
  w.run(2_000);
  const { play } = web(net, `${ds.host}:5061`);
  for (const [rate, status, kbps] of rows) {
    const connection = await play("bob-tv.ts", "alice", deviceSecret, rate);
    w.run(2_000);
    assert.deepEqual([connection.status, w.held().brokers[0]?.kbps], [status, kbps], `rate ${rate}`);
    connection.destroy();
    w.run(2_000);
  }
}
