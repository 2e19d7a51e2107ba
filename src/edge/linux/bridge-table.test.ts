import assert from "node:assert/strict";
import { test } from "node:test";
import { bridgeFault, bridgeTable } from "./bridge-table.ts";

const NO_ROUTER = JSON.stringify([{ mdb: [], router: {} }]);
const link = (data: object, kind = "bridge"): string =>
  JSON.stringify([{ ifname: "br0", linkinfo: { info_kind: kind, info_data: { mcast_snooping: 1, mcast_querier: 1, ...data } } }]);
const FAULTS: { name: string; link: string; mdb?: string; says: RegExp | undefined }[] = [
  { name: "that snoops and asks", link: link({}), says: undefined },
  {
    name: "behind which a router asks",
    link: link({ mcast_querier: 0 }),
    mdb: '[{"mdb":[],"router":{"br0":[{"port":"p1"}]}}]',
    says: undefined,
  },
  { name: "behind which nobody asks", link: link({ mcast_querier: 0 }), says: /members are forgotten: .*mcast_querier 1$/ },
  { name: "that does not snoop", link: link({ mcast_snooping: 0 }), says: /does not snoop IGMP.*mcast_snooping 1$/ },
  { name: "that is a cable", link: link({}, "veth"), says: /^br0 is no bridge$/ },
  { name: "that is a card", link: '[{"ifname":"br0"}]', says: /^br0 is no bridge$/ },
];
for (const { name, link: text, mdb = NO_ROUTER, says } of FAULTS)
  test(`a bridge ${name}: ${says ? "its table says nothing" : "its table can be relied on"} (RFC 4541)`, () => {
    const fault = bridgeFault("br0", text, mdb);
    if (says) assert.match(fault ?? "", says);
    else assert.equal(fault, undefined);
  });

test("a table of members: hosts' ports by their hardware addresses, members by their ports (RFC 4541)", () => {
  const mdb = [
    { port: "p1", grp: "232.0.1.5", src: "192.0.2.1", filter_mode: "include" },
    { port: "p1", grp: "232.0.1.5", filter_mode: "include", source_list: [{ address: "192.0.2.1", timer: "258.27" }] },
    { port: "p2", grp: "232.0.1.5", filter_mode: "include", source_list: [] }, // who was a member lately
    { port: "p3", grp: "232.0.1.5", filter_mode: "exclude" }, // by IGMP version 2
    { port: "p4", grp: "232.0.1.5" }, // of an older iproute2
  ];
  const fdb = [
    { mac: "02:00:00:00:00:02", ifname: "p1", state: "" },
    { mac: "02:00:00:00:00:03", ifname: "p2", state: "permanent" }, // the port's own
  ];
  const neighbours = [
    { dst: "192.0.2.2", dev: "br0", lladdr: "02:00:00:00:00:02", state: ["STALE"] },
    { dst: "192.0.2.3", dev: "br0", lladdr: "02:00:00:00:00:03", state: ["STALE"] },
    { dst: "192.0.2.4", dev: "br0", state: ["FAILED"] },
  ];
  const table = bridgeTable(JSON.stringify([{ mdb, router: {} }]), JSON.stringify(fdb), JSON.stringify(neighbours));
  assert.deepEqual(
    ["192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.9"].map((host) => table.portOf(host)),
    ["p1", undefined, undefined, undefined],
  );
  assert.deepEqual(
    ["p1", "p2", "p3", "p4"].map((port) => table.hasMember(port, "232.0.1.5")),
    [true, false, true, true],
  );
  assert.equal(table.hasMember("p1", "232.0.1.6"), false);
});
