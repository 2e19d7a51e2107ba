/** What `sipcast init` makes for several machines: servers of NATS, and how the operator's processes are known to them. */
import { isIP } from "node:net";
import path from "node:path";
import { nkeys } from "@nats-io/transport-node";
import { showAddress } from "#host/host.ts";

const CLIENT_PORT = 4_222;
const ROUTE_PORT = 6_222;
const SEED = "nats.nkey";

/** Name of a server, and of its files, by its place in the list of hosts. */
export const natsId = (at: number): string => `nats${at + 1}`;

/** The seed that all processes share, and a configuration of nats-server a host; certificates beside them have its name. */
export function natsFiles(folder: string, domain: string, hosts: readonly string[]): ReadonlyMap<string, string> {
  if (hosts.length === 0) return new Map();
  const user = nkeys.createUser();
  const confs = hosts.map((_, at) => [`${natsId(at)}.conf`, confOf(folder, domain, hosts, at, user.getPublicKey())] as const);
  return new Map([[SEED, `${new TextDecoder().decode(user.getSeed())}\n`], ...confs]);
}

/** A server of the mesh: TLS and the operator's nkey for clients, certificates of the operator's authority between servers. */
function confOf(folder: string, domain: string, hosts: readonly string[], at: number, user: string): string {
  const id = natsId(at);
  const host = hosts[at] ?? "";
  const listen = (port: number): string => `"${isIP(host) ? showAddress({ host, port }) : `0.0.0.0:${port}`}"`;
  const file = (name: string): string => JSON.stringify(path.join(folder, name));
  const tls = `tls { cert_file: ${file(`${id}.pem`)}, key_file: ${file(`${id}.key`)}, ca_file: ${file("ca.pem")}, timeout: 5 }`;
  const routes = hosts
    .filter((other) => other !== host)
    .map((other) => `"nats://${showAddress({ host: other, port: ROUTE_PORT })}"`);
  return `# nats-server -c ${path.join(folder, `${id}.conf`)}
server_name: "${id}"
listen: ${listen(CLIENT_PORT)}
${tls}
authorization { users: [ { nkey: "${user}", permissions: { publish: "sipcast.>", subscribe: "sipcast.>" } } ] }
cluster {
  name: "${domain}"
  listen: ${listen(ROUTE_PORT)}
  ${tls}
  routes: [${routes.join(", ")}]
}
`;
}

export function natsAdvice(folder: string, hosts: readonly string[]): readonly string[] {
  return [
    "",
    "For several machines:",
    "1. Start a NATS server (nats-server 2.9 or later) on each of its hosts, with its three files and ca.pem from here:",
    ...hosts.map(
      (host, at) =>
        `     ${host}: nats-server -c ${path.join(folder, `${natsId(at)}.conf`)}   (and ${natsId(at)}.pem, ${natsId(at)}.key)`,
    ),
    "   The files name one another by their paths here: bring them to the same place, or change the paths.",
    `2. Bring ${SEED} and ca.pem to every machine that has roles, and say there:`,
    "     overlay:",
    "       nats:",
    `         servers: [${hosts.map((host) => JSON.stringify(showAddress({ host, port: CLIENT_PORT }))).join(", ")}]   # the nearest first`,
    `         tls: { ca: ${path.join(folder, "ca.pem")} }`,
    `         nkey: ${path.join(folder, SEED)}`,
    "3. Give each machine a file with its own roles alone: sipcast check tells what is missing.",
    `Keep ${SEED} as safe as the operator key: whoever has both can be any of your servers.`,
  ];
}
