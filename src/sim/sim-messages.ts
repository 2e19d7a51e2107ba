import { LIMITS } from "#base/limits.ts";
import { addressOfUrl } from "#host/addresses.ts";
import { closeError, NORMAL_CLOSE, TOO_BIG_CLOSE } from "#host/close-codes.ts";
import type {
  Handshake,
  ListenHandlers,
  MessageConnectOptions,
  MessageHandlers,
  MessageListenOptions,
  MessagePort,
  Refusal,
  TlsServer,
} from "#host/host.ts";
import { socketError } from "#host/socket-error.ts";
import type { End, EndHandlers } from "./connection.ts";
import type { Fabric } from "./fabric.ts";
import type { SimHost } from "./sim-host.ts";
import { dial } from "./sim-streams.ts";
import { tlsFault } from "./sim-tls.ts";

export function connectMessages(
  host: SimHost,
  fabric: Fabric,
  url: string,
  options: MessageConnectOptions,
  handlers: MessageHandlers,
): void {
  const { pathname, search, host: authority, hostname, protocol } = new URL(url);
  const tls = protocol === "wss:" ? { serverName: hostname, ...(options.ca !== undefined && { ca: options.ca }) } : undefined;
  const to = addressOfUrl(url);
  const headers: Record<string, string> = { host: authority };
  for (const [name, value] of Object.entries(options.headers ?? {})) headers[name.toLowerCase()] = value;
  const client = dial(host, fabric, "message", to, (server) => {
    const listening = server.host.messageListeners.get(to.port);
    if (!listening) return server.refuse(socketError("ECONNREFUSED", "connect"));
    const fault = tlsFault(tls, listening.tls);
    if (fault) return server.refuse(fault);
    const answer = listening.accept(server, { path: pathname + search, headers, remote: server.remote }, options.protocols);
    if (answer) return server.refuse(new Error(`The handshake was refused with ${answer.refuse}`));
    server.call(() => client.opened());
    server.opened();
  });
  client.own(messageEnd(client, handlers, LIMITS.clientMessageBytes), options.maxQueuedBytes);
}

export interface MessageListening {
  readonly tls: TlsServer | undefined;
  /** Takes or refuses a handshake that has arrived. */
  readonly accept: (server: End, handshake: Handshake, offered: readonly string[]) => Refusal | undefined;
}

export function acceptMessages(
  options: MessageListenOptions,
  handlers: ListenHandlers<Handshake, MessageHandlers | Refusal>,
): MessageListening {
  return {
    tls: options.tls,
    accept: (server, handshake, offered) => {
      const { protocols } = options;
      if (protocols.length > 0 && !protocols.some((protocol) => offered.includes(protocol))) return { refuse: 400 };
      const answer = handlers.accept(handshake);
      if ("refuse" in answer) return answer;
      server.own(messageEnd(server, answer, options.maxMessageBytes), options.maxQueuedBytes);
      return undefined;
    },
  };
}

const messagePort = (end: End): MessagePort => ({
  remote: end.remote,
  get queuedBytes() {
    return end.queuedBytes;
  },
  send: (data) => end.send(data),
  close: (code = NORMAL_CLOSE) => end.end(closeError(code)),
});

function messageEnd(end: End, handlers: MessageHandlers, maxMessageBytes: number): EndHandlers {
  return {
    opened: () => handlers.opened?.(messagePort(end)),
    data: (batch) => {
      for (const data of batch) {
        if (data.length > maxMessageBytes) {
          end.abort(new Error(`A message of ${data.length} octets is too large`), closeError(TOO_BIG_CLOSE));
          return;
        }
        handlers.message(data);
      }
    },
    closed: (error) => handlers.closed(error),
  };
}
