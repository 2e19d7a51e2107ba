import { Broker } from "#broker/index.ts";
import { CopsPdp, copsKey } from "#cops/index.ts";
import type { BrokerConfig, RoleContext, RunningRole } from "./types.ts";

/** How often an edge reports what it carried. */
const ACCOUNTING_SEC = 60;

export interface RunningBroker extends RunningRole {
  readonly id: string;
  /** What is promised: `reservations()`, `links()`. */
  readonly broker: Broker;
  readonly pdp: CopsPdp;
}

/** The bandwidth broker [B8]: PDP of every edge of its topology. Throws for a topology with faults. */
export function startBroker({ host, overlay, log, failed }: RoleContext, config: BrokerConfig): RunningBroker {
  const { cops, topology, integrity } = config;
  const broker = new Broker(host, topology, {
    decide: (pep, handle, decision) => pdp.decide(pep, handle, decision),
    synchronize: (pep, clientType) => pdp.synchronize(pep, clientType),
  });
  const onListening = (): void => overlay.setPhase("serving");
  const onFailed = (error: Error): void => failed("COPS listener", error);
  const keys = integrity ? { integrity: [copsKey(integrity)] } : {};
  const pdp = new CopsPdp(host, { bind: cops, accountingSec: ACCOUNTING_SEC, ...keys, onListening, onFailed, log }, broker);
  return {
    id: overlay.self.id,
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
