/**
 * A user agent: registration and calls of one user, for clients and pages (no Node API behind this door).
 *
 * ```ts
 * const ua = new UserAgent(host, new WsUplink(host, ["wss://tv.example/sip/site1"]), { user: "alice", domain: "tv.example" }, app);
 * ua.register();
 * const call = ua.invite({ to: "bob-tv", body: { type: "application/sdp", bytes: offer } }); // app.onAnswered(call, …) → ua.calls.ack(call)
 * ```
 */
import { hex } from "#base/bytes.ts";
import type { Logger } from "#base/log.ts";
import type { BrowserHost } from "#host/host.ts";
import { SipDriver } from "./driver.ts";
import { unsupported } from "./engine/call-messages.ts";
import type { CallEnd, CallId, CallPort, CallUser, Credentials, OutgoingCall } from "./engine/call-types.ts";
import { Calls } from "./engine/calls.ts";
import type { ClientTxId, Destination, Flow, ServerTxId, TransactionUser } from "./engine/ports.ts";
import { RegistrationClient, type RegistrationState } from "./engine/registration-client.ts";
import type { TransactionTimers } from "./engine/timers.ts";
import type { Uplink } from "./uplink.ts";
import { response } from "./wire/builders.ts";
import type { NameAddr, SipRequest, SipResponse, SipUri } from "./wire/message.ts";
import { ownUri, sipUri } from "./wire/uri.ts";
import { nameAddr } from "./wire/values.ts";

export { StreamUplink, UdpUplink, type Uplink, WsUplink } from "./uplink.ts";
export type { CallEnd, CallId, CallPort, CallUser, Credentials, OutgoingCall, RegistrationState };

/** What happens to a user agent. */
export interface UserAgentUser extends CallUser {
  onRegistration(state: RegistrationState): void;
}
export interface UserAgentConfig {
  readonly user: string;
  readonly domain: string;
  readonly displayName?: string;
  /** For digest; a page whose cookie speaks for it needs none (PROTOCOL §14). */
  readonly credentials?: Credentials;
  /** `urn:uuid:…` of this device, the same after a restart (RFC 5626 §4.1). Default: a random one. */
  readonly instance?: string;
  /** Registration's lifetime asked for, s. Default 3,600. */
  readonly expiresSec?: number;
  /** Calls at once; above, 486. Default 8. */
  readonly maxCalls?: number;
  readonly timers?: TransactionTimers;
  readonly log?: Logger;
}
/** What a call is begun with; the rest is the user agent's. */
export interface Invitation extends Pick<OutgoingCall, "headers" | "body" | "replaces"> {
  /** A user or channel of the domain, or any URI. */
  readonly to: string | SipUri;
}

const ALLOW = "INVITE, ACK, CANCEL, BYE, UPDATE, OPTIONS";
/** No uplink has this transport: what is sent here fails at once. */
const UNREACHED: Destination = { transport: "tls", host: "", port: 0 };

export class UserAgent implements TransactionUser {
  /** `ring`, `accept`, `reject`, `ack`, `end`. */
  readonly calls: CallPort;
  readonly #calls: Calls;
  readonly #driver: SipDriver;
  readonly #registration: RegistrationClient;
  readonly #uplink: Uplink;
  readonly #host: BrowserHost;
  readonly #config: UserAgentConfig;
  #to: Destination | undefined;

  constructor(host: BrowserHost, uplink: Uplink, config: UserAgentConfig, user: UserAgentUser) {
    this.#host = host;
    this.#config = config;
    this.#uplink = uplink;
    const { timers, log, credentials, expiresSec } = config;
    this.#driver = new SipDriver(host, { ...(timers && { timers }), ...(log && { log }) }, this);
    uplink.attach(this.#driver);
    this.#calls = new Calls(
      { transactions: this.#driver, user, host, destination: (_to, last) => this.#to ?? last },
      { maxCalls: config.maxCalls ?? 8, fullStatus: 486, ...(timers && { timers }) },
    );
    this.calls = this.#calls;
    this.#registration = new RegistrationClient(
      {
        transactions: this.#driver,
        host,
        connect: (server) => this.#connect(server),
        told: (state) => user.onRegistration(state),
      },
      {
        aor: this.#aor(config.user),
        registrar: sipUri({ host: config.domain }),
        contact: (to) => this.#contact(to),
        instance: config.instance ?? randomUuid(host),
        servers: uplink.servers,
        ...(credentials && { credentials }),
        ...(expiresSec !== undefined && { expiresSec }),
      },
    );
  }

  register(): void {
    this.#registration.register();
  }
  unregister(): void {
    this.#registration.unregister();
  }
  /** A flow for calls of ours alone: nobody is to find us. `opened` or `failed` is called once; a lost flow stays lost. */
  connect(opened: () => void, failed: () => void): void {
    this.#uplink.connect(
      0,
      (to) => {
        this.#to = to;
        opened();
      },
      failed,
    );
  }
  /** Where we are registered or connected, or about to be. Without it a call fails at once. */
  get server(): Destination | undefined {
    return this.#to;
  }
  /** Our Contact, for answering calls. */
  contact(): NameAddr {
    return this.#contact(this.#to ?? { transport: this.#uplink.transport, host: "", port: 0 });
  }
  invite({ to, headers, body, replaces }: Invitation): CallId {
    const target = typeof to === "string" ? this.#aor(to) : to;
    const { credentials, user, displayName } = this.#config;
    return this.#calls.invite({
      target,
      from: nameAddr(this.#aor(user), undefined, displayName),
      to: nameAddr(target),
      via: this.#to ?? UNREACHED,
      contact: this.contact(),
      ...(headers && { headers }),
      ...(body && { body }),
      ...(replaces !== undefined && { replaces }),
      ...(credentials && { credentials }),
    });
  }
  /** Closes everything at once, without goodbye: `unregister` and `calls.end` come before. */
  stop(): void {
    this.#registration.stop();
    this.#calls.stop();
    this.#driver.stop();
  }

  onRequest(request: SipRequest, id: ServerTxId, flow: Flow): void {
    if (this.#calls.onRequest(request, id, flow)) return;
    const unknown = unsupported(request, []);
    const status = unknown.length > 0 ? 420 : request.method === "OPTIONS" ? 200 : 405; // §8.2.1 to §8.2.3
    const answer = response(request, status, undefined, hex(this.#host.random(8)));
    if (unknown.length > 0) answer.headers.add("Unsupported", unknown.join(", "));
    answer.headers.add("Allow", ALLOW);
    if (answer.status === 200) answer.headers.add("Accept", "application/sdp").add("Supported", "path, outbound"); // §11.2
    this.#driver.respond(id, answer);
  }
  onAck(request: SipRequest, flow: Flow): void {
    this.#calls.onAck(request, flow);
  }
  onCancel(id: ServerTxId): void {
    this.#calls.onCancel(id);
  }
  onResponse(response: SipResponse, id: ClientTxId, flow: Flow): void {
    if (!this.#registration.onResponse(response, id, flow)) this.#calls.onResponse(response, id, flow);
  }
  onFailure(id: ClientTxId, cause: "timeout" | "transport"): void {
    if (!this.#registration.onFailure(id)) this.#calls.onFailure(id, cause);
  }
  onFlowClosed(flow: Flow): void {
    if (this.#to && "id" in this.#to && this.#to.id === flow.id) this.#to = undefined;
    this.#registration.onFlowClosed(flow);
  }

  #connect(server: number): void {
    this.#to = undefined;
    this.#uplink.connect(
      server,
      (to) => {
        this.#to = to;
        this.#registration.onConnected(to);
      },
      () => this.#registration.onUnreachable(),
    );
  }
  #aor(user: string): SipUri {
    return sipUri({ user, host: this.#config.domain });
  }
  #contact(to: Destination): NameAddr {
    return nameAddr(ownUri(this.#config.user, this.#driver.localUri(to)));
  }
}

/** RFC 4122 §4.4. */
function randomUuid(host: BrowserHost): string {
  const octets = host.random(16);
  octets[6] = ((octets[6] ?? 0) & 0x0f) | 0x40;
  octets[8] = ((octets[8] ?? 0) & 0x3f) | 0x80;
  return `urn:uuid:${hex(octets).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")}`;
}
