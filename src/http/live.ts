import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { LIMITS } from "#base/limits.ts";
import { mintUserToken, USER_TOKEN_COOKIE } from "#base/user-token.ts";
import { channelUri, webSocketOffer } from "#client/descriptions.ts";
import { sentence } from "#client/sentences.ts";
import { Viewer, type ViewerState } from "#client/viewer.ts";
import type { BrowserHost, MessagePort } from "#host/host.ts";
import type { Account } from "#registration/types.ts";
import type { WebConfig } from "#roles/types.ts";
import { type Credentials, UserAgent, type UserAgentUser, WsUplink } from "#sip/ua.ts";
import type { SipUri } from "#sip/wire/message.ts";
import type { Answer } from "./registration.ts";

export interface LivePorts {
  readonly host: BrowserHost;
  readonly operatorKey: Uint8Array;
  /** Who holds the session cookie of a request's Cookie header. */
  readonly holderOf: (cookie: string | undefined) => Promise<Answer<Account>>;
}
/** Who a player is: the holder of a page's cookie, or HTTP Basic with a device secret, which the DS then checks. */
interface Holder {
  readonly user: string;
  readonly ds: string;
  readonly credentials?: Credentials;
}

interface Asked {
  readonly Params: { readonly file: string };
  readonly Querystring: { readonly rate?: string | readonly string[] };
}
const { wishLeastKbps, wishMostKbps } = LIMITS;
const HOW = "Ask for /live/CHANNEL.ts, or /live/CHANNEL.ts?rate=KBPS for the best picture of at most that rate.";
const BAD_RATE = `Give rate as a whole number of kbit/s from ${wishLeastKbps} to ${wishMostKbps}.`;

/** HTTP status of a session that SIP refused; 503 for whatever else. */
const STATUS: Readonly<Record<number, number>> = { 401: 401, 403: 403, 404: 404, 480: 404, 486: 503, 488: 503, 504: 504 };
const CHALLENGE = 'Basic realm="sipcast", charset="UTF-8"';

/**
 * `/live/CHANNEL.ts`: a channel as MPEG-TS over HTTP, for VLC, ffmpeg and whatever else has no SIP; `?rate=KBPS` as on the URI of
 * a channel. Behind each connection stands a viewer agent with a normal SIP session (PROTOCOL §3): nothing is delivered without
 * a reservation, and closing the connection sends BYE.
 */
export class LiveStreams {
  readonly #ports: LivePorts;
  readonly #config: Pick<WebConfig, "domain" | "sip">;
  readonly #open = new Set<LiveStream>();

  constructor(ports: LivePorts, config: Pick<WebConfig, "domain" | "sip">) {
    this.#ports = ports;
    this.#config = config;
  }

  /** Connections with a session, for /metrics. */
  get size(): number {
    return this.#open.size;
  }

  routes(app: FastifyInstance): void {
    app.get<Asked>("/live/:file", (request, reply) => this.#serve(request, reply));
  }
  close(): void {
    for (const stream of this.#open) stream.stop();
  }

  async #serve(request: FastifyRequest<Asked>, reply: FastifyReply): Promise<unknown> {
    const channel = /^([^/]+)\.ts$/.exec(request.params.file)?.[1];
    if (channel === undefined) return refuse(reply, 404, HOW);
    const { rate } = request.query;
    const kbps = rate === undefined ? undefined : Number(/^\d{1,9}$/.exec(String(rate))?.[0]);
    if (kbps !== undefined && !(kbps >= wishLeastKbps && kbps <= wishMostKbps)) return refuse(reply, 400, BAD_RATE);
    const holder = await this.#holder(request);
    if (holder === undefined) return refuse(reply, 401, "Sign in, or give your name and a device secret.");
    if (this.#open.size >= LIMITS.liveStreams) return refuse(reply, 503, sentence(503));
    reply.hijack();
    const uri = channelUri(channel, this.#config.domain, kbps);
    const stream = new LiveStream(this.#ports, uri, this.#agentOf(holder), reply, () => this.#open.delete(stream));
    this.#open.add(stream);
    stream.watch(channel);
    return reply;
  }

  async #holder({ headers }: FastifyRequest): Promise<Holder | undefined> {
    const anyDs = Object.keys(this.#config.sip)[0] ?? "";
    const basic = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(headers.authorization ?? "")?.[1];
    if (basic !== undefined) {
      const [user = "", ...rest] = Buffer.from(basic, "base64").toString("utf8").split(":");
      return user === "" ? undefined : { user, ds: anyDs, credentials: { user, password: rest.join(":") } };
    }
    const account = await this.#ports.holderOf(headers.cookie);
    if (!account.ok) return undefined;
    const { user, home } = account.value;
    return { user, ds: home in this.#config.sip ? home : anyDs };
  }

  /** The cookie's holder is vouched for by this server (PROTOCOL §14); a device secret is left to the DS. */
  #agentOf({ user, ds, credentials }: Holder): (told: UserAgentUser) => UserAgent {
    const { host, operatorKey } = this.#ports;
    const token = `${USER_TOKEN_COOKIE}=${mintUserToken(host, operatorKey, user)}`;
    const headers: Record<string, string> = credentials ? {} : { cookie: token };
    const uplink = new WsUplink(host, [`ws://${this.#config.sip[ds]}/`], headers);
    const config = { user, domain: this.#config.domain, ...(credentials && { credentials }) };
    return (told) => new UserAgent(host, uplink, config, told);
  }
}

/** One HTTP connection and its viewer agent. */
class LiveStream {
  readonly #ports: LivePorts;
  readonly #agent: UserAgent;
  readonly #viewer: Viewer;
  readonly #reply: FastifyReply;
  readonly #ended: () => void;
  #media: MessagePort | undefined;
  #isOver = false;

  /** `uri`: of the channel, with the rate that is wished. */
  constructor(
    ports: LivePorts,
    uri: SipUri,
    agentFor: (told: UserAgentUser) => UserAgent,
    reply: FastifyReply,
    ended: () => void,
  ) {
    this.#ports = ports;
    this.#reply = reply;
    this.#ended = ended;
    this.#viewer = new Viewer({
      invite: (_wish, body) => this.#agent.invite({ to: uri, ...(body && { body }) }),
      calls: { ack: (call, body) => this.#agent.calls.ack(call, body), end: (call) => this.#agent.calls.end(call) },
      clock: ports.host,
      offer: () => webSocketOffer(ports.host, false),
      localHost: "0.0.0.0",
      onState: (state) => this.#onState(state),
    });
    this.#agent = agentFor({
      onInvite: (call) => this.#agent.calls.reject(call, 486),
      onProvisional: () => this.#viewer.onProvisional(),
      onAnswered: (call, response) => this.#viewer.onAnswered(call, response),
      onEstablished: (call, ack) => this.#viewer.onEstablished(call, ack),
      onEnded: (call, end) => this.#viewer.onEnded(call, end),
      onRegistration: () => undefined,
    });
    reply.raw.once("close", () => this.#hangUp());
  }

  watch(channel: string): void {
    this.#agent.connect(
      () => this.#viewer.watch(channel),
      () => this.#refuse(504, sentence(undefined, undefined, "transport")),
    );
  }
  stop(): void {
    this.#viewer.leave();
    this.#end();
  }
  #hangUp(): void {
    this.#viewer.leave();
    if (this.#viewer.state.kind === "idle") this.#end(); // there was no call
  }

  #onState(state: ViewerState): void {
    if (state.kind === "watching" && state.stream.form === "websocket") this.#fetch(state.stream.url);
    else if (state.kind === "ended" && state.status !== undefined)
      this.#refuse(STATUS[state.status] ?? 503, sentence(state.status, state.warning, state.reason));
    else if (state.kind === "ended" || state.kind === "idle") this.#end();
  }

  #fetch(url: string): void {
    const { raw } = this.#reply;
    this.#ports.host.connectMessages(
      url,
      { protocols: [] },
      {
        opened: (port) => {
          this.#media = port;
          raw.writeHead(200, { "content-type": "video/mp2t", "cache-control": "no-store" });
        },
        message: (packets) => {
          raw.write(packets);
          if (raw.writableLength > LIMITS.liveQueuedBytes) raw.destroy(); // whoever does not read is let go
        },
        closed: () => this.#hangUp(),
      },
    );
  }
  #refuse(status: number, message: string): void {
    const { raw } = this.#reply;
    if (!raw.headersSent && !raw.destroyed) {
      const challenge = status === 401 ? { "www-authenticate": CHALLENGE } : {};
      raw.writeHead(status, { "content-type": "text/plain; charset=utf-8", ...challenge });
      raw.write(`${message}\n`);
    }
    this.#end();
  }
  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#media?.close();
    this.#agent.stop();
    this.#reply.raw.end();
    this.#ended();
  }
}

function refuse(reply: FastifyReply, status: number, message: string): FastifyReply {
  if (status === 401) reply.header("www-authenticate", CHALLENGE);
  return reply.code(status).type("text/plain; charset=utf-8").send(`${message}\n`);
}
