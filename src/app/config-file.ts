import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type Scalar } from "yaml";
import { type ConfigFault, type ConfigNode, overrideConfig, type ParsedConfig, type Place, parseConfig } from "#base/config.ts";
import { CONFIG_SCHEMA, type Config } from "./config-schema.ts";
import { readText } from "./files.ts";

/** `SIPCAST__LOG__LEVEL=debug` stands for `log.level: debug`, `SIPCAST__WEB__0__LISTEN=…` for that of the first `web`. */
const VARIABLE = /^SIPCAST__(.+)$/;

/** Reads a configuration file and what the environment says otherwise. Throws a `UsageError` where the file cannot be read. */
export function readConfigFile(file: string, environment: NodeJS.ProcessEnv = process.env): ParsedConfig<Config> {
  return readConfig(readText(file), environment);
}

export function readConfig(text: string, environment: NodeJS.ProcessEnv): ParsedConfig<Config> {
  const { node, faults: yamlFaults } = readYaml(text);
  const environmentFaults = Object.entries(environment).flatMap(([variable, value]) => {
    const path = VARIABLE.exec(variable)?.[1]?.split("__");
    if (!path || value === undefined) return [];
    const place = { variable };
    const read = (): ConfigNode => inPlace(readYaml(value).node, place);
    const fault = overrideConfig(node, CONFIG_SCHEMA, path, { place, value, read });
    return fault === undefined ? [] : [{ place, message: fault }];
  });
  const parsed = parseConfig(CONFIG_SCHEMA, node);
  return { ...parsed, faults: [...yamlFaults, ...environmentFaults, ...parsed.faults] };
}

/** `FILE:LINE:COLUMN: message`, or the variable instead of the file; one line, whatever the file has. */
export function showFault({ place, message }: ConfigFault, file: string): string {
  const plain = message.replace(/\p{Cc}+/gu, " ").slice(0, SHOWN_CHARS);
  if (!place) return `${file}: ${plain}`;
  return "variable" in place ? `${place.variable}: ${plain}` : `${file}:${place.line}:${place.column}: ${plain}`;
}
const SHOWN_CHARS = 400;

/** YAML 1.2 (core schema) as nodes with their places; what is broken YAML is told with its place too. */
function readYaml(text: string): { readonly node: ConfigNode; readonly faults: readonly ConfigFault[] } {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  const at = (offset: number): Place => {
    const { line, col } = lineCounter.linePos(offset);
    return { line, column: col };
  };
  const faults = document.errors.map(({ pos, message }): ConfigFault => ({ place: at(pos[0]), message }));
  const resolve = (node: unknown, within: readonly unknown[]): unknown => {
    if (!isAlias(node)) return node;
    const named = node.resolve(document);
    if (named !== undefined && !within.includes(named)) return named;
    const fault = named === undefined ? "names nothing that stands before it" : "stands in what it names itself";
    faults.push({ place: at(node.range?.[0] ?? 0), message: `*${node.source} ${fault}` });
    return undefined;
  };
  /** `within`: the nodes around this one. */
  const convert = (node: unknown, within: readonly unknown[] = []): ConfigNode => {
    const resolved = resolve(node, within);
    const place = at((node as Node | null)?.range?.[0] ?? 0);
    const inside = [...within, resolved];
    if (isMap(resolved)) {
      const entries = resolved.items.map(({ key, value }) => {
        const name = isScalar(key) ? String(key.value) : String(key);
        return [name, { place: at((key as Scalar).range?.[0] ?? 0), node: convert(value, inside) }] as const;
      });
      return { kind: "map", place, entries: new Map(entries) };
    }
    if (isSeq(resolved)) return { kind: "list", place, items: resolved.items.map((item) => convert(item, inside)) };
    const value = isScalar(resolved) ? resolved.value : null;
    const isPlain = typeof value === "string" || typeof value === "number" || typeof value === "boolean";
    return { kind: "scalar", place, value: isPlain ? value : null };
  };
  return { node: convert(document.contents), faults };
}

function inPlace(node: ConfigNode, place: Place): ConfigNode {
  if (node.kind === "list") return { ...node, place, items: node.items.map((item) => inPlace(item, place)) };
  if (node.kind === "scalar") return { ...node, place };
  const entries = [...node.entries].map(([name, entry]) => [name, { place, node: inPlace(entry.node, place) }] as const);
  return { ...node, place, entries: new Map(entries) };
}
