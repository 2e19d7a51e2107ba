import { type ChildProcess, fork } from "node:child_process";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type NodeHost, nodeHost } from "#host/node/index.ts";
import { NatsCarrier } from "#overlay/carriers/nats.ts";
import { testNats } from "#overlay/carriers/test-nats.ts";
import { type Carrier, ChannelHub, InProcessCarrier, ipcChannel } from "#overlay/index.ts";

export interface CarrierFigures {
  readonly carrier: "in process" | "channel" | "NATS";
  readonly frameBytes: number;
  readonly atOnce: number;
  /** Each way. */
  readonly framesPerSec: number;
  /** Of this process, for one frame sent or received; in process for both, and nobody else's. */
  readonly cpuMicrosPerFrame: number;
}

/** Frames to and from a member of another process (or, in process, of this one), so many of them under way at a time. */
export async function benchOverlay(seconds: number, frameBytes: number, atOnce: number): Promise<CarrierFigures[]> {
  const host = nodeHost();
  const figures: CarrierFigures[] = [];
  const measure = async (carrier: CarrierFigures["carrier"], over: Carrier): Promise<void> => {
    figures.push({ carrier, frameBytes, atOnce, ...(await exchange(host, over, seconds, frameBytes, atOnce)) });
  };

  const own = new InProcessCarrier();
  const echo = own.join("echo", host, (frame) => echo.send("bench", frame));
  await measure("in process", own);

  const parent = new InProcessCarrier();
  await withEcho(null, (child) => {
    new ChannelHub(parent, host).attach(ipcChannel(child));
    return measure("channel", parent);
  });

  const nats = await testNats(1);
  const { log, ...options } = nats.options("bench");
  const carrier = new NatsCarrier({ ...options, log });
  await withEcho(options, () => measure("NATS", carrier));
  await carrier.close();
  await nats.stop();
  return figures;
}

async function withEcho(nats: object | null, body: (child: ChildProcess) => Promise<void>): Promise<void> {
  const child = fork(path.join(import.meta.dirname, "echo.ts"), [JSON.stringify(nats)], { serialization: "advanced" });
  try {
    await body(child);
  } finally {
    child.kill("SIGKILL");
  }
}

async function exchange(host: NodeHost, carrier: Carrier, seconds: number, frameBytes: number, atOnce: number) {
  let received = 0;
  let isOver = false;
  const frame = new Uint8Array(frameBytes);
  const port = carrier.join("bench", host, () => {
    received++;
    if (!isOver) port.send("echo", frame);
  });
  for (; received === 0; await sleep(50)) port.send("echo", frame);
  for (let extra = 1; extra < atOnce; extra++) port.send("echo", frame);
  await sleep(1_000);
  const [before, startMs, cpu] = [received, performance.now(), process.cpuUsage()];
  await sleep(1_000 * seconds);
  const [frames, elapsedMs, { user, system }] = [received - before, performance.now() - startMs, process.cpuUsage(cpu)];
  isOver = true;
  port.leave();
  return { framesPerSec: (1_000 * frames) / elapsedMs, cpuMicrosPerFrame: (user + system) / (2 * frames) };
}
