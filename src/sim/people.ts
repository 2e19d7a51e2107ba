import { BroadcasterAgent, type Identity, ViewerAgent } from "#client/agents.ts";
import { ingestOffer, type Rates } from "#client/descriptions.ts";
import type { Outcome } from "#client/outcome.ts";
import type { ChannelChange } from "#client/viewer.ts";
import type { Host } from "#host/host.ts";
import type { Clip } from "#media/index.ts";
import { type CallId, type Invitation, UdpUplink, UserAgent } from "#sip/ua.ts";
import type { SipResponse } from "#sip/wire/message.ts";
import type { SimNetwork } from "./types.ts";

const TS_PACKET_BYTES = 188;

/** Somebody with a machine of his own and one agent on it, from his arrival until he vanishes; he may come back. */
abstract class Person<Agent extends { register(): void }> {
  /** Nobody is there while it is undefined. */
  protected agent: Agent | undefined;
  protected readonly net: SimNetwork;
  protected readonly identity: Identity;

  constructor(net: SimNetwork, identity: Identity) {
    this.net = net;
    this.identity = identity;
  }
  protected abstract begin(): Agent;

  get isThere(): boolean {
    return this.agent !== undefined;
  }
  /** Switches the machine on, and registers. */
  arrive(): void {
    if (this.agent) return;
    this.agent = this.begin();
    this.agent.register();
  }
  /** The machine is gone, without goodbye. */
  vanish(): void {
    this.net.kill(this.identity.user, "machine");
    this.agent = undefined;
  }
  protected note(what: string): void {
    this.net.note(`${this.identity.user} ${what}`);
  }
}

/** Somebody who broadcasts, as a test sees him. */
export class WorldBroadcaster extends Person<BroadcasterAgent> {
  state = "idle";
  ended: Outcome | undefined;
  readonly #clip: Clip;
  readonly #rates: Rates;

  constructor(net: SimNetwork, identity: Identity, clip: Clip, rates: Rates) {
    super(net, identity);
    this.#clip = clip;
    this.#rates = rates;
  }
  /** RTP packets sent. */
  get sent(): number {
    return this.agent?.sent ?? 0;
  }
  goLive(channel: string): void {
    this.agent?.goLive(channel);
  }
  /** To be asked for viewers, except for those. */
  wait(channel: string, ...refused: readonly string[]): void {
    this.agent?.wait({ channel, refused: new Set(refused) });
  }
  end(): void {
    this.agent?.end();
  }

  protected override begin(): BroadcasterAgent {
    this.state = "idle";
    const host = this.net.host(this.identity.user, this.identity.localHost);
    return new BroadcasterAgent(
      host,
      this.identity,
      this.#rates.map((kbps) => ({ feed: { kind: "clip", clip: this.#clip }, kbps })),
      {
        onRegistration: ({ kind }) => this.note(kind),
        onState: (now) => {
          this.state = now.kind;
          this.ended = now.kind === "ended" ? now : undefined;
          this.note(this.state);
        },
        onFault: raise,
      },
    );
  }
}

/** Somebody with a SIP phone that rings until he says what becomes of the call. As a broadcaster he would send MPEG-TS. */
export class WorldPhone extends Person<UserAgent> {
  /** In both directions; those that have not ended. */
  readonly calls: CallId[] = [];
  /** The latest final answer to a call of his. */
  answered: SipResponse | undefined;

  call(to: string, headers: Invitation["headers"] = []): void {
    if (this.agent) this.calls.push(this.agent.invite({ to, headers }));
  }

  /** Takes the latest call, with an offer where it has none. */
  answer(): void {
    const { localHost } = this.identity;
    this.#latest((agent, call, host) =>
      agent.calls.accept(call, { contact: agent.contact(), body: ingestOffer(host, localHost, undefined) }),
    );
  }
  decline(status: number): void {
    this.#latest((agent, call) => agent.calls.reject(call, status));
  }
  hangUp(): void {
    this.#latest((agent, call) => agent.calls.end(call));
  }

  protected override begin(): UserAgent {
    const { user, domain, deviceSecret, ds, localHost } = this.identity;
    const host = this.net.host(user, localHost);
    this.#host = host;
    const agent: UserAgent = new UserAgent(
      host,
      new UdpUplink(host, { host: localHost, port: 0 }, [ds]),
      { user, domain, credentials: { user, password: deviceSecret } },
      {
        onRegistration: ({ kind }) => this.note(kind),
        onInvite: (call) => {
          this.calls.push(call);
          agent.calls.ring(call, 180);
        },
        onProvisional: () => undefined,
        onAnswered: (call, response) => {
          this.answered = response;
          agent.calls.ack(call);
        },
        onEstablished: () => this.note("established"),
        onEnded: (call, end) => {
          this.calls.splice(this.calls.indexOf(call), 1);
          if (end.kind === "rejected") this.answered = end.response;
          this.note(end.kind);
        },
      },
    );
    return agent;
  }
  #host: Host | undefined;
  #latest(act: (agent: UserAgent, call: CallId, host: Host) => void): void {
    const call = this.calls.at(-1);
    if (!this.agent || !this.#host || call === undefined) throw new Error(`${this.identity.user}'s phone does not ring`);
    act(this.agent, call, this.#host);
  }
}

/** Somebody who watches by multicast, as a test sees him. */
export class WorldViewer extends Person<ViewerAgent> {
  /** `refused`: a final answer other than 2xx; `ended`: nobody answered, or it ended later. */
  state = "idle";
  /** Called, watched, or refused last. */
  channel = "";
  refusal: Outcome | undefined;
  /** TS packets received, and since the present stream began. */
  packets = 0;
  /** From the choice of the channel to its 2xx, ms. */
  setupMs: number | undefined;
  /** Of the rendition that he watches. */
  kbps: number | undefined;
  readonly #change: ChannelChange;

  constructor(net: SimNetwork, identity: Identity, change: ChannelChange = "replace") {
    super(net, identity);
    this.#change = change;
  }

  watch(channel: string, kbps?: number): void {
    this.agent?.watch(channel, kbps);
  }
  leave(): void {
    this.agent?.leave();
  }

  protected override begin(): ViewerAgent {
    const { user, localHost } = this.identity;
    this.state = "idle";
    return new ViewerAgent(
      this.net.host(user, localHost),
      this.identity,
      { form: "multicast", multicastInterface: localHost },
      {
        onRegistration: ({ kind }) => this.note(kind),
        onState: (now) => {
          const isRefused = now.kind === "ended" && now.status !== undefined;
          this.state = isRefused ? "refused" : now.kind;
          this.channel = "channel" in now ? now.channel : "";
          this.refusal = now.kind === "ended" ? now : now.kind === "watching" ? now.refused : undefined;
          this.setupMs = now.kind === "watching" ? now.setupMs : undefined;
          this.kbps = now.kind === "watching" ? now.stream.kbps : undefined;
          this.packets = 0;
          this.note(this.state);
        },
        onPackets: (octets) => {
          this.packets += octets.length / TS_PACKET_BYTES;
        },
        onFault: raise,
      },
      this.#change,
    );
  }
}

function raise(error: Error): never {
  throw error;
}
