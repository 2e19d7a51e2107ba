import { createConnection, createServer, type Server, type Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { LIMITS } from "#base/limits.ts";
import type {
  Address,
  CertificateNames,
  Listener,
  ListenHandlers,
  StreamConnectOptions,
  StreamHandlers,
  StreamListenOptions,
  StreamOptions,
  StreamPort,
} from "../host.ts";
import { queueFull, socketError } from "../socket-error.ts";
import type { HostCounters } from "./counters.ts";
import { connectTls, createTlsServer, namesShownBy } from "./tls.ts";

export function listenStreams(
  bind: Address,
  options: StreamListenOptions,
  handlers: ListenHandlers<StreamPort, StreamHandlers>,
  counters: HostCounters,
): Listener {
  const accept = (socket: Socket): void => {
    const port = new NodeStream(socket, options, counters);
    port.tell(handlers.accept(port));
  };
  const server: Server = options.tls ? createTlsServer(options.tls, accept, counters) : createServer({ noDelay: true }, accept);
  server.on("error", (error) => handlers.failed(error));
  server.listen({ host: bind.host, port: bind.port }, () => handlers.listening?.(boundTo(server.address())));
  return { close: () => void server.close() };
}

/** Of a listening TCP server. */
export function boundTo(at: ReturnType<ReturnType<typeof createServer>["address"]>): Address {
  if (at === null || typeof at === "string") throw new Error("Cannot tell the address: the server does not listen on TCP");
  return { host: at.address, port: at.port };
}

export function connectStream(
  to: Address,
  options: StreamConnectOptions,
  handlers: StreamHandlers,
  counters: HostCounters,
): void {
  const socket = options.tls ? connectTls(to, options.tls) : createConnection({ host: to.host, port: to.port, noDelay: true });
  const giveUp = setTimeout(() => {
    socket.destroy(socketError("ETIMEDOUT", "connect"));
  }, LIMITS.connectMs);
  let failure: Error | undefined;
  const refused = (): void => handlers.closed(failure);
  socket.on("error", (error) => {
    failure = error;
  });
  socket.once("close", refused);
  socket.once("close", () => clearTimeout(giveUp));
  socket.once(options.tls ? "secureConnect" : "connect", () => {
    clearTimeout(giveUp);
    socket.off("close", refused);
    const port = new NodeStream(socket, options, counters);
    port.tell(handlers);
    handlers.opened?.(port);
  });
}

class NodeStream implements StreamPort {
  readonly local: Address;
  readonly remote: Address;
  readonly peerNames?: CertificateNames;
  readonly #socket: Socket;
  readonly #maxQueuedBytes: number;
  readonly #counters: HostCounters;

  constructor(socket: Socket, options: StreamOptions, counters: HostCounters) {
    this.#socket = socket;
    this.#maxQueuedBytes = options.maxQueuedBytes ?? LIMITS.streamQueuedBytes;
    this.#counters = counters;
    this.local = { host: socket.localAddress ?? "", port: socket.localPort ?? 0 };
    this.remote = { host: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 };
    const names = socket instanceof TLSSocket ? namesShownBy(socket) : undefined;
    if (names) this.peerNames = names;
  }

  tell(handlers: StreamHandlers): void {
    let failure: Error | undefined;
    this.#socket.on("data", (bytes: Buffer) => handlers.data(bytes));
    this.#socket.on("error", (error) => {
      failure = error;
    });
    this.#socket.on("close", () => handlers.closed(failure));
  }

  send(bytes: Uint8Array): void {
    if (!this.#socket.writable) return;
    this.#socket.write(Buffer.from(bytes));
    if (this.#socket.writableLength <= this.#maxQueuedBytes) return;
    this.#counters.connectionsOverQueueLimit++;
    this.#socket.destroy(queueFull());
  }

  close(): void {
    if (!this.#socket.writable) return;
    this.#socket.end();
    const drop = setTimeout(() => this.#socket.destroy(), LIMITS.lingerMs);
    this.#socket.once("close", () => clearTimeout(drop));
  }
}
