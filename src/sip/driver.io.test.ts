/** The driver on real sockets of the loopback: the same code as in the simulator (DESIGN §1). */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type Address, type Host, showAddress } from "#host/host.ts";
import { makeAuthority, makeCertificate } from "#host/node/certificates.ts";
import { nodeHost } from "#host/node/index.ts";
import { toolOrSkip } from "#host/node/test-tools.ts";
import type { Destination } from "./engine/ports.ts";
import { ask, octets, Party } from "./test-party.ts";
import { StreamTransport, type StreamTransportOptions } from "./transport/streams.ts";
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

const listening = (party: Party, host: Host, bind: Address, options: StreamTransportOptions = {}): Promise<Address> =>
  new Promise((bound, failed) =>
    party.driver.addTransport(new StreamTransport(host, { ...options, listen: { bind, listening: bound, failed } })),
  );
/** What the party is told next. */
const next = (party: Party): Promise<string> =>
  new Promise((told) => {
    party.onResponse = ({ status }) => told(`${status}`);
    party.onFailure = (_id, cause) => told(cause);
  });
function asked(party: Party, to: Destination, octetsOfBody = 0): Promise<string> {
  const answer = next(party);
  party.driver.request({ ...ask("OPTIONS"), body: new Uint8Array(octetsOfBody) }, to);
  return answer;
}

for (const address of ["127.0.0.1", "::1"]) {
  test(`UDP and TCP on one port of ${address}: a large request goes by TCP, and a new one when the peer has gone`, async () => {
    const host = nodeHost();
    const [server, client] = [new Party(host), new Party(host)];
    const at = await listening(server, host, { host: address, port: 0 });
    server.driver.addTransport(new UdpTransport(host, at, { failed: assert.fail }));
    await listening(client, host, { host: address, port: 0 });
    client.driver.addTransport(new UdpTransport(host, { host: address, port: 0 }, { failed: assert.fail }));
    assert.equal(await asked(client, { transport: "udp", ...at }), "200");
    assert.equal(await asked(client, { transport: "udp", ...at }, 30_000), "200");
    assert.deepEqual(
      server.flows.map(({ transport, remote }) => [transport, remote.host]),
      [
        ["udp", address],
        ["tcp", address],
      ],
    );
    server.driver.stop();
    await new Promise<void>((closed) => {
      client.onFlowClosed = () => closed();
    });
    assert.equal(await asked(client, { transport: "tcp", ...at }), "transport");
    client.driver.stop();
  });
}

const DAY_MS = 86_400_000;
async function certified(name: string) {
  const fromMs = Date.now() - 1_000;
  const authority = await makeAuthority("test", fromMs, DAY_MS);
  return { ca: authority.cert, server: await makeCertificate(authority, [name], fromMs, DAY_MS) };
}

test("TLS with real certificates: the domain's is taken, another's or an untrusted one is not (RFC 5922 §7.3)", async () => {
  const host = nodeHost();
  const { ca, server: certificate } = await certified("tv.example");
  const server = new Party(host);
  const at = await listening(server, host, ANY, { tls: { server: certificate } });
  const client = new Party(host);
  client.driver.addTransport(new StreamTransport(host, { sentBy: { host: "client.example" }, tls: { ca } }));
  assert.equal(await asked(client, { transport: "tls", ...at, domain: "tv.example" }), "200");
  assert.equal(await asked(client, { transport: "tls", ...at, domain: "other.example" }), "transport");
  assert.equal(await asked(client, { transport: "tls", ...at }), "transport", "an address is nobody's name");
  const stranger = new Party(host);
  stranger.driver.addTransport(new StreamTransport(host, { sentBy: { host: "client.example" }, tls: {} }));
  assert.equal(await asked(stranger, { transport: "tls", ...at, domain: "tv.example" }), "transport");
  assert.deepEqual(server.told, ["OPTIONS"]);
  for (const party of [server, client, stranger]) party.driver.stop();
});

test("OpenSSL's client is shown a chain that it trusts, and answered", async (t) => {
  if (!toolOrSkip(t, "openssl")) return;
  const folder = mkdtempSync(join(tmpdir(), "sipcast-"));
  const host = nodeHost();
  const { ca, server: certificate } = await certified("tv.example");
  const server = new Party(host);
  const at = await listening(server, host, ANY, { tls: { server: certificate } });
  writeFileSync(join(folder, "ca.pem"), ca);
  const flags = ["-CAfile", join(folder, "ca.pem"), "-verify_return_error", "-verify_hostname", "tv.example", "-quiet"];
  const openssl = spawn("openssl", ["s_client", "-connect", showAddress(at), "-servername", "tv.example", ...flags]);
  try {
    openssl.stdin.write(octets("OPTIONS", { via: "Via: SIP/2.0/TLS c.example;branch=z9hG4bKo", length: "Content-Length: 0" }));
    const [answer] = await once(openssl.stdout, "data");
    assert.match(String(answer), /^SIP\/2\.0 200 OK\r\n/);
  } finally {
    openssl.kill();
    server.driver.stop();
    rmSync(folder, { recursive: true });
  }
});
