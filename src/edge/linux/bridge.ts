import { execFile } from "node:child_process";
import type { MemberPort, MemberTable } from "../absences.ts";
import { bridgeFault, bridgeTable } from "./bridge-table.ts";

const TIMEOUT_MS = 2_000;
const MAX_OCTETS = 16 * 1024 * 1024;

/** What a tool of iproute2 printed. */
function run(tool: "ip" | "bridge", args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(tool, args, { timeout: TIMEOUT_MS, maxBuffer: MAX_OCTETS }, (error, printed, complaint) => {
      if (!error) return resolve(printed);
      const why = error.code === "ENOENT" ? "iproute2 is not installed" : complaint.trim().replace(/\.$/, "") || error.message;
      reject(new Error(why));
    });
  });
}

/** The members that a Linux bridge of this machine has heard of: it snoops IGMP (RFC 4541). */
export class BridgeMembers implements MemberPort {
  readonly #bridge: string;
  readonly #where: readonly string[];

  /** `namespace`: that the bridge is in; default this process's. */
  constructor(bridge: string, namespace?: string) {
    this.#bridge = bridge;
    this.#where = namespace === undefined ? [] : ["-n", namespace];
  }

  look(seen: (table: MemberTable | string) => void): void {
    this.#read().then(seen, (error: Error) => seen(`${this.#bridge} cannot be read: ${error.message}`));
  }
  /** Why it cannot be relied on, in a sentence without its period. */
  fault(): Promise<string | undefined> {
    return new Promise((resolve) => this.look((table) => resolve(typeof table === "string" ? table : undefined)));
  }

  async #read(): Promise<MemberTable | string> {
    const ask = (tool: "ip" | "bridge", ...args: string[]): Promise<string> => run(tool, [...this.#where, "-j", ...args]);
    const link = await ask("ip", "-d", "link", "show", "dev", this.#bridge);
    const [mdb, fdb, neighbours] = await Promise.all([
      ask("bridge", "-d", "mdb", "show", "dev", this.#bridge),
      ask("bridge", "fdb", "show", "br", this.#bridge),
      ask("ip", "neigh", "show"),
    ]);
    return bridgeFault(this.#bridge, link, mdb) ?? bridgeTable(mdb, fdb, neighbours);
  }
}
