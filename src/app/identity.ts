import dgram from "node:dgram";
import type { Identity } from "#client/agents.ts";
import { readAddress } from "#host/addresses.ts";
import { UsageError } from "./console.ts";
import { findDemo } from "./demo-state.ts";
import { readText } from "./files.ts";

/** How a client command was told who it is and where its DS is. */
export interface ClientFlags {
  readonly ds?: string;
  readonly domain?: string;
  readonly user?: string;
  readonly secret?: string;
  readonly transport: "udp" | "tcp" | "tls";
  /** File of authorities, PEM. */
  readonly ca?: string;
}

/** What the flags leave open is taken from the demo that runs on this machine; `owner`: of that channel, else anybody. */
export async function identify(flags: ClientFlags, channel: string, who: "owner" | "anybody"): Promise<Identity> {
  const demo = findDemo();
  const user = flags.user ?? (who === "owner" ? demo?.owners[channel] : undefined) ?? demo?.ready.accounts[0]?.user;
  const account = demo?.ready.accounts.find((one) => one.user === user);
  const ds = flags.ds ?? (user === undefined ? undefined : demo?.homes[user]) ?? demo?.ready.sites[0]?.ds.udp;
  const domain = flags.domain ?? demo?.ready.domain;
  const deviceSecret = flags.secret ?? account?.deviceSecret;
  if (user === undefined || ds === undefined || domain === undefined || deviceSecret === undefined) {
    const flags = Object.entries({ "--ds": ds, "--domain": domain, "--user": user, "--secret": deviceSecret });
    const missing = flags.flatMap(([name, value]) => (value === undefined ? [name] : [])).join(", ");
    throw new UsageError(
      demo ? `Give ${missing} as well.` : `No demo runs on this machine. Start one with npm start, or give ${missing}.`,
    );
  }
  const address = dsAddress(ds);
  return { user, domain, deviceSecret, ds: address, by: transportOf(flags), localHost: await localHostTowards(address.host) };
}

function transportOf({ transport, ca }: ClientFlags): NonNullable<Identity["by"]> {
  if (ca !== undefined && transport !== "tls") throw new UsageError("--ca is for --transport tls.");
  return { transport, ...(ca !== undefined && { ca: readText(ca) }) };
}

function dsAddress(text: string): Identity["ds"] {
  const address = readAddress(text);
  if (!address) throw new UsageError(`--ds is "${text}", an address and a port are needed, e.g. 127.0.0.1:5060.`);
  return address;
}

/** Our own address on the way to that host. */
function localHostTowards(host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket(host.includes(":") ? "udp6" : "udp4");
    const fail = (): void => reject(new UsageError(`There is no way from here to ${host}.`));
    socket.once("error", fail);
    socket.connect(9, host, () => {
      resolve(socket.address().address);
      socket.close();
    });
  });
}
