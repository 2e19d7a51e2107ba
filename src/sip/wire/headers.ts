/**
 * The header fields of one message, in order, as they came (RFC 3261 §7.3). Names are compared without case, compact
 * forms are their long names, and a field whose grammar is a list is split on demand: nothing is parsed before it is asked for.
 */
const COMPACT: Readonly<Record<string, string>> = {
  a: "accept-contact",
  b: "referred-by",
  c: "content-type",
  e: "content-encoding",
  f: "from",
  i: "call-id",
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
};

export interface HeaderField {
  /** Lower case, long form. */
  readonly name: string;
  readonly value: string;
}

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
    this.#fields = this.#fields.filter((field) => field.name !== name);
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
  return COMPACT[lower] ?? lower;
};

function splitList(value: string, into: string[]): void {
  let start = 0;
  let quoted = false;
  let depth = 0;
  for (let at = 0; at < value.length; at++) {
    const char = value[at];
    if (quoted) {
      if (char === "\\") at++;
      else if (char === '"') quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === "<") depth++;
    else if (char === ">") depth--;
    else if (char === "," && depth <= 0) {
      const item = value.slice(start, at).trim();
      if (item !== "") into.push(item);
      start = at + 1;
    }
  }
  const last = value.slice(start).trim();
  if (last !== "") into.push(last);
}
