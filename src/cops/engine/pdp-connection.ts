import { LIMITS } from "#base/limits.ts";
import { COPS_ERROR, type CopsFault, grammarFault } from "../wire/grammar.ts";
import { type CopsMessage, objectOf } from "../wire/message.ts";
import type { AnyCopsObject } from "../wire/objects.ts";
import type { CopsCounters } from "./counters.ts";
import {
  closeMessage,
  decisionMessage,
  errorDecision,
  isFault,
  keepAlive,
  plain,
  readReason,
  readReport,
  readRequest,
  synchronization,
} from "./messages.ts";
import type { Attributes, ClientType, CopsRequest, Decision, DeleteReason, Handle, ReportKind, RequestKind } from "./types.ts";

export interface PdpConfig {
  /** KA Timer, s: 0 = no keep-alives. */
  readonly keepAliveSec: number;
  /** ACCT Timer, s; `undefined` = no word about it (RFC 2748 §2.2.15). */
  readonly accountingSec: number | undefined;
  /** The PEP has to agree on a key before it opens anything (§4.1). */
  readonly secured: boolean;
}

export type PdpInput =
  | { readonly kind: "message"; readonly message: CopsMessage }
  /** Octets that are no message; the client-type of its header, 0 where that cannot be read. */
  | { readonly kind: "garbage"; readonly clientType: ClientType }
  | { readonly kind: "unauthentic"; readonly fault: CopsFault } // a message that cannot be trusted
  /** The user's word on `open`. */
  | { readonly kind: "answer"; readonly clientType: ClientType; readonly accept: boolean }
  | { readonly kind: "decide"; readonly handle: Handle; readonly decision: Decision }
  /** Of a client-type that is open or about to be. */
  | { readonly kind: "synchronize"; readonly clientType: ClientType; readonly handle: Handle | undefined }
  | { readonly kind: "stop" }
  | { readonly kind: "tick" };
export type PdpOutput =
  | { readonly kind: "send"; readonly message: CopsMessage }
  | { readonly kind: "open"; readonly clientType: ClientType; readonly pepId: string }
  | { readonly kind: "request"; readonly clientType: ClientType; readonly handle: Handle; readonly request: CopsRequest }
  | { readonly kind: "report"; readonly handle: Handle; readonly report: ReportKind; readonly data: Attributes }
  | { readonly kind: "delete"; readonly handle: Handle; readonly reason: DeleteReason }
  | { readonly kind: "synchronized"; readonly clientType: ClientType; readonly handle: Handle | undefined }
  /** Close the connection; nothing follows. */
  | { readonly kind: "ended"; readonly cause: string };
const NONE: readonly PdpOutput[] = [];

/** A request state (RFC 2748 §2.4). */
interface RequestState {
  readonly clientType: ClientType;
  /** The handle as it is on the wire. */
  readonly octets: string;
  kind: RequestKind;
  /** REQs without a decision: the next decisions are solicited (§3.2). */
  undecided: number;
}

/**
 * The PDP's side of one connection (RFC 2748 §4.3-§4.7), from its acceptance on. Malformed requests are answered by an
 * Error (§3.1); what breaks the connection's own rules ends it. All times: ms on one monotonic clock.
 */
export class PdpConnectionMachine {
  readonly #config: PdpConfig;
  readonly #counters: CopsCounters;
  readonly #open = new Set<ClientType>();
  readonly #states = new Map<Handle, RequestState>();
  /** SSQs without their SSC, by what they ask for: a client-type or a handle. */
  readonly #synchronizing = new Set<ClientType | Handle>();
  #pepId: string | undefined;
  #isAgreed: boolean;
  #silentAtMs: number;
  #ended = false;

  constructor(config: PdpConfig, counters: CopsCounters, startMs: number) {
    this.#config = config;
    this.#isAgreed = !config.secured;
    this.#counters = counters;
    this.#silentAtMs = startMs + LIMITS.copsOpenMs;
  }

  get nextDeadlineMs(): number {
    return this.#ended ? Infinity : this.#silentAtMs;
  }

  step(input: PdpInput, nowMs: number): readonly PdpOutput[] {
    if (this.#ended) return NONE;
    switch (input.kind) {
      case "message":
        return this.#message(input.message, nowMs);
      case "garbage":
        return this.#broken(input.clientType, badFormat);
      case "unauthentic":
        return this.#distrust(input.fault);
      case "answer":
        return this.#answered(input.clientType, input.accept, nowMs);
      case "decide":
        return this.#decide(input.handle, input.decision);
      case "synchronize":
        return this.#synchronize(input.clientType, input.handle);
      case "stop":
        return this.#end("stopped", { code: COPS_ERROR.shuttingDown, subCode: 0 });
      case "tick":
        return nowMs >= this.#silentAtMs ? this.#end("nothing heard from the PEP", undefined) : NONE;
    }
  }

  #message(message: CopsMessage, nowMs: number): readonly PdpOutput[] {
    const { op, clientType } = message;
    if (this.#open.size > 0) this.#heard(nowMs);
    const fault = grammarFault(message);
    if (!this.#isAgreed && (op !== "OPN" || clientType !== 0))
      return this.#distrust({ code: COPS_ERROR.authenticationRequired, subCode: 0 });
    if (op === "KA" && !fault) return [send(keepAlive())]; // §3.9: echoed
    if (op === "OPN" && !fault) return this.#opens(clientType, objectOf(message, "pepId")?.id ?? "");
    if (op === "CC" && !fault) return this.#closes(clientType, objectOf(message, "error")?.code ?? 0);
    if (op === "REQ" || op === "RPT" || op === "DRQ" || op === "SSC") return this.#about(message, fault);
    return this.#broken(clientType, fault ?? badFormat);
  }
  #heard(nowMs: number): void {
    const { keepAliveSec } = this.#config;
    this.#silentAtMs = keepAliveSec > 0 ? nowMs + keepAliveSec * 1000 : Infinity;
  }

  /** A client-type may be opened again at any time (§3.6); type 0, which agrees on a key that we know, only first (§4.1). */
  #opens(clientType: ClientType, pepId: string): readonly PdpOutput[] {
    if (clientType === 0) {
      if (this.#isAgreed) return [close(0, COPS_ERROR.authenticationFailure)];
      this.#isAgreed = true;
      return [send(plain("CAT", 0, [{ kind: "kaTimer", timerSec: this.#config.keepAliveSec }]))];
    }
    this.#pepId ??= pepId;
    return this.#pepId === pepId ? [{ kind: "open", clientType, pepId }] : [close(clientType, COPS_ERROR.clientFailure)];
  }
  #answered(clientType: ClientType, accept: boolean, nowMs: number): readonly PdpOutput[] {
    if (!accept) return [close(clientType, COPS_ERROR.unsupportedClientType)];
    this.#open.add(clientType);
    this.#heard(nowMs);
    const { keepAliveSec, accountingSec } = this.#config;
    const timers: AnyCopsObject[] = [{ kind: "kaTimer", timerSec: keepAliveSec }];
    if (accountingSec !== undefined) timers.push({ kind: "acctTimer", timerSec: accountingSec });
    const accepted = send(plain("CAT", clientType, timers));
    return this.#synchronizing.has(clientType) ? [accepted, synchronize(clientType)] : [accepted];
  }
  /** One at a time for each client-type and handle. */
  #synchronize(clientType: ClientType, handle: Handle | undefined): readonly PdpOutput[] {
    const what = handle ?? clientType;
    const octets = handle === undefined ? undefined : this.#states.get(handle)?.octets;
    if (this.#synchronizing.has(what) || (handle !== undefined && octets === undefined)) return NONE;
    this.#synchronizing.add(what);
    return this.#open.has(clientType) ? [synchronize(clientType, octets)] : NONE; // else it follows the CAT
  }
  /** What nobody asked for is passed over. */
  #complete(clientType: ClientType, octets: string | undefined): readonly PdpOutput[] {
    const handle = octets === undefined ? undefined : nameOf(clientType, octets);
    return this.#synchronizing.delete(handle ?? clientType) ? [{ kind: "synchronized", clientType, handle }] : NONE;
  }
  /** A PEP that leaves says so for every client-type: that is one end. One that fails in one client-type returns its states. */
  #closes(clientType: ClientType, errorCode: number): readonly PdpOutput[] {
    this.#open.delete(clientType);
    const leaves = errorCode !== COPS_ERROR.clientFailure && errorCode !== COPS_ERROR.unsupportedClientType;
    if (leaves || this.#open.size === 0) return this.#end(`the PEP closed, error ${errorCode}`, undefined);
    const outputs: PdpOutput[] = [];
    for (const [handle, state] of this.#states) {
      if (state.clientType !== clientType) continue;
      this.#states.delete(handle);
      this.#synchronizing.delete(handle);
      outputs.push({ kind: "delete", handle, reason: "unspecified" });
    }
    return outputs;
  }

  /** What is about a request state, and only of an open client-type. */
  #about(message: CopsMessage, fault: CopsFault | undefined): readonly PdpOutput[] {
    const { op, clientType } = message;
    const octets = objectOf(message, "handle")?.handle;
    if (!this.#open.has(clientType)) {
      this.#counters.badMessages++;
      return [close(clientType, COPS_ERROR.unsupportedClientType)];
    }
    if (op === "SSC" && !fault) return this.#complete(clientType, octets);
    if (fault && (octets === undefined || op !== "REQ")) return this.#broken(clientType, fault);
    if (octets === undefined) return this.#broken(clientType, { code: COPS_ERROR.objectMissing, subCode: 0 });
    const handle = nameOf(clientType, octets);
    if (op === "REQ") return this.#requested(message, handle, octets, fault);
    const state = this.#states.get(handle);
    if (state === undefined) {
      this.#counters.unknownHandles++;
      // A DRQ wants nothing that is not so already.
      return op === "DRQ"
        ? NONE
        : [send(errorDecision(clientType, octets, { code: COPS_ERROR.invalidHandleReference, subCode: 0 }, false))];
    }
    if (op === "DRQ") {
      this.#states.delete(handle);
      this.#synchronizing.delete(handle);
      return [{ kind: "delete", handle, reason: readReason(message) }];
    }
    const read = readReport(message);
    if (!read) return this.#broken(clientType, badFormat);
    this.#counters.ignoredAttributes += read.ignored;
    return [{ kind: "report", handle, report: read.report, data: read.data }];
  }

  #requested(message: CopsMessage, handle: Handle, octets: string, fault: CopsFault | undefined): readonly PdpOutput[] {
    const { clientType } = message;
    const read = fault ?? readRequest(message);
    if (isFault(read)) {
      this.#counters.badMessages++;
      return [send(errorDecision(clientType, octets, read, true))];
    }
    this.#counters.ignoredAttributes += read.ignored;
    const state = this.#states.get(handle);
    if (state) {
      state.kind = read.request.kind;
      state.undecided++;
    } else if (this.#states.size < LIMITS.copsStatesPerConnection) {
      this.#states.set(handle, { clientType, octets, kind: read.request.kind, undecided: 1 });
    } else {
      this.#counters.overLimit++;
      return [send(errorDecision(clientType, octets, { code: COPS_ERROR.unableToProcess, subCode: 0 }, true))];
    }
    return [{ kind: "request", clientType, handle, request: read.request }];
  }

  #decide(handle: Handle, decision: Decision): readonly PdpOutput[] {
    const state = this.#states.get(handle);
    if (state === undefined) {
      this.#counters.unknownHandles++;
      return NONE;
    }
    const message = decisionMessage(state.clientType, state.octets, state.kind, decision, state.undecided > 0);
    state.undecided = Math.max(0, state.undecided - 1);
    return [send(message)];
  }

  #distrust(fault: CopsFault): readonly PdpOutput[] {
    this.#counters.badMessages++;
    this.#ended = true;
    return [send(closeMessage(0, fault)), { kind: "ended", cause: `what the PEP sent is not authentic, error ${fault.code}` }];
  }
  #broken(clientType: ClientType, fault: CopsFault): readonly PdpOutput[] {
    this.#counters.badMessages++;
    this.#open.add(clientType); // it is told as well
    if (this.#open.size > 1) this.#open.delete(0);
    return this.#end(`the PEP broke a rule, error ${fault.code}`, fault);
  }
  /** With a fault, Client-Close for every open client-type says it (§3.8). */
  #end(cause: string, fault: CopsFault | undefined): readonly PdpOutput[] {
    this.#ended = true;
    const closes = fault ? [...this.#open].map((clientType) => send(closeMessage(clientType, fault))) : [];
    return [...closes, { kind: "ended", cause }];
  }
}

const badFormat: CopsFault = { code: COPS_ERROR.badMessageFormat, subCode: 0 };
/** Handles are unique within a client-type only (§2.4): the name has both. */
const nameOf = (clientType: ClientType, octets: string): Handle => clientType.toString(16).padStart(4, "0") + octets;
const send = (message: CopsMessage): PdpOutput => ({ kind: "send", message });
const synchronize = (clientType: ClientType, octets?: string): PdpOutput => send(synchronization("SSQ", clientType, octets));
const close = (clientType: ClientType, code: number): PdpOutput => send(closeMessage(clientType, { code, subCode: 0 }));
