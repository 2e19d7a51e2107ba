import { text, utf8 } from "#base/bytes.ts";
import { type Decoded, WireError } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";
import type { Json, Member, MemberId, RoleName } from "../types.ts";

/**
 * What members send one another: one JSON object a frame. A hello is of version 1 for ever and says which version its
 * sender speaks; two members talk in the lower of theirs. Fields that a reader does not know are let through.
 */
export const VERSION = 1;

/** Where an owner's numbering of a table stands. */
export interface Position {
  /** Raised by a restart, and whenever what went before is to be forgotten. */
  readonly epoch: number;
  /** Number of the last row written, from 1. */
  readonly seq: number;
}
/** A row, or without `value` the mark of a removed one. */
export interface RowRecord {
  readonly key: string;
  readonly seq: number;
  readonly order: number;
  readonly term: number;
  /** Seconds of life left; absent = until removed. */
  readonly leftSec?: number;
  readonly value?: Json;
}
/** An owner's word: these are all my rows numbered above `after`, up to `through`; my last number is `head`. */
export interface Piece {
  readonly epoch: number;
  readonly after: number;
  readonly through: number;
  readonly head: number;
  readonly rows: readonly RowRecord[];
}
export type Body =
  | {
      readonly kind: "hello";
      /** A later hello of the same life has a higher one. */
      readonly id: number;
      readonly speaks: number;
      readonly role: RoleName;
      readonly phase: Member["phase"];
      readonly info: Member["info"];
      /** The sender's own position in each of its tables. */
      readonly heads: Readonly<Record<string, Position>>;
    }
  | { readonly kind: "bye" }
  /** To a member that says hello with a lower incarnation than was known: its clock went back over a restart. */
  | { readonly kind: "outlived"; readonly known: number }
  | { readonly kind: "tell" | "ask"; readonly id: number; readonly topic: string; readonly body: Json }
  | { readonly kind: "answer"; readonly id: number; readonly body: Json }
  | { readonly kind: "no-such-topic"; readonly id: number }
  | { readonly kind: "rows"; readonly table: string; readonly piece: Piece }
  | { readonly kind: "ask-rows"; readonly table: string; readonly epoch: number; readonly after: number };
export type Frame = {
  readonly from: MemberId;
  /** Which life of that member speaks; a later life has a higher number. */
  readonly incarnation: number;
} & Body;

type Check = (value: unknown) => boolean;
type Fields = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);
const isText: Check = (value) => typeof value === "string";
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isNumber: Check = (value) => Number.isFinite(value); // JSON.parse makes Infinity of 1e999
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
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);

const isRow = isRecord({ key: isText, seq: isCount, order: isNumber, term: isCount, leftSec: optional(isNumber) });
const isPiece = isRecord({
  epoch: isCount,
  after: isCount,
  through: isCount,
  head: isCount,
  rows: (value) => Array.isArray(value) && value.every(isRow),
});
const MESSAGE = isRecord({ id: isCount, topic: isText, body: isJson });
const ROLES: readonly RoleName[] = ["ds", "presence", "registration", "recovery", "dsm", "broker", "edge", "web"];
const BODIES: Readonly<Record<Body["kind"], Check>> = {
  hello: isRecord({
    id: isCount,
    speaks: isCount,
    role: isOneOf(...ROLES),
    phase: isOneOf("standby", "joining", "serving", "draining"),
    info: isMapOf(isText),
    heads: isMapOf(isRecord({ epoch: isCount, seq: isCount })),
  }),
  bye: isObject,
  outlived: isRecord({ known: isCount }),
  tell: MESSAGE,
  ask: MESSAGE,
  answer: isRecord({ id: isCount, body: isJson }),
  "no-such-topic": isRecord({ id: isCount }),
  rows: isRecord({ table: isText, piece: isPiece }),
  "ask-rows": isRecord({ table: isText, epoch: isCount, after: isCount }),
};
const isEnvelope = isRecord({ from: isText, incarnation: isCount, kind: (kind) => Object.hasOwn(BODIES, kind as string) });

/** Throws RangeError for a frame above `LIMITS.overlayFrameBytes`: whoever makes messages of that size must cut them. */
export function encodeFrame(frame: Frame): Uint8Array {
  const bytes = utf8(JSON.stringify({ v: VERSION, ...frame }));
  if (bytes.length > LIMITS.overlayFrameBytes)
    throw new RangeError(`Cannot send a frame of ${bytes.length} octets (${frame.kind})`);
  return bytes;
}

export function decodeFrame(bytes: Uint8Array): Decoded<Frame> {
  if (bytes.length > LIMITS.overlayFrameBytes) return bad("too-large", `a frame has ${bytes.length} octets`);
  const value = parse(bytes);
  if (!isObject(value)) return bad("bad-value", "a frame is a JSON object");
  if (value.v !== VERSION) return bad("bad-value", `version ${String(value.v)} is not spoken here`);
  if (!isEnvelope(value)) return bad("bad-value", "the frame lacks its sender, or its kind is unknown");
  if (!BODIES[value.kind as Body["kind"]](value)) return bad("bad-value", `a field of ${value.kind} is missing or wrong`);
  return { status: "ok", value: value as unknown as Frame, usedBytes: bytes.length };
}

function bad(code: WireError["code"], why: string): Decoded<Frame> {
  return { status: "bad", error: new WireError(code, 0, `Cannot read overlay frame: ${why}`) };
}
function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(text(bytes));
  } catch {
    return undefined; // not JSON: told by the caller
  }
}
