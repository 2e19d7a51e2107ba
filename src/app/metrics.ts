import { AggregatorRegistry, Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { HostCounters } from "#host/node/index.ts";
import type { HttpCounts } from "#http/index.ts";
import type { ChannelHub } from "#overlay/index.ts";
import type { Operator } from "#roles/operator.ts";
import {
  CHANNEL_HELP,
  COPS_HELP,
  HOST_HELP,
  NATS_HELP,
  type NatsCounters,
  OVERLAY_HELP,
  PROXY_HELP,
  REGISTER_HELP,
  REGISTRATION_HELP,
  REPLICATION_HELP,
  SIP_HELP,
  STRANGER_HELP,
} from "./metrics-help.ts";

/** Where the numbers stand: plain fields of whoever counts, read when asked. */
export interface MetricSources {
  readonly operator: Operator;
  /** By member. */
  readonly hosts: () => readonly (readonly [member: string, counters: Readonly<HostCounters>])[];
  /** Of each web role, by member. */
  readonly webs: () => readonly (readonly [member: string, counts: HttpCounts])[];
  readonly isReady: () => boolean;
  /** How often each child process had to be started again. */
  readonly restarts: () => readonly (readonly [process: string, count: number])[];
  /** What carries the overlay to other processes, and to other machines. */
  readonly carriers: () => Carriers;
}
export interface Carriers {
  readonly channel: ChannelHub["counters"];
  readonly nats?: NatsCounters;
}
/** What one process measured, fit for a channel between processes. */
export type MetricSamples = Awaited<ReturnType<Registry["getMetricsAsJSON"]>>;

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [labels: Labels, value: number];
interface Metric {
  /** Without the prefix; a counter's ends in `_total`. Base units: seconds, bytes, bits per second. */
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  read(sources: MetricSources): readonly Sample[];
}

const PREFIX = "sipcast_";
const BITS_PER_KBIT = 1_000;
const MS_PER_SEC = 1_000;

/** The metrics of one process; where there are several, each sample has the `name` of its own as the label `process`. */
export function metricsOf(sources: MetricSources, name?: string): Registry {
  const registry = new Registry();
  if (name !== undefined) registry.setDefaultLabels({ process: name });
  collectDefaultMetrics({ register: registry, prefix: PREFIX });
  for (const metric of METRICS) addTo(registry, metric, sources);
  return registry;
}

/** Renders the samples of all processes as one exposition in Prometheus' text format: no two have the same labels. */
export function metricsText(processes: readonly MetricSamples[]): Promise<string> {
  const asTheyAre = processes.map((samples) => samples.map((metric) => ({ ...metric, aggregator: "first" })));
  return AggregatorRegistry.aggregate(asTheyAre).metrics();
}

function addTo(registry: Registry, { name, help, labels, read }: Metric, sources: MetricSources): void {
  const common = { name: `${PREFIX}${name}`, help, labelNames: [...labels], registers: [registry] };
  if (name.endsWith("_total")) {
    const counter: Counter = new Counter({
      ...common,
      collect: () => {
        counter.reset();
        for (const [at, value] of read(sources)) counter.inc(at, value);
      },
    });
  } else {
    const gauge: Gauge = new Gauge({
      ...common,
      collect: () => {
        gauge.reset();
        for (const [at, value] of read(sources)) gauge.set(at, value);
      },
    });
  }
}

/** A metric for each field of a counters' object: `messagesIn` of prefix `sip` is `sip_messages_in_total`. */
function fields<Field extends string>(
  prefix: string,
  help: Readonly<Record<Field, string>>,
  labels: readonly string[],
  read: (sources: MetricSources) => readonly (readonly [Labels, Readonly<Record<Field, number>>])[],
): Metric[] {
  return (Object.keys(help) as Field[]).map((field) => ({
    name: `${prefix}_${field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}_total`,
    help: help[field],
    labels,
    read: (sources) => read(sources).map(([at, counters]) => [at, counters[field]]),
  }));
}
const metric = (name: string, labels: readonly string[], help: string, read: Metric["read"]): Metric => ({
  name,
  help,
  labels,
  read,
});

const SERVERS: readonly Metric[] = [
  ...fields("sip", SIP_HELP, ["ds"], ({ operator }) => operator.servers.map(({ id, sip }) => [{ ds: id }, sip.counters])),
  ...fields("proxy", PROXY_HELP, ["ds"], ({ operator }) => operator.servers.map(({ id, proxy }) => [{ ds: id }, proxy.counters])),
  ...fields("register", REGISTER_HELP, ["ds"], ({ operator }) =>
    operator.servers.map(({ id, registerRelay }) => [{ ds: id }, registerRelay.counters]),
  ),
  ...fields("refused", STRANGER_HELP, ["ds"], ({ operator }) =>
    operator.servers.map(({ id, server }) => [{ ds: id }, server.dropped]),
  ),
  metric("sip_transactions", ["ds", "side"], "SIP transactions at work.", ({ operator }) =>
    operator.servers.flatMap(({ id, sip: { transactions } }) =>
      Object.entries(transactions).map(([side, count]) => [{ ds: id, side }, count] as const),
    ),
  ),
  metric("calls", ["ds"], "Calls to channels that have not ended.", ({ operator }) =>
    operator.servers.map(({ id, records }) => [{ ds: id }, records.open().length]),
  ),
  metric("calls_total", ["ds", "outcome"], "Calls to channels: answered, refused, or given up before either.", ({ operator }) =>
    operator.servers.flatMap(({ id, records: { counters } }): Sample[] => [
      [{ ds: id, outcome: "answered" }, counters.answered],
      [{ ds: id, outcome: "refused" }, counters.refused],
      [{ ds: id, outcome: "given-up" }, counters.givenUp],
    ]),
  ),
  metric("call_setup_seconds_total", ["ds"], "Time from INVITE to 2xx, of all answered calls together.", ({ operator }) =>
    operator.servers.map(({ id, records }) => [{ ds: id }, records.counters.setupMs / MS_PER_SEC]),
  ),
  metric("channels_on_air", ["ds"], "Channels on air whose broadcaster is at this DS.", ({ operator }) =>
    operator.servers.map(({ id, tables }) => [{ ds: id }, owned(tables.onAir.rows(), id)]),
  ),
  metric("viewing_sessions", ["ds"], "Viewing sessions of this DS.", ({ operator }) =>
    operator.servers.map(({ id, tables }) => {
      const viewers = [...tables.sessions.rows()].filter(({ value }) => value.role === "viewer");
      return [{ ds: id }, owned(viewers, id)];
    }),
  ),
];
function owned(rows: Iterable<{ readonly owner: string }>, id: string): number {
  let count = 0;
  for (const { owner } of rows) if (owner === id) count++;
  return count;
}

const STREAM_LABELS = ["edge", "stream"];
type StreamReport = ReturnType<Operator["edges"][number]["media"]["streams"]>[number];
const stream = (name: string, help: string, pick: (report: StreamReport) => number): Metric =>
  metric(name, STREAM_LABELS, help, ({ operator }) =>
    operator.edges.flatMap(({ id, media }) =>
      media.streams().map((report): Sample => [{ edge: id, stream: report.stream }, pick(report)]),
    ),
  );
const EDGES: readonly Metric[] = [
  stream("stream_packets_in_total", "RTP packets taken of a stream.", ({ packets }) => packets),
  stream("stream_bytes_in_total", "Octets of MPEG-TS in them.", ({ bytes }) => bytes),
  stream("stream_packets_out_total", "RTP packets sent to the stream's group.", ({ sent }) => sent),
  stream("stream_packets_lost_total", "RTP packets that never came.", ({ lost }) => lost),
  stream("stream_packets_late_total", "RTP packets that came too late to be sent on.", ({ late }) => late),
  stream("stream_packets_duplicate_total", "RTP packets that came twice.", ({ duplicates }) => duplicates),
  stream("stream_packets_foreign_total", "Packets of another sender than the stream's: dropped.", ({ foreign }) => foreign),
  stream("stream_packets_malformed_total", "Packets that were no RTP with MPEG-TS: dropped.", ({ malformed }) => malformed),
  stream("stream_jitter_seconds", "Interarrival jitter (RFC 3550 §6.4.1).", ({ jitterMs }) => jitterMs / MS_PER_SEC),
  stream("stream_unicast_viewers", "Viewers with a stream of their own.", ({ unicastSinks }) => unicastSinks),
  stream("stream_unicast_strays_total", "Datagrams to their ports that were not theirs: dropped.", ({ strays }) => strays),
  stream("stream_websocket_viewers", "Pages that take the stream.", ({ messageSinks }) => messageSinks),
  stream("stream_skips_total", "How often a slow page was skipped to a key frame.", ({ skips }) => skips),
  stream("stream_skipped_bytes_total", "Octets that slow pages were not sent.", ({ skippedBytes }) => skippedBytes),
  metric("edge_reservations", ["edge", "kind"], "Reservations held.", ({ operator }) =>
    operator.edges.flatMap(({ id, edge }) => {
      const kinds = Map.groupBy(edge.reservations(), ({ kind }) => kind);
      return [...kinds].map(([kind, held]): Sample => [{ edge: id, kind }, held.length]);
    }),
  ),
  metric("edge_malformed_total", ["edge"], "Requests and policies that no peer of ours would send.", ({ operator }) =>
    operator.edges.map(({ id, edge }) => [{ edge: id }, edge.malformed]),
  ),
];

const BROKERS: readonly Metric[] = [
  metric("link_capacity_bits_per_second", ["broker", "link", "kind"], "What may be promised on a link.", ({ operator }) =>
    operator.brokers.flatMap(({ id, broker }) =>
      broker.links().map(({ name, kind, kbps }): Sample => [{ broker: id, link: name, kind }, kbps * BITS_PER_KBIT]),
    ),
  ),
  metric("link_booked_bits_per_second", ["broker", "link", "kind"], "What is promised on a link.", ({ operator }) =>
    operator.brokers.flatMap(({ id, broker }) =>
      broker.links().map(({ name, kind, bookedKbps }): Sample => [{ broker: id, link: name, kind }, bookedKbps * BITS_PER_KBIT]),
    ),
  ),
  metric("broker_reservations", ["broker"], "Joins that are promised.", ({ operator }) =>
    operator.brokers.map(({ id, broker }) => [{ broker: id }, broker.reservations().length]),
  ),
  metric("broker_malformed_total", ["broker"], "Requests that no edge of ours would send.", ({ operator }) =>
    operator.brokers.map(({ id, broker }) => [{ broker: id }, broker.malformedRequests]),
  ),
];

const COMMON: readonly Metric[] = [
  metric("ready", [], "1 while every role of the process serves, else 0.", ({ isReady }) => [[{}, isReady() ? 1 : 0]]),
  metric(
    "process_restarts_total",
    ["process"],
    "How often a child process ended by itself and was started again.",
    ({ restarts }) => restarts().map(([process, count]) => [{ process }, count]),
  ),
  ...fields("cops", COPS_HELP, ["member", "side"], ({ operator: { servers, edges, brokers } }) => [
    ...[...servers, ...edges].map(({ id, pep }) => [{ member: id, side: "pep" }, pep.counters] as const),
    ...[...edges, ...brokers].map(({ id, pdp }) => [{ member: id, side: "pdp" }, pdp.counters] as const),
  ]),
  ...fields("overlay", OVERLAY_HELP, ["member"], ({ operator }) =>
    [...operator.overlays].map(([member, { counters, requests }]) => [
      { member },
      { ...counters, lateAnswers: requests.late, timeouts: requests.timedOut },
    ]),
  ),
  ...fields("overlay", REPLICATION_HELP, ["member"], ({ operator }) =>
    [...operator.overlays].map(([member, { replication }]) => [{ member }, replication.counters]),
  ),
  ...fields("overlay_channel", CHANNEL_HELP, [], ({ carriers }) => [[{}, carriers().channel]]),
  ...fields("overlay_nats", NATS_HELP, [], ({ carriers }) => {
    const { nats } = carriers();
    return nats ? [[{}, nats]] : [];
  }),
  ...fields("registration", REGISTRATION_HELP, [], ({ operator }) =>
    operator.registration ? [[{}, operator.registration.registration.counters]] : [],
  ),
  ...fields("host", HOST_HELP, ["member"], ({ hosts }) => hosts().map(([member, counters]) => [{ member }, counters])),
  metric("http_event_listeners", ["web"], "Pages that hear of channel changes.", ({ webs }) =>
    webs().map(([web, { eventListeners }]) => [{ web }, eventListeners]),
  ),
  metric("http_slow_listeners_total", ["web"], "Pages that did not read what they were sent: closed.", ({ webs }) =>
    webs().map(([web, { slowListeners }]) => [{ web }, slowListeners]),
  ),
  metric("http_proxied_websockets", ["web"], "WebSockets passed on to DSs and edges.", ({ webs }) =>
    webs().map(([web, { proxiedWebSockets }]) => [{ web }, proxiedWebSockets]),
  ),
  metric("http_refused_websockets_total", ["web", "status"], "WebSockets not passed on, by HTTP status.", ({ webs }) =>
    webs().flatMap(([web, { refusedWebSockets }]) =>
      [...refusedWebSockets].map(([status, count]): Sample => [{ web, status: String(status) }, count]),
    ),
  ),
  metric(
    "http_refused_connections_total",
    ["web", "of"],
    "Connections closed at once: too many of an address, or of all.",
    ({ webs }) =>
      webs().flatMap(([web, { refusedConnections }]) =>
        Object.entries(refusedConnections).map(([of, count]): Sample => [{ web, of }, count]),
      ),
  ),
];

const METRICS: readonly Metric[] = [...COMMON, ...SERVERS, ...EDGES, ...BROKERS];
