/** Which objects each message has (RFC 2748 §3, RFC 3084 §3): to add one, add it to the message's row. */
import type { CopsMessage, OpName } from "./message.ts";
import type { CopsObjectKind } from "./objects.ts";

/** Error-Code of the Error object (RFC 2748 §2.2.8). */
export const COPS_ERROR = {
  badHandle: 1,
  invalidHandleReference: 2,
  badMessageFormat: 3,
  unableToProcess: 4,
  clientInfoMissing: 5,
  unsupportedClientType: 6,
  objectMissing: 7,
  clientFailure: 8,
  communicationFailure: 9,
  unspecified: 10,
  shuttingDown: 11,
  redirect: 12,
  unknownObject: 13,
  authenticationFailure: 14,
  authenticationRequired: 15,
} as const;
/** What an Error object says, and a Reason object of codes 12 and 13. */
export interface CopsFault {
  readonly code: number;
  readonly subCode: number;
}

interface Grammar {
  readonly required: readonly CopsObjectKind[];
  readonly optional: readonly CopsObjectKind[];
  readonly repeatable: readonly CopsObjectKind[];
}
const DECISION = ["decisionFlags", "decisionStateless", "decisionReplacement", "decisionClientSi", "decisionNamed"] as const;
const LPDP = ["lpdpFlags", "lpdpStateless", "lpdpReplacement", "lpdpClientSi", "lpdpNamed"] as const;
const SI = ["signaledSi", "namedSi"] as const;
const INTERFACES = ["inInterface4", "inInterface6", "outInterface4", "outInterface6"] as const;

/** Besides these, Integrity may stand last in any of them. */
const GRAMMAR: Readonly<Record<OpName, Grammar>> = {
  REQ: { required: ["handle"], optional: INTERFACES, repeatable: ["context", ...SI, ...LPDP] }, // §3.1: LPDPDecision has contexts too
  DEC: { required: ["handle"], optional: ["error"], repeatable: ["context", ...DECISION] }, // §3.2
  RPT: { required: ["handle", "reportType"], optional: [], repeatable: SI }, // §3.3, RFC 3084 §3.3
  DRQ: { required: ["handle", "reason"], optional: [], repeatable: [] }, // §3.4
  SSQ: { required: [], optional: ["handle"], repeatable: [] }, // §3.5
  OPN: { required: ["pepId"], optional: ["lastPdp4", "lastPdp6"], repeatable: SI }, // §3.6
  CAT: { required: ["kaTimer"], optional: ["acctTimer"], repeatable: [] }, // §3.7
  CC: { required: ["error"], optional: ["pdpRedirect4", "pdpRedirect6"], repeatable: [] }, // §3.8
  KA: { required: [], optional: [], repeatable: [] }, // §3.9
  SSC: { required: [], optional: ["handle"], repeatable: [] }, // §3.10
};

/** The first rule that the message breaks. Order is judged only where it means something. */
export function grammarFault(message: CopsMessage): CopsFault | undefined {
  const { required, optional, repeatable } = GRAMMAR[message.op];
  const seen = new Set<CopsObjectKind>();
  for (const [index, object] of message.objects.entries()) {
    if (object.kind === "unknown") return { code: COPS_ERROR.unknownObject, subCode: object.num * 256 + object.type };
    const once = required.includes(object.kind) || optional.includes(object.kind);
    const last = object.kind === "integrity" && index === message.objects.length - 1;
    if (!last && !(once && !seen.has(object.kind)) && !repeatable.includes(object.kind)) {
      return { code: COPS_ERROR.badMessageFormat, subCode: 0 };
    }
    seen.add(object.kind);
  }
  const complete = required.every((kind) => seen.has(kind));
  return complete ? undefined : { code: COPS_ERROR.objectMissing, subCode: 0 };
}
