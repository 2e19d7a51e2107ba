import { createWriteStream } from "node:fs";
import type { Writable } from "node:stream";
import { ViewerAgent } from "#client/agents.ts";
import { sentence } from "#client/index.ts";
import type { ViewerState } from "#client/viewer.ts";
import { nodeHost } from "#host/node/index.ts";
import { CleanEnd } from "#media/index.ts";
import { say, UsageError } from "./console.ts";
import { type ClientFlags, identify } from "./identity.ts";
import { udpFree } from "./machine.ts";
import { startPlayer } from "./player.ts";
import { whileRegistered } from "./registered.ts";

interface WatchFlags extends ClientFlags {
  readonly output?: string;
  /** A command, or true for any that is installed. */
  readonly player?: string | true;
  readonly unicast?: boolean;
  /** At most, kbit/s. */
  readonly rate?: number;
  readonly interface?: string;
  readonly seconds?: number;
}

/** `sipcast watch`: writes or shows the channel's MPEG-TS until Ctrl-C, `--seconds`, or until the network hangs up. */
export async function runWatch(channel: string, flags: WatchFlags): Promise<void> {
  const identity = await identify(flags, channel, "anybody");
  if (flags.interface !== undefined && !(await udpFree(flags.interface, 0)))
    throw new UsageError(`--interface is "${flags.interface}", which is no address of this machine.`);
  let outputFailed = (_error: Error): void => undefined;
  const output = openOutput(flags, (error) => outputFailed(error));
  const delivery = flags.unicast
    ? ({ form: "unicast" } as const)
    : ({ form: "multicast", multicastInterface: flags.interface ?? identity.localHost } as const);
  const whole = new CleanEnd();
  let octets = 0;
  await whileRegistered(identity, ({ onRegistration, end, leave }) => {
    const agent = new ViewerAgent(nodeHost(), identity, delivery, {
      onRegistration,
      onState: (state) => {
        if (state.kind === "ended" && (octets === 0 || state.status !== undefined)) return end(new UsageError(why(state)));
        const line = progress(state);
        if (line !== undefined) say(line);
        if (state.kind === "ended" || state.kind === "idle") end();
      },
      onPackets: (packets) => {
        if (octets === 0 && flags.seconds !== undefined) setTimeout(leave, 1_000 * flags.seconds);
        octets += packets.length;
        output.write(whole.packets(packets));
      },
      onFault: (error) => leave(new UsageError(`The stream cannot be received: ${error.message}`)),
    });
    // EPIPE, or a pipe that is closed: whoever read our output has gone (e.g. a player was closed), and so do we.
    output.on("error", (error: NodeJS.ErrnoException) => {
      leave(error.code === "EPIPE" ? undefined : new UsageError(`Cannot write ${flags.output}: ${error.message}`));
    });
    output.once("close", () => leave());
    outputFailed = leave;
    return { agent, begin: () => agent.watch(channel, flags.rate), hangUp: () => agent.leave() };
  });
  await finish(output);
  say(`Received ${Math.round(octets / 1_000)} kB.`);
}

function why({ status, warning, reason }: Extract<ViewerState, { kind: "ended" }>): string {
  return sentence(status, warning, reason);
}

function progress(state: ViewerState): string | undefined {
  switch (state.kind) {
    case "calling":
      return `Asking for ${state.channel}.`;
    case "watching": {
      const { stream, channel, setupMs } = state;
      const from =
        stream.form === "multicast"
          ? `group ${stream.group.host}:${stream.group.port}, source ${stream.source}`
          : "a stream of its own";
      return `Watching ${channel}: ${stream.kbps} kbit/s reserved, ${from}, answered in ${Math.round(setupMs)} ms. Ctrl-C ends it.`;
    }
    case "ended":
      return `${state.channel}: ${why(state)}`;
    case "idle":
      return undefined;
  }
}

function openOutput({ output, player }: WatchFlags, failed: (error: Error) => void): Writable {
  if (player !== undefined) return startPlayer(player, failed);
  if (output === undefined) throw new UsageError("Say where the picture goes: -o FILE, -o - for standard output, or --player.");
  return output === "-" ? process.stdout : createWriteStream(output);
}

function finish(output: Writable): Promise<void> {
  if (output === process.stdout || output.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    output.once("error", () => resolve());
    output.end(resolve);
  });
}
