import { LIMITS } from "#base/limits.ts";
import type { Topology } from "#roles/types.ts";

export type TopologyEdge = Topology["edges"][number];

/** Every fault of a configured topology, a line for a person each; empty when it can be served. */
export function topologyFaults({ edges, links }: Topology): string[] {
  const linkNames = new Set(links.map(({ name }) => name));
  const faults = [
    ...repeated(edges.map(({ id }) => id)).map((id) => `edge ${show(id)} is named twice`),
    ...repeated(links.map(({ name }) => name)).map((name) => `link ${show(name)} is named twice`),
    ...links.filter(({ kbps }) => !isRate(kbps)).map(({ name, kbps }) => `link ${show(name)}: ${notARate("kbps", kbps)}`),
    ...edges.flatMap((edge) => edgeFaults(edge, linkNames).map((fault) => `edge ${show(edge.id)}: ${fault}`)),
  ];
  if (edges.length > LIMITS.brokerEdges) faults.push(`${edges.length} edges, at most ${LIMITS.brokerEdges} have group pools`);
  return faults;
}

function edgeFaults({ id, accessKbps, coreLinks }: TopologyEdge, linkNames: ReadonlySet<string>): string[] {
  const faults = [
    ...repeated(coreLinks).map((name) => `core link ${show(name)} is passed twice`),
    ...coreLinks.filter((name) => !linkNames.has(name)).map((name) => `no link ${show(name)}`),
  ];
  if (id === "") faults.push("the id is empty");
  if (!isRate(accessKbps)) faults.push(notARate("accessKbps", accessKbps));
  return faults;
}

const isRate = (kbps: number): boolean => Number.isSafeInteger(kbps) && kbps > 0;
const notARate = (key: string, kbps: number): string => `${key} is ${kbps}, a whole number above 0 needed`;
const show = (name: string): string => `"${name}"`;
function repeated(names: readonly string[]): string[] {
  const seen = new Set<string>();
  return [...new Set(names.filter((name) => seen.has(name) || !seen.add(name)))];
}

/** What the broker knows of the operator's network: edges on a core of shared links (DESIGN §3). */
export class Network {
  readonly topology: Topology;
  readonly edges: ReadonlyMap<string, TopologyEdge>;
  /** Edges whose way to the core passes a link (DESIGN §6, "Bandwidth in doubt"), by its name. */
  readonly sharers: ReadonlyMap<string, readonly string[]>;

  /** Throws for a topology with faults: whoever reads the configuration reports them first. */
  constructor(topology: Topology) {
    const faults = topologyFaults(topology);
    if (faults.length > 0) throw new Error(`Cannot serve this topology: ${faults.join("; ")}`);
    this.topology = topology;
    this.edges = new Map(topology.edges.map((edge) => [edge.id, edge]));
    const sharersOf = (link: string) => topology.edges.flatMap(({ id, coreLinks }) => (coreLinks.includes(link) ? [id] : []));
    this.sharers = new Map(topology.links.map(({ name }) => [name, sharersOf(name)]));
  }

  /**
   * Core links between two edges, each once: what both pass on their way to the hub. None within one edge; `undefined`
   * where an edge is unknown.
   */
  corePath(sourceEdge: string, sinkEdge: string): readonly string[] | undefined {
    const source = this.edges.get(sourceEdge);
    const sink = this.edges.get(sinkEdge);
    if (!source || !sink) return undefined;
    return source === sink ? [] : [...new Set([...source.coreLinks, ...sink.coreLinks])];
  }
}
