import { NO_BYTES, text, utf8 } from "#base/bytes.ts";
import { type Decoded, WireError } from "#base/errors.ts";
import { isCount, parseJson } from "#base/json.ts";
import { LIMITS } from "#base/limits.ts";
import { type Json, type Member, type MemberId, ROLES, type RoleName } from "../types.ts";
import type { StreamId } from "./piece.ts";

/**
 * What members send one another: version (1 octet), length of the head (4 octets, network order), the head as a JSON object,
 * and behind it a piece of rows where the kind has one. A hello is of version 1 for ever and says which version its sender
 * speaks; two members talk in the lower of theirs. Fields that a reader does not know are let through.
 */
export const VERSION = 1;
const ENVELOPE_OCTETS = 5;

/** How far somebody is with a stream of a table, or wants to go on from. */
export interface Position extends StreamId {
  readonly seq: number;
}
export type Body =
  | {
      readonly kind: "hello";
      /** A later hello of the same life has a higher one. */
      readonly id: number;
      /** Since it joined, ms: of two members of one name the longer one stays. */
      readonly upMs: number;
      readonly speaks: number;
      readonly role: RoleName;
      readonly phase: Member["phase"];
      readonly info: Member["info"];
      /** What the sender wrote in this life, and what it has of lives that write no more. */
      readonly heads: readonly Position[];
    }
  | { readonly kind: "bye" }
  /** To a member that said hello under `life`, lower than the incarnation that was known: its clock went back over a restart. */
  | { readonly kind: "outlived"; readonly life: number; readonly known: number }
  | { readonly kind: "ping" | "pong"; readonly id: number }
  | { readonly kind: "tell" | "ask"; readonly id: number; readonly topic: string; readonly body: Json }
  | { readonly kind: "answer"; readonly id: number; readonly body: Json }
  | { readonly kind: "no-such-topic"; readonly id: number }
  /** `octets`: a piece (`decodePiece`). */
  | { readonly kind: "rows"; readonly octets: Uint8Array }
  /** Please send the rows above these numbers. */
  | { readonly kind: "want"; readonly positions: readonly Position[] }
  /** Rows up to these numbers are on the sender's disk. */
  | { readonly kind: "have"; readonly positions: readonly Position[] };
export type Frame = {
  readonly from: MemberId;
  /** Which life of that member speaks; a later life has a higher number. */
  readonly incarnation: number;
} & Body;

type Check = (value: unknown) => boolean;
type Fields = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);
const isText: Check = (value) => typeof value === "string";
const isJson: Check = (value) => value !== undefined;
const isOneOf =
  (...words: readonly string[]): Check =>
  (value) =>
    words.includes(value as string);
const isMapOf =
  (check: Check): Check =>
  (value) =>
    isObject(value) && Object.values(value).every(check);
const isRecord =
  (fields: Readonly<Record<string, Check>>): Check =>
  (value) =>
    isObject(value) && Object.entries(fields).every(([name, check]) => check(value[name]));
const isListOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.length <= LIMITS.overlayStreams && value.every(check);

const isPosition = isRecord({ table: isText, owner: isText, audience: isText, life: isCount, seq: isCount });
const MESSAGE = isRecord({ id: isCount, topic: isText, body: isJson });
const BODIES: Readonly<Record<Body["kind"], Check>> = {
  hello: isRecord({
    id: isCount,
    upMs: isCount,
    speaks: isCount,
    role: isOneOf(...ROLES),
    phase: isOneOf("standby", "joining", "serving", "draining"),
    info: isMapOf(isText),
    heads: isListOf(isPosition),
  }),
  bye: isObject,
  outlived: isRecord({ life: isCount, known: isCount }),
  ping: isRecord({ id: isCount }),
  pong: isRecord({ id: isCount }),
  tell: MESSAGE,
  ask: MESSAGE,
  answer: isRecord({ id: isCount, body: isJson }),
  "no-such-topic": isRecord({ id: isCount }),
  rows: isObject,
  want: isRecord({ positions: isListOf(isPosition) }),
  have: isRecord({ positions: isListOf(isPosition) }),
};
const isEnvelope = isRecord({ from: isText, incarnation: isCount, kind: (kind) => Object.hasOwn(BODIES, kind as string) });

/** Throws RangeError for a frame above `LIMITS.overlayFrameBytes`: whoever makes messages of that size must cut them. */
export function encodeFrame(frame: Frame): Uint8Array {
  const { octets, ...words } = { octets: NO_BYTES, ...frame };
  const head = utf8(JSON.stringify(words));
  const bytes = new Uint8Array(ENVELOPE_OCTETS + head.length + octets.length);
  if (bytes.length > LIMITS.overlayFrameBytes) {
    throw new RangeError(`Cannot send a frame of ${bytes.length} octets (${frame.kind})`);
  }
  bytes[0] = VERSION;
  new DataView(bytes.buffer).setUint32(1, head.length);
  bytes.set(head, ENVELOPE_OCTETS);
  bytes.set(octets, ENVELOPE_OCTETS + head.length);
  return bytes;
}

export function decodeFrame(bytes: Uint8Array): Decoded<Frame> {
  if (bytes.length > LIMITS.overlayFrameBytes) return bad("too-large", `it has ${bytes.length} octets`);
  if (bytes.length < ENVELOPE_OCTETS) return bad("truncated", `it has ${bytes.length} octets`);
  if (bytes[0] !== VERSION) return bad("bad-value", `version ${bytes[0]} is not spoken here`);
  const headOctets = new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(1);
  const end = ENVELOPE_OCTETS + headOctets;
  if (end > bytes.length) return bad("truncated", `its head claims ${headOctets} octets`);
  const value = parseJson(text(bytes.subarray(ENVELOPE_OCTETS, end)));
  if (!isObject(value)) return bad("bad-value", "its head is no JSON object");
  if (!isEnvelope(value)) return bad("bad-value", "it lacks its sender, or its kind is unknown");
  if (!BODIES[value.kind as Body["kind"]](value)) return bad("bad-value", `a field of ${value.kind} is missing or wrong`);
  const frame = value.kind === "rows" ? { ...value, octets: bytes.subarray(end) } : value;
  return { status: "ok", value: frame as unknown as Frame, usedBytes: bytes.length };
}

function bad(code: WireError["code"], why: string): Decoded<Frame> {
  return { status: "bad", error: new WireError(code, 0, `Cannot read overlay frame: ${why}`) };
}
