import { SAFE, type Ticket } from "#base/ticket.ts";
import type { Host } from "#host/host.ts";
import type { Binding, BindingRow, BindingTable } from "./engine/location.ts";

/** A table of one server, without a disk: for tests. */
export class Rows implements BindingTable {
  readonly #rows = new Map<string, BindingRow>();
  readonly #host: Host;
  constructor(host: Host) {
    this.#host = host;
  }
  put(key: string, value: Binding, order: number, lifetimeSec: number): Ticket {
    this.#rows.set(key, { key, value, order, expiresAtMs: this.#host.nowMs() + 1_000 * lifetimeSec });
    return SAFE;
  }
  remove(key: string): Ticket {
    this.#rows.delete(key);
    return SAFE;
  }
  get(key: string): BindingRow | undefined {
    return this.#rows.get(key);
  }
  under(aor: string): readonly BindingRow[] {
    return [...this.#rows.values()].filter(({ key }) => key.startsWith(`${aor} `));
  }
  onChange(): void {}
}
