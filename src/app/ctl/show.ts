import type { Ask, Told } from "./control.ts";

type Cell = string | number | undefined;

/** The answer for people: a table, its columns aligned, and what is to be said of it. */
export const SHOW: { readonly [Kind in Ask["ask"]]: (told: Told[Kind]) => string } = {
  members: ({ by, members }) => {
    const cells = members.map(({ id, role, phase, incarnation, heardMs, delayMs }) => {
      return [id, role, phase, incarnation, ms(heardMs), ms(delayMs)];
    });
    return lines(table(["member", "role", "phase", "incarnation", "heard", "delay"], cells), `As ${by} knows them.`);
  },
  tables: ({ tables, silent }) => {
    const cells = tables.map(({ at, name, rows, own, marks, octets, unreplicated, positions }) => {
      return [at, name, rows, own, marks, octets, unreplicated, owners(positions)];
    });
    const heads = ["at", "table", "rows", "own", "marks", "octets", "unreplicated", "positions"];
    return lines(table(heads, cells), ...unheard(silent));
  },
  row: ({ rows, silent }) => {
    const cells = rows.map(({ at, table, key, owner, order, term, leftSec, value }) => {
      return [at, table, key, owner, order, term, `${leftSec} s`, JSON.stringify(value)];
    });
    const heads = ["at", "table", "key", "owner", "order", "term", "left", "value"];
    return lines(rows.length === 0 ? "No table has that row." : table(heads, cells), ...unheard(silent));
  },
  dead: ({ member, incarnation }) => `${member}, in its life ${incarnation}, is declared dead.`,
};

const lines = (...parts: string[]): string => parts.join("\n");
const ms = (value: number | null): Cell =>
  value === null ? undefined : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
/** Of whom there is anything. */
const owners = (positions: Readonly<Record<string, number>>): string =>
  Object.entries(positions)
    .filter(([, position]) => position > 0)
    .map(([owner, position]) => `${owner}:${position}`)
    .join(" ");
const unheard = (silent: readonly string[]): string[] => (silent.length === 0 ? [] : [`No answer from ${silent.join(", ")}.`]);

/** Numbers stand at the right of their column; a cell of nothing is "-". */
export function table(heads: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const texts = rows.map((row) => row.map((cell) => String(cell ?? "-")));
  const widths = heads.map((head, at) => Math.max(head.length, ...texts.map((row) => row[at]?.length ?? 0)));
  const isRight = heads.map((_, at) => texts.length > 0 && texts.every((row) => /^(?:-|[\d.]+(?: m?s)?)$/.test(row[at] ?? "")));
  const line = (row: readonly string[]): string =>
    row
      .map((text, at) => (isRight[at] ? text.padStart(widths[at] ?? 0) : text.padEnd(widths[at] ?? 0)))
      .join("  ")
      .trimEnd();
  return [heads, ...texts].map(line).join("\n");
}
