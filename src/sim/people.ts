import { mintUserToken, USER_TOKEN_COOKIE } from "#base/user-token.ts";
import { BroadcasterAgent, type Delivery, type Identity, ViewerAgent } from "#client/agents.ts";
import { ingestOffer, type Rates } from "#client/descriptions.ts";
import type { Outcome } from "#client/outcome.ts";
import { type PageState, type PageViewer, pageViewer } from "#client/page.ts";
import type { ChannelChange } from "#client/viewer.ts";
import type { Address, BrowserHost, Host, MessagePort } from "#host/host.ts";
import type { Clip } from "#media/index.ts";
import type { ClientTxId, Flow } from "#sip/index.ts";
import {
  type CallId,
  type Invitation,
  StreamUplink,
  UdpUplink,
  type Uplink,
  UserAgent,
  type UserAgentConfig,
  type UserAgentUser,
} from "#sip/ua.ts";
import type { SipResponse } from "#sip/wire/message.ts";
import { callIdOf, contactsOf, cseqOf, fromOf, paramText } from "#sip/wire/values.ts";
import type { SimNetwork } from "./types.ts";

const TS_PACKET_BYTES = 188;

/** Somebody with a machine of his own and one agent on it, from his arrival until he vanishes; he may come back. */
abstract class Person<Agent extends { register(): void }> {
  /** As his agent has it: `registered`, or why not. */
  registration = "off";
  /** Nobody is there while it is undefined. */
  protected agent: Agent | undefined;
  protected readonly net: SimNetwork;
  protected readonly identity: Identity;

  constructor(net: SimNetwork, identity: Identity) {
    this.net = net;
    this.identity = identity;
  }
  protected abstract begin(): Agent;

  get user(): string {
    return this.identity.user;
  }
  get aor(): string {
    return `sip:${this.identity.user}@${this.identity.domain}`;
  }
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
    this.registration = "off";
  }
  protected registered({ kind }: { readonly kind: string }): void {
    this.registration = kind;
    this.note(kind);
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
        onRegistration: (state) => this.registered(state),
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

/** How a phone reaches its DS. */
export type Line = "udp" | "tcp" | "tls";

/** What the 2xx to a phone's REGISTER said of its contact. */
export interface Acknowledged {
  readonly callId: string;
  readonly cseq: number;
  readonly isBound: boolean;
}

/** Somebody with a SIP phone that rings until he says what becomes of the call. As a broadcaster he would send MPEG-TS. */
export class WorldPhone extends Person<UserAgent> {
  /** The latest final answer to a call of his. */
  answered: SipResponse | undefined;
  /** The last word of his registrar, unless he has asked for something else since. */
  acknowledged: Acknowledged | undefined;
  /** Of his phone, for ever (RFC 5626 §4.1). */
  readonly instance: string;
  readonly line: Line;
  #isWanted = false;
  readonly #connect: (host: Host) => Uplink;
  /** In both directions, those that have not ended: with whom. */
  readonly #calls = new Map<CallId, string>();
  readonly #ringing: CallId[] = [];
  readonly #taken = new Set<CallId>();
  readonly #hungUp = new Set<CallId>();
  #host: Host | undefined;

  constructor(net: SimNetwork, identity: Identity, line: Line, connect: (host: Host) => Uplink) {
    super(net, identity);
    this.line = line;
    this.instance = `urn:x-phone:${identity.user}`;
    this.#connect = connect;
  }
  /** Users that he has calls with, in the order in which those began. */
  get calls(): readonly string[] {
    return [...this.#calls.values()];
  }
  /** Of those calls, the ones that were taken. */
  get talks(): readonly string[] {
    return Array.from(this.#taken, (call) => this.#calls.get(call) ?? "");
  }
  /** Whether he hung up, and a call goes on all the same. */
  get isHeld(): boolean {
    return this.isThere && this.#hungUp.size > 0;
  }
  get isRinging(): boolean {
    return this.isThere && this.#ringing.length > 0;
  }

  /** Wants to be found again. */
  register(): void {
    this.#wants(true);
    this.agent?.register();
  }
  /** Wants no calls; those that he has go on. */
  unregister(): void {
    this.#wants(false);
    this.agent?.unregister();
  }
  call(to: string, headers: Invitation["headers"] = []): void {
    if (this.agent) this.#calls.set(this.agent.invite({ to, headers }), to);
  }
  /** Takes the call that rings since last, with an offer where it has none. */
  answer(): void {
    const [agent, call, host] = this.#rings();
    agent.calls.accept(call, { contact: agent.contact(), body: ingestOffer(host, this.identity.localHost, undefined) });
  }
  decline(status: number): void {
    const [agent, call] = this.#rings();
    agent.calls.reject(call, status);
  }
  /** Ends every call, those included that have no answer yet. */
  hangUp(): void {
    for (const call of [...this.#calls.keys()]) {
      this.#hungUp.add(call);
      this.agent?.calls.end(call);
    }
  }

  protected override begin(): UserAgent {
    const { user, domain, deviceSecret, localHost } = this.identity;
    const host = this.net.host(user, localHost);
    this.#host = host;
    this.#wants(true);
    this.#calls.clear();
    this.#ringing.length = 0;
    this.#taken.clear();
    this.#hungUp.clear();
    const credentials = { user, password: deviceSecret };
    const agent: UserAgent = new Registrant(
      host,
      this.#connect(host),
      { user, domain, credentials, instance: this.instance },
      {
        onRegistration: (state) => this.registered(state),
        onInvite: (call, request) => {
          this.#calls.set(call, fromOf(request)?.uri.user ?? "");
          this.#ringing.push(call);
          agent.calls.ring(call, 180);
        },
        onProvisional: () => undefined,
        onAnswered: (call, response) => {
          this.answered = response;
          this.#taken.add(call);
          agent.calls.ack(call);
        },
        onEstablished: (call) => {
          this.#taken.add(call);
          this.note("established");
        },
        onEnded: (call, end) => {
          this.#calls.delete(call);
          this.#taken.delete(call);
          this.#hungUp.delete(call);
          this.#stopsRinging(call);
          if (end.kind === "rejected") this.answered = end.response;
          this.note(end.kind);
        },
      },
      (said) => {
        if (said.isBound === this.#isWanted) this.acknowledged = said;
      },
    );
    return agent;
  }
  #wants(isWanted: boolean): void {
    this.#isWanted = isWanted;
    this.acknowledged = undefined;
  }
  #rings(): [agent: UserAgent, call: CallId, host: Host] {
    const call = this.#ringing.at(-1);
    if (!this.agent || !this.#host || call === undefined) throw new Error(`${this.identity.user}'s phone does not ring`);
    this.#stopsRinging(call);
    return [this.agent, call, this.#host];
  }
  #stopsRinging(call: CallId): void {
    const at = this.#ringing.indexOf(call);
    if (at >= 0) this.#ringing.splice(at, 1);
  }
}

/** A phone that says what its registrar acknowledged. */
class Registrant extends UserAgent {
  readonly #instance: string;
  readonly #told: (acknowledged: Acknowledged) => void;

  constructor(
    host: Host,
    uplink: Uplink,
    config: UserAgentConfig & { readonly instance: string },
    user: UserAgentUser,
    told: (acknowledged: Acknowledged) => void,
  ) {
    super(host, uplink, config, user);
    this.#instance = config.instance;
    this.#told = told;
  }

  override onResponse(response: SipResponse, id: ClientTxId, flow: Flow): void {
    super.onResponse(response, id, flow);
    const { method, number: cseq = 0 } = cseqOf(response) ?? {};
    if (method !== "REGISTER" || response.status < 200 || response.status >= 300) return;
    const contacts = contactsOf(response);
    const isBound =
      Array.isArray(contacts) && contacts.some(({ params }) => paramText(params, "+sip.instance") === `<${this.#instance}>`);
    this.#told({ callId: callIdOf(response) ?? "", cseq, isBound });
  }
}

/** How a phone gets its flow: TLS by the authorities of `ca`. */
export function uplinkOf(line: Line, host: Host, { ds, domain, localHost }: Identity, tls: Address, ca: string): Uplink {
  if (line === "udp") return new UdpUplink(host, { host: localHost, port: 0 }, [ds]);
  return line === "tcp" ? new StreamUplink(host, localHost, [ds]) : new StreamUplink(host, localHost, [tls], { domain, ca });
}

/** Somebody who watches, by multicast or with a stream of his own, as a test sees him. */
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
  readonly #form: Delivery["form"];
  readonly #change: ChannelChange;

  constructor(net: SimNetwork, identity: Identity, form: Delivery["form"], change: ChannelChange) {
    super(net, identity);
    this.#form = form;
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
      this.#form === "unicast" ? { form: this.#form } : { form: this.#form, multicastInterface: localHost },
      {
        onRegistration: (state) => this.registered(state),
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

/** Somebody who watches in a page: SIP and the picture by WebSocket, and the cookie says who he is (PROTOCOL §14). */
export class WorldPage extends Person<PageAgent> {
  /** As of `WorldViewer`. */
  state = "idle";
  channel = "";
  refusal: Outcome | undefined;
  /** TS packets received, since the present picture began. */
  packets = 0;
  readonly #sipUrl: string;
  readonly #operatorKey: Uint8Array;
  #isWanted = false;
  #watched = "";
  #picture: Picture | undefined;

  constructor(net: SimNetwork, identity: Identity, sipUrl: string, operatorKey: Uint8Array) {
    super(net, identity);
    this.#sipUrl = sipUrl;
    this.#operatorKey = operatorKey;
  }
  watch(channel: string): void {
    this.#isWanted = true;
    this.agent?.viewer.watch(channel);
  }
  /** The player is gone from the page at once. */
  leave(): void {
    this.#isWanted = false;
    this.agent?.viewer.leave();
    this.#show(undefined);
    this.#become("idle", "");
  }

  protected override begin(): PageAgent {
    const { user, domain, localHost } = this.identity;
    const host = this.net.host(user, localHost);
    this.#picture = undefined;
    this.#become("idle", "");
    const browser: BrowserHost = {
      nowMs: () => host.nowMs(),
      wallMs: () => host.wallMs(),
      timer: (atMs, fire) => host.timer(atMs, fire),
      random: (octets) => host.random(octets),
      digest: (...asked) => host.digest(...asked),
      hmac: (...asked) => host.hmac(...asked),
      digestHex: (...asked) => host.digestHex(...asked),
      hmacHex: (...asked) => host.hmacHex(...asked),
      connectMessages: (url, options, handlers) => {
        const headers = { cookie: `${USER_TOKEN_COOKIE}=${mintUserToken(host, this.#operatorKey, user)}` };
        host.connectMessages(url, { ...options, headers }, handlers);
      },
    };
    const onState = (state: PageState): void => this.#onState(host, state);
    const viewer = pageViewer(browser, { user, domain, sipUrls: [this.#sipUrl], onState });
    return { viewer, register: () => viewer.start() };
  }

  /** The picture goes on while the way to the DS is lost, and while another channel is asked for in its place. */
  #onState(host: Host, state: PageState): void {
    const { kind, channel = "" } = state;
    if (kind === "offline" || kind === "registering" || kind === "registered") return this.registered(state);
    if (!this.#isWanted) return;
    const url = "url" in state ? state.url : undefined;
    if (url !== this.#picture?.url)
      this.#show(url === undefined ? undefined : new Picture(host, url, (octets) => this.#onPicture(octets)));
    this.refusal = kind === "refused" || kind === "failed" ? state : undefined;
    if (kind === "watching") this.#watched = channel;
    if (kind === "refused" && url !== undefined) this.#become("watching", this.#watched);
    else this.#become(kind === "failed" ? "ended" : kind, channel);
  }
  #become(state: string, channel: string): void {
    this.state = state;
    this.channel = channel;
    this.packets = 0;
    this.note(state);
  }
  #show(picture: Picture | undefined): void {
    this.#picture?.close();
    this.#picture = picture;
  }
  #onPicture(octets: number): void {
    this.packets += octets / TS_PACKET_BYTES;
  }
}
interface PageAgent {
  readonly viewer: PageViewer;
  register(): void;
}

/** A page's player, as far as its WebSocket goes: one that is lost stays lost. */
class Picture {
  readonly url: string;
  #socket: MessagePort | undefined;
  #isOver = false;

  constructor(host: Host, url: string, received: (octets: number) => void) {
    this.url = url;
    host.connectMessages(
      url,
      { protocols: [] },
      {
        opened: (socket) => {
          this.#socket = socket;
          if (this.#isOver) socket.close();
        },
        message: ({ length }) => {
          if (!this.#isOver) received(length);
        },
        closed: () => undefined,
      },
    );
  }
  close(): void {
    this.#isOver = true;
    this.#socket?.close();
  }
}

function raise(error: Error): never {
  throw error;
}
