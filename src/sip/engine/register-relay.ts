/** REGISTER at a server that may not be the user's registrar: an edge proxy's part (RFC 3327 §5.2, RFC 5626 §5.1). */
import { type Alarm, Alarms } from "#base/deadlines.ts";
import { LIMITS } from "#base/limits.ts";
import type { Clock } from "#host/host.ts";
import type { SipRequest, SipResponse } from "../wire/message.ts";
import { toOf } from "../wire/values.ts";
import { PEER_HEADER } from "./peer-claim.ts";
import type { ClientTxId, Destination, Flow, ServerTxId, TransactionPort } from "./ports.ts";
import type { Registrar } from "./registrar.ts";
import { breadthOf, copyFor, maxForwardsOf, refusalOf } from "./routing.ts";

export interface RegisterRelayPorts {
  readonly transactions: TransactionPort & {
    /** Of a request other than INVITE no further copy is sent, and nobody is told what becomes of it. */
    abandon(id: ClientTxId): void;
  };
  readonly registrar: Registrar;
  readonly host: Clock;
  /** The server that is that user's registrar; `undefined` = this one, or it is not there. */
  readonly homeOf: (user: string) => Destination | undefined;
  /** What goes into its Path (`SipProxy.pathOf`). */
  readonly pathOf: (register: SipRequest, flow: Flow) => string | undefined;
  /** Vouches to a fellow server for a REGISTER as it is sent. */
  readonly claim: (register: SipRequest) => string;
}

/** A REGISTER of an authenticated user. */
interface Asked {
  readonly request: SipRequest;
  readonly id: ServerTxId;
  readonly flow: Flow;
  readonly user: string;
}
interface Relayed extends Asked {
  readonly silence: Alarm;
}

/**
 * Sends a REGISTER home, and registers the user here where home is not there or says nothing (PROTOCOL §9).
 *
 * The server that the client reaches is the one that authenticates; to home it vouches by a claim. It has to for a page,
 * which its connection speaks for and which has no password to be challenged for (PROTOCOL §14); so it does for everybody:
 * strangers end at the first server, what is vouched for includes Contact and Path, which digest leaves open, and when home
 * is silent its place can be taken at once.
 */
export class RegisterRelay {
  readonly counters = {
    /** REGISTERs sent home. */
    sentHome: 0,
    /** Those registered here because home did not answer. */
    homeSilent: 0,
  };
  readonly #ports: RegisterRelayPorts;
  readonly #realm: string;
  readonly #relayed = new Map<ClientTxId, Relayed>();
  readonly #alarms: Alarms;

  /** `realm`: credentials for it end here. */
  constructor(ports: RegisterRelayPorts, realm: string) {
    this.#ports = ports;
    this.#realm = realm;
    this.#alarms = new Alarms(ports.host);
  }

  /** `isVouched`: a fellow server sends it, because this one is his home. Our own word is given to who registers himself alone. */
  onRegister(asked: Asked, isVouched: boolean): void {
    const isHisOwn = toOf(asked.request)?.uri.user === asked.user;
    const home = isVouched || !isHisOwn ? undefined : this.#ports.homeOf(asked.user);
    if (home) this.#sendHome(asked, home);
    else this.#registerHere(asked);
  }
  /** True = home's answer. */
  onResponse(answer: SipResponse, tx: ClientTxId): boolean {
    const relayed = this.#relayed.get(tx);
    if (!relayed || answer.status < 200) return relayed !== undefined;
    this.#forget(tx, relayed);
    const headers = answer.headers.clone().replaceFirst("via");
    this.#ports.transactions.respond(relayed.id, { ...answer, headers });
    return true;
  }
  onFailure(tx: ClientTxId): boolean {
    const relayed = this.#relayed.get(tx);
    if (relayed) this.#onSilence(tx, relayed);
    return relayed !== undefined;
  }
  stop(): void {
    this.#alarms.clear();
  }

  #sendHome(asked: Asked, home: Destination): void {
    const { transactions, host } = this.#ports;
    const refusal = refusalOf(asked.request);
    if (refusal) return transactions.respond(asked.id, refusal);
    const tx = transactions.request(this.#copy(asked, home), home);
    const silence = this.#alarms.at(host.nowMs() + LIMITS.homeAnswerMs, () => this.#onSilence(tx, relayed));
    const relayed: Relayed = { ...asked, silence };
    this.#relayed.set(tx, relayed);
    this.counters.sentHome++;
  }
  /** With our Path and our word; without the credentials, which we have checked. */
  #copy({ request, flow }: Asked, to: Destination): SipRequest {
    const { pathOf, claim } = this.#ports;
    const settings = { maxForwards: maxForwardsOf(request) - 1, maxBreadth: breadthOf(request), recordRoutes: [] };
    const copy = copyFor(request, { uri: request.uri, routes: [], to }, settings, this.#realm);
    const path = pathOf(request, flow);
    if (path !== undefined) copy.headers.prepend("path", path);
    copy.headers.remove("authorization").set(PEER_HEADER, claim(copy));
    return copy;
  }

  /** It is not to hear of this once it is back: by then the user may have asked for something else. */
  #onSilence(tx: ClientTxId, relayed: Relayed): void {
    this.#forget(tx, relayed);
    this.#ports.transactions.abandon(tx);
    this.counters.homeSilent++;
    this.#registerHere(relayed, true);
  }
  #registerHere({ request, id, flow, user }: Asked, isRepeat = false): void {
    const { registrar, transactions } = this.#ports;
    const { response: answer, ticket } = registrar.onRegister(request, flow, user, isRepeat);
    transactions.respond(id, answer, ticket);
  }
  #forget(tx: ClientTxId, { silence }: Relayed): void {
    this.#relayed.delete(tx);
    this.#alarms.delete(silence);
  }
}
