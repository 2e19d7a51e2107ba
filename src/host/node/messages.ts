import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { WebSocket, WebSocketServer } from "ws";
import { LIMITS } from "#base/limits.ts";
import { addressOfUrl } from "../addresses.ts";
import { closeError, NORMAL_CLOSE } from "../close-codes.ts";
import type {
  Address,
  Handshake,
  Listener,
  ListenHandlers,
  MessageConnectOptions,
  MessageHandlers,
  MessageListenOptions,
  MessagePort,
  Refusal,
  StreamOptions,
} from "../host.ts";
import { queueFull } from "../socket-error.ts";
import type { HostCounters } from "./counters.ts";
import { boundTo } from "./streams.ts";
import { serverOptions } from "./tls.ts";

/** Speaks WebSocket (RFC 6455) alone: any other request gets 426. */
export function listenMessages(
  bind: Address,
  options: MessageListenOptions,
  handlers: ListenHandlers<Handshake, MessageHandlers | Refusal>,
  counters: HostCounters,
): Listener {
  const upgradeOnly: RequestListener = (_, response) => void response.writeHead(426, { Upgrade: "websocket" }).end();
  const http = options.tls ? createTlsServer(serverOptions(options.tls), upgradeOnly) : createServer(upgradeOnly);
  http.on("tlsClientError", () => void counters.tlsHandshakesFailed++);
  const accepted = new WeakMap<IncomingMessage, MessageHandlers>(); // until opened
  const judge = (request: IncomingMessage): MessageHandlers | Refusal =>
    speaksOneOf(options.protocols, request) ? handlers.accept(handshakeOf(request)) : { refuse: 400 };
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: options.maxMessageBytes,
    perMessageDeflate: false,
    handleProtocols: (offered) => options.protocols.find((protocol) => offered.has(protocol)) ?? false,
    verifyClient: ({ req }, answer) => {
      const verdict = judge(req);
      if ("refuse" in verdict) answer(false, verdict.refuse);
      else {
        accepted.set(req, verdict);
        answer(true);
      }
    },
  });
  http.on("upgrade", (request, socket, head) => {
    server.handleUpgrade(request, socket, head, (connection) => {
      const owner = accepted.get(request);
      accepted.delete(request);
      if (!owner) throw new Error("A connection was opened that nobody accepted");
      const port = new NodeMessages(connection, remoteOf(request), options, counters);
      port.tell(owner);
      owner.opened?.(port);
    });
    accepted.get(request)?.closed(new Error("The connection broke during the handshake"));
  });
  http.on("error", (error) => handlers.failed(error));
  http.listen({ host: bind.host, port: bind.port }, () => handlers.listening?.(boundTo(http.address())));
  return { close: () => void http.close() };
}

export function connectMessages(
  url: string,
  options: MessageConnectOptions,
  handlers: MessageHandlers,
  counters: HostCounters,
): void {
  const connection = new WebSocket(url, [...options.protocols], {
    headers: { ...options.headers },
    maxPayload: LIMITS.clientMessageBytes,
    perMessageDeflate: false,
    handshakeTimeout: LIMITS.connectMs,
    ...(options.ca !== undefined && { ca: options.ca }),
  });
  const out = new NodeMessages(connection, addressOfUrl(url), options, counters);
  out.tell(handlers);
  connection.once("open", () => handlers.opened?.(out));
}

function speaksOneOf(protocols: readonly string[], request: IncomingMessage): boolean {
  const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((protocol) => protocol.trim());
  return protocols.length === 0 || protocols.some((protocol) => offered.includes(protocol));
}

const remoteOf = ({ socket }: IncomingMessage): Address => ({ host: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 });

function handshakeOf(request: IncomingMessage): Handshake {
  const headers: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(request.headers)) headers[name] = Array.isArray(value) ? value.join(", ") : value;
  return { path: request.url ?? "/", headers, remote: remoteOf(request) };
}

class NodeMessages implements MessagePort {
  readonly remote: Address;
  readonly #connection: WebSocket;
  readonly #maxQueuedBytes: number;
  readonly #counters: HostCounters;
  #failure: Error | undefined;
  #closing = false;

  constructor(connection: WebSocket, remote: Address, options: StreamOptions, counters: HostCounters) {
    this.#connection = connection;
    this.remote = remote;
    this.#maxQueuedBytes = options.maxQueuedBytes ?? LIMITS.streamQueuedBytes;
    this.#counters = counters;
  }

  tell(handlers: MessageHandlers): void {
    const stopPinging = this.#keepAlive();
    this.#connection.on("message", (data: Buffer, isBinary) => handlers.message(isBinary ? data : data.toString()));
    this.#connection.on("error", (error) => {
      this.#failure ??= error;
    });
    this.#connection.on("close", (code) => {
      stopPinging();
      handlers.closed(this.#failure ?? (this.#closing ? undefined : closeError(code)));
    });
  }

  /** A peer that has not answered the last ping when the next is due is gone (RFC 6455 §5.5.2). */
  #keepAlive(): () => void {
    let answered = true;
    this.#connection.on("pong", () => {
      answered = true;
    });
    const pinging = setInterval(() => {
      if (this.#connection.readyState !== WebSocket.OPEN) return;
      if (!answered) return this.#break(new Error("The peer does not answer pings"));
      answered = false;
      this.#connection.ping();
    }, LIMITS.pingEveryMs);
    return () => clearInterval(pinging);
  }

  get queuedBytes(): number {
    return this.#connection.bufferedAmount;
  }

  send(data: string | Uint8Array): void {
    if (this.#connection.readyState !== WebSocket.OPEN) return;
    this.#connection.send(typeof data === "string" ? data : Buffer.from(data));
    if (this.#connection.bufferedAmount <= this.#maxQueuedBytes) return;
    this.#counters.connectionsOverQueueLimit++;
    this.#break(queueFull());
  }

  #break(failure: Error): void {
    this.#failure ??= failure;
    this.#connection.terminate();
  }

  close(code = NORMAL_CLOSE): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#connection.close(code);
    const drop = setTimeout(() => this.#connection.terminate(), LIMITS.lingerMs);
    this.#connection.once("close", () => clearTimeout(drop));
  }
}
