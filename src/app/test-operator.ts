/** For tests: the demo's operator as a configuration that `sipcast serve` reads, changed as a test wants it. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { parse, stringify } from "yaml";
import { type DemoOptions, demoYaml } from "./demo-plan.ts";
import type { Bench } from "./test-program.ts";

/** A configuration file as a tree (docs/configuration.md). */
export interface ConfigTree {
  domain: string;
  ds: Role[];
  edge: Role[];
  broker: Role[];
  registration: Record<string, unknown>;
  web: Role[];
  [key: string]: unknown;
}
type Role = Record<string, unknown> & { id?: string };

const SITES = { sites: 2, accessKbps: 100_000, coreKbps: 100_000, digest: ["SHA-256"] } as const;
const WEB_OFFSET = 90;
/** Of the hundred ports, one that is left: for what else a test listens on. */
export const SPARE_OFFSET = 91;

/** Ports, addresses and the configuration of one operator. */
export class TestOperator {
  readonly basePort: number;
  readonly config: ConfigTree;
  readonly #bench: Bench;

  private constructor(bench: Bench, basePort: number, config: ConfigTree) {
    this.#bench = bench;
    this.basePort = basePort;
    this.config = config;
  }
  /** On a hundred ports of its own; without data, so that nothing outlives it. */
  static async planned(bench: Bench, options: Partial<DemoOptions> = {}): Promise<TestOperator> {
    const basePort = await bench.ports();
    const yaml = demoYaml({ ...SITES, ...options, basePort, webPort: basePort + WEB_OFFSET });
    return new TestOperator(bench, basePort, parse(yaml) as ConfigTree);
  }

  /** "ip:port". */
  at(offset: number): string {
    return `127.0.0.1:${this.basePort + offset}`;
  }
  get web(): string {
    return `http://${this.at(WEB_OFFSET)}`;
  }
  /** Writes the configuration, or some of it, to that file below the bench's folder; `more` is text at its end. */
  write(name = "operator", config: object = this.config, more = ""): string {
    const file = path.join(this.#bench.folder, `${this.basePort}-${name}.yaml`);
    writeFileSync(file, stringify(config) + more);
    return file;
  }
}
