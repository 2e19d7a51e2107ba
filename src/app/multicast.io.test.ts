/**
 * Multicast over a switch that somebody else wrote: operator, viewer and a bystander in network namespaces of their own, and
 * Linux's bridge with IGMP snooping (RFC 4541) between them.
 */
import assert from "node:assert/strict";
import { statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { stringify } from "yaml";
import { TestSwitch } from "#host/node/test-switch.ts";
import { until } from "#host/node/test-tools.ts";
import { SIGN_UP, type SignedUp } from "./test-people.ts";
import { Bench, HOME, type Program, SERVING } from "./test-program.ts";

/** The hosts on the switch. Addresses for documentation (RFC 5737): nothing else has them. */
const HOSTS = { operator: "192.0.2.1", viewer: "192.0.2.2", bystander: "192.0.2.3" } as const;
type HostName = keyof typeof HOSTS;
const DOMAIN = "tv.example";
const PORT = { sip: 5_060, sipWs: 5_061, cops: 5_062, mediaWs: 5_063, broker: 5_064, web: 8_080, ingest: 6_000, group: 5_004 };
const WEB = `http://${HOSTS.operator}:${PORT.web}`;
/** A datagram of seven TS packets with its RTP header (RFC 2250). */
const RTP_OCTETS = 7 * 188 + 12;
const INTRUSION = { datagrams: 1_000, octets: 1_000 } as const;

const CONFIG = stringify({
  domain: DOMAIN,
  origins: [WEB],
  ds: [{ id: "ds1", site: "north", udp: at(PORT.sip), tcp: at(PORT.sip), ws: at(PORT.sipWs), edge: "edge1" }],
  edge: [
    {
      id: "edge1",
      site: "north",
      cops: at(PORT.cops),
      media: { address: HOSTS.operator, ws: at(PORT.mediaWs), ingestFirst: PORT.ingest },
    },
  ],
  broker: [{ cops: at(PORT.broker), groupPort: PORT.group, edges: [{ id: "edge1", site: "north", accessKbps: 100_000 }] }],
  registration: { database: ":memory:" },
  web: [{ listen: at(PORT.web) }],
});
function at(port: number): string {
  return `${HOSTS.operator}:${port}`;
}

/** Sends to the group from an address that is not the channel's source. */
const intrude = (group: string): string => `
  const socket = require("node:dgram").createSocket("udp4");
  socket.bind(0, "${HOSTS.bystander}", () => {
    socket.setMulticastInterface("${HOSTS.bystander}");
    let left = ${INTRUSION.datagrams};
    const next = () => left-- > 0 ? socket.send(Buffer.alloc(${INTRUSION.octets}), ${PORT.group}, "${group}", next) : socket.close();
    next();
  });
`;

test("a channel crosses an IGMP-snooping switch to who joined its source, and to nobody else (RFC 4607, RFC 3376)", async (t) => {
  // Who has begun to ask floods until hosts have had the time to answer: 1 s instead of 10.
  const network = TestSwitch.orSkip(t, HOSTS, { mcast_query_response_interval: 100 });
  if (!network) return;
  const bench = new Bench();
  t.after(() => bench.close());
  const run = (host: HostName, ...command: string[]): Program => bench.run(...network.on(host, ...command));
  const sipcast = (host: HostName, ...args: string[]): Program => run(host, path.join(HOME, "bin/sipcast"), ...args);

  const config = path.join(bench.folder, "operator.yaml");
  writeFileSync(config, CONFIG);
  const operator = sipcast("operator", "serve", "--config", config, "--log", "json");
  await operator.says(SERVING);
  const account = run("operator", process.execPath, SIGN_UP, WEB, "alice");
  const [{ secret, channel }] = JSON.parse(await account.firstLine()) as [SignedUp];
  const alice = ["--ds", at(PORT.sip), "--domain", DOMAIN, "--user", "alice", "--secret", secret];
  const broadcast = sipcast("operator", "broadcast", channel, "testdata/clips/sport.ts", ...alice);
  await broadcast.says(/is on air/);
  assert.deepEqual(network.members(), []);

  const before = { viewer: network.octetsTo("viewer"), bystander: network.octetsTo("bystander") };
  const file = path.join(bench.folder, "watched.ts");
  const watch = sipcast("viewer", "watch", channel, "-o", file, ...alice);
  const [, group = ""] = await watch.says(
    new RegExp(`group (232\\.\\d+\\.\\d+\\.\\d+):${PORT.group}, source ${HOSTS.operator},`),
  );
  await until("two dozen packets", () => statSync(file).size > 24 * RTP_OCTETS);
  assert.deepEqual(network.members(), [`viewer ${HOSTS.operator} ${group}`]);
  assert.ok(network.octetsTo("viewer") - before.viewer >= statSync(file).size);
  const stray = network.octetsTo("bystander") - before.bystander;
  assert.ok(stray < RTP_OCTETS, `${stray} octets went to a host that did not join`);

  const beforeIntrusion = network.octetsTo("viewer");
  assert.equal(await run("bystander", process.execPath, "-e", intrude(group)).exit(), 0);
  const more = network.octetsTo("viewer") - beforeIntrusion;
  assert.ok(more < (INTRUSION.datagrams * INTRUSION.octets) / 2, `${more} octets, also from another source than the channel's`);

  assert.equal(await watch.stop(), 0, watch.err);
  await until("an empty multicast table", () => network.members().length === 0);
  assert.equal(await broadcast.stop(), 0, broadcast.err);
  assert.equal(await operator.stop("SIGTERM"), 0, operator.err);
});
