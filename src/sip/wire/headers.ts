/** RFC 3261 §7.3.3 and the IANA registry. */
const COMPACT: Readonly<Record<string, string>> = {
  a: "accept-contact",
  b: "referred-by",
  c: "content-type",
  d: "request-disposition",
  e: "content-encoding",
  f: "from",
  i: "call-id",
  j: "reject-contact",
  k: "supported",
  l: "content-length",
  m: "contact",
  o: "event",
  r: "refer-to",
  s: "subject",
  t: "to",
  u: "allow-events",
  v: "via",
  x: "session-expires",
  y: "identity",
};

export interface HeaderField {
  /** Lower case, long form. */
  readonly name: string;
  readonly value: string;
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

  /** The first field of that name, unsplit. */
  get(name: string): string | undefined {
    for (const field of this.#fields) if (field.name === name) return field.value;
    return undefined;
  }
  has(name: string): boolean {
    return this.get(name) !== undefined;
  }
  /** The first item of a list such as Via or Route. */
  first(name: string): string | undefined {
    const value = this.get(name);
    return value === undefined ? undefined : firstItem(value).item;
  }
  /** Replaces the first item of a list by another, or takes it away: received and rport, Route. */
  replaceFirst(name: string, item?: string): this {
    const at = this.#fields.findIndex((field) => field.name === name);
    const field = this.#fields[at];
    if (field === undefined) return this;
    const { rest } = firstItem(field.value);
    const value = [item, rest].filter((part) => part !== undefined && part !== "").join(", ");
    if (value === "") this.#fields.splice(at, 1);
    else this.#fields[at] = { name, value };
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
    this.#fields.push({ name: canonical(name), value });
    return this;
  }
  /** Before all others of its name: Via, Route, Record-Route. */
  prepend(name: string, value: string): this {
    this.#fields.unshift({ name: canonical(name), value });
    return this;
  }
  /** Replaces all fields of that name by one. */
  set(name: string, value: string): this {
    this.remove(name);
    return this.add(name, value);
  }
  remove(name: string): this {
    const removed = canonical(name);
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

const canonical = (name: string): string => {
  const lower = name.toLowerCase();
  return lower.length === 1 ? (COMPACT[lower] ?? lower) : lower;
};

/** Where the item that begins at `start` ends: at a comma outside quotes and angle brackets, or at the end. */
function itemEnd(value: string, start: number): number {
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

function firstItem(value: string): { item: string; rest: string } {
  const end = itemEnd(value, 0);
  return { item: value.slice(0, end).trim(), rest: value.slice(end + 1).trim() };
}

function splitList(value: string, into: string[]): void {
  for (let start = 0; start < value.length; ) {
    const end = itemEnd(value, start);
    const item = value.slice(start, end).trim();
    if (item !== "") into.push(item);
    start = end + 1;
  }
}
