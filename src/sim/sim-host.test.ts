import assert from "node:assert/strict";
import { type Bench, testHost } from "#host/conformance.ts";
import type { Host } from "#host/host.ts";
import { tap } from "#host/tap.ts";
import { simCertificate, simNetwork } from "./index.ts";

testHost("simulated host", (body) => onBench(body, (host) => host));
testHost("tapped host", (body) => onBench(body, (host) => tap(host, "a", () => undefined)));

async function onBench(body: (bench: Bench) => Promise<void>, wrap: (host: Host) => Host): Promise<void> {
  const net = simNetwork(1);
  await body({
    host: wrap(net.host("a", "127.0.1.1")),
    address: "127.0.1.1",
    until: async (condition) => {
      for (let ms = 0; !condition(); ms++) {
        assert.ok(ms < 5_000, "it never happened");
        net.run(1);
      }
    },
    quiet: async () => net.run(100),
    fillDisk: (isFull) => net.fillDisk("a", isFull),
    rot: (log, record) => net.rotRecord("a", log, record),
    certified: async (authority, names) => ({
      ...simCertificate(authority, ...names.flatMap((name) => [`DNS:${name}`, `URI:sip:${name}`])),
      ca: authority,
    }),
  });
}
