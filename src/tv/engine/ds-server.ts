import { LIMITS } from "#base/limits.ts";
import { unsupported } from "#sip/engine/call-messages.ts";
import type { Calls } from "#sip/engine/calls.ts";
import type { ChallengeAs, Challenger } from "#sip/engine/digest.ts";
import { aorOf } from "#sip/engine/location.ts";
import type { NatKeeper } from "#sip/engine/nat-keeper.ts";
import type { ClientTxId, Flow, ServerTxId, TransactionPort, TransactionUser } from "#sip/engine/ports.ts";
import type { SipProxy } from "#sip/engine/proxy.ts";
import type { RegisterRelay } from "#sip/engine/register-relay.ts";
import type { Registrar } from "#sip/engine/registrar.ts";
import { response } from "#sip/wire/builders.ts";
import type { SipRequest, SipResponse, SipUri } from "#sip/wire/message.ts";
import { sipUri } from "#sip/wire/uri.ts";
import { fromOf, toOf, toTagOf } from "#sip/wire/values.ts";
import type { Directory } from "./directory.ts";

export interface DsServerPorts {
  readonly transactions: TransactionPort;
  readonly calls: Calls;
  readonly proxy: SipProxy;
  readonly registrar: Registrar;
  readonly registerRelay: RegisterRelay;
  readonly natKeeper: NatKeeper;
  readonly challenger: Challenger;
  readonly directory: Directory;
  /** Whether a URI is this server's: the domain, one of its own names or addresses (PROTOCOL §9). */
  readonly isHere: (uri: SipUri) => boolean;
  readonly domain: string;
  /** It has read what it promised before, and knows its users: until then what is new gets 503. */
  readonly isReady: () => boolean;
  /** Whether another DS sends it and vouches for its From (To of a REGISTER). */
  readonly isPeer: (request: SipRequest) => boolean;
}

const ALLOW = "INVITE, ACK, CANCEL, BYE, UPDATE, OPTIONS, REGISTER";
/** What some request may require of it. */
const EXTENSIONS = ["path", "outbound", "replaces", "timer"];

/**
 * The transaction user of a DS [B2]: finds out who is asking, and hands the request to the service whose matter it is. What
 * is for a person is proxied, what is for a channel is answered here (PROTOCOL §1).
 */
export class DsServer implements TransactionUser {
  readonly #ports: DsServerPorts;
  /** Requests that came before it is known which dialogs there are, and may belong to one; `undefined` = it is known. */
  #early: (() => void)[] | undefined = [];
  readonly dropped = {
    /** Requests refused because a user spoke in another's name. */
    foreignFrom: 0,
    /** Requests to people refused because they came from strangers. */
    strangers: 0,
  };

  constructor(ports: DsServerPorts) {
    this.#ports = ports;
  }

  /** What this server can do (RFC 3261 §11.2): whoever asks again is told the same. */
  answerAtOnce(received: SipRequest): SipResponse | undefined {
    if (received.method !== "OPTIONS" || toTagOf(received) !== undefined) return undefined;
    const { proxy, directory, isHere } = this.#ports;
    const came = proxy.arrived(received);
    if (came === undefined || proxy.passOf(came) !== undefined) return undefined;
    const { uri } = came.request;
    return isHere(uri) && !directory.subscriber(uri.user) ? capabilities(received) : undefined;
  }
  onRequest(received: SipRequest, id: ServerTxId, flow: Flow): void {
    const { proxy, isHere } = this.#ports;
    const came = proxy.arrived(received);
    if (came === undefined) return this.#refuse(received, id, 400);
    const pass = proxy.passOf(came);
    if (pass === "forged") return this.#refuse(received, id, 403);
    const { request } = came;
    const here = isHere(request.uri);
    if (pass) {
      if (pass.flowId !== "" || !here) return proxy.relay(request, id, flow, pass.flowId);
      return this.#toPerson(request, id, flow);
    }
    this.#onOwn(request, id, flow, here);
  }
  onAck(request: SipRequest, flow: Flow): void {
    if (!this.#ports.proxy.onAck(request)) this.#ports.calls.onAck(request, flow);
  }
  onCancel(id: ServerTxId): void {
    if (!this.#ports.proxy.onCancel(id)) this.#ports.calls.onCancel(id);
  }
  onResponse(answer: SipResponse, id: ClientTxId, flow: Flow): void {
    const { proxy, registerRelay, natKeeper, calls } = this.#ports;
    if (proxy.onResponse(answer, id) || registerRelay.onResponse(answer, id) || natKeeper.onResponse(answer, id)) return;
    calls.onResponse(answer, id, flow);
  }
  onFailure(id: ClientTxId, cause: "timeout" | "transport"): void {
    const { proxy, registerRelay, natKeeper, calls } = this.#ports;
    if (!proxy.onFailure(id, cause) && !registerRelay.onFailure(id) && !natKeeper.onFailure(id)) calls.onFailure(id, cause);
  }
  onSettled(id: ClientTxId): void {
    this.#ports.proxy.onSettled(id);
  }
  /**
   * Nothing rings on a connection that is gone. A page is gone with its WebSocket: nothing of his stays reserved. A dialog
   * over TCP or TLS outlives its connection (RFC 3261 §18); if its client does not, the session timer ends it. So does a
   * page's that was restored: until the page speaks on its new WebSocket, its media or the timer tell whether it is there.
   */
  onFlowClosed(flow: Flow): void {
    if (flow.transport === "ws" || flow.transport === "wss")
      for (const call of this.#ports.calls.callsOn(flow)) this.#ports.calls.end(call);
    this.#ports.proxy.onFlowClosed(flow);
    this.#ports.registrar.onFlowClosed(flow);
  }

  /** What was on the line before this run goes on: from now on a dialog that is not known is none. */
  resumed(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const handle of early) handle();
  }

  /** `here`: it is for this server, a channel or a person of the domain. */
  #onOwn(request: SipRequest, id: ServerTxId, flow: Flow, here: boolean): void {
    const { calls } = this.#ports;
    const isInDialog = toTagOf(request) !== undefined;
    const isInvite = request.method === "INVITE";
    if (this.#early && (isInDialog || isInvite)) {
      if (this.#early.length >= LIMITS.dsEarlyRequests) this.#refuse(request, id, 503);
      else this.#early.push(() => this.#onOwn(request, id, flow, here));
    } else if (isInDialog || (isInvite && calls.knows(request))) calls.onRequest(request, id, flow);
    else if (here) this.#onNew(request, id, flow);
    else this.#refuse(request, id, 404);
  }
  /** Outside of any dialog, and for this server, a channel or a person of the domain. */
  #onNew(request: SipRequest, id: ServerTxId, flow: Flow): void {
    const { directory, calls } = this.#ports;
    const { user } = request.uri;
    if (!this.#ports.isReady()) return this.#refuse(request, id, 503);
    if (request.method === "REGISTER") return this.#register(request, id, flow);
    if (directory.subscriber(user)) {
      if (this.#maySpeak(request, id, flow)) this.#toPerson(request, id, flow);
      return;
    }
    switch (request.method) {
      case "INVITE":
        if (this.#ports.isPeer(request) || this.#speaker(request, id, flow, "server") !== undefined)
          calls.onRequest(request, id, flow);
        return;
      case "BYE":
        return this.#refuse(request, id, 481);
      default:
        if (user !== "" && !directory.channel(user)) return this.#refuse(request, id, 404);
        return this.#refuse(request, id, 405, [["Allow", ALLOW]]);
    }
  }

  #register(request: SipRequest, id: ServerTxId, flow: Flow): void {
    const isVouched = this.#ports.isPeer(request);
    const user = isVouched ? toOf(request)?.uri.user : this.#authenticated(request, id, flow, "server");
    if (user !== undefined) this.#ports.registerRelay.onRegister({ request, id, flow, user }, isVouched);
  }

  /** The sender has shown that he is one of the domain's users; otherwise the request has been answered. */
  #maySpeak(request: SipRequest, id: ServerTxId, flow: Flow): boolean {
    const from = fromOf(request)?.uri;
    if (flow.user === undefined && (from === undefined || !this.#ports.isHere(from))) {
      this.dropped.strangers++;
      this.#refuse(request, id, 403);
      return false;
    }
    return this.#speaker(request, id, flow, "proxy") !== undefined;
  }
  #toPerson(request: SipRequest, id: ServerTxId, flow: Flow): void {
    const { proxy, directory, domain } = this.#ports;
    const { user } = request.uri;
    if (!directory.subscriber(user)) this.#refuse(request, id, 404);
    else proxy.toUser(request, id, flow, aorOf(sipUri({ user, host: domain })));
  }

  /** The authenticated user, who must be the one in From; otherwise the request has been answered. */
  #speaker(request: SipRequest, id: ServerTxId, flow: Flow, as: ChallengeAs): string | undefined {
    const user = this.#authenticated(request, id, flow, as);
    const from = fromOf(request)?.uri;
    if (user === undefined || (from && from.user === user && this.#ports.isHere(from))) return user;
    this.dropped.foreignFrom++;
    this.#ports.transactions.respond(id, response(request, 403)); // the nonce count is taken: asked again he would be challenged
    return undefined;
  }
  /** By the connection's handshake (PROTOCOL §14) or by digest; a challenge has been sent when there is none. */
  #authenticated(request: SipRequest, id: ServerTxId, flow: Flow, as: ChallengeAs): string | undefined {
    if (flow.user !== undefined) return flow.user;
    const outcome = this.#ports.challenger.check(request, as);
    if (outcome.ok) return outcome.user;
    this.#refuse(request, id, outcome.status, outcome.headers);
    return undefined;
  }

  #refuse(request: SipRequest, id: ServerTxId, status: number, fields: readonly (readonly [string, string])[] = []): void {
    const answer = response(request, status);
    for (const [name, value] of fields) answer.headers.add(name, value);
    this.#ports.transactions.refuse(id, answer);
  }
}

function capabilities(request: SipRequest): SipResponse {
  const unknown = unsupported(request, EXTENSIONS);
  const answer = response(request, unknown.length > 0 ? 420 : 200); // §8.2.2.3
  if (unknown.length > 0) answer.headers.add("Unsupported", unknown.join(", "));
  else answer.headers.add("Allow", ALLOW).add("Accept", "application/sdp").add("Supported", EXTENSIONS.join(", "));
  return answer;
}
