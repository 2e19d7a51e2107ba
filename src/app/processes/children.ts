import { childrenOf } from "../config.ts";
import type { LogLevel } from "../config-schema.ts";
import type { MetricSamples } from "../metrics.ts";
import { Child, type ChildGround } from "./child.ts";
import type { ProcessReport, Start } from "./messages.ts";

/** All processes of a configuration beside the main one. */
export class Children {
  readonly #children: readonly Child[];
  /** Names of those that have a DS: they hang up before anybody else goes. */
  readonly #serving: ReadonlySet<string>;

  constructor(start: Omit<Start, "kind" | "name">, ground: Omit<ChildGround, "start">) {
    const { config } = start;
    this.#children = childrenOf(config).map((name) => new Child({ ...ground, start: { ...start, kind: "start", name } }));
    this.#serving = new Set(config.ds.map(({ process }) => process));
  }

  start(): void {
    for (const child of this.#children) child.start();
  }

  reports(): readonly ProcessReport[] {
    return this.#children.map((child) => child.report());
  }

  restarts(): readonly (readonly [process: string, count: number])[] {
    return this.#children.map(({ name, restarts }) => [name, restarts]);
  }

  /** Of those that answer. */
  async samples(): Promise<readonly MetricSamples[]> {
    const answers = await Promise.all(this.#children.map((child) => child.samples()));
    return answers.filter((answer) => answer !== undefined);
  }

  change(origins: readonly string[], level: LogLevel): void {
    for (const child of this.#children) child.change({ kind: "change", origins, level });
  }
  /** Their `/readyz` says 503 from now on. */
  notice(): void {
    for (const child of this.#children) child.tell({ kind: "notice" });
  }

  /** Those that have a DS, or the others. */
  async stop(which: "with a DS" | "others"): Promise<void> {
    const wanted = this.#children.filter(({ name }) => this.#serving.has(name) === (which === "with a DS"));
    await Promise.all(wanted.map((child) => child.stop()));
  }
}
