import type { Ticket } from "#base/ticket.ts";
import type { Table } from "#overlay/types.ts";
import type { CallEnd, CallId, CallPort, OutgoingCall } from "#sip/engine/call-types.ts";
import type { Destination, Flow } from "#sip/engine/ports.ts";
import type { NameAddr, SipRequest, SipResponse, SipUri } from "#sip/wire/message.ts";
import type { ChannelRecord, OnAir, Session, SessionName } from "../types.ts";
import type { Admission } from "./admission.ts";
import type { Directory } from "./directory.ts";
import type { FinalAnswer } from "./refusals.ts";

/** What calls to channels stand on in a DS. */
export interface ChannelPorts {
  readonly calls: CallPort;
  readonly admission: Admission;
  readonly directory: Directory;
  /** Channels on air, of the whole operator. */
  readonly onAir: Table<OnAir>;
  /** Viewing sessions; this DS owns its viewers'. */
  readonly sessions: Table<Session>;
  readonly peers: PeerPort;
  readonly here: {
    readonly site: string;
    readonly edgeId: string;
    readonly domain: string;
    /** "dsN.DOMAIN": the agent of a Warning (RFC 3261 §20.43). */
    readonly hostName: string;
    /**
     * As in the paper's trace: reserve only once the broadcaster has agreed, end the ingest with its last viewer. Else both
     * sides at the same time, and the ingest waits a little for another viewer (PROTOCOL §5).
     */
    readonly isSequential: boolean;
  };
  /** Our Contact towards there. */
  contact(to: Destination): NameAddr;
  /** 32 hex digits that name the session: from Call-ID and the caller's tag (PROTOCOL §7). */
  joinId(request: SipRequest): string;
  wallMs(): number;
  /** Rings once, after so long; to be silenced by what is returned. */
  alarm(afterMs: number, ring: () => void): () => void;
}

/** Where broadcasters are, and how servers of one operator know each other. */
export interface PeerPort {
  /** At which DS a channel's broadcaster is asked: this one, or its address; `undefined`: he is not registered. */
  sideOf(channel: ChannelRecord): "here" | Destination | undefined;
  /** The user's contacts at this DS, the newest first. */
  contacts(user: string): readonly Contact[];
  /** A header field by which another DS knows that we send this (SECURITY.md). */
  claim(sessionId: string, from: string, to: string): readonly [name: string, value: string];
  /** Whether another DS sends this and vouches for its From. */
  isPeer(request: SipRequest): boolean;
}
export interface Contact {
  readonly target: SipUri;
  readonly via: Destination;
}

/** An INVITE to a channel, with who sent it: authenticated. */
export interface ChannelInvite extends SessionName {
  readonly request: SipRequest;
  readonly flow: Flow;
}

/** A call to a channel, from its INVITE to its end: told what `Calls` learns of it. */
export interface ChannelCall {
  onEstablished(ack: SipRequest): void;
  onEnded(end: CallEnd): void;
}
/** A call that this DS makes: to another DS, or to a broadcaster. */
export interface PlacedCall {
  onProvisional(response: SipResponse): void;
  onAnswered(response: SipResponse): void;
  onEnded(end: CallEnd): void;
}
/** Places a call, or takes one that was placed by an earlier run, and tells its owner of it. */
export type Place = (call: OutgoingCall | CallId, owner: PlacedCall) => CallId;

/** A viewer who asks for a place at an `ask` channel. */
export interface Guest {
  readonly channel: ChannelRecord;
  readonly user: string;
  /** The same in all legs (RFC 7989). */
  readonly sessionId: string;
  /** Names what is reserved for him at the broadcaster's side. */
  readonly joinId: string;
}
/** A viewer's place at the broadcaster's side (PROTOCOL §5). */
export interface Seat {
  /** The viewer has acknowledged. */
  confirm(): void;
  /** He has gone, or cannot be served: nothing of his stays at the broadcaster's side. Harmless after the end. */
  leave(): void;
}
/** Whoever asked for a seat: `onSeated` at most once, then `onUnseated` at most once, if he does not leave before. */
export interface SeatUser {
  onRinging(): void;
  /** The broadcaster accepts, and what his side needs is reserved; to be promised once `ticket` is safe. */
  onSeated(ticket: Ticket): void;
  /** Refused, or, once seated, put out. */
  onUnseated(answer: FinalAnswer): void;
}
/** In the place of somebody who has gone. */
export const NOBODY: SeatUser = { onRinging: () => undefined, onSeated: () => undefined, onUnseated: () => undefined };
