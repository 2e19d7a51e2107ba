import { CLIENT_TYPE, CopsPdp, CopsPep } from "#cops/index.ts";
import { Edge, type EdgeServiceConfig } from "#edge/index.ts";
import { showAddress } from "#host/host.ts";
import { MediaDriver } from "#media/index.ts";
import type { EdgeConfig, RoleContext, RunningRole } from "./types.ts";

export interface RunningEdge extends RunningRole {
  /** What is held: `reservations()`. */
  readonly edge: Edge;
  /** What is carried: `streams()`. */
  readonly media: MediaDriver;
  readonly pdp: CopsPdp;
  readonly pep: CopsPep;
}

/** An edge router's agent [B7]: PDP of its DSs, PEP of the broker, media of one site. Serves once it has the broker's policy. */
export function startEdge({ host, overlay, log, failed }: RoleContext, config: EdgeConfig): RunningEdge {
  const { id, cops, broker, mediaAddress, multicastInterface, mediaWs, origins } = config;
  const media = new MediaDriver(
    host,
    { address: mediaAddress, multicastInterface, ws: mediaWs, origins },
    { onSinkGone: (stream, sink) => edge.onSinkGone(stream, sink) },
    failed,
  );
  const clientTypes = [CLIENT_TYPE.provisioning, CLIENT_TYPE.admission];
  const pep = new CopsPep(
    host,
    { peer: broker, pepId: id, clientTypes, log },
    {
      onOpened: (clientType) => edge.onOpened(clientType),
      onDecision: (handle, decision) => edge.onDecision(handle, decision),
      onLost: (cause) => edge.onLost(cause),
    },
  );
  const service: EdgeServiceConfig = { ...config, mediaBase: `ws://${showAddress(mediaWs)}` };
  const edge = new Edge(host, host, service, {
    ds: { decide: (pepOfDs, handle, decision) => pdp.decide(pepOfDs, handle, decision) },
    broker: pep,
    media,
    provisioned: () => overlay.setPhase("serving"),
  });
  const onFailed = (error: Error): void => failed("COPS listener", error);
  const pdp = new CopsPdp(host, { bind: cops, onFailed, log }, edge);
  return {
    edge,
    media,
    pdp,
    pep,
    stop(stopped) {
      overlay.leave();
      pdp.stop();
      pep.stop();
      edge.stop();
      media.stop();
      stopped();
    },
  };
}
