/** Session descriptions (RFC 8866), as far as offers and answers need them (RFC 3264, PROTOCOL §3). */

export type AddressFamily = "IP4" | "IP6";

/** `o=`: who made the description, and which version it is. */
export interface SdpOrigin {
  readonly user: string; // "-" where there is none
  /** Digits: 64 bits do not fit a number. */
  readonly sessionId: string;
  readonly sessionVersion: string;
  readonly family: AddressFamily;
  readonly address: string;
}
/** `c=`. `ttl` belongs to IPv4 multicast, `count` (contiguous groups) to multicast of either family. */
export interface SdpConnection {
  readonly family: AddressFamily;
  readonly address: string;
  readonly ttl?: number; // 0..255 hops
  readonly count?: number;
}
/** `b=`. AS and CT in kbit/s; RR and RS (RFC 3556) and TIAS in bit/s. */
export interface SdpBandwidth {
  readonly type: string;
  readonly value: number;
}
/** `a=`. A flag such as `recvonly` has no value. */
export interface SdpAttribute {
  readonly name: string;
  readonly value?: string;
}
/** What session and media have in common. */
export interface SdpSection {
  readonly connection?: SdpConnection;
  readonly bandwidth: readonly SdpBandwidth[];
  readonly attributes: readonly SdpAttribute[];
}
/** One `m=` and what follows it. */
export interface SdpMedia extends SdpSection {
  readonly media: string;
  readonly port: number; // 0 = declined (RFC 3264 §6)
  readonly portCount?: number;
  /** E.g. `RTP/AVP`, `TCP/WS/MP2T`. */
  readonly proto: string;
  readonly formats: readonly string[]; // at least one
}
/** `i=`, `u=`, `e=`, `p=`, `r=`, `z=` and `k=` are read over: they say nothing to a machine here. */
export interface SessionDescription extends SdpSection {
  readonly origin: SdpOrigin;
  readonly name: string;
  /** Seconds since 1900; 0 0 = at any time. */
  readonly startSec: number;
  readonly stopSec: number;
  readonly media: readonly SdpMedia[];
}
