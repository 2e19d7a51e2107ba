/** What every message must have before a transaction is made of it (RFC 3261 §8.1.1, §16.3 step 1). */
import { parseNumber } from "./lex.ts";
import type { SipMessage } from "./message.ts";
import { addresseeOf, cseqOf, isSound, paramText, viaOf } from "./values.ts";

const EXACTLY_ONCE = ["from", "to", "call-id", "cseq"];
const AT_MOST_ONCE = ["max-forwards", "expires", "content-type", "event", "session-expires", "replaces"];

/** The reason phrase of the 400 that the message deserves, or `undefined`. */
export function faultOf(message: SipMessage): string | undefined {
  const { headers } = message;
  const via = viaOf(message);
  if (via === undefined) return headers.has("via") ? "Malformed Via" : "Missing Via";
  for (const name of EXACTLY_ONCE) if (headers.count(name) !== 1) return `${headers.has(name) ? "Repeated" : "Missing"} ${name}`;
  for (const name of AT_MOST_ONCE) if (headers.count(name) > 1) return `Repeated ${name}`;
  const from = addresseeOf(message, "from");
  if (from === undefined || !isSound(from)) return "Malformed From";
  const to = addresseeOf(message, "to");
  if (to === undefined || !isSound(to)) return "Malformed To";
  if (paramText(from.params, "tag") === "" || paramText(to.params, "tag") === "") return "Empty tag";
  if (headers.get("call-id") === "") return "Malformed Call-ID";
  const cseq = cseqOf(message);
  if (cseq === undefined) return "Malformed CSeq";
  if (message.kind === "request" && cseq.method !== message.method) return "CSeq method differs from the request's";
  const maxForwards = headers.get("max-forwards");
  if (maxForwards !== undefined && parseNumber(maxForwards, 255) === undefined) return "Malformed Max-Forwards";
  return undefined;
}
