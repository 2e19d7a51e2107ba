/**
 * One kind of table, filled with bindings, in a process of its own: `copies` (rows that another member wrote), `own` (rows put here),
 * `map` (a plain Map of the same objects). Tells its parent octets and CPU per row.
 */

import { utf8 } from "#base/bytes.ts";
import { Rows } from "#overlay/engine/rows.ts";
import type { Json } from "#overlay/index.ts";
import { decodePiece, encodePiece, encodeRecord } from "#overlay/wire/piece.ts";
import type { Binding } from "#sip/index.ts";
import { benchBinding, LIFETIME_SEC } from "./bindings.ts";

export interface RowFigures {
  readonly kind: string;
  readonly rows: number;
  /** Key and value in JSON. */
  readonly payloadOctets: number;
  /** What the process grew by. */
  readonly octets: number;
  readonly cpuMicros: number;
}

const PIECE_ROWS = 500;
const LIFE_MS = 1_000 * LIFETIME_SEC;
const AUDIENCE = "";

const [kind = "", count = "0"] = process.argv.slice(2);
const total = Number(count);
const ports = { isWatched: () => false, changed: () => undefined, returned: () => undefined, wake: () => undefined };
const rows = new Rows<Binding & Json>("bindings", "ds1", 1, ports);
const map = new Map<string, { readonly value: Binding; readonly order: number; readonly expiresAtMs: number }>();

/** The octets of rows from there on, as their writer sends them. */
function pieceFrom(first: number): Uint8Array {
  const records: Uint8Array[] = [];
  for (let number = first; number < Math.min(first + PIECE_ROWS, total); number++) {
    const [key, value] = benchBinding(number);
    const facts = { seq: number + 1, order: 1, term: 0, leftMs: LIFE_MS, keepMs: 2 * LIFE_MS };
    records.push(encodeRecord({ ...facts, key: utf8(key), value: utf8(JSON.stringify(value)) }));
  }
  const head = { table: "bindings", owner: "ds2", life: 1, audience: AUDIENCE, after: first, through: first + records.length };
  return encodePiece(head, records);
}

const FILL: Readonly<Record<string, (first: number) => () => void>> = {
  copies: (first) => {
    const octets = pieceFrom(first);
    return () => {
      const piece = decodePiece(octets);
      if (piece.status === "ok") rows.merge(piece.value, 0);
    };
  },
  own: (first) => {
    const some = bindingsFrom(first);
    return () => {
      for (const [key, value] of some) rows.put(key, value, 1, LIFE_MS, AUDIENCE, 0);
      for (const { stream, last } of rows.unsent(0)) stream.sent = last;
    };
  },
  map: (first) => {
    const some = bindingsFrom(first);
    return () => {
      for (const [key, value] of some) map.set(key, { value, order: 1, expiresAtMs: LIFE_MS });
    };
  },
};
const bindingsFrom = (first: number): (readonly [string, Binding])[] =>
  Array.from({ length: Math.min(PIECE_ROWS, total - first) }, (_, at) => benchBinding(first + at));

function octetsNow(): number {
  for (let times = 0; times < 3; times++) globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function measure(): RowFigures {
  const prepare = FILL[kind];
  if (!prepare) throw new RangeError(`There is no table of kind ${kind}`);
  const before = octetsNow();
  let micros = 0;
  for (let first = 0; first < total; first += PIECE_ROWS) {
    const fill = prepare(first);
    const { user, system } = process.cpuUsage();
    fill();
    const used = process.cpuUsage();
    micros += used.user + used.system - user - system;
  }
  const [key, value] = benchBinding(total - 1);
  const payloadOctets = key.length + JSON.stringify(value).length;
  const octets = (octetsNow() - before) / total;
  return { kind, rows: rows.counts.rows + map.size, payloadOctets, octets, cpuMicros: micros / total };
}
const figures = measure();
process.send?.(figures);
