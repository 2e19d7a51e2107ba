import { Deadlines } from "#base/deadlines.ts";
import { LIMITS } from "#base/limits.ts";
import { type Logger, SILENT } from "#base/log.ts";
import {
  type Address,
  type DatagramPort,
  type Handshake,
  type Host,
  type Listener,
  type MessageHandlers,
  type MessagePort,
  type Refusal,
  showAddress,
} from "#host/host.ts";
import { MAX_QUEUED_BYTES, type RelayStats, RelayStream } from "./engine/relay-stream.ts";
import { openSource, randomRtpStart } from "./sockets.ts";
import type { MediaPort, MediaUser, StreamId, StreamSource } from "./types.ts";
import { UnicastSink } from "./unicast-sink.ts";

export interface MediaConfig {
  /** Address of RTP in and out; the only source of this edge's groups. */
  readonly address: string;
  /** Interface for multicast, its local address. */
  readonly multicastInterface: string;
  /** Where WebSockets come to, path `/media/TOKEN`. */
  readonly ws: Address;
  /** Pages that may open one, e.g. "http://localhost:8080". A client that names none is no page. */
  readonly origins: readonly string[];
  /** A line when a stream is opened and one when it is closed. Default: none. */
  readonly log?: Logger;
}

/** A stream carried, as `streams()` shows it. */
export interface StreamReport extends RelayStats {
  readonly stream: StreamId;
  readonly group: Address;
  /** Datagrams to unicast viewers' ports that were none of theirs. */
  readonly strays: number;
}

interface Carried {
  readonly id: StreamId;
  readonly group: Address;
  readonly relay: RelayStream;
  readonly input: DatagramPort;
  readonly viewers: Map<string, Viewer>;
  readonly unicast: Map<string, UnicastSink>;
  strays: number;
  wheelAtMs: number;
}
/** Since when an ingest is waited for. */
interface Silence {
  readonly carried: Carried;
  readonly openedMs: number;
  wheelAtMs: number;
}
/** A WebSocket sink: waits for its token, takes the stream, or has gone. */
interface Viewer {
  readonly carried: Carried;
  readonly sink: string;
  readonly token: string;
  /** When nobody takes it any more; Infinity while its WebSocket is there. */
  goneAtMs: number;
  port: MessagePort | undefined;
  wheelAtMs: number;
}

/** Streams of an edge on a host: ingest and core groups in, the local groups, unicast and WebSockets out. */
export class MediaDriver implements MediaPort {
  readonly #host: Host;
  readonly #config: MediaConfig;
  readonly #user: MediaUser;
  readonly #failed: (what: string, error: Error) => void;
  readonly #log: Logger;
  readonly #output: DatagramPort;
  readonly #listener: Listener;
  readonly #streams = new Map<StreamId, Carried>();
  readonly #tokens = new Map<string, Viewer>(); // not used yet
  readonly #reorders: Deadlines<Carried>;
  readonly #absences: Deadlines<Viewer>;
  readonly #silences: Deadlines<Silence>;
  readonly #unicast: Deadlines<UnicastSink>;

  /** `failed` is told of a socket that could not be had or broke. */
  constructor(host: Host, config: MediaConfig, user: MediaUser, failed: (what: string, error: Error) => void) {
    this.#host = host;
    this.#config = config;
    this.#user = user;
    this.#failed = failed;
    this.#log = config.log ?? SILENT;
    this.#reorders = new Deadlines<Carried>(host, (carried, nowMs) => this.#stepped(carried, nowMs));
    this.#absences = new Deadlines<Viewer>(host, (viewer, nowMs) => this.#absent(viewer, nowMs));
    this.#silences = new Deadlines<Silence>(host, (silence, nowMs) => this.#silent(silence, nowMs));
    this.#unicast = new Deadlines<UnicastSink>(host, (sink, nowMs) => sink.step(nowMs));
    this.#output = host.datagram(
      { host: config.address, port: 0, multicastInterface: config.multicastInterface },
      { datagram: () => undefined, failed: (error) => failed("media output", error) },
    );
    this.#listener = host.listenMessages(
      config.ws,
      { protocols: [], maxMessageBytes: LIMITS.mediaMessageBytes, maxQueuedBytes: MAX_QUEUED_BYTES },
      { accept: (handshake) => this.#accept(handshake), failed: (error) => failed("media WebSocket listener", error) },
    );
  }

  open(stream: StreamId, source: StreamSource, group: Address): void {
    if (this.#streams.has(stream)) throw new Error(`Stream ${stream} is open already`);
    const rules =
      source.kind === "ingest"
        ? { senderHost: source.senderHost, lockSsrc: true }
        : { senderHost: source.source, lockSsrc: false };
    const relay = new RelayStream(
      { send: (bytes, to) => this.#output.send(bytes, to) },
      group,
      rules,
      randomRtpStart(this.#host),
    );
    const input = openSource(this.#host, source, this.#config.multicastInterface, {
      datagram: (bytes, from) => {
        const nowMs = this.#host.nowMs();
        relay.datagram(bytes, from, nowMs);
        this.#reorders.set(carried, relay.nextDeadlineMs);
      },
      failed: (error) => this.#failed(`stream ${stream}`, error),
    });
    const sinks = { viewers: new Map(), unicast: new Map(), strays: 0 };
    const carried: Carried = { id: stream, group, relay, input, ...sinks, wheelAtMs: Infinity };
    this.#streams.set(stream, carried);
    this.#log.info("stream opened", { stream, from: source.kind, group: showAddress(group) });
    if (source.kind === "group") return;
    const openedMs = this.#host.nowMs();
    this.#silences.set({ carried, openedMs, wheelAtMs: Infinity }, openedMs + LIMITS.ingestSilentMs);
  }

  close(stream: StreamId): void {
    const carried = this.#streams.get(stream);
    if (!carried) return;
    this.#streams.delete(stream);
    carried.input.close();
    this.#reorders.delete(carried);
    for (const viewer of [...carried.viewers.values()]) this.#forget(viewer);
    for (const sink of carried.unicast.values()) sink.stop();
    const { packets, lost, sent } = carried.relay.stats;
    this.#log.info("stream closed", { stream, packets, lost, sent });
  }

  addUnicast(stream: StreamId, sink: string, at: Address, to: Address): void {
    const carried = this.#carried(stream);
    if (carried.unicast.has(sink)) throw new Error(`Stream ${stream} has a unicast viewer ${sink} already`);
    const own = new UnicastSink(this.#host, this.#unicast, at, to, {
      gone: () => {
        this.removeSink(stream, sink);
        this.#user.onSinkGone(stream, sink);
      },
      stray: () => {
        carried.strays++;
      },
    });
    carried.unicast.set(sink, own);
    carried.relay.addUnicast(sink, own);
  }

  beginUnicast(stream: StreamId, sink: string): void {
    this.#carried(stream).unicast.get(sink)?.begin();
  }

  addWebSocket(stream: StreamId, sink: string, token: string): void {
    const carried = this.#carried(stream);
    const before = carried.viewers.get(sink);
    if (before) this.#forget(before);
    const goneAtMs = this.#host.nowMs() + LIMITS.mediaTokenMs;
    const viewer: Viewer = { carried, sink, token, goneAtMs, port: undefined, wheelAtMs: Infinity };
    carried.viewers.set(sink, viewer);
    this.#tokens.set(token, viewer);
    this.#absences.set(viewer, goneAtMs);
  }

  removeSink(stream: StreamId, sink: string): void {
    const carried = this.#streams.get(stream);
    const viewer = carried?.viewers.get(sink);
    if (viewer) this.#forget(viewer);
    carried?.unicast.get(sink)?.stop();
    carried?.unicast.delete(sink);
    carried?.relay.removeSink(sink);
  }

  carriedBytes(stream: StreamId): number {
    return this.#carried(stream).relay.stats.bytes;
  }

  /** What is carried now, in the order of opening. */
  streams(): readonly StreamReport[] {
    return Array.from(this.#streams.values(), ({ id, group, relay, strays }) => ({ stream: id, group, strays, ...relay.stats }));
  }

  /** Closes every stream and both sockets. */
  stop(): void {
    for (const stream of [...this.#streams.keys()]) this.close(stream);
    this.#listener.close();
    this.#output.close();
    this.#reorders.clear();
    this.#absences.clear();
    this.#silences.clear();
    this.#unicast.clear();
  }

  #carried(stream: StreamId): Carried {
    const carried = this.#streams.get(stream);
    if (!carried) throw new Error(`Stream ${stream} is not open`);
    return carried;
  }

  #stepped(carried: Carried, nowMs: number): void {
    carried.relay.step(nowMs);
    this.#reorders.set(carried, carried.relay.nextDeadlineMs);
  }

  #silent(silence: Silence, nowMs: number): void {
    const { carried, openedMs } = silence;
    if (this.#streams.get(carried.id) !== carried) return; // closed since
    const { lastMs } = carried.relay;
    const atMs = lastMs < openedMs ? openedMs + LIMITS.ingestAwaitedMs : lastMs + LIMITS.ingestSilentMs;
    if (nowMs < atMs) this.#silences.set(silence, Math.min(atMs, nowMs + LIMITS.ingestSilentMs));
    else this.#user.onSourceSilent(carried.id);
  }

  /** Origin first (RFC 6455 §10.2), then the token, which is good once (PROTOCOL §3). */
  #accept({ path, headers }: Handshake): MessageHandlers | Refusal {
    const { origin } = headers;
    if (origin !== undefined && !this.#config.origins.includes(origin)) return { refuse: 403 };
    const token = /^\/media\/([^/?#]+)$/.exec(path)?.[1];
    const viewer = token === undefined ? undefined : this.#tokens.get(token);
    if (!viewer) return { refuse: 404 };
    this.#tokens.delete(viewer.token);
    return {
      opened: (port) => this.#opened(viewer, port),
      message: () => undefined,
      closed: () => this.#closed(viewer),
    };
  }

  #opened(viewer: Viewer, port: MessagePort): void {
    if (!this.#isCurrent(viewer)) {
      port.close();
      return;
    }
    viewer.port = port;
    viewer.goneAtMs = Infinity;
    viewer.carried.relay.addMessages(viewer.sink, port);
  }

  #closed(viewer: Viewer): void {
    viewer.port = undefined;
    if (!this.#isCurrent(viewer)) return;
    viewer.carried.relay.removeSink(viewer.sink);
    viewer.goneAtMs = this.#host.nowMs() + LIMITS.mediaGoneMs;
    this.#absences.set(viewer, viewer.goneAtMs);
  }

  #absent(viewer: Viewer, nowMs: number): void {
    if (nowMs < viewer.goneAtMs) {
      this.#absences.set(viewer, viewer.goneAtMs);
      return;
    }
    this.#forget(viewer);
    this.#user.onSinkGone(viewer.carried.id, viewer.sink);
  }

  #forget(viewer: Viewer): void {
    const { carried, sink, token, port } = viewer;
    carried.viewers.delete(sink);
    this.#tokens.delete(token);
    this.#absences.delete(viewer);
    if (!port) return;
    viewer.port = undefined;
    carried.relay.removeSink(sink);
    port.close();
  }

  #isCurrent(viewer: Viewer): boolean {
    return viewer.carried.viewers.get(viewer.sink) === viewer && this.#streams.get(viewer.carried.id) === viewer.carried;
  }
}
