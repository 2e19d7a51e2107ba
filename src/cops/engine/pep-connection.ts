import { NO_BYTES } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import type { Address } from "#host/host.ts";
import { writeAttributes } from "../wire/attributes.ts";
import { COPS_ERROR, type CopsFault, grammarFault } from "../wire/grammar.ts";
import { type CopsMessage, objectOf } from "../wire/message.ts";
import { PROVISIONING_ERROR, writeFailure, writeUnknownClasses } from "../wire/pib.ts";
import type { CopsCounters } from "./counters.ts";
import { REFUSAL } from "./iptv.ts";
import {
  closeMessage,
  deleteMessage,
  keepAlive,
  openMessage,
  readDecision,
  readRedirect,
  reportMessage,
  requestMessage,
  synchronization,
} from "./messages.ts";
import type { Attributes, ClientType, CopsRequest, Decision, DeleteReason, Handle, ReportKind } from "./types.ts";

export interface PepConfig {
  readonly pepId: string;
  readonly clientTypes: readonly ClientType[];
  /** The PDP that has to agree on a key before anything is opened (RFC 2748 §4.1). */
  readonly secured: boolean;
  /** Whose decisions are still in use (§2.2.14). */
  readonly lastPdp: Address | undefined;
}
export type PepInput =
  | { readonly kind: "connected" }
  | { readonly kind: "message"; readonly message: CopsMessage }
  | { readonly kind: "garbage" } // octets that are no message
  | { readonly kind: "unauthentic"; readonly fault: CopsFault } // a message that cannot be trusted
  /** Of an open client-type; a handle that is known already is updated. */
  | { readonly kind: "request"; readonly clientType: ClientType; readonly handle: Handle; readonly request: CopsRequest }
  | { readonly kind: "report"; readonly handle: Handle; readonly report: ReportKind; readonly data: Attributes }
  | { readonly kind: "delete"; readonly handle: Handle; readonly reason: DeleteReason }
  | { readonly kind: "synchronized"; readonly clientType: ClientType; readonly handle: Handle | undefined }
  | { readonly kind: "stop" }
  | { readonly kind: "tick" };
export type PepOutput =
  | { readonly kind: "send"; readonly message: CopsMessage }
  | { readonly kind: "opened"; readonly clientType: ClientType; readonly accountingSec: number }
  | { readonly kind: "decision"; readonly handle: Handle; readonly decision: Decision }
  | { readonly kind: "synchronize"; readonly clientType: ClientType; readonly handle: Handle | undefined }
  /** Close the connection; nothing follows. `redirect`: the PDP names another (§2.2.13). */
  | { readonly kind: "ended"; readonly cause: string; readonly redirect?: Address | undefined };
const NONE: readonly PepOutput[] = [];

/** A request state (RFC 2748 §2.4). */
interface RequestState {
  readonly clientType: ClientType;
  request: CopsRequest;
  /** A REQ is without its decision: there is never more than one (§3.2). */
  asked: boolean;
  /** What to ask then: the latest update made meanwhile. */
  next: CopsRequest | undefined;
  /** Decisions that no solicited RPT has answered (§3.3). */
  unreported: number;
  latest: Decision | undefined;
  /** Rows of unknown classes in the latest decision: warnings of the next report (RFC 3084 §5.3.1). */
  unknownPrids: readonly string[];
}

/**
 * The PEP's side of one connection (RFC 2748 §4.3-§4.7). It begins when the connection is asked for; the driver performs
 * outputs in order and calls `step` no later than `nextDeadlineMs`. All times: ms on one monotonic clock.
 */
export class PepConnectionMachine {
  readonly #config: PepConfig;
  readonly #counters: CopsCounters;
  readonly #random: () => number;
  readonly #opening = new Set<ClientType>();
  readonly #open = new Set<ClientType>();
  readonly #states = new Map<Handle, RequestState>();
  #timerMs = Infinity; // the least KA timer of any CAT
  #keepAliveAtMs = Infinity;
  #silentAtMs: number;
  #ended = false;

  /** `random`: 0 ≤ x < 1. */
  constructor(config: PepConfig, counters: CopsCounters, random: () => number, startMs: number) {
    this.#config = config;
    this.#counters = counters;
    this.#random = random;
    this.#silentAtMs = startMs + LIMITS.copsOpenMs;
  }

  get nextDeadlineMs(): number {
    return this.#ended ? Infinity : Math.min(this.#keepAliveAtMs, this.#silentAtMs);
  }
  isOpen(clientType: ClientType): boolean {
    return !this.#ended && this.#open.has(clientType);
  }
  get #isUp(): boolean {
    return this.#open.size > 0;
  }

  step(input: PepInput, nowMs: number): readonly PepOutput[] {
    if (this.#ended) return NONE;
    switch (input.kind) {
      case "connected":
        return this.#connected();
      case "message":
        return this.#message(input.message, nowMs);
      case "garbage":
        return this.#broken("octets that are no COPS message");
      case "unauthentic":
        this.#counters.badMessages++;
        return this.#end("what the PDP sent is not authentic", input.fault, [0]);
      case "request":
        return this.#request(input.clientType, input.handle, input.request);
      case "report":
        return this.#report(input.handle, input.report, input.data);
      case "delete":
        return this.#delete(input.handle, input.reason, 0);
      case "synchronized":
        return this.#synchronized(input.clientType, input.handle);
      case "stop":
        return this.#end("stopped", { code: COPS_ERROR.shuttingDown, subCode: 0 });
      case "tick":
        return this.#tick(nowMs);
    }
  }

  #connected(): readonly PepOutput[] {
    return this.#config.secured ? this.#ask([0]) : this.#ask(this.#config.clientTypes);
  }
  #ask(clientTypes: readonly ClientType[]): readonly PepOutput[] {
    const { pepId, lastPdp } = this.#config;
    for (const clientType of clientTypes) this.#opening.add(clientType);
    return clientTypes.map((clientType) => send(openMessage(clientType, pepId, clientType === 0 ? undefined : lastPdp)));
  }

  #message(message: CopsMessage, nowMs: number): readonly PepOutput[] {
    if (this.#isUp) this.#silentAtMs = nowMs + this.#timerMs;
    const fault = grammarFault(message);
    if (message.op === "DEC") return this.#decided(message, fault);
    if (fault) return this.#broken(`${message.op} with error ${fault.code}`, fault);
    switch (message.op) {
      case "CAT":
        return this.#accepted(message, nowMs);
      case "CC":
        return this.#closed(message);
      case "SSQ":
        return this.#synchronize(message.clientType, objectOf(message, "handle")?.handle);
      case "KA":
        return NONE;
      default:
        return this.#broken(`${message.op} from a PDP`);
    }
  }

  #accepted(message: CopsMessage, nowMs: number): readonly PepOutput[] {
    const { clientType } = message;
    if (!this.#opening.delete(clientType)) return this.#broken("CAT without OPN");
    if (clientType === 0) return this.#ask(this.#config.clientTypes);
    const timerSec = objectOf(message, "kaTimer")?.timerSec ?? 0;
    this.#open.add(clientType);
    if (timerSec > 0) this.#timerMs = Math.min(this.#timerMs, timerSec * 1000);
    this.#silentAtMs = nowMs + this.#timerMs;
    this.#drawKeepAlive(nowMs);
    return [{ kind: "opened", clientType, accountingSec: objectOf(message, "acctTimer")?.timerSec ?? 0 }];
  }
  /**
   * A refused client-type stays closed; the end of an open one ends the connection: its handles would be void in part. So
   * does a redirection: client-types are served together (departs from RFC 2748 §2.2.13, where one may move alone).
   */
  #closed(message: CopsMessage): readonly PepOutput[] {
    const { clientType } = message;
    const redirect = readRedirect(message);
    const wasOpening = this.#opening.delete(clientType);
    if (wasOpening && !redirect && this.#opening.size + this.#open.size > 0) return NONE;
    this.#open.delete(clientType);
    const cause = `the PDP closed client-type ${clientType}, error ${objectOf(message, "error")?.code ?? 0}`;
    return this.#end(cause, { code: COPS_ERROR.unspecified, subCode: 0 }, this.#clientTypes, redirect);
  }

  #decided(message: CopsMessage, fault: CopsFault | undefined): readonly PepOutput[] {
    const handle = objectOf(message, "handle")?.handle ?? "";
    const state = this.#states.get(handle);
    if (state === undefined || state.clientType !== message.clientType) {
      this.#counters.unknownHandles++;
      return NONE;
    }
    const error = objectOf(message, "error");
    const read = fault || error ? undefined : readDecision(message, state.request.kind);
    if (read === undefined) {
      this.#counters.badMessages++;
      const reason =
        fault?.code === COPS_ERROR.unknownObject ? "unknown-cops-object" : error ? "pdp-directive" : "malformed-decision";
      const deleted = this.#delete(handle, reason, fault?.subCode ?? 0);
      return [
        ...deleted,
        { kind: "decision", handle, decision: { command: "remove", attributes: { reason: REFUSAL.malformed } } },
      ];
    }
    this.#counters.ignoredAttributes += read.ignored + read.unknownPrids.length;
    if (read.opensState)
      return [send(reportMessage(state.clientType, handle, "failure", true, writeFailure(PROVISIONING_ERROR.maxStates)))];
    state.unreported = state.request.kind === "configuration" ? state.unreported + 1 : 1;
    state.latest = read.decision;
    state.unknownPrids = read.unknownPrids;
    return [...this.#askNext(handle, state, message.solicited), { kind: "decision", handle, decision: read.decision }];
  }
  #askNext(handle: Handle, state: RequestState, solicited: boolean): readonly PepOutput[] {
    if (!solicited) return NONE;
    state.asked = state.next !== undefined;
    if (state.next === undefined) return NONE;
    state.request = state.next;
    state.next = undefined;
    return [send(requestMessage(state.clientType, handle, state.request))];
  }

  #synchronize(clientType: ClientType, only: Handle | undefined): readonly PepOutput[] {
    if (!this.#open.has(clientType)) return this.#broken("SSQ of a client-type that is not open");
    if (only !== undefined && this.#states.get(only)?.clientType !== clientType)
      return [send(deleteMessage(clientType, only, "synchronize-unknown"))];
    return [{ kind: "synchronize", clientType, handle: only }];
  }
  /** Every request state of the client-type, or the one asked for, is asked for again, and then SSC (RFC 2748 §3.5, §3.10). */
  #synchronized(clientType: ClientType, only: Handle | undefined): readonly PepOutput[] {
    const outputs: PepOutput[] = [];
    for (const [handle, state] of this.#states) {
      if (state.clientType !== clientType || (only ?? handle) !== handle) continue;
      if (state.asked) continue; // on its way already
      state.asked = true;
      outputs.push(send(requestMessage(clientType, handle, withDecisionInForce(state))));
    }
    outputs.push(send(synchronization("SSC", clientType, only)));
    return outputs;
  }

  #request(clientType: ClientType, handle: Handle, request: CopsRequest): readonly PepOutput[] {
    const state = this.#states.get(handle);
    if (state?.asked) {
      state.next = request;
      return NONE;
    }
    const message = requestMessage(clientType, handle, request); // may throw: before anything is changed
    if (state) {
      state.request = request;
      state.asked = true;
    } else
      this.#states.set(handle, {
        clientType,
        request,
        asked: true,
        next: undefined,
        unreported: 0,
        latest: undefined,
        unknownPrids: [],
      });
    return [send(message)];
  }

  #report(handle: Handle, report: ReportKind, accounting: Attributes): readonly PepOutput[] {
    const state = this.#states.get(handle);
    if (state === undefined) return this.#unknown();
    if (report === "accounting")
      return [send(reportMessage(state.clientType, handle, report, false, writeAttributes(accounting)))];
    if (state.unreported === 0) return [send(reportMessage(state.clientType, handle, report, false, NO_BYTES))];
    state.unreported--;
    const provisioned = state.request.kind === "configuration";
    const data =
      provisioned && report === "failure" ? writeFailure(PROVISIONING_ERROR.unknown) : writeUnknownClasses(state.unknownPrids);
    state.unknownPrids = [];
    return [send(reportMessage(state.clientType, handle, report, true, data))];
  }
  /** Decisions that must be reported and were not are reported before (RFC 3084 §3.2). */
  #delete(handle: Handle, reason: DeleteReason, subCode: number): readonly PepOutput[] {
    const state = this.#states.get(handle);
    if (state === undefined) return this.#unknown();
    const outputs: PepOutput[] = [];
    while (state.request.kind === "configuration" && state.unreported > 0) {
      outputs.push(...this.#report(handle, state.latest?.command === "install" ? "failure" : "success", {}));
    }
    this.#states.delete(handle);
    outputs.push(send(deleteMessage(state.clientType, handle, reason, subCode)));
    return outputs;
  }
  #unknown(): readonly PepOutput[] {
    this.#counters.unknownHandles++;
    return NONE;
  }

  #tick(nowMs: number): readonly PepOutput[] {
    if (nowMs >= this.#silentAtMs) {
      const cause = this.#isUp ? "nothing heard for a keep-alive interval" : "no answer to Client-Open";
      return this.#end(cause, { code: COPS_ERROR.communicationFailure, subCode: 0 });
    }
    if (nowMs < this.#keepAliveAtMs) return NONE;
    this.#drawKeepAlive(nowMs);
    return [send(keepAlive())];
  }
  /** From 1/4 to a little less than 3/4 of the timer: what is left is for the driver's clock (RFC 2748 §3.9). */
  #drawKeepAlive(nowMs: number): void {
    this.#keepAliveAtMs = nowMs + this.#timerMs * (0.25 + 0.48 * this.#random());
  }

  #broken(cause: string, fault: CopsFault = { code: COPS_ERROR.badMessageFormat, subCode: 0 }): readonly PepOutput[] {
    this.#counters.badMessages++;
    return this.#end(`the PDP sent ${cause}`, fault);
  }
  get #clientTypes(): readonly ClientType[] {
    return [...this.#open, ...this.#opening];
  }
  /** Client-Close for every client-type that was opened, or asked for (RFC 2748 §4.7). */
  #end(cause: string, fault: CopsFault, clientTypes = this.#clientTypes, redirect?: Address): readonly PepOutput[] {
    this.#ended = true;
    return [...clientTypes.map((clientType) => send(closeMessage(clientType, fault))), { kind: "ended", cause, redirect }];
  }
}

/** Whoever asks for it again is told what holds: a configuration has no LPDPDecision for that (RFC 3084 §3.1). */
function withDecisionInForce({ request, latest }: RequestState): CopsRequest {
  return latest?.command === "install" && request.kind !== "configuration" ? { ...request, localDecision: latest } : request;
}

const send = (message: CopsMessage): PepOutput => ({ kind: "send", message });
