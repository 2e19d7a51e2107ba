import type { Headers } from "./headers.ts";

/**
 * Parameters after `;`, names in lower case, `true` for one without a value. Order is kept. Values are as they stood, with
 * their quotes or escapes: `unquote` (lex.ts) takes quotes off.
 */
export type Params = ReadonlyMap<string, string | true>;

/** A SIP or SIPS URI (RFC 3261 §19.1). `user` and `password` are unescaped; `host` is lower case, IPv6 in brackets. */
export interface SipUri {
  readonly scheme: "sip" | "sips";
  readonly user: string; // "" where there is none
  readonly password?: string;
  readonly host: string;
  readonly port?: number;
  readonly params: Params;
  /** What follows `?`, as it stood; "" where there is none. */
  readonly headers: string;
}

/** name-addr or addr-spec with header parameters: From, To, Contact, Route, Record-Route, Path (RFC 3261 §20.10). */
export interface NameAddr {
  readonly display: string;
  readonly uri: SipUri;
  readonly params: Params;
}

/** RFC 3261 §20.42 with rport (RFC 3581). `transport` in upper case: UDP, TCP, TLS, WS, WSS. */
export interface Via {
  readonly transport: string;
  readonly host: string;
  readonly port?: number;
  readonly params: Params;
}

export interface CSeq {
  readonly number: number; // 0..2^31-1
  readonly method: string;
}

export interface SipRequest {
  readonly kind: "request";
  readonly method: string;
  readonly uri: SipUri;
  readonly headers: Headers;
  readonly body: Uint8Array;
}
export interface SipResponse {
  readonly kind: "response";
  readonly status: number; // 100..699
  readonly reason: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
}
export type SipMessage = SipRequest | SipResponse;
