/** A DS of which there is only the overlay, in a process of its own: `bench tables` tells it what to do and asks how it went. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as pause, setImmediate as turn } from "node:timers/promises";
import { SILENT } from "#base/log.ts";
import type { Ticket } from "#base/ticket.ts";
import { nodeHost } from "#host/node/index.ts";
import { slowDisk } from "#host/node/test-slow-disk.ts";
import { NatsCarrier, type NatsOptions } from "#overlay/carriers/nats.ts";
import { type Carrier, ChannelCarrier, copiedTo, ipcChannel, OverlayNode } from "#overlay/index.ts";
import type { Binding } from "#sip/index.ts";
import { benchBinding, LIFETIME_SEC } from "./bindings.ts";

export interface MemberPlan {
  readonly id: string;
  readonly logDirectory: string;
  /** Without: the channel to the parent. */
  readonly nats?: Omit<NatsOptions, "log">;
  /** Bindings that it writes, one after the other, and then all over again. */
  readonly bindings: number;
  /** What a flush takes at least, as on a disk under load. ms. */
  readonly flushMs?: number;
}
/** The answer to each has its number. */
export type Ask = { readonly number: number } & (
  | { readonly ask: "put"; readonly rows: number; readonly atOnce: number }
  | { readonly ask: "pace"; readonly perSec: number; readonly seconds: number }
  | { readonly ask: "state" }
);
export interface PutFigures {
  readonly rowsPerSec: number;
  readonly cpuMicrosPerRow: number;
  /** From a put to its promise, and how much later than it should a turn of the event loop came. ms. */
  readonly promise: Spread;
  readonly loopDelay: Spread;
}
export interface Spread {
  readonly median: number;
  readonly p99: number;
  readonly most: number;
}
export interface MemberState {
  readonly rows: number;
  /** In memory. */
  readonly octets: number;
  readonly positions: string;
}
export interface Up {
  /** Of the question; 0 = it has caught up, `ms` after its process began to look at its log. */
  readonly number: number;
  readonly told: PutFigures | MemberState | { readonly ms: number };
}

const LOOP_RESOLUTION_MS = 1;
const NANOS_PER_MS = 1e6;
const TICK_MS = 5;

const { flushMs = 0, nats, ...plan } = JSON.parse(process.argv[2] ?? "") as MemberPlan;
if (flushMs > 0) slowDisk(flushMs);
const carrier: Carrier = nats ? new NatsCarrier({ ...nats, log: SILENT }) : new ChannelCarrier(ipcChannel(process));
const startMs = performance.now();
const overlay = new OverlayNode(carrier, nodeHost({ logDirectory: plan.logDirectory }), { id: plan.id, role: "ds", info: {} });
const table = overlay.table<Binding>("bindings", copiedTo("ds"));
let next = 0;

const up = (message: Up): void => void process.send?.(message);
overlay.whenCaughtUp(() => up({ number: 0, told: { ms: performance.now() - startMs } }));
process.on("disconnect", () => process.exit());
process.on("message", (message: Partial<Ask>) => {
  if (message.ask) void obey(message as Ask).then((told) => up({ number: message.number ?? 0, told }));
});

async function obey(ask: Ask): Promise<Up["told"]> {
  switch (ask.ask) {
    case "put":
      return measured(ask.rows, (promised) => putAll(ask.rows, ask.atOnce, promised));
    case "pace":
      return measured(ask.perSec * ask.seconds, (promised) => pace(ask.perSec, ask.seconds, promised));
    case "state": {
      const view = overlay.inspect().tables.find(({ name }) => name === "bindings");
      const positions = Object.entries(view?.positions ?? {}).sort();
      const { rows = 0, octets = 0 } = view ?? {};
      return { rows, octets, positions: JSON.stringify(positions) };
    }
  }
}

/** Every ticket goes through `promised`. */
async function measured(rows: number, put: (promised: (ticket: Ticket) => void) => Promise<void>): Promise<PutFigures> {
  const tookMs: number[] = [];
  let waiting = 0;
  let none = (): void => undefined;
  const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  loop.enable();
  const [startMs, cpu] = [performance.now(), process.cpuUsage()];
  await put((ticket) => {
    const putMs = performance.now();
    waiting++;
    ticket.onSafe(() => {
      tookMs.push(performance.now() - putMs);
      if (--waiting === 0) none();
    });
  });
  if (waiting > 0)
    await new Promise<void>((resolve) => {
      none = resolve;
    });
  const { user, system } = process.cpuUsage(cpu);
  const elapsedMs = performance.now() - startMs;
  loop.disable();
  tookMs.sort((a, b) => a - b);
  const of = (share: number): number => tookMs[Math.min(tookMs.length - 1, Math.floor(share * tookMs.length))] ?? Number.NaN;
  const delayOf = (percent: number): number => Math.max(0, loop.percentile(percent) / NANOS_PER_MS - LOOP_RESOLUTION_MS);
  return {
    rowsPerSec: (1_000 * rows) / elapsedMs,
    cpuMicrosPerRow: (user + system) / rows,
    promise: { median: of(0.5), p99: of(0.99), most: of(1) },
    loopDelay: { median: delayOf(50), p99: delayOf(99), most: delayOf(100) },
  };
}

/** As many as fit, `atOnce` of them without their promise at a time. */
async function putAll(rows: number, atOnce: number, promised: (ticket: Ticket) => void): Promise<void> {
  let waiting = 0;
  for (let left = rows; left > 0; ) {
    for (; left > 0 && waiting < atOnce; left--) {
      const ticket = putNext();
      waiting++;
      ticket.onSafe(() => waiting--);
      promised(ticket);
    }
    await turn();
  }
}
/** So many a second, evenly. */
async function pace(perSec: number, seconds: number, promised: (ticket: Ticket) => void): Promise<void> {
  const startMs = performance.now();
  for (let done = 0; done < perSec * seconds; await pause(TICK_MS)) {
    for (const due = (perSec * (performance.now() - startMs)) / 1_000; done < Math.min(due, perSec * seconds); done++)
      promised(putNext());
  }
}
function putNext(): Ticket {
  const [key, value] = benchBinding(next++ % plan.bindings);
  return table.put(`${key};at=${plan.id}`, value, 1, LIFETIME_SEC);
}
