/** SIP over TCP and over TLS (RFC 3261 §18, §26.2; RFC 5626 §3.5.1, §4.4.1; RFC 5922). */
import { hex } from "#base/bytes.ts";
import { Deadlines } from "#base/deadlines.ts";
import { LIMITS } from "#base/limits.ts";
import {
  type Address,
  type Host,
  type Listener,
  type StreamHandlers,
  type StreamPort,
  showAddress,
  type TlsServer,
} from "#host/host.ts";
import type { Flow } from "../engine/ports.ts";
import { namesDomain } from "../wire/identity.ts";
import { StreamLink } from "./stream-link.ts";
import { hostInUri, type Link, type NextHop, type Receiver, type SentBy, type Transport } from "./transport.ts";

export interface StreamTransportOptions {
  /** Where peers connect; without it connections are opened from here alone, and `sentBy` must be given. */
  readonly listen?: {
    readonly bind: Address;
    readonly listening?: (at: Address) => void;
    readonly failed: (error: Error) => void;
  };
  /** TLS: what whoever connects is shown, and the authorities (PEM) of those we connect to, by default the machine's. */
  readonly tls?: { readonly server?: TlsServer; readonly ca?: string };
  /** How peers reach us; default the bound address. */
  readonly sentBy?: SentBy;
  /** A user agent's: connections opened from here are asked now and then whether they stand (RFC 5626 §4.4.1). */
  readonly pings?: boolean;
  /** Connections at once; default `LIMITS.sipStreams`. */
  readonly maxConnections?: number;
}
export interface OpenHandlers {
  /** The flow may be sent on; its end is told by `onFlowClosed`. */
  readonly opened: (flow: Flow) => void;
  /** It could not be opened. */
  readonly failed: () => void;
}

const domainOf = (to: NextHop): string => to.domain ?? hostInUri(to.host);
const hopOf = (to: NextHop): string => `${showAddress(to)} ${domainOf(to)}`;
const NOWHERE: Address = { host: "0.0.0.0", port: 0 };
const REFUSED: StreamHandlers = { data: () => undefined, closed: () => undefined };

/**
 * A listener, and connections opened from here, which are shared by all that goes to one address in one domain's name. Whoever
 * connects to us is reached by that connection as a flow alone: the port it comes from is no address (RFC 3261 §18).
 */
export class StreamTransport implements Transport {
  readonly name: "tcp" | "tls";
  readonly reliable = true;
  /** Connections not taken or opened because there were too many; closed because nothing came, or no more of a message. */
  readonly dropped = { overLimit: 0, silent: 0 };
  readonly #host: Host;
  readonly #options: StreamTransportOptions;
  readonly #links = new Map<string, StreamLink>(); // by flow
  readonly #opened = new Map<string, StreamLink>(); // by next hop
  readonly #deadlines: Deadlines<StreamLink>;
  #local: Address;
  #listener: Listener | undefined;
  #receiver: Receiver | undefined;

  constructor(host: Host, options: StreamTransportOptions) {
    this.#host = host;
    this.#options = options;
    this.name = options.tls ? "tls" : "tcp";
    this.#local = options.listen?.bind ?? NOWHERE;
    this.#deadlines = new Deadlines(host, (link, nowMs) => this.#onDeadline(link, nowMs));
  }

  get sentBy(): SentBy {
    return this.#options.sentBy ?? { host: hostInUri(this.#local.host), port: this.#local.port };
  }

  start(receiver: Receiver): void {
    this.#receiver = receiver;
    const { listen, tls } = this.#options;
    if (!listen) return;
    this.#listener = this.#host.listen(listen.bind, tls?.server ? { tls: tls.server } : {}, {
      listening: (at) => {
        this.#local = at;
        listen.listening?.(at);
      },
      accept: (stream) => this.#accept(stream),
      failed: (error) => listen.failed(error),
    });
  }

  linkOf(flow: Flow): Link | undefined {
    return this.#links.get(flow.id);
  }
  flowNamed(id: string): Flow | undefined {
    return this.#links.get(id)?.flow;
  }

  /** The connection to that next hop, opened where there is none; what is sent meanwhile waits. */
  linkTo(to: NextHop): Link | undefined {
    return this.#opened.get(hopOf(to)) ?? this.#connect(to);
  }

  /** Opens a connection for who wants to know how that goes: one of `handlers` is called, once, not before this returns. */
  open(to: NextHop, handlers: OpenHandlers): void {
    if (!this.#connect(to, handlers)) this.#host.timer(this.#host.nowMs(), handlers.failed);
  }

  #accept(stream: StreamPort): StreamHandlers {
    const link = this.#add(stream.remote);
    if (!link) {
      stream.close();
      return REFUSED;
    }
    this.#onOpened(link, stream);
    return this.#handlers(link);
  }

  #connect(to: NextHop, handlers?: OpenHandlers): Link | undefined {
    const hop = hopOf(to);
    const link = this.#add({ host: to.host, port: to.port }, hop);
    if (!link) return undefined;
    this.#opened.set(hop, link);
    let waiting = handlers;
    const { data, closed } = this.#handlers(link);
    this.#host.connect(link.flow.remote, this.#towards(domainOf(to)), {
      opened: (stream) => {
        if (!this.#links.has(link.flow.id)) return stream.close(); // given up meanwhile
        this.#onOpened(link, stream);
        waiting?.opened(link.flow);
        waiting = undefined;
      },
      data,
      closed: () => {
        closed();
        waiting?.failed();
      },
    });
    return link;
  }

  /** The certificate must be that domain's which the request is for, whoever its servers are (RFC 5922 §7.3). */
  #towards(domain: string) {
    const { tls } = this.#options;
    if (!tls) return {};
    const { server, ca } = tls;
    return {
      tls: {
        serverName: domain,
        accepts: (names: readonly string[]) => namesDomain(names, domain),
        ...(ca !== undefined && { ca }),
        ...(server && { cert: server.cert, key: server.key }),
      },
    };
  }

  #add(remote: Address, hop?: string): StreamLink | undefined {
    if (this.#links.size >= (this.#options.maxConnections ?? LIMITS.sipStreams)) {
      this.dropped.overLimit++;
      return undefined;
    }
    const flow: Flow = { id: `${this.name}:${hex(this.#host.random(8))}`, transport: this.name, local: this.#local, remote };
    const link = new StreamLink({
      transport: this,
      hop,
      flow,
      clock: this.#host,
      pingAfterMs: hop !== undefined && this.#options.pings ? () => this.#pingAfterMs() : undefined,
      receiver: () => this.#receiver,
      broken: (broken) => this.#end(broken),
    });
    this.#links.set(flow.id, link);
    return link;
  }

  /** Somewhere in the last fifth (RFC 5626 §4.4.1). */
  #pingAfterMs(): number {
    return LIMITS.sipPingMs * (1 - (0.2 * (this.#host.random(1)[0] ?? 0)) / 256);
  }

  #onOpened(link: StreamLink, stream: StreamPort): void {
    link.opened(stream);
    this.#deadlines.set(link, link.nextDeadlineMs);
  }

  #handlers(link: StreamLink): StreamHandlers {
    return {
      data: (bytes) => {
        link.data(bytes);
        if (this.#links.has(link.flow.id)) this.#deadlines.set(link, link.nextDeadlineMs);
      },
      closed: () => this.#end(link),
    };
  }

  #onDeadline(link: StreamLink, nowMs: number): void {
    if (link.onDeadline(nowMs)) return this.#deadlines.set(link, link.nextDeadlineMs);
    this.dropped.silent++;
    this.#end(link);
  }

  /** Told at once, though what was sent may still be leaving. */
  #end(link: StreamLink): void {
    link.close();
    this.#deadlines.delete(link);
    if (!this.#links.delete(link.flow.id)) return;
    if (link.hop !== undefined && this.#opened.get(link.hop) === link) this.#opened.delete(link.hop);
    this.#receiver?.closed(link);
  }

  /** Lets go of all connections; the receiver is told nothing of their end. */
  closeAll(): void {
    for (const link of this.#links.values()) {
      link.close();
      this.#deadlines.delete(link);
    }
    this.#links.clear();
    this.#opened.clear();
  }

  close(): void {
    this.#listener?.close();
    this.closeAll();
    this.#deadlines.clear();
  }
}
