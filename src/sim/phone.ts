import type { Identity } from "#client/agents.ts";
import type { Host } from "#host/host.ts";
import { DigestClient } from "#sip/engine/digest.ts";
import { type ClientTxId, request, SipDriver, type TransactionUser, UdpTransport } from "#sip/index.ts";
import {
  type CallEnd,
  type CallId,
  type RegistrationState,
  UdpUplink,
  UserAgent,
  type UserAgentUser,
  WsUplink,
} from "#sip/ua.ts";
import type { SipRequest, SipResponse } from "#sip/wire/message.ts";
import { sipUri } from "#sip/wire/uri.ts";
import { formatNameAddr, nameAddr } from "#sip/wire/values.ts";
import type { SimNetwork } from "./types.ts";

const SIP_PORT = 5060;
const raise = (error: Error): never => {
  throw error;
};

export interface PhoneOptions {
  /** Of its machine; default the user's. */
  readonly name?: string;
  /** Reaches its DS by WebSocket at that URL; default over UDP. */
  readonly ws?: string;
  /** Its registration's lifetime; default the user agent's. */
  readonly expiresSec?: number;
  /** The address that it knows of itself, where a NAT gives it another. */
  readonly natAddress?: string;
}

/** A person's telephone on a simulated network: what happened to it is in `told`. It answers as `on` says. */
export class Phone implements UserAgentUser {
  readonly host: Host;
  readonly ua: UserAgent;
  /** e.g. "registered", "180", "answered", "invite", "established", "ended bye". */
  readonly told: string[] = [];
  readonly ends: CallEnd[] = [];
  /** Default: it rings and does nothing. */
  onRing: (call: CallId) => void = () => undefined;
  readonly #name: string;
  readonly #net: SimNetwork;

  constructor(net: SimNetwork, { user, domain, deviceSecret, ds, localHost }: Identity, options: PhoneOptions = {}) {
    const { name = user, ws, natAddress, expiresSec } = options;
    this.#net = net;
    this.#name = name;
    const machine = net.host(name, localHost);
    this.host = natAddress === undefined ? machine : behindNat(machine, natAddress);
    const uplink =
      ws === undefined ? new UdpUplink(this.host, { host: localHost, port: SIP_PORT }, [ds]) : new WsUplink(this.host, [ws]);
    const credentials = { user, password: deviceSecret };
    this.ua = new UserAgent(this.host, uplink, { user, domain, credentials, ...(expiresSec && { expiresSec }) }, this);
    this.ua.register();
  }

  /** What it was told since the last look. */
  look(): readonly string[] {
    return this.told.splice(0);
  }
  call(user: string): CallId {
    return this.ua.invite({ to: user });
  }
  accept(call: CallId): void {
    this.ua.calls.accept(call, { contact: this.ua.contact() });
  }

  onRegistration({ kind }: RegistrationState): void {
    this.#tell(kind);
  }
  onInvite(call: CallId): void {
    this.#tell("invite");
    this.ua.calls.ring(call, 180);
    this.onRing(call);
  }
  onProvisional(_call: CallId, { status }: SipResponse): void {
    if (status > 100) this.#tell(`${status}`);
  }
  onAnswered(call: CallId): void {
    this.#tell("answered");
    this.ua.calls.ack(call);
  }
  onEstablished(): void {
    this.#tell("established");
  }
  onEnded(_call: CallId, end: CallEnd): void {
    this.ends.push(end);
    const more = end.kind === "rejected" ? ` ${end.response.status}` : end.kind === "failed" ? ` ${end.cause}` : "";
    this.#tell(`ended ${end.kind}${more}`);
  }
  #tell(what: string): void {
    this.told.push(what);
    this.#net.note(`${this.#name} ${what}`);
  }
}

/** The machine, with a socket that believes to have that address. */
function behindNat(machine: Host, address: string): Host {
  const datagram: Host["datagram"] = (bind, handlers) =>
    machine.datagram(bind, { ...handlers, bound: (at) => handlers.bound?.({ host: address, port: at.port }) });
  return new Proxy(machine, {
    get(target, name) {
      if (name === "datagram") return datagram;
      const found: unknown = Reflect.get(target, name, target);
      return typeof found === "function" ? found.bind(target) : found;
    },
  });
}

/** Somebody who sends single requests to his DS as he likes, and answers its challenges. */
export class Asker {
  /** Final answers to what he asked, challenges left out. */
  readonly heard: SipResponse[] = [];
  readonly #identity: Identity;
  readonly #driver: SipDriver;
  readonly #digest: DigestClient;
  readonly #unanswered = new Map<ClientTxId, SipRequest>();
  #cseq = 0;

  constructor(net: SimNetwork, identity: Identity, name = identity.user) {
    const { user, deviceSecret, localHost } = identity;
    const host = net.host(name, localHost);
    this.#identity = identity;
    this.#digest = new DigestClient(host, { user, password: deviceSecret });
    this.#driver = bareDriver(host, localHost, (response, tx) => this.#onResponse(response, tx));
  }

  /** `to`: a user or channel; "" = the DS itself. */
  ask(method: string, to: string, fields: readonly (readonly [string, string])[] = [], from = this.#identity.user): void {
    const { domain } = this.#identity;
    const uri = sipUri({ user: method === "REGISTER" ? "" : to, host: domain });
    this.#send(
      request(method, uri, [
        ["From", `<sip:${from}@${domain}>;tag=t`],
        ["To", formatNameAddr(nameAddr(sipUri({ user: to, host: domain })))],
        ["Call-ID", `${method} of ${this.#identity.localHost}`.replaceAll(" ", "-")],
        ...fields,
      ]),
    );
  }

  #send(unsigned: SipRequest): void {
    unsigned.headers.set("CSeq", `${++this.#cseq} ${unsigned.method}`);
    const signed = this.#digest.sign(unsigned);
    this.#unanswered.set(this.#driver.request(signed, { transport: "udp", ...this.#identity.ds }), signed);
  }
  #onResponse(response: SipResponse, tx: ClientTxId): void {
    const asked = this.#unanswered.get(tx);
    if (asked && this.#digest.challenged(asked, response, 0)) this.#send(asked);
    else this.heard.push(response);
  }
}

/** SIP without a user agent. */
export function bareDriver(host: Host, address: string, onResponse: TransactionUser["onResponse"]): SipDriver {
  const aside = (): void => undefined;
  const driver = new SipDriver(
    host,
    {},
    { onRequest: aside, onAck: aside, onCancel: aside, onResponse, onFailure: aside, onFlowClosed: aside },
  );
  driver.addTransport(new UdpTransport(host, { host: address, port: 5060 }, { failed: raise }));
  return driver;
}
