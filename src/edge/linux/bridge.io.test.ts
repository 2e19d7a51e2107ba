/** Who listens behind a Linux bridge with IGMP snooping (RFC 4541): two hosts and the bridge in network namespaces. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import { nodeHost } from "#host/node/index.ts";
import { toolOrSkip } from "#host/node/test-tools.ts";
import { CONFIG, EdgeBench, POLICY } from "../testing.ts";
import { BridgeMembers } from "./bridge.ts";

const EDGE = "192.0.2.1"; // for documentation (RFC 5737)
const HOSTS = { alice: "192.0.2.2", bob: "192.0.2.3" } as const;
type HostName = keyof typeof HOSTS;
const GROUP = POLICY.groupFirst;
/** Time passes so much faster for the edge: half a minute takes three seconds. */
const HASTE = 10;
const PATIENCE_MS = 15_000;

function ip(...args: string[]): void {
  const { status, stderr } = spawnSync("ip", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr}`);
}
async function eventually(what: string, holds: () => boolean): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS;
  while (!holds()) {
    assert.ok(performance.now() < endMs, `no ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

class Network {
  readonly #edge = `sipcast-edge-${process.pid}`;
  readonly #children: ChildProcess[] = [];

  /** Throws where there may be no namespaces or bridges. */
  constructor(t: TestContext) {
    t.after(() => {
      for (const child of this.#children) child.kill();
      for (const name of [this.#edge, ...Object.keys(HOSTS).map((host) => this.#of(host))])
        spawnSync("ip", ["netns", "del", name]);
    });
    ip("netns", "add", this.#edge);
    ip("-n", this.#edge, "link", "add", "name", "br0", "type", "bridge", "mcast_igmp_version", "3");
    this.set("mcast_querier", 1);
    this.set("mcast_last_member_interval", 10); // 0.1 s, as for an edge in haste
    ip("-n", this.#edge, "address", "add", `${EDGE}/24`, "dev", "br0");
    ip("-n", this.#edge, "link", "set", "br0", "up");
    for (const host of Object.keys(HOSTS) as HostName[]) {
      const namespace = this.#of(host);
      ip("netns", "add", namespace);
      ip("link", "add", "eth0", "netns", namespace, "type", "veth", "peer", "name", host, "netns", this.#edge);
      ip("-n", this.#edge, "link", "set", host, "master", "br0", "up");
      ip("-n", namespace, "address", "add", `${HOSTS[host]}/24`, "dev", "eth0");
      for (const device of ["lo", "eth0"]) ip("-n", namespace, "link", "set", device, "up");
    }
  }
  #of(host: string): string {
    return `${this.#edge}-${host}`;
  }
  set(option: string, value: number): void {
    ip("-n", this.#edge, "link", "set", "br0", "type", "bridge", option, String(value));
  }
  members(bridge: string): BridgeMembers {
    return new BridgeMembers(bridge, this.#edge);
  }
  /** That host speaks to the edge and joins its group, until what is returned is called: then its system says that it leaves. */
  async join(host: HostName): Promise<() => void> {
    const code = `
      const socket = require("node:dgram").createSocket({ type: "udp4", reuseAddr: true });
      socket.bind(${POLICY.groupPort}, () => {
        socket.addSourceSpecificMembership("${EDGE}", "${GROUP}", "${HOSTS[host]}");
        socket.send("hello", 9, "${EDGE}", () => console.log("joined"));
      });`;
    const child = spawn("ip", ["netns", "exec", this.#of(host), process.execPath, "-e", code]);
    this.#children.push(child);
    await once(child.stdout, "data");
    return () => child.kill();
  }
}
function networkOrSkip(t: TestContext): Network | undefined {
  try {
    return new Network(t);
  } catch (error) {
    if (process.env["CI"] === "true") throw error;
    t.skip(`there can be no network of its own: ${error}`);
    return undefined;
  }
}

test("a viewer whose host leaves the group is freed, one whose host stays is not (PROTOCOL §12)", async (t) => {
  if (!toolOrSkip(t, "ip") || !toolOrSkip(t, "bridge")) return;
  const network = networkOrSkip(t);
  if (!network) return;
  const own = nodeHost();
  const host = {
    ...own,
    nowMs: () => own.nowMs() * HASTE,
    timer: (atMs: number, fire: () => void) => own.timer(atMs / HASTE, fire),
  };
  const bench = new EdgeBench(host, CONFIG, network.members("br0")).policed();
  t.after(() => bench.edge.stop());
  const [leave] = await Promise.all([network.join("alice"), network.join("bob")]);
  for (const name of ["alice", "bob"] as const) {
    bench.joined(name, name, { viewerHost: HOSTS[name] });
    bench.edge.onReport(1, name, "success");
  }
  await new Promise((resolve) => setTimeout(resolve, (1.5 * LIMITS.memberAbsentMs) / HASTE));
  assert.deepEqual([bench.ds.verdict(1, "alice"), bench.ds.verdict(1, "bob")], ["install", "install"]);
  leave();
  const leftMs = host.nowMs();
  await eventually("Remove", () => bench.ds.verdict(1, "alice") === "media-gone");
  assert.ok(host.nowMs() - leftMs >= LIMITS.memberAbsentMs);
  assert.ok(host.nowMs() - leftMs < 2 * LIMITS.memberAbsentMs, `${host.nowMs() - leftMs} ms`);
  assert.equal(bench.ds.verdict(1, "bob"), "install");
});

test("a bridge that tells nothing of its hosts says why", async (t) => {
  if (!toolOrSkip(t, "ip") || !toolOrSkip(t, "bridge")) return;
  const network = networkOrSkip(t);
  if (!network) return;
  const faultOf = (name: string): Promise<string | undefined> => network.members(name).fault();
  assert.equal(await faultOf("br0"), undefined);
  assert.match((await faultOf("br9")) ?? "", /^br9 cannot be read: Device "br9" does not exist$/);
  assert.equal(await faultOf("alice"), "alice is no bridge");
  network.set("mcast_querier", 0);
  assert.match((await faultOf("br0")) ?? "", /mcast_querier 1$/);
  network.set("mcast_snooping", 0);
  assert.match((await faultOf("br0")) ?? "", /mcast_snooping 1$/);
});
