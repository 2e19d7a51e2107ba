import { utf8 } from "#base/bytes.ts";
import { addressOfUrl } from "./addresses.ts";
import type {
  Address,
  DatagramBind,
  DatagramHandlers,
  DatagramPort,
  Host,
  MessageHandlers,
  StreamHandlers,
  StreamPort,
} from "./host.ts";

/** One datagram, stream chunk or message that passed a host's edge. */
export interface TapEvent {
  /** On the tapped host's clock. */
  readonly atMs: number;
  /** Name of the tapped machine. */
  readonly node: string;
  readonly kind: "datagram" | "stream" | "message";
  readonly direction: "in" | "out";
  /** Port 0 where the host does not tell it: a message connection's client end. */
  readonly local: Address;
  readonly remote: Address;
  /** Text messages as UTF-8. The receiver's only until it returns. */
  readonly bytes: Uint8Array;
  /** Known in the simulator alone: it will not arrive. */
  readonly lost?: boolean;
}

/**
 * The same host, with every datagram, stream chunk and message told to `sink` before it is handed on (DESIGN §4). A host
 * that is not tapped pays nothing.
 */
export function tap(host: Host, node: string, sink: (event: TapEvent) => void): Host {
  const teller =
    (kind: TapEvent["kind"], local: () => Address) =>
    (direction: TapEvent["direction"], remote: Address, data: string | Uint8Array): void =>
      sink({
        atMs: host.nowMs(),
        node,
        kind,
        direction,
        local: local(),
        remote,
        bytes: typeof data === "string" ? utf8(data) : data,
      });
  return {
    nowMs: () => host.nowMs(),
    wallMs: () => host.wallMs(),
    timer: (atMs, fire) => host.timer(atMs, fire),
    random: (octets) => host.random(octets),
    digest: (algorithm, bytes) => host.digest(algorithm, bytes),
    hmac: (algorithm, key, bytes) => host.hmac(algorithm, key, bytes),
    digestHex: (algorithm, text) => host.digestHex(algorithm, text),
    hmacHex: (algorithm, key, text) => host.hmacHex(algorithm, key, text),
    log: (name) => host.log(name),
    datagram: (bind, handlers) => tapDatagrams(host, bind, handlers, teller),
    listen: (bind, options, handlers) =>
      host.listen(bind, options, {
        ...handlers,
        accept: (peer) => {
          const tell = teller("stream", () => peer.local);
          return tapStreamHandlers(handlers.accept(tapStream(peer, tell)), peer, tell);
        },
      }),
    connect: (to, options, handlers) => host.connect(to, options, tapDialled(handlers, teller)),
    listenMessages: (bind, options, handlers) =>
      host.listenMessages(bind, options, {
        ...handlers,
        accept: (handshake) => {
          const answer = handlers.accept(handshake);
          const tell = teller("message", () => bind);
          return "refuse" in answer ? answer : tapMessages(answer, handshake.remote, tell);
        },
      }),
    connectMessages: (url, options, handlers) => {
      const tell = teller("message", () => UNKNOWN);
      host.connectMessages(url, options, tapMessages(handlers, addressOfUrl(url), tell));
    },
  };
}

type Tell = (direction: TapEvent["direction"], remote: Address, data: string | Uint8Array) => void;
type Teller = (kind: TapEvent["kind"], local: () => Address) => Tell;
const UNKNOWN: Address = { host: "0.0.0.0", port: 0 };

function tapDatagrams(host: Host, bind: DatagramBind, handlers: DatagramHandlers, teller: Teller): DatagramPort {
  let local: Address = bind;
  const tell = teller("datagram", () => local);
  const port = host.datagram(bind, {
    bound: (at) => {
      local = at;
      handlers.bound?.(at);
    },
    datagram: (bytes, from) => {
      tell("in", from, bytes);
      handlers.datagram(bytes, from);
    },
    unreachable: () => handlers.unreachable?.(),
    failed: (error) => handlers.failed(error),
  });
  return {
    send: (bytes, to) => {
      tell("out", to, bytes);
      port.send(bytes, to);
    },
    join: (group, source) => port.join(group, source),
    leave: (group, source) => port.leave(group, source),
    connect: (to) => port.connect(to),
    close: () => port.close(),
  };
}

function tapStream(stream: StreamPort, tell: Tell): StreamPort {
  return {
    local: stream.local,
    remote: stream.remote,
    ...(stream.peerNames && { peerNames: stream.peerNames }),
    send: (bytes) => {
      tell("out", stream.remote, bytes);
      stream.send(bytes);
    },
    close: () => stream.close(),
  };
}

function tapStreamHandlers(handlers: StreamHandlers, { remote }: StreamPort, tell: Tell): StreamHandlers {
  return {
    data: (bytes) => {
      tell("in", remote, bytes);
      handlers.data(bytes);
    },
    closed: (error) => handlers.closed(error),
  };
}

/** What a stream that is being opened is called is known once it is open. */
function tapDialled(handlers: StreamHandlers, teller: Teller): StreamHandlers {
  let tapped = handlers;
  return {
    opened: (stream) => {
      const tell = teller("stream", () => stream.local);
      tapped = tapStreamHandlers(handlers, stream, tell);
      handlers.opened?.(tapStream(stream, tell));
    },
    data: (bytes) => tapped.data(bytes),
    closed: (error) => handlers.closed(error),
  };
}

function tapMessages(handlers: MessageHandlers, remote: Address, tell: Tell): MessageHandlers {
  return {
    opened: (port) =>
      handlers.opened?.({
        remote: port.remote,
        get queuedBytes() {
          return port.queuedBytes;
        },
        send: (data) => {
          tell("out", remote, data);
          port.send(data);
        },
        close: (code) => port.close(code),
      }),
    message: (data) => {
      tell("in", remote, data);
      handlers.message(data);
    },
    closed: (error) => handlers.closed(error),
  };
}
