import type { Calls } from "#sip/engine/calls.ts";
import type { Challenger } from "#sip/engine/digest.ts";
import type { ClientTxId, Flow, ServerTxId, TransactionPort, TransactionUser } from "#sip/engine/ports.ts";
import type { Registrar } from "#sip/engine/registrar.ts";
import { response } from "#sip/wire/builders.ts";
import type { SipRequest, SipResponse } from "#sip/wire/message.ts";
import { fromOf, toTagOf } from "#sip/wire/values.ts";

export interface DsServerPorts {
  readonly transactions: TransactionPort;
  readonly calls: Calls;
  readonly registrar: Registrar;
  readonly challenger: Challenger;
  /** Whether a Request-URI's host is this server: the domain, one of its own names or addresses (PROTOCOL §9). */
  readonly isHere: (host: string) => boolean;
  /** Tags of responses outside dialogs. */
  readonly tag: () => string;
}

const ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER";

/** The transaction user of a DS [B2]: finds out who is asking, and hands the request to the service whose matter it is. */
export class DsServer implements TransactionUser {
  readonly #ports: DsServerPorts;
  /** Requests refused because a user spoke in another's name. */
  readonly dropped = { foreignFrom: 0 };

  constructor(ports: DsServerPorts) {
    this.#ports = ports;
  }

  onRequest(request: SipRequest, id: ServerTxId, flow: Flow): void {
    if (toTagOf(request) !== undefined) {
      this.#ports.calls.onRequest(request, id, flow);
      return;
    }
    if (!this.#ports.isHere(request.uri.host)) return this.#answer(request, id, 404);
    switch (request.method) {
      case "OPTIONS":
        return this.#answer(request, id, 200, [
          ["Allow", ALLOW],
          ["Accept", "application/sdp"],
          ["Supported", "path, outbound"],
        ]);
      case "REGISTER":
        return this.#register(request, id, flow);
      case "INVITE":
        if (this.#speaker(request, id, flow) !== undefined) this.#ports.calls.onRequest(request, id, flow);
        return;
      case "BYE":
        return this.#answer(request, id, 481);
      default:
        return this.#answer(request, id, 405, [["Allow", ALLOW]]);
    }
  }
  onAck(request: SipRequest, flow: Flow): void {
    this.#ports.calls.onAck(request, flow);
  }
  onCancel(id: ServerTxId): void {
    this.#ports.calls.onCancel(id);
  }
  onResponse(answer: SipResponse, id: ClientTxId, flow: Flow): void {
    this.#ports.calls.onResponse(answer, id, flow);
  }
  onFailure(id: ClientTxId, cause: "timeout" | "transport"): void {
    this.#ports.calls.onFailure(id, cause);
  }
  /** Whoever was on a connection is gone with it: nothing of his stays reserved. */
  onFlowClosed(flow: Flow): void {
    for (const call of this.#ports.calls.callsOn(flow)) this.#ports.calls.end(call);
    this.#ports.registrar.onFlowClosed(flow);
  }

  #register(request: SipRequest, id: ServerTxId, flow: Flow): void {
    const user = this.#authenticated(request, id, flow);
    if (user === undefined) return;
    const { response: answer, ticket } = this.#ports.registrar.onRegister(request, flow, user);
    this.#ports.transactions.respond(id, answer, ticket);
  }

  /** The authenticated user, who must be the one in From; otherwise the request has been answered. */
  #speaker(request: SipRequest, id: ServerTxId, flow: Flow): string | undefined {
    const user = this.#authenticated(request, id, flow);
    if (user === undefined || fromOf(request)?.uri.user === user) return user;
    this.dropped.foreignFrom++;
    this.#answer(request, id, 403);
    return undefined;
  }
  /** By the connection's handshake (PROTOCOL §14) or by digest; a challenge has been sent when there is none. */
  #authenticated(request: SipRequest, id: ServerTxId, flow: Flow): string | undefined {
    if (flow.user !== undefined) return flow.user;
    const outcome = this.#ports.challenger.check(request, "server");
    if (outcome.ok) return outcome.user;
    this.#answer(request, id, outcome.status, outcome.headers);
    return undefined;
  }

  #answer(request: SipRequest, id: ServerTxId, status: number, fields: readonly (readonly [string, string])[] = []): void {
    const answer = response(request, status, undefined, this.#ports.tag());
    for (const [name, value] of fields) answer.headers.add(name, value);
    this.#ports.transactions.respond(id, answer);
  }
}
