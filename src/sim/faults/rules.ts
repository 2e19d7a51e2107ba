/** The invariants of DESIGN §5, read from the servers themselves. */
import type { EdgeReservation } from "#edge/service.ts";
import type { Row } from "#overlay/types.ts";
import type { RunningDs } from "#roles/ds.ts";
import type { RunningEdge } from "#roles/edge.ts";
import type { World } from "../world.ts";

/** A rule that was broken, and where. */
export interface Violation {
  readonly rule: string;
  readonly what: string;
}
/** Of each site's link to the core, and of each access network. */
export interface CapacityKbps {
  readonly core: number;
  readonly access: number;
}
type Compared = readonly [rule: string, where: string, these: Iterable<string>, those: Iterable<string>];

/** What holds at every moment, whatever goes wrong. */
export function brokenNow(world: World, capacity: CapacityKbps): Violation[] {
  return [...overbooked(world), ...overpromised(world, capacity), ...sharedGroups(world)];
}

/** By the broker's own books; and an access link carries what its reservations say. */
function overbooked({ brokers }: World): Violation[] {
  return [...brokers.values()].flatMap(({ broker }) =>
    broker.links().flatMap(({ name, kind, kbps, bookedKbps }) => {
      const found: Violation[] = [];
      if (bookedKbps > kbps)
        found.push({ rule: "a link is booked above its capacity", what: `${name}: ${bookedKbps} of ${kbps}` });
      const held = sumOf(lasting(broker.reservations()).filter(({ sinkEdge }) => sinkEdge === name));
      if (kind === "access" && held !== bookedKbps)
        found.push({ rule: "the books do not add up", what: `${name}: booked ${bookedKbps}, reservations ${held}` });
      return found;
    }),
  );
}

/** By what the edges have granted, whoever decided it: a channel crosses each core link once. */
function overpromised(world: World, capacity: CapacityKbps): Violation[] {
  const edges = [...world.edges].map(([id, { edge }]) => {
    const granted = edge.reservations().filter(({ state }) => state === "granted");
    return {
      id,
      channels: granted.filter(({ kind }) => kind === "configuration").map(({ channel }) => channel),
      sinks: lasting(granted.filter(({ kind }) => kind === "admission-sink")),
    };
  });
  const homeOf = new Map(edges.flatMap(({ id, channels }) => channels.map((channel) => [channel, id] as const)));
  return edges.flatMap(({ id, sinks }) => {
    const crossing = new Map<string, number>();
    for (const { id: sinkEdge, sinks: others } of edges)
      for (const { channel, kbps } of others) {
        const home = homeOf.get(channel);
        if (home !== undefined && home !== sinkEdge && [home, sinkEdge].includes(id)) crossing.set(channel, kbps);
      }
    const promised = { core: [...crossing.values()].reduce((sum, kbps) => sum + kbps, 0), access: sumOf(sinks) };
    return (["core", "access"] as const).flatMap((link) =>
      promised[link] > capacity[link]
        ? [{ rule: "a link is promised above its capacity", what: `${link} of ${id}: ${promised[link]} of ${capacity[link]}` }]
        : [],
    );
  });
}
/** While one join replaces another, the larger is booked (PROTOCOL §6); channels of these worlds have one rate. */
const lasting = <Held extends { readonly joinId: string; readonly replaces?: string }>(held: readonly Held[]): Held[] =>
  held.filter(({ joinId }) => !held.some(({ replaces }) => replaces === joinId));
const sumOf = (held: readonly { readonly kbps: number }[]): number => held.reduce((sum, { kbps }) => sum + kbps, 0);

function sharedGroups({ edges }: World): Violation[] {
  return [...edges].flatMap(([id, { media }]) => {
    const groups = media.streams().map(({ group }) => group.host);
    return new Set(groups).size < groups.length
      ? [{ rule: "two channels have one group", what: `${id}: ${groups.join(" ")}` }]
      : [];
  });
}

/** What holds between servers T seconds after the last fault, when all of them are up. */
export function brokenBetweenServers({ brokers, edges, servers }: World): Violation[] {
  const booked = [...brokers.values()].flatMap(({ broker }) => broker.reservations());
  const [first] = servers.values();
  return [...servers].flatMap(([id, ds], at) => {
    const [edgeId, edge] = [...edges][at] ?? [];
    if (!edgeId || !edge || !first) throw new Error(`${id} has no edge`);
    const { onAir, sessions } = ds.tables;
    const bookedHere = booked.filter(({ sinkEdge }) => sinkEdge === edgeId).map(({ joinId }) => joinId);
    const { channels, joins } = heldBy(edge);
    const streams = edge.media.streams().map(({ stream }) => stream);
    const asked = ds.admission.reservations().map(({ request }) => request);
    const askedFor = (name: string, configuration: boolean): string[] =>
      asked.filter(({ kind }) => (kind === "configuration") === configuration).map(({ attributes }) => `${attributes[name]}`);
    const compared: readonly Compared[] = [
      ["sessions and request states differ", id, ownKeys(id, sessions.rows()), askedFor("joinId", false)],
      ["channels on air and request states differ", id, ownKeys(id, onAir.rows()), askedFor("channel", true)],
      ["a DS and its edge hold different joins", id, askedFor("joinId", false), joins.map(({ joinId }) => joinId)],
      ["a DS and its edge hold different channels", id, askedFor("joinId", true), channels.map(({ joinId }) => joinId)],
      ["an edge and the broker hold different joins", edgeId, joins.map(({ joinId }) => joinId), bookedHere],
      ["streams and reservations differ", edgeId, streams, [...channels, ...joins].map(({ channel }) => channel)],
      ["DSs disagree which channels are on air", id, textOf(onAir.rows()), textOf(first.tables.onAir.rows())],
      ["DSs disagree which sessions there are", id, textOf(sessions.rows()), textOf(first.tables.sessions.rows())],
    ];
    return [...compared.flatMap(differing), ...oddAt(id, ds, edge)];
  });
}

/** What is not right at one DS and its edge, whatever others say. */
function oddAt(id: string, { calls, tables }: RunningDs, edge: RunningEdge): Violation[] {
  const unsettled = edge.edge.reservations().filter(({ state, isOrphan }) => state === "asked" || isOrphan);
  const own = [tables.sessions, tables.onAir].flatMap((table) => ownKeys(id, table.rows()));
  const blind = [...tables.sessions.rows()].filter(({ value }) => !tables.onAir.get(value.channel));
  return [
    ...unsettled.map((held) => ({ rule: "a reservation is not settled", what: `${id}: ${JSON.stringify(held)}` })),
    ...blind.map(({ value }) => ({ rule: "a session watches nothing", what: `${id}: ${JSON.stringify(value)}` })),
    ...(calls.count === own.length
      ? []
      : [{ rule: "calls and rows differ", what: `${id}: ${calls.count} calls, ${own.length} rows` }]),
  ];
}

function heldBy({ edge }: RunningEdge): Record<"channels" | "joins", EdgeReservation[]> {
  const held = edge.reservations();
  return {
    channels: held.filter(({ kind }) => kind === "configuration"),
    joins: held.filter(({ kind }) => kind !== "configuration"),
  };
}
const ownKeys = (id: string, rows: Iterable<Row<unknown>>): string[] =>
  [...rows].filter(({ owner }) => owner === id).map(({ key }) => key);
const textOf = (rows: Iterable<Row<unknown>>): string[] =>
  Array.from(rows, ({ owner, value }) => `${owner} ${JSON.stringify(value)}`);

function differing([rule, where, these, those]: Compared): Violation[] {
  const [a, b] = [new Set(these), new Set(those)];
  const only = [a.difference(b), b.difference(a)].map((names) => [...names].join(" ") || "none");
  return a.symmetricDifference(b).size > 0 ? [{ rule, what: `${where}: only here ${only[0]}; only there ${only[1]}` }] : [];
}
