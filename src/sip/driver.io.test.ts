/** The driver on real sockets of the loopback: the same code as in the simulator (DESIGN §1). */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Address } from "#host/host.ts";
import { nodeHost } from "#host/node/index.ts";
import { ask, Party } from "./test-party.ts";
import { UdpTransport } from "./transport/udp.ts";
import { WsTransport } from "./transport/ws.ts";
import { WsListener } from "./transport/ws-listener.ts";

const ANY: Address = { host: "127.0.0.1", port: 0 };

test("OPTIONS and its answer over UDP and over WebSocket, on real sockets", async () => {
  const host = nodeHost();
  const [server, client] = [new Party(host), new Party(host)];
  const [udp, ws] = await Promise.all([
    new Promise<Address>((listening, failed) => server.driver.addTransport(new UdpTransport(host, ANY, { listening, failed }))),
    new Promise<Address>((listening, failed) =>
      server.driver.addTransport(new WsListener(host, ANY, { accept: () => ({ user: "alice" }), listening, failed })),
    ),
  ]);
  const answers = new Promise<void>((done) => {
    client.onResponse = ({ status }) => {
      client.told.push(`${status}`);
      if (client.told.length === 2) done();
    };
  });
  client.driver.addTransport(new UdpTransport(host, ANY, { failed: assert.fail }));
  client.driver.request(ask("OPTIONS"), { transport: "udp", ...udp });
  const outgoing = new WsTransport(host);
  client.driver.addTransport(outgoing);
  outgoing.connect(`ws://127.0.0.1:${ws.port}/sip/north`, {
    opened: (flow) => void client.driver.request(ask("OPTIONS"), flow),
    failed: assert.fail,
  });
  await answers;
  assert.deepEqual(client.told, ["200", "200"]);
  assert.deepEqual(server.flows.map(({ transport, user }) => [transport, user]).sort(), [
    ["udp", undefined],
    ["ws", "alice"],
  ]);
  client.driver.stop();
  server.driver.stop();
});
