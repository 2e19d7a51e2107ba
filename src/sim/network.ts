import type { Host } from "#host/host.ts";
import { Ladder } from "#trace/index.ts";
import { Fabric } from "./fabric.ts";
import { SimHost } from "./sim-host.ts";
import type { Disk } from "./sim-log.ts";
import type { SimNetwork } from "./types.ts";

/** A network of simulated machines in virtual time: it starts at 0, and one seed decides everything. */
export function simNetwork(seed: number): SimNetwork {
  const ladder = new Ladder();
  const fabric = new Fabric(seed, (event) => ladder.add(event));
  const disks = new Map<string, Map<string, Disk>>(); // by machine: they outlive a crash
  const lives = new Map<string, number>();
  const { agenda } = fabric;

  function host(name: string, address: string): Host {
    if (fabric.hosts.get(name)?.alive) throw new Error(`Cannot start ${name}: it is running`);
    if (fabric.byAddress.get(address)?.alive) throw new Error(`Cannot start ${name}: ${address} is taken`);
    const life = (lives.get(name) ?? 0) + 1;
    lives.set(name, life);
    const ofName = disks.get(name) ?? new Map<string, Disk>();
    disks.set(name, ofName);
    const machine = new SimHost(fabric, name, address, life, ofName);
    fabric.hosts.set(name, machine);
    ladder.name({ host: address, port: 0 }, name);
    fabric.byAddress.set(address, machine);
    return machine;
  }

  return {
    seed,
    host,
    setFaults: (a, b, faults) => fabric.setFaults(a, b, faults),
    cut: (a, b) => fabric.cut(a, b),
    heal: (a, b) => fabric.heal(a, b),
    setHandling: (name, port, ms) => fabric.setHandling(name, port, ms),
    kill: (name) => fabric.hosts.get(name)?.crash(),
    nowMs: () => agenda.nowMs,
    run: (ms) => agenda.runFor(ms),
    settle: (atMostMs) => agenda.settle(atMostMs),
    hash: () => fabric.hash.toString(),
    note: (line) => fabric.hash.text(`${line}\n`),
    ladder: () => ladder.lines().join("\n"),
  };
}
