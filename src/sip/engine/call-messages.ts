/** How a call's messages are made and compared. */
import { text } from "#base/bytes.ts";
import { request } from "../wire/builders.ts";
import { Headers } from "../wire/headers.ts";
import type { NameAddr, SipRequest } from "../wire/message.ts";
import { contentTypeOf, formatNameAddr, withParam } from "../wire/values.ts";
import type { OutgoingCall } from "./call-types.ts";
import type { Body } from "./leg.ts";

export type Fields = readonly (readonly [name: string, value: string])[];

/** An INVITE outside of any dialog (RFC 3261 §8.1.1, §13.2.1). */
export function firstInvite(call: OutgoingCall, callId: string, tag: string, capabilities: Fields): SipRequest {
  const headers = new Headers();
  for (const route of call.route ?? []) headers.add("Route", formatNameAddr(route));
  headers.add("From", formatNameAddr(withParam(call.from, "tag", tag))).add("To", formatNameAddr(call.to));
  headers.add("Call-ID", callId).add("CSeq", "1 INVITE");
  for (const [name, value] of [...capabilities, ...(call.headers ?? [])]) headers.add(name, value);
  return request("INVITE", call.target, headers, call.body?.bytes);
}

export const SDP_TYPE = "application/sdp";

/** Contact, Allow, Supported, and the type of a body (RFC 3261 §13.2.1, §13.3.1.4). */
export function capabilities(allow: string, supported: readonly string[], contact?: NameAddr, body?: Body): Fields {
  const fields: (readonly [string, string])[] = [["Allow", allow]];
  if (contact) fields.push(["Contact", formatNameAddr(contact)]);
  if (supported.length > 0) fields.push(["Supported", supported.join(", ")]);
  if (body) fields.push(["Content-Type", body.type]);
  return fields;
}

/** Who was asked by a sips URI gives one as Contact (RFC 3261 §12.1.1); it says TLS by itself (RFC 5630 §3.1.4). */
export function asSecureAs(invite: SipRequest, contact: NameAddr): NameAddr {
  if (invite.uri.scheme === "sip") return contact;
  const params = new Map(contact.uri.params);
  if (params.get("transport") === "tls") params.delete("transport");
  return { ...contact, uri: { ...contact.uri, scheme: "sips", params } };
}

/** What makes a dialog goes back with the request's route (RFC 3261 §12.1.1). */
export const withRoute = (invite: SipRequest, fields: Fields): Fields => [
  ...invite.headers.list("record-route").map((route) => ["Record-Route", route] as const),
  ...fields,
];

/** 415 to a body that is no session description, 406 where none would be taken in answer (RFC 3261 §8.2.3, §21.4.7). */
export function refusalOfTypes(invite: SipRequest): 415 | 406 | undefined {
  const type = contentTypeOf(invite);
  const isOptional = /;\s*handling\s*=\s*optional\b/i.test(invite.headers.get("content-disposition") ?? "");
  if (type !== undefined && type !== SDP_TYPE && !isOptional) return 415;
  const taken = invite.headers.list("accept").map((range) => range.split(";")[0]?.trim().toLowerCase());
  return taken.length > 0 && !taken.some((range) => ["*/*", "application/*", SDP_TYPE].includes(range ?? "")) ? 406 : undefined;
}

/** The option tags of Require that are not supported (RFC 3261 §8.2.2.3). */
export const unsupported = (request: SipRequest, supported: readonly string[]): readonly string[] =>
  request.headers.list("require").filter((tag) => !supported.includes(tag.toLowerCase()));

/** The same offer or answer: by the version in its o= line, else octet by octet (RFC 3261 §14.2). */
export function sameSession(a: Body | undefined, b: Body | undefined): boolean {
  if (!a || !b || a.type !== b.type) return a === b;
  const [one, other] = [text(a.bytes), text(b.bytes)];
  const origin = /^o=.*$/m;
  return one === other || (origin.test(one) && origin.exec(one)?.[0] === origin.exec(other)?.[0]);
}
