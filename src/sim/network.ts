import type { Host } from "#host/host.ts";
import { Ladder } from "#trace/index.ts";
import { Fabric } from "./fabric.ts";
import { Random } from "./random.ts";
import { SimHost } from "./sim-host.ts";
import { Disk } from "./sim-log.ts";
import type { SimNetwork } from "./types.ts";

/** A network of simulated machines in virtual time: it starts at 0, and one seed decides everything. */
export function simNetwork(seed: number, { ladder: isKept = true }: { readonly ladder?: boolean } = {}): SimNetwork {
  const ladder = new Ladder();
  const ladders = isKept ? [ladder] : []; // and those that `record` started
  const fabric = new Fabric(seed, (event) => {
    for (const each of ladders) each.add(event);
  });
  const disks = new Map<string, Disk>(); // by machine: they outlive a crash
  const lives = new Map<string, number>();
  const { agenda } = fabric;
  const diskOf = (name: string): Disk => {
    const disk = disks.get(name) ?? new Disk(new Random(seed, `disk ${name}`));
    disks.set(name, disk);
    return disk;
  };
  const bothWays = (a: string, b: string, change: (from: string, to: string) => void): void => {
    change(a, b);
    if (a !== b) change(b, a);
  };

  function host(name: string, address: string): Host {
    if (fabric.hosts.get(name)?.alive) throw new Error(`Cannot start ${name}: it is running`);
    if (fabric.byAddress.get(address)?.alive) throw new Error(`Cannot start ${name}: ${address} is taken`);
    const life = (lives.get(name) ?? 0) + 1;
    lives.set(name, life);
    const machine = new SimHost(fabric, name, address, life, diskOf(name));
    const before = fabric.hosts.get(name);
    fabric.hosts.set(name, machine);
    before?.succeeded();
    for (const each of ladders) each.name({ host: address, port: 0 }, name);
    fabric.byAddress.set(address, machine);
    return machine;
  }

  return {
    seed,
    host,
    setFaults: (a, b, faults) =>
      bothWays(a, b, (from, to) => {
        const link = fabric.link(from, to);
        link.faults = { ...link.faults, ...faults };
      }),
    cut: (a, b) => bothWays(a, b, (from, to) => fabric.link(from, to).cut()),
    cutOneWay: (from, to) => fabric.link(from, to).cut(),
    heal: (a, b) => bothWays(a, b, (from, to) => fabric.heal(from, to)),
    fate: (from, to) => fabric.link(from, to).datagram(0, agenda.nowMs),
    setHandling: (name, port, ms) => fabric.setHandling(name, port, ms),
    kill: (name, how = "process") => fabric.hosts.get(name)?.crash(how),
    corruptLogs: (name) => diskOf(name).corrupt(),
    rotRecord: (name, log, at) => diskOf(name).rot(log, at),
    setDisk: (name, { flushMs }) => {
      diskOf(name).flushMs = flushMs;
    },
    loseDisk: (name) => {
      if (fabric.hosts.get(name)?.alive) throw new Error(`Cannot lose the disk of ${name}: it is running`);
      diskOf(name).lose();
    },
    fillDisk: (name, full) => {
      diskOf(name).isFull = full;
    },
    setRate: (name, rate) => fabric.clockOf(name).setRate(rate, agenda.nowMs),
    isUp: (name) => fabric.hosts.get(name)?.alive === true,
    inUse: (name) => fabric.hosts.get(name)?.inUse ?? { sockets: 0, timers: 0 },
    setWall: (name, aheadMs) => fabric.wallAheadMs.set(name, aheadMs),
    hasJoined: (address, group) => fabric.byAddress.get(address)?.hasJoined(group) ?? false,
    nowMs: () => agenda.nowMs,
    run: (ms) => agenda.runFor(ms),
    settle: (atMostMs) => agenda.settle(atMostMs),
    hash: () => fabric.hash.toString(),
    note: (line) => fabric.hash.text(`${line}\n`),
    ladder: () => ladder.lines().join("\n"),
    record: () => {
      const started = new Ladder({ stable: true });
      for (const [address, { name }] of fabric.byAddress) started.name({ host: address, port: 0 }, name);
      ladders.push(started);
      return () => started.lines();
    },
  };
}
