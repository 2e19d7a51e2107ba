/** Keeps one contact of a user registered (RFC 3261 §10.2), over one flow at a time (RFC 5626 §4). */
import { hex } from "#base/bytes.ts";
import { type Alarm, Alarms } from "#base/deadlines.ts";
import { LIMITS } from "#base/limits.ts";
import type { Clock, Entropy } from "#host/host.ts";
import { request } from "../wire/builders.ts";
import { parseNumber } from "../wire/lex.ts";
import type { NameAddr, SipRequest, SipResponse, SipUri } from "../wire/message.ts";
import { sameUri } from "../wire/uri.ts";
import { contactsOf, formatNameAddr, nameAddr, numberOf, paramText, withParam } from "../wire/values.ts";
import type { Credentials } from "./call-types.ts";
import { withCSeq } from "./dialog.ts";
import { DigestClient, isStale } from "./digest.ts";
import type { ClientTxId, Destination, Flow, TransactionPort } from "./ports.ts";

export type RegistrationState =
  | { readonly kind: "off" } // not wanted, and not registered as far as we know
  | { readonly kind: "trying" }
  | { readonly kind: "registered"; readonly expiresSec: number }
  /** It failed and is tried again by itself. `status` = the final response, where there was one. */
  | { readonly kind: "waiting"; readonly retryInMs: number; readonly status?: number }
  /** It was refused: trying again without a change would not help. */
  | { readonly kind: "refused"; readonly response: SipResponse };

export interface RegistrationPorts {
  readonly transactions: TransactionPort;
  readonly host: Clock & Entropy;
  /** Asks for a flow to a server of the ordered list, 0 the first; answered by `onConnected` or `onUnreachable`. */
  readonly connect: (server: number) => void;
  readonly told: (state: RegistrationState) => void;
}
export interface RegistrationConfig {
  readonly aor: SipUri;
  /** Request-URI: the domain (RFC 3261 §10.2). */
  readonly registrar: SipUri;
  /** Ours at a destination, without expires, instance and reg-id. */
  readonly contact: (to: Destination) => NameAddr;
  /** A URN that stays the same for this device (RFC 5626 §4.1). */
  readonly instance: string;
  readonly credentials?: Credentials;
  /** Asked for, s. 60..7,200, default 3,600. */
  readonly expiresSec?: number;
  /** Servers in the list. 1.., default 1. */
  readonly servers?: number;
}

/** RFC 5626 §4.5: the base time where all flows have failed, and the longest wait. */
const BASE_SEC = 30;
const MAX_WAIT_SEC = 1_800;
/** With another server to go to, one that says nothing for so long has failed (PROTOCOL §9). */
const SILENCE_MS = 1_500;
const REFUSALS_THAT_PASS = [408, 430, 480];
/** A refusal that is no answer to what was asked for: later there may be another. */
const passes = (response: SipResponse): boolean =>
  (response.status >= 500 && response.status < 600) || REFUSALS_THAT_PASS.includes(response.status) || isStale(response);

export class RegistrationClient {
  readonly #ports: RegistrationPorts;
  readonly #config: RegistrationConfig;
  readonly #servers: number;
  readonly #digest: DigestClient | undefined;
  readonly #callId: string;
  readonly #alarms: Alarms;
  #alarm: Alarm | undefined;
  #wanted = false;
  #registered = false;
  #to: Destination | undefined;
  /** Our REGISTER without answer; `expiresSec` 0 takes the contact back. */
  #asking:
    | { readonly tx: ClientTxId; readonly request: SipRequest; readonly expiresSec: number; readonly repeats: number }
    | undefined;
  #connecting = false;
  #expiresSec: number;
  #cseq = 0;
  #failures = 0; // in a row

  constructor(ports: RegistrationPorts, config: RegistrationConfig) {
    this.#ports = ports;
    this.#config = config;
    this.#servers = config.servers ?? 1;
    this.#digest = config.credentials && new DigestClient(ports.host, config.credentials);
    this.#callId = hex(ports.host.random(16));
    this.#expiresSec = config.expiresSec ?? 3_600;
    this.#alarms = new Alarms(ports.host);
  }

  /** Registers, and keeps registered until `unregister`. After a refusal it tries anew. */
  register(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#failures = 0;
    if (!this.#asking && !this.#connecting) this.#try();
  }

  /** Takes the contact back; `off` is told when that is answered, or cannot be. */
  unregister(): void {
    if (!this.#wanted) return;
    this.#wanted = false;
    if (this.#asking || this.#connecting) return; // one REGISTER at a time (RFC 3261 §10.2)
    this.#at(0, () => this.#release());
  }

  onConnected(to: Destination): void {
    this.#connecting = false;
    this.#to = to;
    if (this.#wanted) this.#send(this.#expiresSec);
    else this.#release();
  }
  onUnreachable(): void {
    this.#connecting = false;
    this.#failed(undefined);
  }

  /** True = it was the answer to our REGISTER. */
  onResponse(response: SipResponse, id: ClientTxId, flow: Flow): boolean {
    const asking = this.#asking;
    if (asking?.tx !== id) return false;
    this.#quiet();
    if (response.status < 200) return true;
    this.#asking = undefined;
    if (flow.transport !== "udp") this.#to = flow;
    const { expiresSec, repeats } = asking;
    if ((this.#wanted || expiresSec === 0) && this.#digest?.challenged(asking.request, response, repeats)) {
      this.#sendRequest(withCSeq(asking.request, ++this.#cseq), expiresSec, repeats + 1);
    } else if (expiresSec === 0) this.#onReleased();
    else if (!this.#wanted) this.#onRegisteredInVain(response);
    else if (response.status < 300) this.#onRegistered(response);
    else if (response.status === 423 && this.#wishLonger(response)) this.#send(this.#expiresSec);
    else if (passes(response)) this.#failed(response);
    else this.#refused(response);
    return true;
  }

  onFailure(id: ClientTxId): boolean {
    if (this.#asking?.tx !== id) return false;
    this.#asking = undefined;
    this.#failed(undefined);
    return true;
  }

  /** At once, without goodbye. */
  stop(): void {
    this.#wanted = false;
    this.#alarms.clear();
  }

  /** The flow we are registered on is gone: another one, at once (RFC 5626 §4.5). */
  onFlowClosed(flow: Flow): void {
    if (!this.#to || !("id" in this.#to) || this.#to.id !== flow.id) return;
    this.#to = undefined;
    if (this.#asking || this.#connecting || !this.#wanted || !this.#registered) return;
    this.#registered = false;
    this.#try();
  }

  #try(): void {
    this.#connecting = true;
    this.#at(0, () => {
      this.#ports.told({ kind: "trying" });
      if (this.#to) this.onConnected(this.#to);
      else this.#ports.connect(this.#failures % this.#servers);
    });
  }

  #send(expiresSec: number): void {
    if (!this.#to) {
      this.#try();
      return;
    }
    const { aor, registrar, instance } = this.#config;
    const named = withParam(withParam(this.#config.contact(this.#to), "+sip.instance", `"<${instance}>"`), "reg-id", "1");
    const headers: [string, string][] = [
      ["From", formatNameAddr(nameAddr(aor, new Map([["tag", hex(this.#ports.host.random(8))]])))],
      ["To", formatNameAddr(nameAddr(aor))],
      ["Call-ID", this.#callId],
      ["CSeq", `${++this.#cseq} REGISTER`],
      ["Contact", formatNameAddr(withParam(named, "expires", String(expiresSec)))],
      ["Supported", "path, outbound"],
    ];
    this.#sendRequest(request("REGISTER", registrar, headers), expiresSec, 0);
  }
  #sendRequest(unsigned: SipRequest, expiresSec: number, repeats: number): void {
    if (!this.#to) {
      this.#try();
      return;
    }
    const signed = this.#digest?.sign(unsigned) ?? unsigned;
    this.#asking = { tx: this.#ports.transactions.request(signed, this.#to), request: signed, expiresSec, repeats };
    if (this.#servers > 1) this.#at(SILENCE_MS, () => this.#onSilence());
  }
  #onSilence(): void {
    this.#asking = undefined;
    this.#failed(undefined);
  }

  #onRegistered(response: SipResponse): void {
    const expiresSec = this.#granted(response);
    this.#failures = 0;
    this.#registered = true;
    this.#at(500 * expiresSec, () => this.#send(this.#expiresSec)); // half of it
    this.#ports.told({ kind: "registered", expiresSec });
  }
  /** What the registrar says of our contact; else what it says at all; else what we wished. */
  #granted(response: SipResponse): number {
    const contacts = contactsOf(response);
    const uri = this.#to && this.#config.contact(this.#to).uri;
    const ours = Array.isArray(contacts) ? contacts.find((contact) => uri && sameUri(contact.uri, uri)) : undefined;
    const said = parseNumber(paramText(ours?.params ?? new Map(), "expires") ?? "") ?? numberOf(response, "expires");
    return Math.max(1, said ?? this.#expiresSec);
  }

  #wishLonger(response: SipResponse): boolean {
    const minSec = numberOf(response, "min-expires") ?? 0;
    if (minSec <= this.#expiresSec || minSec > LIMITS.sipMinExpiresSec) return false;
    this.#expiresSec = minSec;
    return true;
  }

  #failed(response: SipResponse | undefined): void {
    this.#registered = false;
    if (!this.#wanted) {
      this.#off();
      return;
    }
    this.#failures++;
    const rounds = Math.floor(this.#failures / this.#servers);
    const nextServer = this.#failures % this.#servers !== 0;
    if (!response || this.#servers > 1) this.#to = undefined; // a flow that answers is kept: calls may be on it
    const longestSec = Math.min(MAX_WAIT_SEC, BASE_SEC * 2 ** rounds);
    const waitMs = Math.round(longestSec * (500 + (500 * this.#dice()) / 65_536)); // 50 to 100 %
    const retryAfterSec = Math.min((response && numberOf(response, "retry-after")) ?? 0, LIMITS.sipRetryAfterSec);
    const retryInMs = nextServer ? 0 : Math.max(waitMs, 1_000 * retryAfterSec);
    this.#at(retryInMs, () => this.#try());
    this.#ports.told({ kind: "waiting", retryInMs, ...(response && { status: response.status }) });
  }
  #dice(): number {
    const [high = 0, low = 0] = this.#ports.host.random(2);
    return high * 256 + low;
  }
  #refused(response: SipResponse): void {
    this.#wanted = false;
    this.#registered = false;
    this.#ports.told({ kind: "refused", response });
  }

  // Taking it back

  #release(): void {
    if (this.#registered && this.#to) this.#send(0);
    else this.#off();
  }
  #onReleased(): void {
    if (this.#wanted)
      this.#send(this.#expiresSec); // again
    else this.#off();
  }
  #onRegisteredInVain(response: SipResponse): void {
    if (response.status < 300) this.#send(0);
    else this.#off();
  }
  #off(): void {
    this.#registered = false;
    this.#quiet();
    this.#ports.told({ kind: "off" });
  }

  #at(afterMs: number, ring: () => void): void {
    this.#quiet();
    this.#alarm = this.#alarms.at(this.#ports.host.nowMs() + afterMs, ring);
  }
  #quiet(): void {
    if (this.#alarm) this.#alarms.delete(this.#alarm);
    this.#alarm = undefined;
  }
}
