/**
 * Configuration as data: a schema says which keys there are, and one parser reads them, fills in defaults and reports every
 * fault with its place. How a file becomes a `ConfigNode` is the caller's matter.
 */
import { readAddress } from "#host/addresses.ts";
import type { Address } from "#host/host.ts";

/** Where something was written: in the file, or in an environment variable. */
export type Place = { readonly line: number; readonly column: number } | { readonly variable: string };
/** What was written, before anybody knows what it means. */
export type ConfigNode =
  | { readonly kind: "map"; readonly place: Place; readonly entries: Map<string, ConfigEntry> }
  | { readonly kind: "list"; readonly place: Place; readonly items: ConfigNode[] }
  | { readonly kind: "scalar"; readonly place: Place; readonly value: string | number | boolean | null };
export interface ConfigEntry {
  /** Of the key. */
  readonly place: Place;
  readonly node: ConfigNode;
}

interface Common {
  /** One sentence for the documentation. */
  readonly doc: string;
  /** Absent, the value is `undefined`. A key that has neither this nor a default is required. */
  readonly optional?: true;
}
export interface TextKey extends Common {
  readonly kind: "text";
  readonly default?: string;
  readonly pattern?: RegExp;
  /** Completes "… needed", e.g. "a name of letters, digits and hyphens". */
  readonly form: string;
}
export interface WholeKey extends Common {
  readonly kind: "whole";
  /** E.g. "kbit/s"; empty for a plain number. */
  readonly unit: string;
  readonly least: number;
  readonly most: number;
  readonly default?: number;
}
export interface ChoiceKey extends Common {
  readonly kind: "choice";
  readonly of: readonly string[];
  readonly default?: string;
}
/** "ip:port", IPv6 in brackets. */
export interface AddressKey extends Common {
  readonly kind: "address";
}
export interface ListKey extends Common {
  readonly kind: "list";
  readonly of: Key;
  readonly least: number;
  readonly most: number;
  /** Texts or choices. Without one an absent list is empty, where `least` lets it. */
  readonly default?: readonly string[];
}
/** Names of the operator's own choosing, each with a value. Absent, it is empty. */
export interface TableKey extends Common {
  readonly kind: "table";
  readonly of: Key;
}
/** Absent, and not `optional`, all its keys have their defaults. */
export interface GroupKey extends Common {
  readonly kind: "group";
  readonly keys: Readonly<Record<string, Key>>;
}
export type Key = TextKey | WholeKey | ChoiceKey | AddressKey | ListKey | TableKey | GroupKey;

/** What a key's value is once read. */
export type Value<K extends Key> = K extends { readonly optional: true } ? Present<K> | undefined : Present<K>;
type Present<K extends Key> = K extends TextKey
  ? string
  : K extends WholeKey
    ? number
    : K extends ChoiceKey
      ? K["of"][number]
      : K extends AddressKey
        ? Address
        : K extends ListKey
          ? readonly Value<K["of"]>[]
          : K extends TableKey
            ? Readonly<Record<string, Value<K["of"]>>>
            : K extends GroupKey
              ? { readonly [Name in keyof K["keys"]]: Value<K["keys"][Name]> }
              : never;

export interface ConfigFault {
  /** `undefined`: of the file as a whole. */
  readonly place: Place | undefined;
  /** E.g. `web[0].listen is "8080", an address like 127.0.0.1:8080 needed`. */
  readonly message: string;
}
export interface ParsedConfig<T> {
  /** Where there are faults, good only for finding more of them: "", 0 or nothing stands for what could not be read. */
  readonly value: T;
  readonly faults: readonly ConfigFault[];
  /** Where the value of a path like `web[0].listen` was written, or what it would stand in. */
  placeOf(path: string): Place | undefined;
}

/** Reads a whole configuration. */
export function parseConfig<K extends GroupKey>(schema: K, root: ConfigNode): ParsedConfig<Present<K>> {
  const reader = new Reader();
  const value = reader.read("", schema, root) as Present<K>;
  return { value, faults: reader.faults, placeOf: (path) => reader.placeOf(path) };
}

class Reader {
  readonly faults: ConfigFault[] = [];
  readonly #places = new Map<string, Place>();

  placeOf(path: string): Place | undefined {
    for (let at = path; ; at = at.replace(/(^|\.|\[)[^.[]*$/, "")) {
      const place = this.#places.get(at);
      if (place || at === "") return place;
    }
  }

  read(path: string, key: Key, node: ConfigNode): unknown {
    this.#places.set(path, node.place);
    switch (key.kind) {
      case "group":
        return node.kind === "map"
          ? this.#group(path, key, node.entries)
          : this.#wrong(path, node, "keys and values", standIn(key));
      case "table":
        return node.kind === "map" ? this.#table(path, key, node.entries) : this.#wrong(path, node, "names and values", {});
      case "list":
        return node.kind === "list" ? this.#list(path, key, node) : this.#wrong(path, node, "a list", []);
      default:
        return this.#scalar(path, key, node);
    }
  }

  #group(path: string, { keys }: GroupKey, entries: ReadonlyMap<string, ConfigEntry>): unknown {
    for (const [name, { place }] of entries) {
      if (Object.hasOwn(keys, name)) continue;
      const near = nearest(name, Object.keys(keys));
      this.#fault(place, `${below(path, name)} is not known${near === undefined ? "" : `: is ${near} meant?`}`);
    }
    const values = Object.entries(keys).map(([name, key]) => {
      const entry = entries.get(name);
      const isThere = entry && !(entry.node.kind === "scalar" && entry.node.value === null);
      return [name, isThere ? this.read(below(path, name), key, entry.node) : this.#absent(below(path, name), key)];
    });
    return Object.fromEntries(values);
  }
  #table(path: string, { of }: TableKey, entries: ReadonlyMap<string, ConfigEntry>): unknown {
    return Object.fromEntries([...entries].map(([name, { node }]) => [name, this.read(below(path, name), of, node)]));
  }
  #list(path: string, { of, least, most }: ListKey, { items, place }: Extract<ConfigNode, { kind: "list" }>): unknown {
    if (items.length < least || items.length > most)
      this.#fault(place, `${path} has ${items.length} entries, ${least} to ${most} needed`);
    return items.slice(0, most).map((item, at) => this.read(`${path}[${at}]`, of, item));
  }

  #absent(path: string, key: Key): unknown {
    if ("default" in key && key.default !== undefined) return key.default;
    if (key.optional) return undefined;
    if (key.kind === "group") return this.#group(path, key, new Map());
    if (key.kind === "table") return {};
    if (key.kind === "list" && key.least === 0) return [];
    this.#fault(this.placeOf(path), `${path} is missing: ${needed(key)} needed`);
    return standIn(key);
  }

  #scalar(path: string, key: TextKey | WholeKey | ChoiceKey | AddressKey, node: ConfigNode): unknown {
    const value = node.kind === "scalar" ? accepted(key, node.value) : undefined;
    return value ?? this.#wrong(path, node, needed(key), standIn(key));
  }
  #wrong<T>(path: string, node: ConfigNode, wanted: string, instead: T): T {
    this.#fault(node.place, `${path || "the configuration"} is ${described(node)}, ${wanted} needed`);
    return instead;
  }
  #fault(place: Place | undefined, message: string): void {
    this.faults.push({ place, message });
  }
}

/** The value that the key takes, or `undefined`. */
function accepted(key: TextKey | WholeKey | ChoiceKey | AddressKey, value: string | number | boolean | null): unknown {
  switch (key.kind) {
    case "whole": {
      const isWhole = typeof value === "number" && Number.isInteger(value);
      return isWhole && value >= key.least && value <= key.most ? value : undefined;
    }
    case "text":
      return typeof value === "string" && (key.pattern?.test(value) ?? true) ? value : undefined;
    case "choice":
      return typeof value === "string" && key.of.includes(value) ? value : undefined;
    case "address":
      return typeof value === "string" ? readAddress(value) : undefined;
  }
}
function needed(key: Key): string {
  switch (key.kind) {
    case "whole":
      return `a whole number from ${key.least} to ${key.most}${key.unit === "" ? "" : ` (${key.unit})`}`;
    case "choice":
      return key.of.join(" or ");
    case "address":
      return "an address like 127.0.0.1:5060";
    case "text":
      return key.form;
    default:
      return `a ${key.kind}`;
  }
}
/** Of a value that is wrong: a file of another kind may be one long text. */
const SHOWN_CHARS = 60;
function described(node: ConfigNode): string {
  if (node.kind !== "scalar") return node.kind === "map" ? "a group of keys" : "a list";
  if (node.value === null) return "empty";
  const shown = JSON.stringify(node.value);
  return shown.length <= SHOWN_CHARS ? shown : `${shown.slice(0, SHOWN_CHARS)}…`;
}
function standIn(key: Key): unknown {
  switch (key.kind) {
    case "whole":
      return 0;
    case "address":
      return { host: "", port: 0 };
    case "list":
      return [];
    case "table":
      return {};
    case "group":
      return Object.fromEntries(Object.entries(key.keys).map(([name, one]) => [name, one.optional ? undefined : standIn(one)]));
    default:
      return "";
  }
}
const below = (path: string, name: string): string => (path === "" ? name : `${path}.${name}`);

/** The known name that differs least, if it is by no more than a third of its letters. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const ranked = known.map((one) => ({ one, distance: distance(name.toLowerCase(), one.toLowerCase()) }));
  const [best] = ranked.sort((a, b) => a.distance - b.distance);
  return best && best.distance <= Math.ceil(best.one.length / 3) ? best.one : undefined;
}
/** Letters to insert, remove or replace (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/**
 * Puts a value into the tree as if it stood in the file, at a path of key names, in any case, and list indices. Answers why
 * it cannot. `read` makes a node of the text where a key is no text.
 */
export function overrideConfig(
  root: ConfigNode,
  schema: Key,
  path: readonly string[],
  text: { readonly place: Place; readonly value: string; readonly read: () => ConfigNode },
): string | undefined {
  const [name, ...rest] = path;
  if (name === undefined) return "it names no key";
  const { place } = text;
  const child = (key: Key, before: ConfigNode | undefined): ConfigNode | string => {
    if (rest.length === 0) return key.kind === "text" ? { kind: "scalar", place, value: text.value } : text.read();
    const node = before && before.kind === containerOf(key) ? before : emptyNode(key, place);
    if (!node) return `${name} has no keys of its own`;
    return overrideConfig(node, key, rest, text) ?? node;
  };
  if (schema.kind === "list" && root.kind === "list") {
    const at = Number(name);
    if (!Number.isInteger(at) || at < 0 || at > root.items.length) return `${name} is no index from 0 to ${root.items.length}`;
    const node = child(schema.of, root.items[at]);
    if (typeof node === "string") return node;
    root.items[at] = node;
    return undefined;
  }
  if (root.kind !== "map" || (schema.kind !== "group" && schema.kind !== "table")) return `nothing stands below ${name}`;
  const keys = schema.kind === "group" ? schema.keys : {};
  const found = Object.keys(keys).find((one) => one.toLowerCase() === name.toLowerCase()) ?? name.toLowerCase();
  const key = schema.kind === "table" ? schema.of : keys[found];
  if (!key) return `there is no key ${name.toLowerCase()}`;
  const node = child(key, root.entries.get(found)?.node);
  if (typeof node === "string") return node;
  root.entries.set(found, { place, node });
  return undefined;
}
const containerOf = (key: Key): ConfigNode["kind"] =>
  key.kind === "list" ? "list" : key.kind === "group" || key.kind === "table" ? "map" : "scalar";
function emptyNode(key: Key, place: Place): ConfigNode | undefined {
  if (containerOf(key) === "list") return { kind: "list", place, items: [] };
  return containerOf(key) === "map" ? { kind: "map", place, entries: new Map() } : undefined;
}
