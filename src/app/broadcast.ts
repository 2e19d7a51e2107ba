import { BroadcasterAgent } from "#client/agents.ts";
import type { BroadcasterState } from "#client/broadcaster.ts";
import { sentence } from "#client/index.ts";
import { nodeHost } from "#host/node/index.ts";
import { readClipFile } from "./clip-file.ts";
import { say, UsageError, untilStopped } from "./console.ts";
import { type ClientFlags, identify, registrationFault } from "./identity.ts";

const GOODBYE_MS = 2_000;

/** `sipcast broadcast`: until Ctrl-C, or until the network hangs up. */
export async function runBroadcast(
  channel: string,
  file: string,
  flags: ClientFlags & { readonly rate?: number },
): Promise<void> {
  const clip = readClipFile(file);
  const identity = await identify(flags, channel, "owner");
  await new Promise<void>((resolve, reject) => {
    let isAsked = false;
    const end = (error?: Error): void => {
      agent.stop();
      if (error) reject(error);
      else resolve();
    };
    const agent = new BroadcasterAgent(nodeHost(), identity, clip, {
      onRegistration: (state) => {
        const fault = isAsked ? undefined : registrationFault(state, identity);
        if (fault !== undefined) return end(new UsageError(fault));
        if (state.kind !== "registered" || isAsked) return;
        isAsked = true;
        agent.goLive(channel, flags.rate);
      },
      onState: (state) => {
        const line = progress(channel, clip.kbps, state);
        if (line !== undefined) say(line);
        if (state.kind === "ended") end(new UsageError(sentence(state.status, state.warning, state.reason)));
        if (state.kind === "idle") end();
      },
      onFault: (error) => end(error),
    });
    agent.register();
    void untilStopped().then(() => {
      agent.end();
      agent.unregister();
      setTimeout(end, GOODBYE_MS).unref();
      if (!isAsked) end();
    });
  });
}

function progress(channel: string, kbps: number, state: BroadcasterState): string | undefined {
  switch (state.kind) {
    case "calling":
      return `Asking for ${channel} to go on air.`;
    case "on air":
      return `${channel} is on air: ${Math.round(kbps)} kbit/s to ${state.ingest.host}:${state.ingest.port}. Ctrl-C ends it.`;
    case "idle":
      return `${channel} is off air.`;
    case "ended":
      return undefined;
  }
}
