import { Broker } from "#broker/index.ts";
import { CopsPdp } from "#cops/index.ts";
import type { BrokerConfig, RoleContext, RunningRole } from "./types.ts";

export interface RunningBroker extends RunningRole {
  /** What is promised: `reservations()`, `links()`. */
  readonly broker: Broker;
  readonly pdp: CopsPdp;
}

/** The bandwidth broker [B8]: PDP of every edge of its topology. Throws for a topology with faults. */
export function startBroker({ host, overlay, log, failed }: RoleContext, { cops, topology }: BrokerConfig): RunningBroker {
  const broker = new Broker(host, topology, { decide: (pep, handle, decision) => pdp.decide(pep, handle, decision) });
  const onListening = (): void => overlay.setPhase("serving");
  const onFailed = (error: Error): void => failed("COPS listener", error);
  const pdp = new CopsPdp(host, { bind: cops, onListening, onFailed, log }, broker);
  return {
    broker,
    pdp,
    stop(stopped) {
      overlay.leave();
      pdp.stop();
      broker.stop();
      stopped();
    },
  };
}
