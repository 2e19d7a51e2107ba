/** What of a call outlives the process that had it (PROTOCOL §10): made of a leg, and a leg made of it. */
import { text, utf8 } from "#base/bytes.ts";
import { formatNameAddr, parseNameAddr } from "../wire/values.ts";
import { Dialog } from "./dialog.ts";
import type { Body, Leg, LegStart } from "./leg.ts";
import type { Destination, TransportName } from "./ports.ts";
import type { Agreed } from "./session-timer.ts";

/** An established call as it travels between servers: JSON, no classes. */
export type DialogRow = {
  readonly weCalled: boolean;
  readonly callId: string;
  /** From and To of our requests, tags included. */
  readonly local: string;
  readonly remote: string;
  readonly localCSeq: number;
  readonly remoteCSeq: number; // -1 = none yet
  readonly routeSet: readonly string[];
  /** The far end's Contact: remote target and `+sip.instance`. */
  readonly remoteContact: string;
  readonly sessionId?: string;
  /** Where the far end was. */
  readonly last: { readonly transport: TransportName; readonly host: string; readonly port: number; readonly domain?: string };
  readonly contact: string; // ours
  /** The ACK of its 2xx is there. */
  readonly isAcked: boolean;
  readonly session: { readonly intervalSec: number; readonly refresher: Agreed["refresher"]; readonly minSec: number };
  readonly knowsUpdate: boolean;
  /** Our session description, which a re-INVITE repeats. */
  readonly ours?: BodyRow;
  /** Of the far end's only what another is compared with. */
  readonly theirs?: BodyRow;
};
type BodyRow = { readonly type: string; readonly text: string };

/**
 * How far our CSeq jumps over a restart: above whatever was sent and is not in the row. The row is written when a request is
 * sent, though nothing waits for it: what may be missing is a refresh with all its repetitions. Had more been lost, the far
 * end would answer 500 and the next refresh would be in order (RFC 3261 §12.2.2).
 */
const UNRECORDED_CSEQS = 16;

/** `undefined` before the 2xx, and while no session timer runs. */
export function dialogRow(leg: Leg): DialogRow | undefined {
  const { weCalled, dialog, session, minSec, knowsUpdate, ours, theirs } = leg;
  if (!dialog?.confirmed || !session) return undefined;
  const { callId, local, remote, localCSeq, remoteCSeq, routeSet, remoteContact, sessionId } = dialog.state;
  const { intervalSec, refresher } = session.timer.agreed;
  return {
    weCalled,
    callId,
    local,
    remote,
    localCSeq,
    remoteCSeq,
    routeSet: routeSet.map(formatNameAddr),
    remoteContact: formatNameAddr(remoteContact),
    ...(sessionId !== undefined && { sessionId }),
    last: nextHopOf(leg.last),
    contact: formatNameAddr(leg.contact),
    isAcked: leg.phase === "up" && !leg.isUnsure,
    session: { intervalSec, refresher, minSec },
    knowsUpdate,
    ...(ours && { ours: { type: ours.type, text: text(ours.bytes) } }),
    ...(theirs && { theirs: { type: theirs.type, text: originOf(text(theirs.bytes)) } }),
  };
}

/** `undefined` where the row cannot be read. */
export function legOf(row: DialogRow): (LegStart & { readonly dialog: Dialog }) | undefined {
  const [remoteContact, contact] = [parseNameAddr(row.remoteContact), parseNameAddr(row.contact)];
  const routeSet = row.routeSet.flatMap((route) => parseNameAddr(route) ?? []);
  if (!remoteContact || !contact || routeSet.length < row.routeSet.length) return undefined;
  const { weCalled, callId, local, remote, remoteCSeq, sessionId, last } = row;
  const localCSeq = row.localCSeq + UNRECORDED_CSEQS;
  const state = { callId, local, remote, localCSeq, remoteCSeq, routeSet, remoteContact, confirmed: true, sessionId };
  return { weCalled, callId, contact, last, dialog: new Dialog(state), ours: bodyOf(row.ours), theirs: bodyOf(row.theirs) };
}

const nextHopOf = (last: Destination): DialogRow["last"] =>
  "id" in last ? { transport: last.transport, host: last.remote.host, port: last.remote.port } : last;
/** Two descriptions are the same where their o= lines are (RFC 3261 §14.2). */
const originOf = (description: string): string => /^o=.*$/m.exec(description)?.[0] ?? description;
const bodyOf = (row: BodyRow | undefined): Body | undefined => row && { type: row.type, bytes: utf8(row.text) };
