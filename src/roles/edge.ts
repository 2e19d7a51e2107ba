import { CLIENT_TYPE, CopsPdp, CopsPep, copsKey } from "#cops/index.ts";
import { Edge, type EdgeServiceConfig } from "#edge/index.ts";
import { showAddress } from "#host/host.ts";
import { MediaDriver } from "#media/index.ts";
import type { EdgeConfig, RoleContext, RunningRole } from "./types.ts";

export interface RunningEdge extends RunningRole {
  readonly id: string;
  /** What is held: `reservations()`. */
  readonly edge: Edge;
  /** What is carried: `streams()`. */
  readonly media: MediaDriver;
  readonly pdp: CopsPdp;
  readonly pep: CopsPep;
}

/** An edge router's agent [B7]: PDP of its DSs, PEP of the broker, media of one site. Serves once it has the broker's policy. */
export function startEdge({ host, overlay, log, failed }: RoleContext, config: EdgeConfig): RunningEdge {
  const { id, cops, broker, mediaAddress, multicastInterface, mediaWs, origins, integrity, members } = config;
  const media = new MediaDriver(
    host,
    { address: mediaAddress, multicastInterface, ws: mediaWs, origins, log },
    { onSinkGone: (stream, sink) => edge.onSinkGone(stream, sink), onSourceSilent: (stream) => edge.onSourceSilent(stream) },
    failed,
  );
  const clientTypes = [CLIENT_TYPE.provisioning, CLIENT_TYPE.admission];
  const key = integrity && copsKey(integrity);
  const pep = new CopsPep(
    host,
    { peer: broker, pepId: id, clientTypes, ...(key && { integrity: key }), log },
    {
      onOpened: (clientType, accountingSec) => edge.onOpened(clientType, accountingSec),
      onDecision: (handle, decision) => edge.onDecision(handle, decision),
      onSynchronize: (clientType, handle) => edge.onSynchronize(clientType, handle),
      onLost: (cause) => edge.onLost(cause),
    },
  );
  const service: EdgeServiceConfig = { ...config, mediaBase: `ws://${showAddress(mediaWs)}`, log };
  const edge = new Edge(host, host, service, {
    ds: {
      decide: (pepOfDs, handle, decision) => pdp.decide(pepOfDs, handle, decision),
      synchronize: (pepOfDs, clientType) => pdp.synchronize(pepOfDs, clientType),
    },
    broker: pep,
    media,
    provisioned: () => overlay.setPhase("serving"),
    ...(members && { members }),
  });
  const onFailed = (error: Error): void => failed("COPS listener", error);
  const pdp = new CopsPdp(host, { bind: cops, ...(key && { integrity: [key] }), onFailed, log }, edge);
  return {
    id,
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
