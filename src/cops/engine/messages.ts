/** Between what the doors say (`types.ts`) and COPS messages (RFC 2748 §3, RFC 3084 §3). */
import { concat } from "#base/bytes.ts";
import { WireError } from "#base/errors.ts";
import type { Address } from "#host/host.ts";
import { type AttributeValues, readAttributes, writeAttributes } from "../wire/attributes.ts";
import { COPS_ERROR, type CopsFault } from "../wire/grammar.ts";
import { type CopsMessage, objectOf } from "../wire/message.ts";
import type { AnyCopsObject, CopsObject } from "../wire/objects.ts";
import { type PibPart, readRows, writeRemoveAll, writeRows } from "../wire/pib.ts";
import type { CopsRequest, Decision, DeleteReason, ReportKind, RequestKind } from "./types.ts";

/** R-Type and M-Type (RFC 2748 §2.2.2; the M-Types are ours, PROTOCOL §7). */
const CONTEXTS: Readonly<Record<RequestKind, { readonly requestType: number; readonly messageType: number }>> = {
  "admission-source": { requestType: 0x02, messageType: 1 },
  "admission-sink": { requestType: 0x02, messageType: 2 },
  configuration: { requestType: 0x08, messageType: 0 },
};
/** Command-Code (RFC 2748 §2.2.6). */
const COMMANDS: readonly Decision["command"][] = ["null", "install", "remove"];
/** RFC 3084 §3.2: an Install with it asks the PEP for a new request state. */
const REQUEST_STATE_FLAG = 0x02;
/** Reason-Code 1..13 (RFC 2748 §2.2.5). */
const DELETE_REASONS: readonly DeleteReason[] = [
  "unspecified",
  "management",
  "preempted",
  "tear",
  "timeout",
  "route-change",
  "insufficient-resources",
  "pdp-directive",
  "unsupported-decision",
  "synchronize-unknown",
  "transient",
  "malformed-decision",
  "unknown-cops-object",
];
/** Report-Type 1..3 (RFC 2748 §2.2.12). */
const REPORT_KINDS: readonly ReportKind[] = ["success", "failure", "accounting"];

export const isFault = (value: object): value is CopsFault => "code" in value;
const fault = (code: number): CopsFault => ({ code, subCode: 0 });

export function plain(
  op: CopsMessage["op"],
  clientType: number,
  objects: readonly AnyCopsObject[],
  solicited = false,
): CopsMessage {
  return { op, clientType, solicited, objects };
}
export const closeMessage = (clientType: number, { code, subCode }: CopsFault): CopsMessage =>
  plain("CC", clientType, [{ kind: "error", code, subCode }]);
export const errorDecision = (
  clientType: number,
  handle: string,
  { code, subCode }: CopsFault,
  solicited: boolean,
): CopsMessage =>
  plain(
    "DEC",
    clientType,
    [
      { kind: "handle", handle },
      { kind: "error", code, subCode },
    ],
    solicited,
  );
export const keepAlive = (): CopsMessage => plain("KA", 0, []);

export function deleteMessage(clientType: number, handle: string, reason: DeleteReason, subCode = 0): CopsMessage {
  return plain("DRQ", clientType, [
    { kind: "handle", handle },
    { kind: "reason", code: DELETE_REASONS.indexOf(reason) + 1, subCode },
  ]);
}
/** Codes that are not known count as unspecified. */
export const readReason = (message: CopsMessage): DeleteReason =>
  DELETE_REASONS[(objectOf(message, "reason")?.code ?? 1) - 1] ?? "unspecified";

/** OPN: `lastPdp` where decisions of it are still in use (RFC 2748 §2.2.14). */
export function openMessage(clientType: number, pepId: string, lastPdp: Address | undefined): CopsMessage {
  const objects: AnyCopsObject[] = [{ kind: "pepId", id: pepId }];
  if (lastPdp) {
    const { host: address, port } = lastPdp;
    objects.push({ kind: address.includes(":") ? "lastPdp6" : "lastPdp4", address, port });
  }
  return plain("OPN", clientType, objects);
}
/** Where a CC sends the PEP (RFC 2748 §2.2.13). */
export function readRedirect(message: CopsMessage): Address | undefined {
  const redirect = objectOf(message, "pdpRedirect4") ?? objectOf(message, "pdpRedirect6");
  return redirect && { host: redirect.address, port: redirect.port };
}
/** SSQ or SSC, for all of a client-type or for one handle (RFC 2748 §3.5, §3.10). */
export const synchronization = (op: "SSQ" | "SSC", clientType: number, handle: string | undefined): CopsMessage =>
  plain(op, clientType, handle === undefined ? [] : [{ kind: "handle", handle }]);

/** `data` is COPS-PR report data (RFC 3084 §5.3), or what accounting tells of an admission; none where it is empty. */
export function reportMessage(
  clientType: number,
  handle: string,
  kind: ReportKind,
  solicited: boolean,
  data: Uint8Array,
): CopsMessage {
  const objects: AnyCopsObject[] = [
    { kind: "handle", handle },
    { kind: "reportType", type: REPORT_KINDS.indexOf(kind) + 1 },
  ];
  if (data.length > 0) objects.push({ kind: kind === "accounting" ? "signaledSi" : "namedSi", data });
  return plain("RPT", clientType, objects, solicited);
}
export interface ReadReport {
  readonly report: ReportKind;
  readonly data: AttributeValues;
  readonly ignored: number;
}
/** `undefined`: malformed. What COPS-PR reports tell of rows is not read. */
export function readReport(message: CopsMessage): ReadReport | undefined {
  const report = REPORT_KINDS[(objectOf(message, "reportType")?.type ?? 0) - 1];
  const read = readAttributes(dataOf(message.objects, "signaledSi"));
  return report === undefined || read instanceof WireError ? undefined : { report, data: read.values, ignored: read.ignored };
}

export function requestMessage(clientType: number, handle: string, request: CopsRequest): CopsMessage {
  const { kind, attributes, localDecision } = request;
  const objects: AnyCopsObject[] = [{ kind: "handle", handle }, contextOf(kind)];
  const data = kind === "configuration" ? writeRows("request", attributes) : writeAttributes(attributes);
  if (data.length > 0) objects.push({ kind: kind === "configuration" ? "namedSi" : "signaledSi", data });
  if (localDecision) {
    if (kind === "configuration") throw new TypeError("A configuration request has no LPDPDecision (RFC 3084 §3.1)");
    objects.push({ kind: "lpdpFlags", command: COMMANDS.indexOf(localDecision.command), flags: 0 });
    objects.push({ kind: "lpdpClientSi", data: writeAttributes(localDecision.attributes) });
  }
  return plain("REQ", clientType, objects);
}

export interface ReadRequest {
  readonly request: CopsRequest;
  /** Attributes that are not known. */
  readonly ignored: number;
}
/** Of a REQ that the grammar allows; a fault is what the Error object of the answer says (RFC 2748 §3.1). */
export function readRequest(message: CopsMessage): ReadRequest | CopsFault {
  const context = objectOf(message, "context");
  if (context === undefined) return fault(COPS_ERROR.objectMissing);
  const kind = kindOf(context);
  if (kind === undefined) return fault(COPS_ERROR.unableToProcess);
  if (kind !== "configuration" && !objectOf(message, "signaledSi")) return fault(COPS_ERROR.clientInfoMissing);
  const data = dataOf(message.objects, kind === "configuration" ? "namedSi" : "signaledSi");
  const read = readData(kind, "request", data);
  if (read instanceof WireError) return fault(COPS_ERROR.badMessageFormat);
  const flags = objectOf(message, "lpdpFlags");
  if (flags === undefined) return { request: { kind, attributes: read.values }, ignored: read.ignored };
  const command = COMMANDS[flags.command];
  const local = readAttributes(dataOf(message.objects, "lpdpClientSi"));
  if (command === undefined || local instanceof WireError) return fault(COPS_ERROR.badMessageFormat);
  const localDecision = { command, attributes: local.values };
  return { request: { kind, attributes: read.values, localDecision }, ignored: read.ignored + local.ignored };
}

/** Under the context of the request that it answers. Throws for attributes that have no place in it. */
export function decisionMessage(
  clientType: number,
  handle: string,
  kind: RequestKind,
  decision: Decision,
  solicited: boolean,
): CopsMessage {
  const groups = kind === "configuration" ? provisioningGroups(decision) : admissionGroups(kind, decision);
  return plain("DEC", clientType, [{ kind: "handle", handle }, ...groups], solicited);
}
function admissionGroups(kind: RequestKind, { command, attributes }: Decision): readonly AnyCopsObject[] {
  const data = writeAttributes(attributes);
  return data.length > 0 ? [...group(kind, command), { kind: "decisionClientSi", data }] : group(kind, command);
}
/** A Remove takes all that was installed and, as it has no room for a reason, is followed by a row that says why. */
function provisioningGroups({ command, attributes }: Decision): readonly AnyCopsObject[] {
  const rows = writeRows("decision", attributes);
  const installed: readonly AnyCopsObject[] = rows.length > 0 ? [{ kind: "decisionNamed", data: rows }] : [];
  if (command === "install") return [...group("configuration", "install"), ...installed];
  if (command === "remove") {
    const removed: readonly AnyCopsObject[] = [
      ...group("configuration", "remove"),
      { kind: "decisionNamed", data: writeRemoveAll() },
    ];
    return rows.length > 0 ? [...removed, ...group("configuration", "install"), ...installed] : removed;
  }
  if (rows.length > 0) throw new TypeError("A NULL decision has no data (RFC 3084 §3.2)");
  return group("configuration", "null");
}
const group = (kind: RequestKind, command: Decision["command"]): readonly AnyCopsObject[] => [
  contextOf(kind),
  { kind: "decisionFlags", command: COMMANDS.indexOf(command), flags: 0 },
];

export interface ReadDecision {
  readonly decision: Decision;
  readonly ignored: number;
  readonly unknownPrids: readonly string[];
  /** The PDP asks for a new request state (RFC 3084 §3.2), and decides nothing. */
  readonly opensState: boolean;
}
/**
 * Of a DEC that the grammar allows and that has no Error object. Several decisions become one: a Remove that is followed
 * by nothing but a reason stays a Remove. `undefined`: malformed.
 */
export function readDecision(message: CopsMessage, kind: RequestKind): ReadDecision | undefined {
  let command: Decision["command"] | undefined;
  let attributes: AttributeValues = {};
  let ignored = 0;
  let opensState = false;
  const unknownPrids: string[] = [];
  for (const { flags, data } of decisionGroups(message.objects)) {
    const stated = flags && COMMANDS[flags.command];
    const removesRows = kind === "configuration" && stated === "remove"; // PRIDs or PPRIDs, no values: all goes (RFC 3084 §5.1)
    const read = readData(kind, "decision", removesRows ? [] : data);
    if (stated === undefined || read instanceof WireError) return undefined;
    const onlyWhy = command === "remove" && Object.keys(read.values).every((name) => name === "reason");
    if (!onlyWhy) command = stated;
    attributes = { ...attributes, ...read.values };
    ignored += read.ignored;
    unknownPrids.push(...read.unknownPrids);
    opensState ||= kind === "configuration" && stated === "install" && ((flags?.flags ?? 0) & REQUEST_STATE_FLAG) !== 0;
  }
  return command && { decision: { command, attributes }, ignored, unknownPrids, opensState };
}

interface DecisionGroup {
  flags: CopsObject<"decisionFlags"> | undefined;
  data: Uint8Array[];
}
/** A context opens a group, its flags come first (RFC 2748 §3.2): a group without flags is malformed. */
function decisionGroups(objects: readonly AnyCopsObject[]): readonly DecisionGroup[] {
  const groups: DecisionGroup[] = [];
  for (const object of objects) {
    const last = groups.at(-1);
    if (object.kind === "context") groups.push({ flags: undefined, data: [] });
    else if (object.kind === "decisionFlags" && last && !last.flags) last.flags = object;
    else if (object.kind.startsWith("decision") && !last?.flags) return [{ flags: undefined, data: [] }];
    else if (object.kind === "decisionClientSi" || object.kind === "decisionNamed") last?.data.push(object.data);
  }
  return groups;
}

function readData(kind: RequestKind, part: PibPart, data: readonly Uint8Array[] | Uint8Array) {
  const whole = data instanceof Uint8Array ? data : concat(data);
  if (kind === "configuration") return readRows(part, whole);
  const read = readAttributes(whole);
  return read instanceof WireError ? read : { ...read, unknownPrids: [] };
}
function dataOf(objects: readonly AnyCopsObject[], kind: "namedSi" | "signaledSi" | "lpdpClientSi"): Uint8Array {
  return concat(objects.flatMap((object) => (object.kind === kind ? [object.data] : [])));
}
const contextOf = (kind: RequestKind): CopsObject<"context"> => ({ kind: "context", ...CONTEXTS[kind] });
function kindOf(context: CopsObject<"context">): RequestKind | undefined {
  const names = Object.keys(CONTEXTS) as RequestKind[];
  return names.find((name) => {
    const { requestType, messageType } = CONTEXTS[name];
    return requestType === context.requestType && messageType === context.messageType;
  });
}
