/** For tests: machines on a switch, Linux's bridge with IGMP snooping (RFC 4541), in network namespaces of their own. */
import { spawnSync } from "node:child_process";
import type { TestContext } from "node:test";
import { toolOrSkip } from "./test-tools.ts";

const BRIDGE = "br0";
/** `ip` and `bridge`; throws what they complain of. */
function command(name: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(name, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${name} ${args.join(" ")}: ${stderr}`);
  return stdout;
}
const ip = (...args: string[]): string => command("ip", ...args);
let switches = 0;
/** Of bridge(8), e.g. how long members are waited for. */
type BridgeOptions = Readonly<Record<string, number>>;

/** All of it goes with its namespaces, at the end of the test. */
export class TestSwitch {
  /** Its own namespace. */
  readonly name = `sipcast-${process.pid}-${switches++}`;

  private constructor(options: BridgeOptions) {
    ip("netns", "add", this.name);
    ip("-n", this.name, "link", "add", "name", BRIDGE, "type", "bridge", "mcast_igmp_version", "3");
    for (const [option, value] of Object.entries({ ...options, mcast_querier: 1 })) this.set(option, value);
    ip("-n", this.name, "link", "set", BRIDGE, "up");
  }
  /**
   * A switch with those machines, by their names and addresses in a /24. Networks are root's to make: where there may be
   * none the test is skipped, visibly, and with CI=true it fails.
   */
  static orSkip(t: TestContext, machines: Readonly<Record<string, string>>, options: BridgeOptions): TestSwitch | undefined {
    if (!toolOrSkip(t, "ip") || !toolOrSkip(t, "bridge")) return undefined;
    try {
      const made = new TestSwitch(options);
      t.after(() => {
        for (const name of [made.name, ...Object.keys(machines).map((machine) => made.#of(machine))])
          spawnSync("ip", ["netns", "del", name]);
      });
      for (const [machine, address] of Object.entries(machines)) made.#plugIn(machine, address);
      return made;
    } catch (error) {
      if (process.env["CI"] === "true") throw error;
      t.skip(`there can be no network of its own: ${error}`);
      return undefined;
    }
  }
  #of(machine: string): string {
    return `${this.name}-${machine}`;
  }
  #plugIn(machine: string, address: string): void {
    const namespace = this.#of(machine);
    ip("netns", "add", namespace);
    ip("link", "add", "eth0", "netns", namespace, "type", "veth", "peer", "name", machine, "netns", this.name);
    ip("-n", this.name, "link", "set", machine, "master", BRIDGE, "up");
    ip("-n", namespace, "address", "add", `${address}/24`, "dev", "eth0");
    for (const device of ["lo", "eth0"]) ip("-n", namespace, "link", "set", device, "up");
  }

  set(option: string, value: number): void {
    ip("-n", this.name, "link", "set", BRIDGE, "type", "bridge", option, `${value}`);
  }
  /** The switch itself has an address. */
  address(address: string): void {
    ip("-n", this.name, "address", "add", `${address}/24`, "dev", BRIDGE);
  }
  /** The command line that runs that command on that machine. */
  on(machine: string, ...args: string[]): [program: "ip", ...args: string[]] {
    return ["ip", "netns", "exec", this.#of(machine), ...args];
  }
  /** What it has sent to that machine so far. */
  octetsTo(machine: string): number {
    const [link] = JSON.parse(ip("-n", this.name, "-j", "-s", "link", "show", "dev", machine)) as [Link];
    return link.stats64.tx.bytes;
  }
  /** Who has joined what, "MACHINE SOURCE GROUP" each. The bridge has an entry of the group itself, which names its sources, beside. */
  members(): string[] {
    const [{ mdb }] = JSON.parse(command("bridge", "-n", this.name, "-j", "-d", "mdb", "show")) as [{ mdb: readonly Member[] }];
    const joined = mdb.filter(({ grp, src, filter_mode }) => /^\d/.test(grp) && (src !== undefined || filter_mode !== "include"));
    return joined.map(({ port, src = "any", grp }) => `${port} ${src} ${grp}`);
  }
}
interface Link {
  readonly stats64: { readonly tx: { readonly bytes: number } };
}
interface Member {
  readonly port: string;
  readonly grp: string;
  readonly src?: string;
  readonly filter_mode?: "include" | "exclude";
}
