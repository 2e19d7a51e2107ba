import { BroadcasterAgent } from "#client/agents.ts";
import type { BroadcasterState } from "#client/broadcaster.ts";
import { sentence } from "#client/index.ts";
import { nodeHost } from "#host/node/index.ts";
import { say, UsageError } from "./console.ts";
import { type ClientFlags, identify } from "./identity.ts";
import { whileRegistered } from "./registered.ts";
import { openSource } from "./source.ts";

/** `sipcast broadcast`: until Ctrl-C, the end of the source, or until the network hangs up. */
export async function runBroadcast(
  channel: string,
  from: string,
  flags: ClientFlags & { readonly rate?: number; readonly ask?: boolean; readonly refuse?: readonly string[] },
): Promise<void> {
  const host = nodeHost();
  const { feed, about } = openSource(from, host, flags.rate);
  const identity = await identify(flags, channel, "owner");
  await whileRegistered(identity, ({ onRegistration, end, leave }) => {
    const agent = new BroadcasterAgent(host, identity, feed, {
      onRegistration,
      onState: (state) => {
        const line = progress(channel, about, state);
        if (line !== undefined) say(line);
        if (state.kind === "ended") end(new UsageError(sentence(state.status, state.warning, state.reason)));
        if (state.kind === "idle") end();
      },
      onFault: leave,
    });
    const begin = (): void => {
      if (flags.ask) agent.wait({ channel, refused: new Set(flags.refuse) });
      else agent.goLive(channel, flags.rate);
    };
    return { agent, begin, hangUp: () => agent.end() };
  });
}

function progress(channel: string, about: string, state: BroadcasterState): string | undefined {
  switch (state.kind) {
    case "calling":
      return `Asking for ${channel} to go on air.`;
    case "waiting":
      return `Waiting to be asked for ${channel}. Ctrl-C ends it.`;
    case "on air":
      return `${channel} is on air: ${about}, to ${state.ingest.host}:${state.ingest.port}. Ctrl-C ends it.`;
    case "idle":
      return `${channel} is off air.`;
    case "ended":
      return undefined;
  }
}
