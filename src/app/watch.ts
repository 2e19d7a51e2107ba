import { createWriteStream, type WriteStream } from "node:fs";
import { ViewerAgent } from "#client/agents.ts";
import { sentence } from "#client/index.ts";
import type { ViewerState } from "#client/viewer.ts";
import { nodeHost } from "#host/node/index.ts";
import { CleanEnd } from "#media/index.ts";
import { say, UsageError, untilStopped } from "./console.ts";
import { type ClientFlags, identify, registrationFault } from "./identity.ts";

interface WatchFlags extends ClientFlags {
  readonly output: string;
  readonly unicast?: boolean;
  readonly interface: string;
  readonly seconds?: number;
}
type Output = WriteStream | typeof process.stdout;

const GOODBYE_MS = 2_000;

/** `sipcast watch`: writes the channel's MPEG-TS until Ctrl-C, `--seconds`, or until the network hangs up. */
export async function runWatch(channel: string, flags: WatchFlags): Promise<void> {
  const identity = await identify(flags, channel, "anybody");
  const output: Output = flags.output === "-" ? process.stdout : createWriteStream(flags.output);
  const delivery = flags.unicast
    ? ({ form: "unicast" } as const)
    : ({ form: "multicast", multicastInterface: flags.interface } as const);
  const whole = new CleanEnd();
  let octets = 0;
  await new Promise<void>((resolve, reject) => {
    let isAsked = false;
    let fault: UsageError | undefined; // of our output: said after the goodbye
    const end = (error = fault): void => {
      agent.stop();
      if (error) reject(error);
      else resolve();
    };
    const agent = new ViewerAgent(nodeHost(), identity, delivery, {
      onRegistration: (state) => {
        const fault = isAsked ? undefined : registrationFault(state, identity);
        if (fault !== undefined) return end(new UsageError(fault));
        if (state.kind !== "registered" || isAsked) return;
        isAsked = true;
        agent.watch(channel);
      },
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
      onFault: (error) => end(new UsageError(`The stream cannot be received: ${error.message}`)),
    });
    const leave = (): void => {
      agent.leave();
      agent.unregister();
      setTimeout(end, GOODBYE_MS).unref();
      if (!isAsked) end();
    };
    // Whoever read our output has gone (e.g. a player was closed): so do we.
    output.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") fault = new UsageError(`Cannot write ${flags.output}: ${error.message}`);
      leave();
    });
    agent.register();
    void untilStopped().then(leave);
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

function finish(output: Output): Promise<void> {
  if (output === process.stdout) return Promise.resolve();
  return new Promise((resolve) => {
    output.once("error", () => resolve());
    output.end(resolve);
  });
}
