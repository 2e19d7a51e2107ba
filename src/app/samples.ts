import path from "node:path";
import { BroadcasterAgent } from "#client/agents.ts";
import { sentence } from "#client/index.ts";
import type { Host } from "#host/host.ts";
import { readClipFile } from "./clip-file.ts";
import { say } from "./console.ts";
import type { DemoBroadcast, DemoPlan } from "./demo-plan.ts";

export interface Samples {
  /** Takes the sample channels off air, with goodbye. */
  stop(): Promise<void>;
}

const GOODBYE_MS = 1_000;

/** Puts the sample channels on air; resolves when each is, or was refused, which is said. */
export async function startSamples(host: Host, plan: DemoPlan, home: string): Promise<Samples> {
  const started = await Promise.all(plan.broadcasts.map((broadcast) => startSample(host, plan, broadcast, home)));
  return {
    stop: async () => {
      await Promise.all(started.map(({ stop }) => stop()));
    },
  };
}

function startSample(host: Host, plan: DemoPlan, broadcast: DemoBroadcast, home: string): Promise<Samples> {
  const clip = readClipFile(path.join(home, broadcast.clip));
  const { user, channel } = broadcast;
  const deviceSecret = plan.accounts.find((account) => account.user === user)?.deviceSecret ?? "";
  const ds = plan.config.ds[broadcast.site]?.udp ?? { host: "", port: 0 };
  const identity = { user, domain: plan.config.domain, deviceSecret, ds, localHost: ds.host };
  return new Promise((resolve) => {
    let asked = false;
    let ended = (): void => undefined;
    const agent = new BroadcasterAgent(host, identity, [{ feed: { kind: "clip", clip } }], {
      onRegistration: ({ kind }) => {
        if (kind === "registered" && !asked) agent.goLive(channel);
        asked ||= kind === "registered";
      },
      onState: (state) => {
        if (state.kind === "ended") say(`Sample channel ${channel}: ${sentence(state.status, state.warning, state.reason)}`);
        if (state.kind !== "calling") resolve({ stop });
        if (state.kind === "ended" || state.kind === "idle") ended();
      },
      onFault: (error) => say(`Sample channel ${channel}: ${error.message}`),
    });
    const stop = async (): Promise<void> => {
      await new Promise<void>((done) => {
        ended = done;
        setTimeout(done, GOODBYE_MS).unref();
        agent.end();
      });
      agent.stop();
    };
    agent.register();
  });
}
