import { canonicalName } from "./names.ts";

/** One header field. What its value holds is read once, however many ask; copies of a message share it. */
export class HeaderField {
  readonly name: string; // lower case, long form
  readonly value: string;
  #parse: unknown;
  #parsed: unknown;

  constructor(name: string, value: string) {
    this.name = name;
    this.value = value;
  }

  read<T>(parse: (value: string) => T): T {
    if (this.#parse !== parse) {
      this.#parsed = parse(this.value);
      this.#parse = parse;
    }
    return this.#parsed as T;
  }
}

/**
 * The header fields of one message, in order, as they came (RFC 3261 §7.3). Names are compared without case, compact
 * forms are their long names, and a field whose grammar is a list is split on demand: nothing is parsed before it is asked for.
 */
export class Headers {
  #fields: HeaderField[] = [];

  static of(fields: readonly (readonly [name: string, value: string])[]): Headers {
    const headers = new Headers();
    for (const [name, value] of fields) headers.add(name, value);
    return headers;
  }

  #first(name: string): HeaderField | undefined {
    for (const field of this.#fields) if (field.name === name) return field;
    return undefined;
  }
  /** The first field of that name, unsplit. */
  get(name: string): string | undefined {
    return this.#first(name)?.value;
  }
  /** The same, read by `parse`. */
  read<T>(name: string, parse: (value: string) => T): T | undefined {
    return this.#first(name)?.read(parse);
  }
  has(name: string): boolean {
    return this.#first(name) !== undefined;
  }
  /** The first item of a list such as Via or Route. */
  first(name: string): string | undefined {
    const value = this.get(name);
    return value === undefined ? undefined : firstItem(value);
  }
  /** Replaces the first item of a list by another, or takes it away: received and rport, Route. */
  replaceFirst(name: string, item?: string): this {
    const at = this.#fields.findIndex((field) => field.name === name);
    const field = this.#fields[at];
    if (field === undefined) return this;
    const rest = field.value.slice(itemEnd(field.value, 0) + 1).trim();
    const value = [item, rest].filter((part) => part !== undefined && part !== "").join(", ");
    if (value === "") this.#fields.splice(at, 1);
    else this.#fields[at] = new HeaderField(name, value);
    return this;
  }
  /** All fields of that name, each split at top-level commas (not within quotes or angle brackets). */
  list(name: string): string[] {
    const values: string[] = [];
    for (const field of this.#fields) if (field.name === name) splitList(field.value, values);
    return values;
  }
  /** Whether a token stands in a list such as Require, Supported or Allow (without case). */
  listHas(name: string, token: string): boolean {
    return this.list(name).some((value) => value.toLowerCase() === token.toLowerCase());
  }
  count(name: string): number {
    let count = 0;
    for (const field of this.#fields) if (field.name === name) count++;
    return count;
  }
  add(name: string, value: string): this {
    this.#fields.push(new HeaderField(canonicalName(name), value));
    return this;
  }
  /** A field of another message, as it is there. */
  addField(field: HeaderField): this {
    this.#fields.push(field);
    return this;
  }
  /** Before all others of its name: Via, Route, Record-Route. */
  prepend(name: string, value: string): this {
    this.#fields.unshift(new HeaderField(canonicalName(name), value));
    return this;
  }
  /** Replaces all fields of that name by one. */
  set(name: string, value: string): this {
    this.remove(name);
    return this.add(name, value);
  }
  remove(name: string): this {
    const removed = canonicalName(name);
    this.#fields = this.#fields.filter((field) => field.name !== removed);
    return this;
  }
  fields(): readonly HeaderField[] {
    return this.#fields;
  }
  clone(): Headers {
    const copy = new Headers();
    copy.#fields = this.#fields.slice();
    return copy;
  }
}

/** Where the item that begins at `start` ends: at a comma outside quotes and angle brackets, or at the end. */
function itemEnd(value: string, start: number): number {
  if (!value.includes(",", start)) return value.length;
  let quoted = false;
  let bracketed = false;
  for (let at = start; at < value.length; at++) {
    const char = value[at];
    if (quoted) {
      if (char === "\\") at++;
      else if (char === '"') quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === "<") bracketed = true;
    else if (char === ">") bracketed = false;
    else if (char === "," && !bracketed) return at;
  }
  return value.length;
}

/** The first item of a list. */
export const firstItem = (value: string): string => value.slice(0, itemEnd(value, 0)).trim();

function splitList(value: string, into: string[]): void {
  for (let start = 0; start < value.length; ) {
    const end = itemEnd(value, start);
    const item = value.slice(start, end).trim();
    if (item !== "") into.push(item);
    start = end + 1;
  }
}
