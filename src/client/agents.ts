import { LIMITS } from "#base/limits.ts";
import type { Address, Host } from "#host/host.ts";
import { type Clip, type ReceiverStats, RtpLiveSender, RtpReceiver, RtpSender, type ViewerSource } from "#media/index.ts";
import { type CallUser, type RegistrationState, StreamUplink, UdpUplink, type Uplink, UserAgent } from "#sip/ua.ts";
import { type Asked, Broadcaster, type BroadcasterState } from "./broadcaster.ts";
import { type Body, channelUri, type StreamDescription, unicastOffer } from "./descriptions.ts";
import { RtpPorts } from "./rtp-ports.ts";
import { type ChannelChange, NO_CALLS, Viewer, type ViewerState } from "./viewer.ts";

/** Who a command line client is, and where his DS answers SIP. */
export interface Identity {
  readonly user: string;
  readonly domain: string;
  readonly deviceSecret: string;
  readonly ds: Address;
  /** Default UDP. By TLS the DS must show a certificate of the domain, by the authorities of `ca` (PEM), default the machine's. */
  readonly by?: { readonly transport: "udp" | "tcp" | "tls"; readonly ca?: string };
  /** Our own address towards the DS and the edge. */
  readonly localHost: string;
}
/** How a viewer takes the stream: from the group on that interface (its local address), or as a stream of his own. */
export type Delivery = { readonly form: "multicast"; readonly multicastInterface: string } | { readonly form: "unicast" };

/** What a broadcaster sends while on air: a clip round and round, or a transport stream as it comes. */
export type Feed = { readonly kind: "clip"; readonly clip: Clip } | LiveFeed;
/** One of the rates at which a broadcaster sends the same picture. */
export interface Rendition {
  readonly feed: Feed;
  /** Bandwidth to reserve, kbit/s; without, the channel's own rate. */
  readonly kbps?: number | undefined;
}
export interface LiveFeed {
  readonly kind: "live";
  /** Hands over octets, cut anywhere, until what it returns is called; `ended`: there will be no more, with a fault if that is why. */
  start(write: (octets: Uint8Array) => void, ended: (fault?: Error) => void): () => void;
}

export interface ViewerAgentUser {
  onRegistration(state: RegistrationState): void;
  onState(state: ViewerState): void;
  /** Whole TS packets, in order; the receiver's to keep. */
  onPackets(packets: Uint8Array): void;
  /** The stream's socket cannot be had or broke. */
  onFault(error: Error): void;
}
export interface BroadcasterAgentUser {
  onRegistration(state: RegistrationState): void;
  onState(state: BroadcasterState): void;
  onFault(error: Error): void;
}

function uplinkOf(host: Host, { domain, ds, by, localHost }: Identity): Uplink {
  if (by === undefined || by.transport === "udp") return new UdpUplink(host, { host: localHost, port: 0 }, [ds]);
  if (by.transport === "tcp") return new StreamUplink(host, localHost, [ds]);
  return new StreamUplink(host, localHost, [ds], { domain, ...(by.ca !== undefined && { ca: by.ca }) });
}

/** Whoever takes no calls has no `onInvite`. */
type Caller = Omit<CallUser, "onInvite"> & Partial<Pick<CallUser, "onInvite">>;
function line(host: Host, identity: Identity, calls: Caller, onRegistration: (state: RegistrationState) => void): UserAgent {
  const { user, domain, deviceSecret } = identity;
  const told = {
    onInvite: (...what: Parameters<CallUser["onInvite"]>) =>
      calls.onInvite ? calls.onInvite(...what) : agent.calls.reject(what[0], NO_CALLS),
    onProvisional: (...what: Parameters<CallUser["onProvisional"]>) => calls.onProvisional(...what),
    onAnswered: (...what: Parameters<CallUser["onAnswered"]>) => calls.onAnswered(...what),
    onEstablished: (...what: Parameters<CallUser["onEstablished"]>) => calls.onEstablished(...what),
    onEnded: (...what: Parameters<CallUser["onEnded"]>) => calls.onEnded(...what),
    onRegistration,
  };
  const config = { user, domain, credentials: { user, password: deviceSecret }, maxCalls: LIMITS.sipCalls };
  const agent = new UserAgent(host, uplinkOf(host, identity), config, told);
  return agent;
}

/** A viewer on a host with sockets: SIP, RTP from the group or to a port of its own. */
export class ViewerAgent {
  readonly #host: Host;
  readonly #identity: Identity;
  readonly #delivery: Delivery;
  readonly #user: ViewerAgentUser;
  readonly #line: UserAgent;
  readonly #viewer: Viewer;
  readonly #ports: RtpPorts | undefined; // of a unicast stream
  #receiver: RtpReceiver | undefined;
  #stream: StreamDescription | undefined; // that the receiver takes

  constructor(host: Host, identity: Identity, delivery: Delivery, user: ViewerAgentUser, change?: ChannelChange) {
    this.#host = host;
    this.#identity = identity;
    this.#delivery = delivery;
    this.#user = user;
    if (delivery.form === "unicast") this.#ports = new RtpPorts(host, identity.localHost, (error) => user.onFault(error));
    this.#viewer = new Viewer({
      invite: ({ channel, kbps }, body, replaces) =>
        this.#line.invite({
          to: channelUri(channel, identity.domain, kbps),
          ...(body && { body }),
          ...(replaces !== undefined && { replaces }),
        }),
      calls: { ack: (call, body) => this.#line.calls.ack(call, body), end: (call) => this.#line.calls.end(call) },
      clock: host,
      offer: () => this.#offer(),
      localHost: identity.localHost,
      onState: (state) => this.#onState(state),
      ...(change && { change }),
    });
    this.#line = line(host, identity, this.#viewer, (state) => user.onRegistration(state));
  }

  get stats(): ReceiverStats | undefined {
    return this.#receiver?.stats;
  }
  register(): void {
    this.#line.register();
  }
  /** Once registered, at `kbps` at most where given. Another channel ends the one before. */
  watch(channel: string, kbps?: number): void {
    this.#viewer.watch(channel, kbps);
  }
  leave(): void {
    this.#viewer.leave();
  }
  unregister(): void {
    this.#line.unregister();
  }
  /** At once, without goodbye. */
  stop(): void {
    this.#receiver?.stop();
    this.#ports?.release();
    this.#line.stop();
  }

  #offer(): Body | undefined {
    return this.#ports && unicastOffer(this.#host, this.#ports.at);
  }
  #onState(state: ViewerState): void {
    const watched = state.kind === "calling" ? state.before : state.kind === "watching" ? state : undefined;
    if (watched?.stream !== this.#stream) this.#receive(watched?.stream);
    this.#user.onState(state);
  }
  #receive(stream: StreamDescription | undefined): void {
    this.#receiver?.stop();
    this.#receiver = undefined;
    this.#stream = stream;
    const source = stream && this.#sourceOf(stream);
    if (source?.kind === "unicast") this.#ports?.release();
    else this.#ports?.hold();
    if (source) {
      const multicastInterface =
        this.#delivery.form === "multicast" ? this.#delivery.multicastInterface : this.#identity.localHost;
      const packets = (octets: Uint8Array): void => this.#user.onPackets(octets);
      this.#receiver = new RtpReceiver(this.#host, source, multicastInterface, packets, (error) => this.#user.onFault(error));
    }
  }
  #sourceOf(stream: StreamDescription): ViewerSource | undefined {
    if (stream.form === "multicast") return { kind: "group", group: stream.group, source: stream.source };
    return stream.form === "unicast" && this.#ports ? { kind: "unicast", at: this.#ports.at, from: stream.source } : undefined;
  }
}

interface Sender {
  /** RTP packets. */
  readonly sent: number;
  stop(): void;
}

/** A broadcaster on a host with sockets: sends each of its renditions to the ingest address it is given for that. */
export class BroadcasterAgent {
  readonly #host: Host;
  readonly #renditions: readonly Rendition[];
  readonly #user: BroadcasterAgentUser;
  readonly #line: UserAgent;
  readonly #broadcaster: Broadcaster;
  readonly #localHost: string;
  #senders: readonly Sender[] = [];

  /** `renditions`: one to three. */
  constructor(host: Host, identity: Identity, renditions: readonly Rendition[], user: BroadcasterAgentUser) {
    this.#host = host;
    this.#renditions = renditions;
    this.#localHost = identity.localHost;
    this.#user = user;
    this.#broadcaster = new Broadcaster({
      invite: (channel, body) => this.#line.invite({ to: channel, body }),
      calls: {
        ack: (call) => this.#line.calls.ack(call),
        end: (call) => this.#line.calls.end(call),
        ring: (call, status) => this.#line.calls.ring(call, status),
        accept: (call, answer) => this.#line.calls.accept(call, answer),
        reject: (call, status) => this.#line.calls.reject(call, status),
      },
      contact: () => this.#line.contact(),
      clock: host,
      localHost: identity.localHost,
      rates: renditions.map(({ kbps }) => kbps),
      onState: (state) => this.#onState(state),
    });
    this.#line = line(host, identity, this.#broadcaster, (state) => user.onRegistration(state));
  }

  /** RTP packets sent since the channel went on air. */
  get sent(): number {
    return this.#senders.reduce((sum, { sent }) => sum + sent, 0);
  }
  register(): void {
    this.#line.register();
  }
  /** Once registered. */
  goLive(channel: string): void {
    this.#broadcaster.goLive(channel);
  }
  /** Once registered: goes on air whenever there are viewers, each of whom is asked for. */
  wait(asked: Asked): void {
    this.#broadcaster.wait(asked);
  }
  /** Hangs up: the channel goes off air. */
  end(): void {
    this.#broadcaster.end();
  }
  unregister(): void {
    this.#line.unregister();
  }
  /** At once, without goodbye. */
  stop(): void {
    this.#silence();
    this.#line.stop();
  }

  #onState(state: BroadcasterState): void {
    this.#silence();
    if (state.kind === "on air")
      this.#senders = this.#renditions.flatMap(({ feed }, at) => {
        const to = state.ingests[at];
        return to ? [this.#send(feed, to)] : [];
      });
    this.#user.onState(state);
  }
  #silence(): void {
    for (const sender of this.#senders) sender.stop();
    this.#senders = [];
  }
  #send(feed: Feed, to: Address): Sender {
    const failed = (error: Error): void => this.#user.onFault(error);
    const from = { host: this.#localHost, port: 0 };
    if (feed.kind === "clip") return new RtpSender(this.#host, from, to, feed.clip, failed);
    const sender = new RtpLiveSender(this.#host, from, to, failed);
    const stopFeed = feed.start(
      (octets) => sender.write(octets),
      (fault) => (fault ? failed(fault) : this.end()),
    );
    return {
      get sent() {
        return sender.sent;
      },
      stop() {
        stopFeed();
        sender.stop();
      },
    };
  }
}
