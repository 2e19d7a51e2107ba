/** The doors of COPS (RFC 2748, RFC 3084; PROTOCOL §7): a PEP that asks, a PDP that decides. */

/** Configurable because unregistered (PROTOCOL §7). */
export const CLIENT_TYPE = { admission: 0x9101, provisioning: 0x9102 } as const;
export type ClientType = number;

/** A handle names a request state on one connection (RFC 2748 §2.4). */
export type Handle = string; // opaque: the octets in hex, at a PDP after the client-type's (handles are unique within one only)
/** Names one PEP connection within a PDP; never reused. */
export type PepConnection = number;

/** Context R-Type, M-Type (RFC 2748 §2.2.2). */
export type RequestKind = "admission-source" | "admission-sink" | "configuration";

/** Named values inside ClientSI and Decision data; see `iptv.ts` for what they are and how they are encoded. */
export type Attributes = Readonly<Record<string, string | number>>;

export interface CopsRequest {
  readonly kind: RequestKind;
  readonly attributes: Attributes;
  /** LPDPDecision (RFC 2748 §2.2.7), where the PEP has already decided by itself. */
  readonly localDecision?: Decision;
}

export type Decision =
  | { readonly command: "install"; readonly attributes: Attributes }
  | { readonly command: "remove"; readonly attributes: Attributes } // `reason` (a code of iptv.ts) in attributes
  | { readonly command: "null"; readonly attributes: Attributes };

/** RFC 2748 §2.2.5. */
export type DeleteReason =
  | "unspecified"
  | "management"
  | "preempted"
  | "tear"
  | "timeout"
  | "route-change"
  | "insufficient-resources"
  | "pdp-directive"
  | "unsupported-decision"
  | "synchronize-unknown"
  | "transient"
  | "malformed-decision"
  | "unknown-cops-object";
export type ReportKind = "success" | "failure" | "accounting";

/** What a PEP's user makes happen. */
export interface PepPort {
  /** Whether CAT came for this client-type: requests made before wait in a bounded queue. */
  isOpen(clientType: ClientType): boolean;
  request(clientType: ClientType, request: CopsRequest): Handle;
  /** Repeats a request under its handle (RFC 2748 §2.4: an update). */
  update(clientType: ClientType, handle: Handle, request: CopsRequest): void;
  /** `data` of an accounting report: what was carried. */
  report(clientType: ClientType, handle: Handle, kind: ReportKind, data?: Attributes): void;
  delete(clientType: ClientType, handle: Handle, reason: DeleteReason): void;
  /** Answers `onSynchronize`: repeats what is held, with the decision in force, then says that it is all (SSC). */
  synchronized(clientType: ClientType, handle?: Handle): void;
}
export interface PepUser {
  /** `accountingSec`: how far apart accounting reports are to be (RFC 2748 §2.2.15); 0 = none are wanted. */
  onOpened(clientType: ClientType, accountingSec: number): void;
  /** Solicited or not: an unsolicited Remove takes a reservation back (RFC 2748 §3.3). */
  onDecision(handle: Handle, decision: Decision): void;
  /** SSQ, for one request state that is known or for all (RFC 2748 §3.5): `synchronized` is to follow. */
  onSynchronize(clientType: ClientType, handle: Handle | undefined): void;
  /** The connection is gone; the driver connects again by itself, and every handle is void. */
  onLost(cause: string): void;
}

export interface PdpPort {
  /** Solicited answer, or unsolicited change of mind. */
  decide(pep: PepConnection, handle: Handle, decision: Decision): void;
  /**
   * SSQ: asks for one request state again, or for all of a client-type (RFC 2748 §3.5). Of a client-type that is being
   * opened it follows the CAT.
   */
  synchronize(pep: PepConnection, clientType: ClientType, handle?: Handle): void;
}
export interface PdpUser {
  /** OPN: accept with CAT (true) or refuse with CC (false). */
  onOpen(pep: PepConnection, pepId: string, clientType: ClientType): boolean;
  onRequest(pep: PepConnection, clientType: ClientType, handle: Handle, request: CopsRequest): void;
  onReport(pep: PepConnection, handle: Handle, kind: ReportKind, data: Attributes): void;
  onDelete(pep: PepConnection, handle: Handle, reason: DeleteReason): void;
  /** SSC: what `synchronize` asked for has been asked again. */
  onSynchronized(pep: PepConnection, clientType: ClientType, handle: Handle | undefined): void;
  onGone(pep: PepConnection, pepId: string): void;
}
