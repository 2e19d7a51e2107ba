import assert from "node:assert/strict";
import { test } from "node:test";
import { SILENT } from "#base/log.ts";
import type { Host } from "#host/host.ts";
import { simCertificate, simNetwork, simTest } from "#sim/index.ts";
import { type Destination, type Flow, StreamTransport, UdpTransport, viaOf } from "#sip/index.ts";
import { ask, octets, Party } from "#sip/test-party.ts";
import { formatUri, ownUri } from "#sip/wire/uri.ts";
import { addTransports } from "./ds-transports.ts";
import type { DsConfig, RoleContext } from "./types.ts";

const [DS, HERE] = ["10.0.0.1", "10.0.0.5"];
const at = (port: number) => ({ host: DS, port });
const CONFIG: DsConfig = {
  ...{ id: "ds1", site: "north", domain: "tv.example", edge: at(3288), edgeId: "edge1", digest: ["SHA-256"], origins: [] },
  ...{ udp: at(5060), tcp: at(5060), tls: at(5061), ws: at(8080), wss: at(8443) },
  certificate: { ...simCertificate("CA", "URI:sip:tv.example", `DNS:${DS}`), ca: "CA" },
};
const contextOf = (host: Host): RoleContext => ({
  host,
  overlay: undefined as unknown as RoleContext["overlay"], // no transport needs it
  log: SILENT,
  operatorKey: new Uint8Array(32),
  failed: assert.fail,
});

simTest("a DS answers over every transport, and calls itself what peers of each can use (PROTOCOL §9, RFC 7118 §5.2)", (net) => {
  const host = net.host("ds1", DS);
  const ds = new Party(host);
  addTransports(ds.driver, contextOf(host), CONFIG);
  const here = net.host("client", HERE);
  const client = new Party(here);
  const sentBy = { host: HERE, port: 5060 };
  client.driver.addTransport(new UdpTransport(here, sentBy, { failed: assert.fail }));
  client.driver.addTransport(new StreamTransport(here, { sentBy }));
  client.driver.addTransport(new StreamTransport(here, { sentBy, tls: { ca: "CA" } }));
  net.run(5);
  const hops: Destination[] = [
    { transport: "udp", ...at(5060) },
    { transport: "tcp", ...at(5060) },
    { transport: "tls", ...at(5061), domain: "tv.example" },
  ];
  for (const hop of hops) client.driver.request(ask("OPTIONS"), hop);
  for (const url of [`ws://${DS}:8080/`, `wss://${DS}:8443/`])
    here.connectMessages(
      url,
      { protocols: ["sip"], ca: "CA" },
      {
        opened: (port) => port.send(octets("OPTIONS", { via: `Via: SIP/2.0/WS x.invalid;branch=z9hG4bK${port.remote.port}` })),
        message: (data) => client.told.push(String(data).slice(8, 11)),
        closed: () => assert.fail(),
      },
    );
  net.run(100);
  assert.deepEqual(client.told, ["200", "200", "200", "200", "200"]);
  const contact = (flow: Flow): string => formatUri(ownUri("ds1", ds.driver.localUri(flow)));
  assert.deepEqual(Object.fromEntries(ds.flows.map((flow) => [flow.transport, contact(flow)])), {
    udp: `sip:ds1@${DS}:5060;transport=udp`,
    tcp: `sip:ds1@${DS}:5060;transport=tcp`,
    tls: "sip:ds1@ds1.tv.example:5061;transport=tls",
    ws: `sip:ds1@${DS}:8080;transport=ws`,
    wss: "sip:ds1@ds1.tv.example:8443;transport=ws",
  });
  assert.equal(viaOf(ds.requests[2] ?? assert.fail())?.transport, "TLS");
});

test("TLS without a certificate cannot be configured", () => {
  const host = simNetwork(1).host("ds1", DS);
  const { certificate: _, ...config } = CONFIG;
  assert.throws(() => addTransports(new Party(host).driver, contextOf(host), config), /no certificate/);
});
