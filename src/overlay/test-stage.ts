import type { Host } from "#host/host.ts";
import { type Fate, InProcessCarrier, OverlayNode, type RoleName, type Table } from "./index.ts";

/** Members on simulated machines of their own, one carrier between them: for tests. */
export function stage(net: { host(name: string, address: string): Host }, fate: Fate = () => [1]) {
  const carrier = new InProcessCarrier(fate);
  const addresses = new Map<string, string>();
  const join = (id: string, role: RoleName): OverlayNode => {
    const address = addresses.get(id) ?? `127.0.1.${addresses.size + 1}`;
    addresses.set(id, address);
    return new OverlayNode(carrier, net.host(id, address), { id, role, info: { name: id } });
  };
  return { carrier, join };
}

/** Rows by key, with their owners. */
export const contents = (table: Table<string>): Record<string, string> =>
  Object.fromEntries([...table.rows()].map(({ key, owner, value }): [string, string] => [key, `${owner}:${value}`]).sort());
