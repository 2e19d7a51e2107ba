/** One dialog of RFC 3261 §12, as either side keeps it. It owns no timer and sends nothing: it says what is to be sent. */
import { request } from "../wire/builders.ts";
import { Headers } from "../wire/headers.ts";
import type { NameAddr, SipMessage, SipRequest, SipResponse, SipUri } from "../wire/message.ts";
import {
  callIdOf,
  contactOf,
  cseqOf,
  formatCSeq,
  formatNameAddr,
  fromTagOf,
  nameAddr,
  nameAddrsOf,
  parseNameAddr,
  tagOf,
  toTagOf,
} from "../wire/values.ts";

type Fields = readonly (readonly [name: string, value: string])[];

/** The parts of a dialog that its first request and response settle, and where it stands. */
export interface DialogState {
  readonly callId: string;
  /** From and To of our requests, tags included. */
  readonly local: string;
  readonly remote: string;
  readonly localCSeq: number;
  readonly remoteCSeq: number; // -1 = none yet
  readonly routeSet: readonly NameAddr[];
  /** The far end's Contact: the remote target and, where it said so, its `+sip.instance` (RFC 5626 §4.1). */
  readonly remoteContact: NameAddr;
  readonly confirmed: boolean;
  /** Of its INVITE: every request of the dialog has it (RFC 7989 §6). */
  readonly sessionId: string | undefined;
}

export class Dialog {
  readonly callId: string;
  readonly localTag: string;
  /** "" = none, from an RFC 2543 peer (RFC 3261 §12.1.1). */
  readonly remoteTag: string;
  readonly #local: string;
  readonly #remote: string;
  #localCSeq: number;
  #remoteCSeq: number;
  #routeSet: readonly NameAddr[];
  #remoteContact: NameAddr;
  #confirmed: boolean;
  readonly #sessionId: string | undefined;

  constructor(state: DialogState) {
    this.callId = state.callId;
    this.localTag = tagOf(state.local) ?? "";
    this.remoteTag = tagOf(state.remote) ?? "";
    this.#local = state.local;
    this.#remote = state.remote;
    this.#localCSeq = state.localCSeq;
    this.#remoteCSeq = state.remoteCSeq;
    this.#routeSet = state.routeSet;
    this.#remoteContact = state.remoteContact;
    this.#confirmed = state.confirmed;
    this.#sessionId = state.sessionId;
  }

  /**
   * The caller's side, from a 1xx or 2xx with To tag (§12.1.2). A response without a usable Contact leaves the target of
   * the request, one whose Record-Route cannot be read no route: its 2xx has to be acknowledged all the same.
   */
  static ofResponse(invite: SipRequest, response: SipResponse): Dialog {
    return new Dialog({
      callId: callIdOf(invite) ?? "",
      local: invite.headers.get("from") ?? "",
      remote: response.headers.get("to") ?? "",
      localCSeq: cseqOf(invite)?.number ?? 0,
      remoteCSeq: -1,
      routeSet: routeBack(response),
      remoteContact: contactOf(response) ?? nameAddr(invite.uri),
      confirmed: response.status >= 200,
      sessionId: invite.headers.get("session-id"),
    });
  }

  /** The called side (§12.1.1); `undefined` = the request lacks a usable Contact, or its Record-Route cannot be read. */
  static ofRequest(invite: SipRequest, localTag: string): Dialog | undefined {
    const [contact, routeSet] = [contactOf(invite), nameAddrsOf(invite, "record-route")];
    if (contact === undefined || routeSet === undefined) return undefined;
    return new Dialog({
      callId: callIdOf(invite) ?? "",
      local: `${invite.headers.get("to")};tag=${localTag}`,
      remote: invite.headers.get("from") ?? "",
      localCSeq: 0,
      remoteCSeq: cseqOf(invite)?.number ?? 0,
      routeSet,
      remoteContact: contact,
      confirmed: false,
      sessionId: invite.headers.get("session-id"),
    });
  }

  /** As it stands: a dialog made of it goes on from here. */
  get state(): DialogState {
    return {
      callId: this.callId,
      local: this.#local,
      remote: this.#remote,
      localCSeq: this.#localCSeq,
      remoteCSeq: this.#remoteCSeq,
      routeSet: this.#routeSet,
      remoteContact: this.#remoteContact,
      confirmed: this.#confirmed,
      sessionId: this.#sessionId,
    };
  }
  /** Early until its 2xx (§12). */
  get confirmed(): boolean {
    return this.#confirmed;
  }

  /** The 2xx of this dialog: it is confirmed, and the route set is the 2xx's (§13.2.2.4); without one, our own 2xx. */
  confirm(response?: SipResponse): void {
    this.#confirmed = true;
    if (!response) return;
    this.#routeSet = routeBack(response);
    this.refreshTarget(response);
  }

  /** Whether a request or ACK, which came to us, belongs here (§12.2.2). */
  has(message: SipRequest): boolean {
    return (
      callIdOf(message) === this.callId && toTagOf(message) === this.localTag && (fromTagOf(message) ?? "") === this.remoteTag
    );
  }

  /** Takes the request's CSeq; false = it is out of order: 500 (§12.2.2). Gaps are none of our business. */
  takeCSeq(request: SipRequest): boolean {
    if (!this.#isNew(request)) return false;
    this.#remoteCSeq = cseqOf(request)?.number ?? -1;
    return true;
  }
  /** Whether that initial INVITE is the one that made this dialog, come once more (§8.2.2.2). */
  isMadeBy(invite: SipRequest): boolean {
    return callIdOf(invite) === this.callId && (fromTagOf(invite) ?? "") === this.remoteTag && !this.#isNew(invite);
  }
  #isNew(request: SipRequest): boolean {
    return (cseqOf(request)?.number ?? -1) > this.#remoteCSeq;
  }

  /** A target refresh: a re-INVITE or its 2xx (§12.2). */
  refreshTarget(message: SipMessage): void {
    this.#remoteContact = contactOf(message) ?? this.#remoteContact;
  }

  /** Who is at the far end: its name, and where it says that it is. */
  get far(): { readonly uri: SipUri | undefined; readonly contact: NameAddr } {
    return { uri: parseNameAddr(this.#remote)?.uri, contact: this.#remoteContact };
  }
  /** Where requests of this dialog are to be sent: the first route or the far end itself (§12.2.1.1, §8.1.2). */
  get nextHop(): SipUri {
    return this.#routeSet[0]?.uri ?? this.#remoteContact.uri;
  }

  /** A new request within the dialog, with the next CSeq (§12.2.1.1). */
  request(method: string, fields: Fields = [], body?: Uint8Array): SipRequest {
    this.#localCSeq++;
    return this.#request(method, this.#localCSeq, fields, body);
  }

  /** The same request once more, as a new one: with credentials, or after 491 (§22.2, §14.1). */
  again(request: SipRequest): SipRequest {
    this.#localCSeq++;
    return withCSeq(request, this.#localCSeq);
  }

  /** The ACK of a 2xx: the INVITE's CSeq and credentials (§13.2.2.4, §22.1). */
  ack(invite: SipRequest, fields: Fields = [], body?: Uint8Array): SipRequest {
    const ack = this.#request("ACK", cseqOf(invite)?.number ?? 0, fields, body);
    for (const { name, value } of invite.headers.fields()) {
      if (name === "authorization" || name === "proxy-authorization") ack.headers.add(name, value);
    }
    return ack;
  }

  #request(method: string, cseq: number, fields: Fields, body: Uint8Array | undefined): SipRequest {
    const [first, ...others] = this.#routeSet;
    const strict = first !== undefined && !first.uri.params.has("lr");
    const headers = new Headers();
    const target = this.#remoteContact.uri;
    for (const route of strict ? [...others, nameAddr(target)] : this.#routeSet) headers.add("Route", formatNameAddr(route));
    headers.add("From", this.#local).add("To", this.#remote).add("Call-ID", this.callId);
    headers.add("CSeq", formatCSeq({ number: cseq, method }));
    if (this.#sessionId !== undefined) headers.add("Session-ID", this.#sessionId);
    for (const [name, value] of fields) headers.add(name, value);
    return request(method, requestUri(strict ? first.uri : target), headers, body);
  }
}

export const withCSeq = (request: SipRequest, number: number): SipRequest => ({
  ...request,
  headers: request.headers.clone().set("cseq", formatCSeq({ number, method: request.method })),
});

const routeBack = (response: SipResponse): readonly NameAddr[] => nameAddrsOf(response, "record-route")?.toReversed() ?? [];

/** Without what a Request-URI may not have: the method parameter and header fields (§19.1.1, Table 1). */
function requestUri(uri: SipUri): SipUri {
  if (uri.headers === "" && !uri.params.has("method")) return uri;
  return { ...uri, params: new Map([...uri.params].filter(([name]) => name !== "method")), headers: "" };
}
