import { Ladder } from "#trace/index.ts";
import { Fabric } from "./fabric.ts";
import { SimHost } from "./sim-host.ts";
import type { SimNetwork } from "./types.ts";

type Part<Names extends keyof SimNetwork> = Pick<SimNetwork, Names>;

/** A network of simulated machines in virtual time: it starts at 0, and one seed decides everything. */
export function simNetwork(seed: number, { ladder: isKept = true }: { readonly ladder?: boolean } = {}): SimNetwork {
  const ladder = new Ladder();
  const ladders = isKept ? [ladder] : []; // and those that `record` started
  const fabric = new Fabric(seed, (event) => {
    for (const each of ladders) each.add(event);
  });
  const { agenda } = fabric;
  return {
    seed,
    ...lines(fabric),
    ...machines(fabric, ladders),
    ...disks(fabric),
    ...clocks(fabric),
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

function lines(fabric: Fabric): Part<"setFaults" | "cut" | "cutOneWay" | "heal" | "fate"> {
  const bothWays = (a: string, b: string, change: (from: string, to: string) => void): void => {
    change(a, b);
    if (a !== b) change(b, a);
  };
  return {
    setFaults: (a, b, faults) =>
      bothWays(a, b, (from, to) => {
        const link = fabric.link(from, to);
        link.faults = { ...link.faults, ...faults };
      }),
    cut: (a, b) => bothWays(a, b, (from, to) => fabric.link(from, to).cut()),
    cutOneWay: (from, to) => fabric.link(from, to).cut(),
    heal: (a, b) => bothWays(a, b, (from, to) => fabric.heal(from, to)),
    fate: (from, to) => fabric.link(from, to).datagram(0, fabric.agenda.nowMs),
  };
}

/** `ladders` are told who has which address. */
function machines(
  fabric: Fabric,
  ladders: readonly Ladder[],
): Part<"host" | "kill" | "isUp" | "inUse" | "hasJoined" | "setHandling"> {
  const lives = new Map<string, number>();
  return {
    host: (name, address) => {
      const before = fabric.hosts.get(name);
      if (before?.alive) throw new Error(`Cannot start ${name}: it is running`);
      if (fabric.byAddress.get(address)?.alive) throw new Error(`Cannot start ${name}: ${address} is taken`);
      const life = (lives.get(name) ?? 0) + 1;
      lives.set(name, life);
      const machine = new SimHost(fabric, name, address, life);
      fabric.hosts.set(name, machine);
      before?.succeeded();
      for (const each of ladders) each.name({ host: address, port: 0 }, name);
      fabric.byAddress.set(address, machine);
      return machine;
    },
    kill: (name, how = "process") => fabric.hosts.get(name)?.crash(how),
    isUp: (name) => fabric.hosts.get(name)?.alive === true,
    inUse: (name) => fabric.hosts.get(name)?.inUse ?? { sockets: 0, timers: 0 },
    hasJoined: (address, group) => fabric.byAddress.get(address)?.hasJoined(group) ?? false,
    setHandling: (name, port, ms) => fabric.setHandling(name, port, ms),
  };
}

function disks(fabric: Fabric): Part<"corruptLogs" | "rotRecord" | "setDisk" | "loseDisk" | "fillDisk"> {
  return {
    corruptLogs: (name) => fabric.diskOf(name).corrupt(),
    rotRecord: (name, log, at) => fabric.diskOf(name).rot(log, at),
    setDisk: (name, { flushMs }) => {
      fabric.diskOf(name).flushMs = flushMs;
    },
    loseDisk: (name) => {
      if (fabric.hosts.get(name)?.alive) throw new Error(`Cannot lose the disk of ${name}: it is running`);
      fabric.diskOf(name).lose();
    },
    fillDisk: (name, full) => {
      fabric.diskOf(name).isFull = full;
    },
  };
}

function clocks(fabric: Fabric): Part<"setRate" | "setWall"> {
  return {
    setRate: (name, rate) => fabric.clockOf(name).setRate(rate, fabric.agenda.nowMs),
    setWall: (name, aheadMs) => fabric.wallAheadMs.set(name, aheadMs),
  };
}
