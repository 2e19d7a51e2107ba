import { concat, text, utf8 } from "#base/bytes.ts";
import { type Decoded, WireError } from "#base/errors.ts";
import { isCount, parseJson } from "#base/json.ts";
import { LIMITS } from "#base/limits.ts";
import type { MemberId } from "../types.ts";

/**
 * Rows on their way: the same octets go to whoever copies the table, and into the logs of all. A piece is the length of its
 * head (4 octets, network order), the head in JSON, and one record a row:
 *
 *     0 length   4 kind   5 zero   6 key octets   8 seq   16 order   24 term   28 left   32 keep   36 key, value
 *
 * Values are JSON that nobody reads on the way: a field that a reader does not know is kept and passed on.
 */

/** What one member wrote into one table in one of its lives, for one audience: its rows are numbered by `seq`, rising. */
export interface StreamId {
  readonly table: string;
  readonly owner: MemberId;
  /** Incarnation of the owner. */
  readonly life: number;
  /** The one member that copies these rows; empty = all that copy the table. */
  readonly audience: MemberId;
}
/** The writer's word: these are all rows of the stream that still count and are numbered above `after`, up to `through`. */
export interface PieceHead extends StreamId {
  readonly after: number;
  readonly through: number;
}
export interface Piece {
  readonly head: PieceHead;
  /** Records, one behind the other. */
  readonly records: Uint8Array;
}

/** A row, or with `value` undefined the mark of one that went. */
export interface RowRecord {
  readonly key: Uint8Array;
  readonly seq: number;
  readonly order: number;
  readonly term: number;
  /** The row still lives so long; of a mark 0. ms. */
  readonly leftMs: number;
  /** For so long nothing older may come back under its key: `leftMs` at least. ms. */
  readonly keepMs: number;
  /** JSON. */
  readonly value: Uint8Array | undefined;
}

const FIXED_OCTETS = 36;
const KIND = { row: 0, mark: 1 } as const;
const LONGEST_MS = 0xffff_ffff;

export function encodeRecord({ key, seq, order, term, leftMs, keepMs, value }: RowRecord): Uint8Array {
  const bytes = new Uint8Array(FIXED_OCTETS + key.length + (value?.length ?? 0));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length);
  view.setUint8(4, value ? KIND.row : KIND.mark);
  view.setUint16(6, key.length);
  view.setFloat64(8, seq);
  view.setFloat64(16, order);
  view.setUint32(24, term);
  view.setUint32(28, whole(leftMs));
  view.setUint32(32, whole(keepMs));
  bytes.set(key, FIXED_OCTETS);
  if (value) bytes.set(value, FIXED_OCTETS + key.length);
  return bytes;
}
const whole = (ms: number): number => Math.min(LONGEST_MS, Math.max(0, Math.ceil(ms)));

export function encodePiece(head: PieceHead, records: readonly Uint8Array[]): Uint8Array {
  const { table, owner, life, audience, after, through } = head;
  const words = utf8(JSON.stringify({ table, owner, life, audience, after, through }));
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, words.length);
  return concat([length, words, ...records]);
}

/** Checks the head and every record: what `eachRecord` gives afterwards is in order. */
export function decodePiece(bytes: Uint8Array): Decoded<Piece> {
  if (bytes.length < 4) return bad(0, "it has no head");
  const headOctets = viewOf(bytes).getUint32(0);
  if (headOctets > bytes.length - 4) return bad(0, `its head claims ${headOctets} octets`);
  const head = parseJson(text(bytes.subarray(4, 4 + headOctets)));
  if (!isHead(head)) return bad(4, "its head lacks a field");
  const records = bytes.subarray(4 + headOctets);
  const fault = faultOf(records);
  if (fault) return bad(4 + headOctets + fault.atOctet, fault.why);
  return { status: "ok", value: { head, records }, usedBytes: bytes.length };
}

/** The octets given are the piece's own: copy what is kept. */
export function* eachRecord(records: Uint8Array): Iterable<RowRecord> {
  const view = viewOf(records);
  for (let at = 0; at < records.length; at += view.getUint32(at)) {
    const keyAt = at + FIXED_OCTETS;
    const valueAt = keyAt + view.getUint16(at + 6);
    yield {
      key: records.subarray(keyAt, valueAt),
      seq: view.getFloat64(at + 8),
      order: view.getFloat64(at + 16),
      term: view.getUint32(at + 24),
      leftMs: view.getUint32(at + 28),
      keepMs: view.getUint32(at + 32),
      value: view.getUint8(at + 4) === KIND.mark ? undefined : records.subarray(valueAt, at + view.getUint32(at)),
    };
  }
}

function faultOf(records: Uint8Array): { readonly atOctet: number; readonly why: string } | undefined {
  const view = viewOf(records);
  for (let at = 0; at < records.length; at += view.getUint32(at)) {
    const left = records.length - at;
    const length = left < FIXED_OCTETS ? left : view.getUint32(at);
    const why = left < FIXED_OCTETS || length > left ? `a record claims ${length} octets of ${left}` : wrongIn(view, at, length);
    if (why !== undefined) return { atOctet: at, why };
  }
  return undefined;
}
function wrongIn(view: DataView, at: number, length: number): string | undefined {
  const keyOctets = view.getUint16(at + 6);
  const valueOctets = length - FIXED_OCTETS - keyOctets;
  if (valueOctets < 0) return `a record of ${length} octets has a key of ${keyOctets}`;
  if (keyOctets > LIMITS.overlayKeyBytes) return `a key has ${keyOctets} octets`;
  if (valueOctets > LIMITS.overlayValueBytes) return `a value has ${valueOctets} octets`;
  if (view.getUint8(at + 4) > KIND.mark) return `kind ${view.getUint8(at + 4)} is unknown`;
  if (!isCount(view.getFloat64(at + 8)) || !isOrder(view.getFloat64(at + 16))) return "a number is out of range";
  if (view.getUint32(at + 24) > LIMITS.overlayTerm) return `term ${view.getUint32(at + 24)} is absurd`;
  return undefined;
}

const isOrder = (value: number): boolean => Number.isFinite(value) && Math.abs(value) <= Number.MAX_SAFE_INTEGER;
function isHead(value: unknown): value is PieceHead {
  if (typeof value !== "object" || value === null) return false;
  const { table, owner, life, audience, after, through } = value as Record<string, unknown>;
  return [table, owner, audience].every((name) => typeof name === "string") && [life, after, through].every(isCount);
}
const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
function bad(atOctet: number, why: string): Decoded<Piece> {
  return { status: "bad", error: new WireError("bad-value", atOctet, `Cannot read rows: ${why}`) };
}
