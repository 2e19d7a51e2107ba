import { concat } from "#base/bytes.ts";
import type {
  Address,
  ListenHandlers,
  StreamConnectOptions,
  StreamHandlers,
  StreamListenOptions,
  StreamPort,
  TlsServer,
} from "#host/host.ts";
import { socketError } from "#host/socket-error.ts";
import { End, type EndHandlers, type Payload } from "./connection.ts";
import type { Fabric } from "./fabric.ts";
import type { SimHost } from "./sim-host.ts";
import { clientNames, namesOf, tlsFault } from "./sim-tls.ts";

/** Opens a connection; `arrived` runs over there when the attempt does. */
export function dial(
  host: SimHost,
  fabric: Fabric,
  kind: "stream" | "message",
  to: Address,
  arrived: (server: End, client: End) => void,
): End {
  const local = { host: host.address, port: host.freePort() };
  const client = new End(host, fabric, kind, { local, remote: to });
  client.dialling();
  const target = fabric.byAddress.get(to.host);
  if (target?.silent) return client;
  if (!target?.alive) {
    client.abort(socketError("ECONNREFUSED", "connect"));
    return client;
  }
  const server = new End(target, fabric, kind, { local: to, remote: local });
  client.join(server, () => fabric.handlingMs(target.name, to.port));
  server.join(client, () => 0);
  client.call(() => arrived(server, client));
  return client;
}

export function connectStream(
  host: SimHost,
  fabric: Fabric,
  to: Address,
  options: StreamConnectOptions,
  handlers: StreamHandlers,
): void {
  const client = dial(host, fabric, "stream", to, (server) => {
    const listening = server.host.streamListeners.get(to.port);
    if (!listening) return server.refuse(socketError("ECONNREFUSED", "connect"));
    const fault = tlsFault(options.tls, listening.tls);
    if (fault) return server.refuse(fault);
    if (listening.tls) client.peerNames = namesOf(listening.tls.cert);
    server.peerNames = clientNames(options.tls, listening.tls);
    server.call(() => client.opened());
    listening.accept(server);
  });
  client.own(streamEnd(fabric, client, handlers), options.maxQueuedBytes);
}

export interface StreamListening {
  readonly tls: TlsServer | undefined;
  /** Takes an attempt that has arrived. */
  readonly accept: (server: End) => void;
}

export function acceptStreams(
  fabric: Fabric,
  options: StreamListenOptions,
  handlers: ListenHandlers<StreamPort, StreamHandlers>,
): StreamListening {
  return {
    tls: options.tls,
    accept: (server) => server.own(streamEnd(fabric, server, handlers.accept(streamPort(server))), options.maxQueuedBytes),
  };
}

const streamPort = (end: End): StreamPort => ({
  local: end.local,
  remote: end.remote,
  ...(end.peerNames && { peerNames: end.peerNames }),
  send: (bytes) => end.send(bytes),
  close: () => end.end(),
});

/** Cuts one batch in sixteen in two: frames do not come in one piece. */
function streamEnd(fabric: Fabric, end: End, handlers: StreamHandlers): EndHandlers {
  return {
    opened: () => handlers.opened?.(streamPort(end)),
    data: (batch: readonly Payload[]) => {
      const bytes = concat(batch as readonly Uint8Array[]);
      const cutAt = bytes.length > 1 && fabric.happens(1 / 16) ? fabric.cutPoint(bytes.length) : bytes.length;
      handlers.data(bytes.slice(0, cutAt));
      if (cutAt < bytes.length) handlers.data(bytes.slice(cutAt));
    },
    closed: (error) => handlers.closed(error),
  };
}
