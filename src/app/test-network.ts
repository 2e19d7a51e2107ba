/** For tests: a network of their own (network_namespaces(7)), where every address is theirs and no port is taken. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import type { TestContext } from "node:test";
import { toolOrSkip } from "#host/node/test-tools.ts";
import type { Bench, Program } from "./test-program.ts";

/** Some programs believe in a network only where it has an outside: this one leads nowhere. */
const SET_UP = `
  ip link set lo up
  for address in $2; do ip address add $address/32 dev lo; done
  ip route add default dev lo src \${2%% *}
  mount --bind "$1" /etc/resolv.conf
  shift 2
  exec dnsmasq --no-daemon --conf-file=/dev/null --no-resolv --no-hosts "$@"`;
const NAMESPACES = ["--user", "--net", "--mount"] as const;

/** One host and the names in its DNS. All of it is gone with its holder, at the end of the bench. */
export class Network {
  readonly #holder: Program;

  private constructor(holder: Program) {
    this.#holder = holder;
  }

  /** Where there may be none the test is skipped, visibly, and with CI=true it fails. `records`: options of dnsmasq. */
  static async orSkip(
    t: TestContext,
    bench: Bench,
    addresses: readonly string[],
    records: readonly string[],
  ): Promise<Network | undefined> {
    if (!["unshare", "ip", "dnsmasq"].every((name) => toolOrSkip(t, name))) return undefined;
    const resolver = path.join(bench.folder, "resolv.conf");
    writeFileSync(resolver, "nameserver 127.0.0.1\n");
    const shell = ["sh", "-ec", SET_UP, "sh", resolver, addresses.join(" "), ...records];
    const holder = bench.run("unshare", "--map-root-user", ...NAMESPACES, ...shell);
    try {
      await holder.says(/started/);
      return new Network(holder);
    } catch (error) {
      if (process.env["CI"] === "true") throw error;
      t.skip(`there can be no network of its own: ${error}`);
      return undefined;
    }
  }

  /** The command line that runs that command there. */
  on(...command: string[]): [program: "nsenter", ...args: string[]] {
    return ["nsenter", "--target", `${this.#holder.pid}`, "--preserve-credentials", ...NAMESPACES, "--wd", ...command];
  }
}
