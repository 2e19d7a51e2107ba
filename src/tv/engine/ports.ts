import type { Table } from "#overlay/types.ts";
import type { CallEnd, CallPort } from "#sip/engine/call-types.ts";
import type { Flow } from "#sip/engine/ports.ts";
import type { NameAddr, SipRequest } from "#sip/wire/message.ts";
import type { OnAir, Session } from "../types.ts";
import type { Admission } from "./admission.ts";
import type { Directory } from "./directory.ts";

/** What calls to channels stand on in a DS. */
export interface ChannelPorts {
  readonly calls: CallPort;
  readonly admission: Admission;
  readonly directory: Directory;
  /** Channels on air, of the whole operator. */
  readonly onAir: Table<OnAir>;
  /** Viewing sessions; this DS owns its viewers'. */
  readonly sessions: Table<Session>;
  readonly here: {
    readonly site: string;
    readonly edgeId: string;
    /** "dsN.DOMAIN": the agent of a Warning (RFC 3261 §20.43). */
    readonly hostName: string;
  };
  /** Our Contact towards that flow. */
  contact(flow: Flow): NameAddr;
  /** 32 hex digits that name the session: from Call-ID and the caller's tag (PROTOCOL §7). */
  joinId(request: SipRequest): string;
  wallMs(): number;
}

/** An INVITE to a channel, with who sent it. */
export interface ChannelInvite {
  readonly request: SipRequest;
  readonly flow: Flow;
  /** Authenticated. */
  readonly user: string;
  readonly channel: string;
}

/** A call to a channel, from its INVITE to its end: told what `Calls` learns of it. */
export interface ChannelCall {
  onEstablished(ack: SipRequest): void;
  onEnded(end: CallEnd): void;
}
