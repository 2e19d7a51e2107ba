import { HASHES } from "#base/hash.ts";
import { LIMITS } from "#base/limits.ts";
import { addressOfUrl } from "../addresses.ts";
import { closeError, NORMAL_CLOSE } from "../close-codes.ts";
import type { BrowserHost, MessageConnectOptions, MessageHandlers, MessagePort } from "../host.ts";
import { queueFull } from "../socket-error.ts";
import { platformClock } from "./clock.ts";

/** What a page has. `crypto.subtle` is not used: it does not exist where the page came without TLS. */
export function browserHost(): BrowserHost {
  return {
    ...platformClock,
    random: (octets) => crypto.getRandomValues(new Uint8Array(octets)),
    ...HASHES,
    connectMessages,
  };
}

/** A page may close with 3000..4999 alone (RFC 6455 §7.4.2): what 1009 would say, and that the queue is full. */
const TOO_BIG = 4009;
const QUEUE_FULL = 4008;

/** `options.headers` and `ca` are ignored: a page's cookies, origin and trust are the browser's. */
function connectMessages(url: string, options: MessageConnectOptions, handlers: MessageHandlers): void {
  const socket = new WebSocket(url, [...options.protocols]);
  socket.binaryType = "arraybuffer";
  const { maxQueuedBytes = LIMITS.streamQueuedBytes } = options;
  let failure: Error | undefined;
  let closing = false;
  const fail = (code: number, why: Error): void => {
    failure ??= why;
    socket.close(code);
  };
  const port: MessagePort = {
    remote: addressOfUrl(url),
    get queuedBytes() {
      return socket.bufferedAmount;
    },
    send: (data) => {
      if (socket.readyState !== WebSocket.OPEN) return;
      socket.send(typeof data === "string" ? data : data.slice());
      if (socket.bufferedAmount > maxQueuedBytes) fail(QUEUE_FULL, queueFull());
    },
    close: (code = NORMAL_CLOSE) => {
      closing = true;
      socket.close(code);
    },
  };
  socket.onopen = () => handlers.opened?.(port);
  socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
    if (failure) return;
    const message = typeof data === "string" ? data : new Uint8Array(data);
    if (message.length > LIMITS.clientMessageBytes) fail(TOO_BIG, new Error("A message is too large"));
    else handlers.message(message);
  };
  socket.onclose = ({ code }) => handlers.closed(failure ?? (closing ? undefined : closeError(code)));
}
