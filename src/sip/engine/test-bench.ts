/** `Calls` between a transaction layer and an owner that only write down what comes: for tests. */
import { utf8 } from "#base/bytes.ts";
import type { Clock, Entropy } from "#host/host.ts";
import { request, response } from "../wire/builders.ts";
import type { SipRequest, SipResponse } from "../wire/message.ts";
import { sipUri } from "../wire/uri.ts";
import { nameAddr } from "../wire/values.ts";
import type { CallsConfig, CallUser, OutgoingCall } from "./call-types.ts";
import { Calls } from "./calls.ts";
import type { Destination, Flow, TransactionPort } from "./ports.ts";

export type Fields = readonly (readonly [string, string])[];
export const FLOW: Flow = {
  id: "ws:1",
  transport: "ws",
  local: { host: "10.0.0.1", port: 80 },
  remote: { host: "10.0.0.2", port: 4_000 },
};
export const SDP = (version: number) => ({
  type: "application/sdp",
  bytes: utf8(`v=0\r\no=- 1 ${version} IN IP4 10.0.0.2\r\ns=-\r\n`),
});

/** The transaction layer as a list of what was asked of it, and the owner as a list of what he was told. */
export class Bench implements TransactionPort, CallUser {
  readonly calls: Calls;
  readonly sent: { readonly id: string; readonly message: SipRequest | SipResponse; readonly to?: Destination }[] = [];
  readonly told: string[] = [];
  #tx = 0;

  constructor(host: Clock & Entropy, config: CallsConfig = {}) {
    this.calls = new Calls({ transactions: this, user: this, host }, config);
  }
  request(message: SipRequest, to: Destination): string {
    const id = `c${++this.#tx}`;
    this.sent.push({ id, message, to });
    return id;
  }
  ack(message: SipRequest, to: Destination): void {
    this.sent.push({ id: "", message, to });
  }
  cancel(id: string): void {
    this.sent.push({ id, message: request("CANCEL", sipUri({ host: "b" }), []) });
  }
  respond(id: string, message: SipResponse): void {
    this.sent.push({ id, message });
  }
  refuse(id: string, message: SipResponse): void {
    this.sent.push({ id, message });
  }
  localUri() {
    return { host: "a.invalid", transport: "ws" } as const;
  }
  onInvite(call: number, _request: SipRequest, _flow: Flow, replaces?: number): void {
    this.told.push(replaces === undefined ? `invite ${call}` : `invite ${call} replaces ${replaces}`);
  }
  onProvisional(_call: number, { status }: SipResponse): void {
    this.told.push(`${status}`);
  }
  onAnswered(_call: number, { status }: SipResponse): void {
    this.told.push(`answered ${status}`);
  }
  onEstablished(): void {
    this.told.push("established");
  }
  onEnded(_call: number, end: Parameters<CallUser["onEnded"]>[1]): void {
    const more = end.kind === "rejected" ? ` ${end.response.status}` : end.kind === "failed" ? ` ${end.cause}` : "";
    this.told.push(`ended ${end.kind}${more}`);
  }

  /** Method or status of everything sent since the last look. */
  look(): string[] {
    const seen = this.sent
      .slice(this.#seen)
      .map(({ message }) => (message.kind === "request" ? message.method : `${message.status}`));
    this.#seen = this.sent.length;
    return seen;
  }
  #seen = 0;
  last(): { id: string; message: SipRequest | SipResponse; to?: Destination } {
    const last = this.sent.at(-1);
    if (!last) throw new Error("Nothing was sent");
    return last;
  }
  lastRequest(method: string): { id: string; message: SipRequest } {
    const found = this.sent.findLast(({ message }) => message.kind === "request" && message.method === method);
    if (found?.message.kind !== "request") throw new Error(`No ${method} was sent`);
    return { id: found.id, message: found.message };
  }
  /** Answers our last request of that method. */
  answer(method: string, status: number, tag = "b", fields: Fields = [["Contact", "<sip:bob@10.0.0.2>"]], version = 1): void {
    const { id, message } = this.lastRequest(method);
    const made = response(message, status, undefined, tag);
    for (const [name, value] of fields) made.headers.add(name, value);
    if (status < 300 && method === "INVITE") made.headers.add("Content-Type", "application/sdp");
    this.calls.onResponse(status < 300 && method === "INVITE" ? { ...made, body: SDP(version).bytes } : made, id, FLOW);
  }
  /** A request of the far end: within the dialog of our last answer to it, unless `to` says otherwise. */
  receive(method: string, cseq: number, more: Fields = [], version?: number, to?: string): string {
    const id = `s${cseq}${method}`;
    const answered = this.sent.findLast(({ message }) => message.kind === "response")?.message;
    const body = version === undefined ? undefined : SDP(version).bytes;
    const message = request(
      method,
      sipUri({ user: "alice", host: "a" }),
      [
        ["From", "<sip:bob@x>;tag=b"],
        ["To", to ?? answered?.headers.get("to") ?? "<sip:alice@x>"],
        ["Call-ID", "9@b"],
        ["CSeq", `${cseq} ${method}`],
        ...(more.some(([name]) => name === "Contact") ? [] : ([["Contact", "<sip:bob@10.0.0.2>"]] as const)),
        ...(body ? ([["Content-Type", "application/sdp"]] as const) : []),
        ...more,
      ],
      body,
    );
    const taken = method === "ACK" ? this.calls.onAck(message, FLOW) : this.calls.onRequest(message, id, FLOW);
    if (!taken) throw new Error(`${method} was not taken`);
    return id;
  }
  /** The far end's request in a call that we began. */
  receiveFromCalled(method: string, cseq: number, body?: Uint8Array): void {
    const { message } = this.lastRequest("INVITE");
    const fields: Fields = [
      ["From", `${message.headers.get("to")?.replace(/;tag=.*/, "")};tag=b`],
      ["To", message.headers.get("from") ?? ""],
      ["Call-ID", message.headers.get("call-id") ?? ""],
      ["CSeq", `${cseq} ${method}`],
      ["Content-Type", "application/sdp"],
    ];
    this.calls.onRequest(request(method, sipUri({ host: "a" }), fields, body), `s${cseq}`, FLOW);
  }
}

export const CALL: OutgoingCall = {
  target: sipUri({ user: "bob", host: "x" }),
  from: nameAddr(sipUri({ user: "alice", host: "x" })),
  to: nameAddr(sipUri({ user: "bob", host: "x" })),
  via: { transport: "ws", host: "10.0.0.2", port: 80 },
  contact: nameAddr(sipUri({ user: "alice", host: "a.invalid" })),
  body: SDP(1),
};
export const ANSWER = { contact: CALL.contact, body: SDP(1) };
