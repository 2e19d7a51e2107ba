import { NO_BYTES } from "#base/bytes.ts";
import { Headers } from "./headers.ts";
import type { SipRequest, SipResponse, SipUri } from "./message.ts";
import { reasonOf } from "./reasons.ts";
import { toTagOf } from "./values.ts";

/** A request of these header fields. The driver adds Via, Max-Forwards and Content-Length. */
export function request(
  method: string,
  uri: SipUri,
  headers: Headers | readonly (readonly [name: string, value: string])[],
  body: Uint8Array = NO_BYTES,
): SipRequest {
  return { kind: "request", method, uri, headers: headers instanceof Headers ? headers : Headers.of(headers), body };
}

/**
 * A response with what every response copies (RFC 3261 §8.2.6): Via, From, To, Call-ID, CSeq, and Timestamp in a 100; and
 * Session-ID, which is one for all legs of a session (PROTOCOL §1).
 * `toTag` is added to a To without tag, except in a 100. The caller may add to `headers`.
 */
export function response(
  to: Pick<SipRequest, "headers">,
  status: number,
  reason = reasonOf(status),
  toTag?: string,
): SipResponse {
  const headers = new Headers();
  const newTag = toTag === undefined || status === 100 || toTagOf(to) !== undefined ? "" : `;tag=${toTag}`;
  for (const field of to.headers.fields()) {
    if (field.name === "to" && newTag !== "") headers.add("to", field.value + newTag);
    else if (COPIED.has(field.name) || (field.name === "timestamp" && status === 100)) headers.addField(field);
  }
  return { kind: "response", status, reason, headers, body: NO_BYTES };
}

const COPIED: ReadonlySet<string> = new Set(["via", "from", "to", "call-id", "cseq", "session-id"]);

/** The same response with a tag in its To, where it needs one (RFC 3261 §8.2.6.2). */
export function tagged(response: SipResponse, toTag: string): SipResponse {
  const to = response.headers.get("to");
  if (response.status === 100 || to === undefined || toTagOf(response) !== undefined) return response;
  return { ...response, headers: response.headers.clone().set("to", `${to};tag=${toTag}`) };
}
