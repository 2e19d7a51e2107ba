/**
 * Calls: both sides of INVITE dialogs (RFC 3261 §12-§15) for a client, a server's back-to-back leg, or a simulation.
 * `Calls` (calls.ts) is a service between a `TransactionPort` and a `CallUser`.
 */
import type { Ticket } from "#base/ticket.ts";
import type { Clock, Entropy } from "#host/host.ts";
import type { Headers } from "../wire/headers.ts";
import type { NameAddr, SipRequest, SipResponse, SipUri } from "../wire/message.ts";
import type { Dialog } from "./dialog.ts";
import type { DialogRow } from "./dialog-row.ts";
import type { Destination, Flow, TransactionPort } from "./ports.ts";
import type { TransactionTimers } from "./timers.ts";

/** Names one call leg within a `Calls`: made by it, never reused. */
export type CallId = number;

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

export interface OutgoingCall {
  readonly target: SipUri;
  readonly from: NameAddr; // tag is added
  readonly to: NameAddr;
  /** Pre-loaded route set; the first is where the request goes unless `via` is given. */
  readonly route?: readonly NameAddr[];
  readonly via: Destination;
  /** Our Contact. */
  readonly contact: NameAddr;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly body?: { readonly type: string; readonly bytes: Uint8Array };
  /** Takes the place of that call of ours at the far end, or is refused (RFC 3891). */
  readonly replaces?: CallId;
  /** To answer 401 and 407 with (RFC 3261 §22.2, RFC 8760); without, they are final. */
  readonly credentials?: Credentials;
}

/** Where the row of a call is kept, so that it outlives its process (PROTOCOL §10). */
export interface CallKeeper {
  /**
   * From the 2xx on, whenever the row has changed; what promises that leaves once the ticket is safe. `leftSec`: until the
   * session expires, if nobody refreshes it.
   */
  put(row: DialogRow, leftSec: number): Ticket;
  /** The call is over, or about to be. Harmless where there is no row. */
  remove(): Ticket;
}

export type CallEnd =
  | { readonly kind: "bye"; readonly headers: Headers } // the far end hung up (Reason: see headers)
  | { readonly kind: "local" } // we hung up
  | { readonly kind: "rejected"; readonly response: SipResponse } // final response other than 2xx to our INVITE
  | { readonly kind: "failed"; readonly cause: "timeout" | "transport" } // no final response, or no ACK for 64*T1
  | { readonly kind: "canceled" }; // an incoming call's CANCEL, answered with 487

/** What a call's owner makes happen. */
export interface CallPort {
  invite(call: OutgoingCall): CallId;
  /** Answers an incoming INVITE or re-INVITE provisionally (101-199 make an early dialog). */
  ring(call: CallId, status: number): void;
  /** 2xx, retransmitted until ACK; leaves once `ticket` and its row are safe, as does what is returned. */
  accept(
    call: CallId,
    answer: { contact: NameAddr; body?: { type: string; bytes: Uint8Array }; headers?: readonly (readonly [string, string])[] },
    ticket?: Ticket,
  ): Ticket;
  reject(call: CallId, status: number, reason?: string, headers?: readonly (readonly [string, string])[]): void;
  /** ACK of a 2xx to our INVITE, with the answer if the 2xx was the offer. Must be called once after `onAnswered`. */
  ack(call: CallId, body?: { type: string; bytes: Uint8Array }): void;
  /**
   * BYE once established, CANCEL before; harmless after the end. `reason` = a Reason header (RFC 3326), also of the ACK that
   * a 2xx still needs: it says that a BYE follows.
   */
  end(call: CallId, reason?: string): void;
  /** Asks whether the far end still is there: if it says no, or nothing for 64*T1, the call ends. */
  refresh(call: CallId): void;
  /** When the far end last said anything, of the monotonic clock; -Infinity = nothing in this run. */
  heardAtMs(call: CallId): number;
  /** The call is to outlive the process: its rows go there, from its 2xx on. */
  keep(call: CallId, keeper: CallKeeper): void;
  /** Puts its row once more: what the keeper adds to it has changed. */
  keepAgain(call: CallId): Ticket;
  /**
   * Goes on with a call of an earlier run, of whose session so much time is left: nothing is sent until the far end or the
   * session timer calls for it. `undefined`: the row cannot be read, or there are too many calls.
   */
  restore(row: DialogRow, leftMs: number): CallId | undefined;
}

/** What can happen to a call. `onEnded` is told exactly once for each call, last. */
export interface CallUser {
  /**
   * A new dialog is asked for; `ring`, `accept` or `reject` it. `replaces`: a call that it is to take the place of; whose it is
   * has to agree, and to end that one (RFC 3891 §3).
   */
  onInvite(call: CallId, request: SipRequest, flow: Flow, replaces?: CallId): void;
  onProvisional(call: CallId, response: SipResponse): void;
  /** 2xx to our INVITE. */
  onAnswered(call: CallId, response: SipResponse): void;
  /** ACK for our 2xx. */
  onEstablished(call: CallId, ack: SipRequest): void;
  onEnded(call: CallId, end: CallEnd): void;
}

export interface CallsPorts {
  readonly transactions: TransactionPort;
  readonly user: CallUser;
  readonly host: Clock & Entropy;
  /**
   * Where a request within a dialog goes: `nextHop` is its first route or target, `last` where the call's last request came
   * from or went. Default `last`: the flow, as RFC 5626 has it and NATs want it.
   */
  readonly destination?: (to: Pick<Dialog, "nextHop" | "far">, last: Destination) => Destination;
}
export interface CallsConfig {
  readonly timers?: TransactionTimers;
  /** Option tags that the owner honours: said in Supported; a Require with any other is answered 420. Default none. */
  readonly supported?: readonly string[];
  /** Calls at once. 1..LIMITS.sipCalls, default that. */
  readonly maxCalls?: number;
  /** What an INVITE above `maxCalls` gets: 486 from a client, 503 from a server. Default 503. */
  readonly fullStatus?: 486 | 503;
}
