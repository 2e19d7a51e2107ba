/** Who listens behind a Linux bridge with IGMP snooping (RFC 4541): two hosts and the bridge in network namespaces. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { LIMITS } from "#base/limits.ts";
import { nodeHost } from "#host/node/index.ts";
import { TestSwitch } from "#host/node/test-switch.ts";
import { until } from "#host/node/test-tools.ts";
import { CONFIG, EdgeBench, POLICY } from "../testing.ts";
import { BridgeMembers } from "./bridge.ts";

const EDGE = "192.0.2.1"; // for documentation (RFC 5737)
const HOSTS = { alice: "192.0.2.2", bob: "192.0.2.3" } as const;
type HostName = keyof typeof HOSTS;
const GROUP = POLICY.groupFirst;
/** Time passes so much faster for the edge: half a minute takes three seconds. */
const HASTE = 10;

/** The edge is on the switch itself. */
function networkOrSkip(t: TestContext): TestSwitch | undefined {
  const network = TestSwitch.orSkip(t, HOSTS, { mcast_last_member_interval: 10 }); // 0.1 s, as for an edge in haste
  network?.address(EDGE);
  return network;
}
/** That host speaks to the edge and joins its group, until what is returned is called: then its system says that it leaves. */
async function join(t: TestContext, network: TestSwitch, host: HostName): Promise<() => void> {
  const code = `
    const socket = require("node:dgram").createSocket({ type: "udp4", reuseAddr: true });
    socket.bind(${POLICY.groupPort}, () => {
      socket.addSourceSpecificMembership("${EDGE}", "${GROUP}", "${HOSTS[host]}");
      socket.send("hello", 9, "${EDGE}", () => console.log("joined"));
    });`;
  const [program, ...args] = network.on(host, process.execPath, "-e", code);
  const child = spawn(program, args);
  t.after(() => child.kill());
  await once(child.stdout, "data");
  return () => child.kill();
}

test("a viewer whose host leaves the group is freed, one whose host stays is not (PROTOCOL §12)", async (t) => {
  const network = networkOrSkip(t);
  if (!network) return;
  const own = nodeHost();
  const host = {
    ...own,
    nowMs: () => own.nowMs() * HASTE,
    timer: (atMs: number, fire: () => void) => own.timer(atMs / HASTE, fire),
  };
  const bench = new EdgeBench(host, CONFIG, new BridgeMembers("br0", network.name)).policed();
  t.after(() => bench.edge.stop());
  const [leave] = await Promise.all([join(t, network, "alice"), join(t, network, "bob")]);
  for (const name of ["alice", "bob"] as const) {
    bench.joined(name, name, { viewerHost: HOSTS[name] });
    bench.edge.onReport(1, name, "success");
  }
  await sleep((1.5 * LIMITS.memberAbsentMs) / HASTE);
  assert.deepEqual([bench.ds.verdict(1, "alice"), bench.ds.verdict(1, "bob")], ["install", "install"]);
  leave();
  const leftMs = host.nowMs();
  await until("Remove", () => bench.ds.verdict(1, "alice") === "media-gone");
  assert.ok(host.nowMs() - leftMs >= LIMITS.memberAbsentMs);
  assert.ok(host.nowMs() - leftMs < 2 * LIMITS.memberAbsentMs, `${host.nowMs() - leftMs} ms`);
  assert.equal(bench.ds.verdict(1, "bob"), "install");
});

test("a bridge that tells nothing of its hosts says why", async (t) => {
  const network = networkOrSkip(t);
  if (!network) return;
  const faultOf = (name: string): Promise<string | undefined> => new BridgeMembers(name, network.name).fault();
  assert.equal(await faultOf("br0"), undefined);
  assert.match((await faultOf("br9")) ?? "", /^br9 cannot be read: Device "br9" does not exist$/);
  assert.equal(await faultOf("alice"), "alice is no bridge");
  network.set("mcast_querier", 0);
  assert.match((await faultOf("br0")) ?? "", /mcast_querier 1$/);
  network.set("mcast_snooping", 0);
  assert.match((await faultOf("br0")) ?? "", /mcast_snooping 1$/);
});
