/** What `Calls` (calls.ts) keeps of one call and of its client transactions. */

import type { Alarm } from "#base/deadlines.ts";
import type { Ticket } from "#base/ticket.ts";
import type { NameAddr, SipMessage, SipRequest, SipResponse } from "../wire/message.ts";
import type { CallEnd, CallId, CallKeeper } from "./call-types.ts";
import type { Dialog } from "./dialog.ts";
import type { DigestClient } from "./digest.ts";
import type { ClientTxId, Destination, ServerTxId } from "./ports.ts";
import type { SessionTimer } from "./session-timer.ts";
import type { Unacked } from "./unacked.ts";

export interface Body {
  readonly type: string;
  readonly bytes: Uint8Array;
}
export function bodyOf(message: SipMessage): Body | undefined {
  if (message.body.length === 0) return undefined;
  return { type: message.headers.get("content-type") ?? "", bytes: message.body.slice() };
}

/**
 * Caller: `calling` → `answered` (2xx, not yet acknowledged) → `up`. Called: `invited` → `accepted` (2xx sent, no ACK yet) →
 * `up`. Both: → `leaving` (the owner has still to be told) → `over` (told).
 */
export type Phase = "calling" | "answered" | "invited" | "accepted" | "up" | "leaving" | "over";

/** What a call begins with. */
export interface LegStart {
  readonly weCalled: boolean;
  readonly callId: string;
  readonly contact: NameAddr;
  readonly last: Destination;
  readonly digest?: DigestClient | undefined;
  readonly dialog?: Dialog | undefined;
  readonly ours?: Body | undefined;
  readonly theirs?: Body | undefined;
}

export class Leg {
  readonly id: CallId;
  readonly weCalled: boolean;
  readonly callId: string;
  readonly digest: DigestClient | undefined;
  /** Of a call that is to outlive the process. */
  keeper: CallKeeper | undefined;
  phase: Phase;
  /** The caller's is set by the first 2xx; early ones are in `Asking`. */
  dialog: Dialog | undefined;
  /** Ours. */
  contact: NameAddr;
  /** Where the last request of the far end came from, or the first to it went. */
  last: Destination;
  /** The last session descriptions of both sides: with them a re-INVITE is compared and answered. */
  ours: Body | undefined;
  theirs: Body | undefined;
  /** Our INVITE, re-INVITE or UPDATE without final response. */
  asking: Asking | undefined;
  /** The far end's initial INVITE without final response. */
  answering: { readonly tx: ServerTxId; readonly invite: SipRequest } | undefined;
  /** Our 2xx without ACK. */
  unacked: UnackedAnswer | undefined;
  /** The owner has asked for the end, but CANCEL or ACK come first; with the Reason for BYE. */
  leave: { readonly reason: string | undefined } | undefined;
  /** Ringing again, re-INVITE again, or the word to the owner. */
  alarm: Alarm | undefined;
  /** The INVITE's Expires. */
  expiry: Alarm | undefined;
  /** Since both sides agreed to it (RFC 4028). */
  session: { readonly timer: SessionTimer; readonly alarm: Alarm } | undefined;
  /** When the far end last said anything; -Infinity = not in this run. */
  heardAtMs = -Infinity;
  /** Of an earlier run, which sent its 2xx and saw no ACK: the far end may not have had it. */
  isUnsure = false;
  /** The largest Min-SE heard of, s; 0 = none. */
  minSec = 0;
  /** The far end allows UPDATE. */
  knowsUpdate = false;

  constructor(id: CallId, start: LegStart) {
    this.id = id;
    this.weCalled = start.weCalled;
    this.callId = start.callId;
    this.digest = start.digest;
    this.phase = start.weCalled ? "calling" : "invited";
    this.dialog = start.dialog;
    this.contact = start.contact;
    this.last = start.last;
    this.ours = start.ours;
    this.theirs = start.theirs;
  }

  /** The dialog of this call that a request belongs to: while we are calling, any of the early ones. */
  dialogOf(request: SipRequest): Dialog | undefined {
    if (this.dialog) return this.dialog.has(request) ? this.dialog : undefined;
    for (const { dialog } of this.asking?.made.values() ?? []) if (dialog.has(request)) return dialog;
    return undefined;
  }
}

export interface UnackedAnswer {
  readonly tx: ServerTxId;
  readonly cseq: number;
  readonly response: SipResponse;
  readonly ticket: Ticket;
  readonly machine: Unacked;
  readonly alarm: Alarm;
}

export interface Made {
  readonly dialog: Dialog;
  readonly ack: SipRequest | undefined;
}

/** A client transaction of a call; one of an INVITE is kept for 64*T1 after its first 2xx (RFC 3261 §13.2.2.4). */
export interface Asking {
  readonly leg: Leg;
  readonly kind: "invite" | "re-invite" | "update" | "bye";
  tx: ClientTxId;
  request: SipRequest;
  /** In which the request is: none for the initial INVITE. */
  readonly dialog: Dialog | undefined;
  /** How often it was sent again, with credentials or a longer session interval. */
  repeats: number;
  /** By To tag: the dialogs that the INVITE has made (several where it forked), and the ACK of each. */
  readonly made: Map<string, Made>;
  /** The BYE's: what its end means to the owner; `undefined` = nothing any more. */
  readonly end: CallEnd | undefined;
}
