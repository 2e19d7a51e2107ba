/**
 * The policy information base of client-type 0x9102 (PROTOCOL §7; RFC 3084 §4, §5): classes as tables of one row each,
 * identified by PRID, with their columns as a series of BER values in EPD. The contents of Named ClientSI and Named
 * Decision Data. To add a column, append it; a reader ignores and counts columns and classes that it does not know.
 */
import { concat, fromHex, hex } from "#base/bytes.ts";
import { WireError } from "#base/errors.ts";
import { type AttributeType, type AttributeValues, ID_BYTES, textOf } from "./attributes.ts";
import { BER, type BerElement, readBer, unsignedOf, writeBer, writeText, writeUnsigned } from "./ber.ts";
import { type PrObject, prObjects } from "./objects.ts";

/** Below the enterprise number for examples (RFC 5612), until one is registered. */
const PIB_ROOT = "1.3.6.1.4.1.32473.37122";
interface PibClass {
  readonly number: number;
  /** After column 1, the row's InstanceId. */
  readonly columns: Readonly<Record<string, AttributeType>>;
}
/** Rows that a PEP sends in a configuration request. */
const REQUEST_CLASSES: readonly PibClass[] = [
  { number: 1, columns: { joinId: "id", channel: "utf8", user: "utf8", kbps: "u32", sender: "utf8" } },
  { number: 6, columns: { group: "utf8", ingest: "utf8" } }, // of class 2, as it was installed before
];
/** Rows that a PDP installs. */
const DECISION_CLASSES: readonly PibClass[] = [
  { number: 2, columns: { kbps: "u32", group: "utf8", source: "utf8", ingest: "utf8" } },
  { number: 3, columns: { groupFirst: "utf8", groupCount: "u32", groupPort: "u32" } },
  { number: 4, columns: { maxChannelKbps: "u32", localQuotaKbps: "u32", ingestKbps: "u32", accessKbps: "u32" } },
  // Why nothing of the others is installed: a Remove has no room for a reason (RFC 3084 §5.1).
  { number: 5, columns: { reason: "utf8" } },
];
const CLASSES = { request: REQUEST_CLASSES, decision: DECISION_CLASSES } as const;
export type PibPart = keyof typeof CLASSES;

/** Every class has one row, its InstanceId 1. */
const INSTANCE = 1;
const prid = ({ number }: PibClass): string => `${PIB_ROOT}.${number}.1.${INSTANCE}`;

/** One row for each class that has an attribute among the values; absent ones are NULL. Throws for an unknown name. */
export function writeRows(part: PibPart, values: AttributeValues): Uint8Array {
  const left = new Set(Object.keys(values));
  const objects: PrObject[] = [];
  for (const row of CLASSES[part]) {
    if (!Object.keys(row.columns).some((name) => left.has(name))) continue;
    const columns = Object.entries(row.columns).map(([name, type]) => {
      left.delete(name);
      return writeColumn(type, name, values[name]);
    });
    objects.push({ kind: "prid", oid: prid(row) }, { kind: "epd", data: concat([writeUnsigned(INSTANCE), ...columns]) });
  }
  if (left.size > 0) throw new TypeError(`Not a provisioning attribute: ${[...left].join(", ")}`);
  return concat(objects.map((object) => prObjects.write(object)));
}
/** What a Remove names: everything of ours in this request state. */
export const writeRemoveAll = (): Uint8Array => prObjects.write({ kind: "pprid", oid: PIB_ROOT });

export interface ReadRows {
  readonly values: AttributeValues;
  readonly ignored: number; // columns
  /** Rows of classes that are not known. */
  readonly unknownPrids: readonly string[];
}

/** Reads `*(<PRID> <EPD>)`. */
export function readRows(part: PibPart, data: Uint8Array): ReadRows | WireError {
  const objects = prObjects.read(data, 0, data.length);
  if (objects instanceof WireError) return objects;
  const values: Record<string, string | number> = {};
  const unknownPrids: string[] = [];
  let ignored = 0;
  for (let at = 0; at < objects.length; at += 2) {
    const id = objects[at];
    const row = objects[at + 1];
    if (id?.kind !== "prid" || row?.kind !== "epd")
      return new WireError("bad-value", 0, "Provisioning data is not pairs of PRID and EPD");
    const known = CLASSES[part].find((candidate) => prid(candidate) === id.oid);
    if (known === undefined) {
      unknownPrids.push(id.oid);
      continue;
    }
    const extra = readRow(known, row.data, values);
    if (extra instanceof WireError) return extra;
    ignored += extra;
  }
  return { values, ignored, unknownPrids };
}

/** Adds to `values`; answers how many columns were not known. Those that are missing at the end count as NULL. */
function readRow(row: PibClass, data: Uint8Array, values: Record<string, string | number>): number | WireError {
  const elements = readBer(data);
  if (elements instanceof WireError) return elements;
  const columns = Object.entries(row.columns);
  for (const [index, [name, type]] of columns.entries()) {
    const element = elements[index + 1];
    if (element === undefined || element.tag === BER.nothing) continue;
    const value = name in values ? undefined : readColumn(type, element);
    if (value === undefined) return new WireError("bad-value", 0, `Cannot read column ${name}`);
    values[name] = value;
  }
  return Math.max(0, elements.length - 1 - columns.length);
}

function writeColumn(type: AttributeType, name: string, value: string | number | undefined): Uint8Array {
  if (value === undefined) return writeBer(BER.nothing, new Uint8Array(0));
  if (type === "u32") return writeUnsigned(Number(value));
  if (type === "utf8") return writeText(String(value));
  const octets = fromHex(String(value));
  if (octets?.length !== ID_BYTES) throw new RangeError(`Not a value of column ${name}: ${value}`);
  return writeBer(BER.octetString, octets);
}
function readColumn(type: AttributeType, element: BerElement): string | number | undefined {
  if (type === "u32") return unsignedOf(element);
  if (element.tag !== BER.octetString) return undefined;
  if (type === "utf8") return textOf(element.contents);
  return element.contents.length === ID_BYTES ? hex(element.contents) : undefined;
}

/** RFC 3084 §4.4. */
export const PROVISIONING_ERROR = { unknown: 5, maxStates: 6 } as const;
/** RFC 3084 §4.5. */
const CLASS_ERROR = { unknownPrc: 9 } as const;
/** Report data of a failure (RFC 3084 §5.3.1). */
export const writeFailure = (code: number): Uint8Array => prObjects.write({ kind: "gperr", code, subCode: 0 });
/** Report data: rows that were passed over because their class is not known. */
export function writeUnknownClasses(prids: readonly string[]): Uint8Array {
  return concat(
    prids.flatMap((oid) => [
      prObjects.write({ kind: "errorPrid", oid }),
      prObjects.write({ kind: "cperr", code: CLASS_ERROR.unknownPrc, subCode: 0 }),
    ]),
  );
}
