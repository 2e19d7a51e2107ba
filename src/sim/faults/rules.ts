/** The invariants of DESIGN §5, read from the servers themselves. */
import type { EdgeReservation } from "#edge/service.ts";
import type { Row, Table } from "#overlay/types.ts";
import type { RunningDs } from "#roles/ds.ts";
import type { RunningEdge } from "#roles/edge.ts";
import type { OnAir, Session } from "#tv/types.ts";
import type { SimNetwork } from "../types.ts";
import type { Violation } from "../violation.ts";
import type { World } from "../world.ts";

/** Of each site's link to the core, and of each access network. */
export interface CapacityKbps {
  readonly core: number;
  readonly access: number;
}
type Compared = readonly [rule: string, where: string, these: Iterable<string>, those: Iterable<string>];

/** What holds at every moment, whatever goes wrong. */
export function brokenNow(world: World, capacity: CapacityKbps): Violation[] {
  return [...overbooked(world), ...overpromised(world, capacity), ...sharedGroups(world), ...unpaid(world), ...thrown(world)];
}

/** A DS that waits for an answer in vain, or leaves one out: unless something kept it from it. */
export function unanswered({ servers }: World): Violation[] {
  return [...servers].flatMap(([id, { sip }]) => {
    const { failures, abandoned } = sip.counters;
    return failures + abandoned > 0
      ? [{ rule: "a request got no answer", what: `${id}: ${failures} of its own, ${abandoned} of others` }]
      : [];
  });
}

/** A throw in one call ends that call only (DESIGN §10), and is our fault all the same. */
const thrown = ({ servers }: World): Violation[] =>
  [...servers].flatMap(([id, { sip }]) =>
    sip.counters.faults > 0 ? [{ rule: "the product threw", what: `${id}: ${sip.counters.faults} faults` }] : [],
  );

/** Nothing is delivered without a reservation: no stream, and no copy of one. */
function unpaid({ edges }: World): Violation[] {
  return [...edges].flatMap(([id, { edge, media }]) => {
    const granted = edge.reservations().filter(({ state }) => state === "granted");
    return media.streams().flatMap(({ stream, unicastSinks, messageSinks }) => {
      const paid = granted.filter(({ channel }) => channel === stream);
      const sinks = paid.filter(({ kind }) => kind === "admission-sink").length;
      const isPaid = paid.length > 0 && unicastSinks + messageSinks <= sinks;
      return isPaid
        ? []
        : [
            {
              rule: "media without a reservation",
              what: `${id}: ${stream} to ${unicastSinks + messageSinks}, ${sinks} reserved`,
            },
          ];
    });
  });
}

/** By the broker's own books; and an access link carries what its reservations say. */
function overbooked({ brokers }: World): Violation[] {
  return [...brokers.values()].flatMap(({ broker }) =>
    broker.links().flatMap(({ name, kind, kbps, bookedKbps }) => {
      const found: Violation[] = [];
      if (bookedKbps > kbps)
        found.push({ rule: "a link is booked above its capacity", what: `${name}: ${bookedKbps} of ${kbps}` });
      const held = loadKbps(accessShares(broker.reservations().filter(({ sinkEdge }) => sinkEdge === name)));
      if (kind === "access" && held !== bookedKbps)
        found.push({ rule: "the books do not add up", what: `${name}: booked ${bookedKbps}, reservations ${held}` });
      return found;
    }),
  );
}

/** By what the edges have granted, whoever decided it: a stream crosses each core link once. */
function overpromised(world: World, capacity: CapacityKbps): Violation[] {
  const edges = [...world.edges].map(([id, { edge }]) => {
    const granted = edge.reservations().filter(({ state }) => state === "granted");
    return {
      id,
      streams: granted.filter(({ kind }) => kind === "configuration").map(({ channel }) => channel),
      sinks: granted.filter(({ kind }) => kind === "admission-sink"),
    };
  });
  const homeOf = new Map(edges.flatMap(({ id, streams }) => streams.map((stream) => [stream, id] as const)));
  return edges.flatMap(({ id, sinks }) => {
    const crossing = edges.flatMap(({ id: sinkEdge, sinks: others }) =>
      coreShares(others).filter(({ item }) => {
        const home = homeOf.get(item);
        return home !== undefined && home !== sinkEdge && [home, sinkEdge].includes(id);
      }),
    );
    const promised = { core: loadKbps(crossing), access: loadKbps(accessShares(sinks)) };
    return (["core", "access"] as const).flatMap((link) =>
      promised[link] > capacity[link]
        ? [{ rule: "a link is promised above its capacity", what: `${link} of ${id}: ${promised[link]} of ${capacity[link]}` }]
        : [],
    );
  });
}

/** What one join takes of a link: of an item that crosses it once. Joins that replace one another have one slot (PROTOCOL §6). */
interface Share {
  readonly item: string;
  readonly slot: string;
  readonly kbps: number;
}
interface Join {
  readonly joinId: string;
  readonly channel: string;
  readonly kbps: number;
  readonly replaces?: string;
}
const accessShares = (joins: readonly Join[]): readonly Share[] =>
  joins.map((join) => ({ item: join.joinId, slot: slotOf(join, joins), kbps: join.kbps }));
const coreShares = (joins: readonly Join[]): readonly Share[] =>
  joins.map((join) => ({ item: join.channel, slot: slotOf(join, joins), kbps: join.kbps }));
const slotOf = ({ joinId, replaces }: Join, joins: readonly Join[]): string =>
  joins.find((other) => other.joinId === replaces)?.joinId ?? joinId;

/** Counted anew: items that several slots take, and of each slot the largest that it alone takes. */
function loadKbps(shares: readonly Share[]): number {
  const alone = new Map<string, number>();
  let shared = 0;
  for (const takers of Map.groupBy(shares, ({ item }) => item).values()) {
    const kbps = Math.max(...takers.map((taker) => taker.kbps));
    const [slot = "", ...others] = new Set(takers.map((taker) => taker.slot));
    if (others.length > 0) shared += kbps;
    else alone.set(slot, Math.max(alone.get(slot) ?? 0, kbps));
  }
  return [...alone.values()].reduce((sum, kbps) => sum + kbps, shared);
}

function sharedGroups({ edges }: World): Violation[] {
  return [...edges].flatMap(([id, { media }]) => {
    const groups = media.streams().map(({ group }) => group.host);
    return new Set(groups).size < groups.length
      ? [{ rule: "two streams have one group", what: `${id}: ${groups.join(" ")}` }]
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
    const { channels, joins, sources } = heldBy(edge);
    const streams = edge.media.streams().map(({ stream }) => stream);
    const asked = ds.admission.reservations().map(({ request }) => request);
    const askedFor = (wanted: EdgeReservation["kind"], name = "joinId"): string[] =>
      asked.filter(({ kind }) => kind === wanted).map(({ attributes }) => `${attributes[name]}`);
    const compared: readonly Compared[] = [
      ["sessions and request states differ", id, ownKeys(id, viewersIn(sessions)), askedFor("admission-sink")],
      ["channels on air and request states differ", id, ownStreams(id, onAir.rows()), askedFor("configuration", "channel")],
      ["a DS and its edge hold different joins", id, askedFor("admission-sink"), joins.map(({ joinId }) => joinId)],
      ["a DS and its edge hold different sources", id, askedFor("admission-source"), sources.map(({ joinId }) => joinId)],
      ["a DS and its edge hold different channels", id, askedFor("configuration"), channels.map(({ joinId }) => joinId)],
      ["an edge and the broker hold different joins", edgeId, joins.map(({ joinId }) => joinId), bookedHere],
      ["streams and reservations differ", edgeId, streams, [...channels, ...joins].map(({ channel }) => channel)],
      ["DSs disagree which channels are on air", id, textOf(onAir.rows()), textOf(first.tables.onAir.rows())],
      ["DSs disagree which sessions there are", id, textOf(sessions.rows()), textOf(first.tables.sessions.rows())],
    ];
    return [...compared.flatMap(differing), ...oddAt(id, ds, edge)];
  });
}

/** Then, too, all DSs have the same bindings. */
export function differentBindings(world: World): Violation[] {
  const [first, ...others] = Array.from(world.servers.keys(), (id) => [id, textOf(world.bindings(id).rows())] as const);
  return others.flatMap(([id, texts]) => differing(["DSs disagree who is registered where", id, texts, first?.[1] ?? []]));
}

/** What is not right at one DS and its edge, whatever others say. */
function oddAt(id: string, ds: RunningDs, edge: RunningEdge): Violation[] {
  const { tables } = ds;
  const unsettled = edge.edge.reservations().filter(({ state, isOrphan }) => state === "asked" || isOrphan);
  const blind = viewersIn(tables.sessions).filter(({ value }) => !tables.onAir.get(value.channel));
  return [
    ...unsettled.map((held) => ({ rule: "a reservation is not settled", what: `${id}: ${JSON.stringify(held)}` })),
    ...blind.map(({ value }) => ({ rule: "a session watches nothing", what: `${id}: ${JSON.stringify(value)}` })),
    ...callsAndRows(id, ds),
    ...sourcesAndSessions(id, ds),
  ];
}

/** Each call has its row: the one and the other outlive the DS together (PROTOCOL §10). */
function callsAndRows(id: string, { calls, tables }: RunningDs): Violation[] {
  const rows = ownKeys(id, tables.sessions.rows());
  return calls.count === rows.length
    ? []
    : [{ rule: "calls and rows differ", what: `${id}: ${calls.count} calls, rows: ${rows.join(", ")}` }];
}
/** Whoever watches an `ask` channel has a reservation at its source as well, but for the one whose join brought it on air. */
function sourcesAndSessions(id: string, { admission, tables }: RunningDs): Violation[] {
  const sources = admission.reservations().filter(({ request }) => request.kind === "admission-source");
  return [...tables.onAir.rows()].flatMap(({ owner, key, value: { renditions } }) => {
    if (owner !== id || !isAsk(key)) return [];
    const viewers = viewersIn(tables.sessions).filter(({ value }) => value.channel === key).length;
    const held = sources.filter(({ request }) =>
      renditions.some(({ stream }) => stream === request.attributes["channel"]),
    ).length;
    return held === viewers || held === viewers - 1
      ? []
      : [{ rule: "sources and sessions differ", what: `${key}: ${held} at its source, ${viewers} sessions` }];
  });
}
const viewersIn = (sessions: Table<Session>): readonly Row<Session>[] =>
  [...sessions.rows()].filter(({ value }) => value.role === "viewer");
const isAsk = (channel: string): boolean => channel.endsWith("-ask");

/** Once everybody has hung up: calls, and all that was held for them. */
export function stillHeld(world: World): Violation[] {
  const { brokers, edges, streams, servers, calls } = world.held();
  return overZero([
    ["at the broker", brokers.length],
    ["at edges", edges.length],
    ["streams", streams.length],
    ["at DSs", servers.length],
    ["calls", calls],
    ...[...world.servers].flatMap(([id, { records, tables }]): Counted[] => [
      [`call records at ${id}`, records.open().length],
      [`rows at ${id}`, [...tables.onAir.rows(), ...tables.sessions.rows()].length],
    ]),
  ]);
}
/** Then, once every transaction is over: servers hold open what they did before. */
export function stillOpen(world: World, idle: ReadonlyMap<string, ReturnType<SimNetwork["inUse"]>>): Violation[] {
  return overZero([
    ...[...world.servers].flatMap(([id, { sip, proxy }]): Counted[] => [
      [`client transactions at ${id}`, sip.transactions.client],
      [`server transactions at ${id}`, sip.transactions.server],
      [`proxied requests at ${id}`, proxy.pending],
    ]),
    ...[...idle].flatMap(([member, { sockets, timers }]): Counted[] => {
      const now = world.net.inUse(member);
      return [
        [`more sockets at ${member}`, now.sockets - sockets],
        [`more timers at ${member}`, now.timers - timers - SPARE_TIMERS],
      ];
    }),
  ]);
}
type Counted = readonly [what: string, count: number];
const overZero = (counted: readonly Counted[]): Violation[] =>
  counted.flatMap(([what, count]) => (count > 0 ? [{ rule: "something is left over", what: `${count} ${what}` }] : []));
/** What is on its way between servers waits on timers too. */
const SPARE_TIMERS = 10;

function heldBy({ edge }: RunningEdge): Record<"channels" | "joins" | "sources", EdgeReservation[]> {
  const held = edge.reservations();
  return {
    channels: held.filter(({ kind }) => kind === "configuration"),
    joins: held.filter(({ kind }) => kind === "admission-sink"),
    sources: held.filter(({ kind }) => kind === "admission-source"),
  };
}
const ownKeys = (id: string, rows: Iterable<Row<unknown>>): string[] =>
  [...rows].filter(({ owner }) => owner === id).map(({ key }) => key);
/** Each rendition of a channel is a stream of its own. */
const ownStreams = (id: string, rows: Iterable<Row<OnAir>>): string[] =>
  [...rows].flatMap(({ owner, value }) => (owner === id ? value.renditions.map(({ stream }) => stream) : []));
const textOf = (rows: Iterable<Row<unknown>>): string[] =>
  Array.from(rows, ({ owner, value }) => `${owner} ${JSON.stringify(value)}`);

function differing([rule, where, these, those]: Compared): Violation[] {
  const [a, b] = [new Set(these), new Set(those)];
  if (a.symmetricDifference(b).size === 0) return [];
  const [here, there] = [a.difference(b), b.difference(a)].map((names) => [...names].join(" ") || "none");
  return [{ rule, what: `${where}: only here ${here}; only there ${there}` }];
}
