import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ConfigFault, ParsedConfig } from "#base/config.ts";
import { topologyFaults } from "#broker/index.ts";
import { isWildcard } from "#host/addresses.ts";
import { type Address, showAddress } from "#host/host.ts";
import { Placement } from "#registration/index.ts";
import { brokerOfEdge, childrenOf, databaseOf, edgeCopsOf, natsOf, topologyOf, unicastPortsOf } from "./config.ts";
import { type Config, MAIN } from "./config-schema.ts";
import { OPERATOR_KEY } from "./data-folder.ts";
import { readFile } from "./files.ts";

/** Something wrong, and the path of the value that is. */
interface Finding {
  readonly path: string;
  readonly message: string;
}
/** A port that a role opens. */
export interface ListenPort {
  readonly path: string;
  readonly protocol: "TCP" | "UDP";
  readonly at: Address;
}

/** What no single key tells: names and ports used twice, roles that miss others. With those of the parser, in the file's order. */
export function allFaults({ value, faults, placeOf }: ParsedConfig<Config>): readonly ConfigFault[] {
  const isReadable = faults.length === 0;
  const findings = [
    ...repeatedIds(value),
    ...repeatedPorts(listenPorts(value)),
    ...missingPeers(value),
    ...processes(value),
    ...unusablePorts(value),
    ...(isReadable
      ? [
          ...missingRoles(value),
          ...machines(value),
          ...certificates(value),
          ...value.broker.flatMap(topology),
          ...accounts(value),
        ]
      : []),
  ];
  const found = findings.map(({ path, message }) => ({
    place: placeOf(path),
    message: path === "" ? message : `${path}: ${message}`,
  }));
  return [...faults, ...found].sort((a, b) => lineOf(a) - lineOf(b));
}
const lineOf = ({ place }: ConfigFault): number => (place && "line" in place ? place.line : 0);

/** Every port that the processes open. Those for streams are opened by and by. */
export function listenPorts({ ds, edge, broker, web, admin }: Config): readonly ListenPort[] {
  const tcp = (path: string, at: Address): ListenPort => ({ path, protocol: "TCP", at });
  return [
    ...ds.flatMap(({ udp, ...one }, at) => [
      { path: `ds[${at}].udp`, protocol: "UDP", at: udp } as const,
      ...(["tcp", "tls", "ws", "wss"] as const).flatMap((name) => (one[name] ? [tcp(`ds[${at}].${name}`, one[name])] : [])),
    ]),
    ...edge.flatMap(({ cops, media }, at) => [
      tcp(`edge[${at}].cops`, cops),
      tcp(`edge[${at}].media.ws`, media.ws),
      ...streamPorts(media, `edge[${at}].media`),
    ]),
    ...broker.map(({ cops }, at) => tcp(`broker[${at}].cops`, cops)),
    ...web.map(({ listen }, at) => tcp(`web[${at}].listen`, listen)),
    ...(admin ? [tcp("admin", admin)] : []),
  ];
}
function streamPorts(media: Config["edge"][number]["media"], path: string): ListenPort[] {
  const range = (name: string, first: number, length: number): ListenPort[] =>
    Array.from({ length }, (_, at) => ({
      path: `${path}.${name}`,
      protocol: "UDP",
      at: { host: media.address, port: first + at },
    }));
  const unicast = unicastPortsOf(media);
  return [
    ...range("ingestFirst", media.ingestFirst, media.ingestCount),
    ...range("unicastFirst", unicast.first, 2 * unicast.count),
  ];
}

function repeatedIds({ ds, edge, broker, registration, web }: Config): Finding[] {
  const lists = { ds, edge, broker, web };
  const members = Object.entries(lists).flatMap(([kind, roles]) =>
    roles.map(({ id }, at) => ({ id, path: `${kind}[${at}].id` })),
  );
  if (registration) members.push({ id: registration.id, path: "registration.id" });
  const seen = new Map<string, string>();
  return members.flatMap(({ id, path }) => {
    const first = seen.get(id);
    seen.set(id, first ?? path);
    return first === undefined || id === "" ? [] : [{ path, message: `${id} is the name of ${first} already` }];
  });
}

function repeatedPorts(ports: readonly ListenPort[]): Finding[] {
  const seen = new Map<string, ListenPort[]>();
  const findings: Finding[] = [];
  for (const port of ports) {
    const key = `${port.protocol} ${port.at.port}`;
    const sharing = seen.get(key) ?? [];
    seen.set(key, [...sharing, port]);
    const other = sharing.find(({ at }) => at.host === port.at.host || isWildcard(at.host) || isWildcard(port.at.host));
    if (!other || port.at.port === 0 || findings.some(({ path }) => path === port.path)) continue;
    findings.push({
      path: port.path,
      message: `${port.protocol} ${showAddress(port.at)} is used twice, by ${other.path} as well`,
    });
  }
  return findings;
}

function unusablePorts({ edge }: Config): Finding[] {
  return edge.flatMap(({ media }, at) => {
    const path = `edge[${at}].media.unicastFirst`;
    const { first, count } = unicastPortsOf(media);
    if (first % 2 !== 0) return [{ path, message: `${first} is odd: RTP has even ports (RFC 3550 §11)` }];
    return first + 2 * count > 65_536 ? [{ path, message: `${count} viewers from port ${first} on are too many` }] : [];
  });
}

function missingPeers(config: Config): Finding[] {
  const { ds, edge, broker, web } = config;
  const names = edge.map(({ id }) => id).join(", ") || "none";
  const findings = ds.flatMap((one, at): Finding[] =>
    edgeCopsOf(one, config) || one.edge === ""
      ? []
      : [
          {
            path: `ds[${at}].edge`,
            message: `there is no edge ${one.edge} in this file (there is: ${names}): name one of those, or say where it is with edgeCops`,
          },
        ],
  );
  edge.forEach((one, at) => {
    const cops = brokerOfEdge(one, config);
    const here = broker.find((each) => cops && showAddress(each.cops) === showAddress(cops));
    if (!cops)
      findings.push({
        path: `edge[${at}]`,
        message: `its broker is not known: ${broker.length === 0 ? "no" : "more than one"} broker stands in this file, so broker: ADDRESS is needed`,
      });
    else if (here && !here.edges.some(({ id }) => id === one.id) && one.id !== "")
      findings.push({
        path: `edge[${at}].id`,
        message: `the topology of ${here.id} has no edge ${one.id}: it would serve nobody`,
      });
  });
  web.forEach(({ sip }, at) => {
    if (ds.length + Object.keys(sip).length === 0)
      findings.push({ path: `web[${at}]`, message: "there is no DS that pages could call" });
  });
  return findings;
}

/** Roles that meet on the overlay stand in one file, or find one another by NATS. COPS reaches other machines without it. */
function missingRoles({ ds, edge, broker, registration, web, overlay }: Config): Finding[] {
  if (ds.length + edge.length + broker.length + web.length === 0 && !registration)
    return [{ path: "", message: "no role is configured: nothing would run" }];
  if (overlay.nats) return [];
  const only = "roles that meet on the overlay must stand in one file, unless overlay.nats joins them";
  const findings: Finding[] = [];
  if (ds.length > 0 && !registration)
    findings.push({ path: "ds", message: `registration is missing here: no user would be known (${only})` });
  if (web.length > 0 && !registration)
    findings.push({ path: "web", message: `registration is missing here: nobody could sign in (${only})` });
  if (web.length > 0 && ds.length === 0)
    findings.push({ path: "web", message: `a DS is missing here: no channel would ever be on air (${only})` });
  if (registration && ds.length === 0)
    findings.push({ path: "registration", message: `a DS is missing here: accounts would have no server (${only})` });
  return findings;
}

/** How the whole is, is told by the main process. */
function processes(config: Config): Finding[] {
  const [first] = childrenOf(config);
  if (first === undefined || config.admin || config.web.some(({ process }) => process === MAIN)) return [];
  const message = `admin is missing: with a process ${first}, and no web in the main one, nothing else tells how all of it is`;
  return [{ path: "", message }];
}

function machines({ overlay: { nats }, data, domain }: Config): Finding[] {
  if (!nats) return [];
  const path = "overlay.nats";
  const findings: Finding[] = [];
  const key = data === undefined ? undefined : join(data, OPERATOR_KEY);
  if (key === undefined)
    findings.push({ path, message: `data is missing: all machines share the ${OPERATOR_KEY} in it, which sipcast init makes` });
  else if (!existsSync(key))
    findings.push({ path, message: `there is no ${key}: all machines share that of sipcast init; bring it there` });
  const { cert, key: privateKey } = nats.tls;
  if ((cert === undefined) !== (privateKey === undefined))
    findings.push({ path: `${path}.tls`, message: "cert and key need one another" });
  const { nkey, tls } = nats;
  const missing = unreadable(path, { nkey, "tls.ca": tls.ca, "tls.cert": tls.cert, "tls.key": tls.key });
  const unusable = missing.length > 0 ? undefined : faultOf(() => natsOf(nats, domain));
  return [...findings, ...missing, ...(unusable === undefined ? [] : [{ path: `${path}.nkey`, message: unusable }])];
}
/** Of those files, named by their keys, what cannot be read. */
function unreadable(path: string, files: Readonly<Record<string, string | undefined>>): Finding[] {
  return Object.entries(files).flatMap(([key, file]) => {
    const message = file === undefined ? undefined : faultOf(() => readFile(file));
    return message === undefined ? [] : [{ path: `${path}.${key}`, message }];
  });
}

function certificates({ ds }: Config): Finding[] {
  return ds.flatMap(({ udp, tcp, tls, wss, peers, certificate }, at) => {
    const path = `ds[${at}]`;
    return [
      ...((tls || wss) && !certificate ? [{ path, message: "tls and wss need a certificate" }] : []),
      ...({ udp, tcp, tls }[peers] ? [] : [{ path: `${path}.peers`, message: `it has no ${peers}` }]),
      ...(tcp && tcp.port !== udp.port ? [{ path: `${path}.tcp`, message: `its port must be that of udp, ${udp.port}` }] : []),
      ...unreadable(`${path}.certificate`, { ...certificate }),
    ];
  });
}
function faultOf(act: () => unknown): string | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function topology(broker: Config["broker"][number], at: number): Finding[] {
  return topologyFaults(topologyOf(broker)).map((message) => ({ path: `broker[${at}].edges`, message }));
}

function accounts(config: Config): Finding[] {
  const { registration, ds, overlay } = config;
  if (!registration) return [];
  const findings: Finding[] = registration.placement.flatMap((one, at) => {
    const path = `registration.placement[${at}]`;
    const isKnown = overlay.nats !== undefined || ds.some(({ id }) => id === one.ds);
    const unknown = isKnown ? [] : [{ path: `${path}.ds`, message: `there is no DS ${one.ds} in this file` }];
    const malformed = faultOf(() => new Placement([one]));
    return malformed === undefined ? unknown : [...unknown, { path: `${path}.prefix`, message: malformed }];
  });
  if (databaseOf(config) === undefined)
    findings.push({ path: "registration", message: 'accounts would not be kept: give data, or database: ":memory:" to say so' });
  return findings;
}
