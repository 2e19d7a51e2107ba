import { BroadcasterAgent } from "#client/agents.ts";
import type { BroadcasterState } from "#client/broadcaster.ts";
import { sentence } from "#client/index.ts";
import { type Address, showAddress } from "#host/host.ts";
import { nodeHost } from "#host/node/index.ts";
import { say, UsageError } from "./console.ts";
import { type ClientFlags, identify } from "./identity.ts";
import { whileRegistered } from "./registered.ts";
import { openSources, type Source, type SourceRates } from "./source.ts";

/** `sipcast broadcast`: until Ctrl-C, the end of the source, or until the network hangs up. */
export async function runBroadcast(
  channel: string,
  named: readonly string[],
  flags: ClientFlags & SourceRates & { readonly ask?: boolean; readonly refuse?: readonly string[] },
): Promise<void> {
  if (flags.refuse && !flags.ask) throw new UsageError("--refuse is for --ask.");
  const host = nodeHost();
  const sources = openSources(named, host, flags);
  const identity = await identify(flags, channel, "owner");
  await whileRegistered(identity, ({ onRegistration, end, leave }) => {
    const agent = new BroadcasterAgent(host, identity, sources, {
      onRegistration,
      onState: (state) => {
        const line = progress(channel, sources, state);
        if (line !== undefined) say(line);
        if (state.kind === "ended") end(new UsageError(sentence(state.status, state.warning, state.reason)));
        if (state.kind === "idle") end();
      },
      onFault: leave,
    });
    const begin = (): void => {
      if (flags.ask) agent.wait({ channel, refused: new Set(flags.refuse) });
      else agent.goLive(channel);
    };
    return { agent, begin, hangUp: () => agent.end() };
  });
}

function progress(channel: string, sources: readonly Source[], state: BroadcasterState): string | undefined {
  switch (state.kind) {
    case "calling":
      return `Asking for ${channel} to go on air.`;
    case "waiting":
      return `Waiting to be asked for ${channel}. Ctrl-C ends it.`;
    case "on air": {
      const sent = sources.map(({ about }, at) => `${about}, ${whither(state.ingests[at])}`);
      return `${channel} is on air: ${sent.join("; ")}. Ctrl-C ends it.`;
    }
    case "idle":
      return `${channel} is off air.`;
    case "ended":
      return undefined;
  }
}
const whither = (ingest: Address | undefined): string => (ingest ? `to ${showAddress(ingest)}` : "which is refused");
