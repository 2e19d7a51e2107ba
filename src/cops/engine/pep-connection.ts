import { NO_BYTES } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import { COPS_ERROR, type CopsFault, grammarFault } from "../wire/grammar.ts";
import { type CopsMessage, objectOf } from "../wire/message.ts";
import { PROVISIONING_ERROR, writeFailure, writeUnknownClasses } from "../wire/pib.ts";
import type { CopsCounters } from "./counters.ts";
import { REFUSAL } from "./iptv.ts";
import { closeMessage, deleteMessage, keepAlive, plain, readDecision, reportMessage, requestMessage } from "./messages.ts";
import type { ClientType, CopsRequest, Decision, DeleteReason, Handle, ReportKind } from "./types.ts";

export interface PepConfig {
  readonly pepId: string;
  readonly clientTypes: readonly ClientType[];
}
export type PepInput =
  | { readonly kind: "connected" }
  | { readonly kind: "message"; readonly message: CopsMessage }
  | { readonly kind: "garbage" } // octets that are no message
  /** Of an open client-type; a handle that is known already is updated. */
  | { readonly kind: "request"; readonly clientType: ClientType; readonly handle: Handle; readonly request: CopsRequest }
  | { readonly kind: "report"; readonly handle: Handle; readonly report: ReportKind }
  | { readonly kind: "delete"; readonly handle: Handle; readonly reason: DeleteReason }
  | { readonly kind: "stop" }
  | { readonly kind: "tick" };
export type PepOutput =
  | { readonly kind: "send"; readonly message: CopsMessage }
  | { readonly kind: "opened"; readonly clientType: ClientType }
  | { readonly kind: "decision"; readonly handle: Handle; readonly decision: Decision }
  /** Close the connection; nothing follows. */
  | { readonly kind: "ended"; readonly cause: string };
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
  latest: Decision["command"] | undefined;
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
      case "request":
        return this.#request(input.clientType, input.handle, input.request);
      case "report":
        return this.#report(input.handle, input.report);
      case "delete":
        return this.#delete(input.handle, input.reason, 0);
      case "stop":
        return this.#end("stopped", COPS_ERROR.shuttingDown);
      case "tick":
        return this.#tick(nowMs);
    }
  }

  #connected(): readonly PepOutput[] {
    for (const clientType of this.#config.clientTypes) this.#opening.add(clientType);
    return this.#config.clientTypes.map((clientType) =>
      send(plain("OPN", clientType, [{ kind: "pepId", id: this.#config.pepId }])),
    );
  }

  #message(message: CopsMessage, nowMs: number): readonly PepOutput[] {
    if (this.#isUp) this.#silentAtMs = nowMs + this.#timerMs;
    const fault = grammarFault(message);
    if (message.op === "DEC") return this.#decided(message, fault);
    if (fault) return this.#broken(`${message.op} with error ${fault.code}`, fault);
    switch (message.op) {
      case "CAT":
        return this.#accepted(message.clientType, objectOf(message, "kaTimer")?.timerSec ?? 0, nowMs);
      case "CC":
        return this.#closed(message.clientType, objectOf(message, "error")?.code ?? 0);
      case "SSQ":
        return this.#synchronize(message.clientType, objectOf(message, "handle")?.handle);
      case "KA":
        return NONE;
      default:
        return this.#broken(`${message.op} from a PDP`);
    }
  }

  #accepted(clientType: ClientType, timerSec: number, nowMs: number): readonly PepOutput[] {
    if (!this.#opening.delete(clientType)) return this.#broken("CAT without OPN");
    this.#open.add(clientType);
    if (timerSec > 0) this.#timerMs = Math.min(this.#timerMs, timerSec * 1000);
    this.#silentAtMs = nowMs + this.#timerMs;
    this.#drawKeepAlive(nowMs);
    return [{ kind: "opened", clientType }];
  }
  /** A refused client-type stays closed; the end of an open one ends the connection: its handles would be void in part. */
  #closed(clientType: ClientType, errorCode: number): readonly PepOutput[] {
    const wasOpening = this.#opening.delete(clientType);
    if (wasOpening && this.#opening.size + this.#open.size > 0) return NONE;
    this.#open.delete(clientType);
    return this.#end(`the PDP closed client-type ${clientType}, error ${errorCode}`, COPS_ERROR.unspecified);
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
    state.latest = read.decision.command;
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

  /** Every request state of the client-type, or the one asked for, is asked for again (RFC 2748 §3.5). */
  #synchronize(clientType: ClientType, only: Handle | undefined): readonly PepOutput[] {
    const states = [...this.#states].filter(([handle, state]) => state.clientType === clientType && (only ?? handle) === handle);
    if (only !== undefined && states.length === 0) return [send(deleteMessage(clientType, only, "synchronize-unknown"))];
    const repeated = states
      .filter(([, state]) => !state.asked) // the others are on their way already
      .map(([handle, state]) => {
        state.asked = true;
        return send(requestMessage(clientType, handle, state.request));
      });
    return [...repeated, send(plain("SSC", clientType, only === undefined ? [] : [{ kind: "handle", handle: only }]))];
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

  #report(handle: Handle, report: ReportKind): readonly PepOutput[] {
    const state = this.#states.get(handle);
    if (state === undefined) return this.#unknown();
    const solicited = report !== "accounting" && state.unreported > 0;
    if (!solicited) return [send(reportMessage(state.clientType, handle, report, false, NO_BYTES))];
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
      outputs.push(...this.#report(handle, state.latest === "install" ? "failure" : "success"));
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
      return this.#end(
        this.#isUp ? "nothing heard for a keep-alive interval" : "no answer to Client-Open",
        COPS_ERROR.communicationFailure,
      );
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
    return this.#end(`the PDP sent ${cause}`, fault.code, fault.subCode);
  }
  /** Client-Close for every client-type that was opened, or asked for (RFC 2748 §4.7). */
  #end(cause: string, code: number, subCode = 0): readonly PepOutput[] {
    this.#ended = true;
    const closes = [...this.#open, ...this.#opening].map((clientType) => send(closeMessage(clientType, { code, subCode })));
    return [...closes, { kind: "ended", cause }];
  }
}

const send = (message: CopsMessage): PepOutput => ({ kind: "send", message });
