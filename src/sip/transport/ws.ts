/** SIP over WebSocket (RFC 7118): what both sides share, and the client's, which runs in a page. */
import { hex, utf8 } from "#base/bytes.ts";
import type { Address, BrowserHost, MessagePort } from "#host/host.ts";
import type { Flow } from "../engine/ports.ts";
import type { Link, Receiver, SentBy, Transport } from "./transport.ts";

export const SIP_PROTOCOL = "sip"; // RFC 7118 §4.1

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** A text message where the octets are UTF-8, else a binary one (RFC 7118 §4.2). */
function asMessage(bytes: Uint8Array): string | Uint8Array {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return bytes;
  }
}

/** One WebSocket: a flow (RFC 5626). */
export class WsLink implements Link {
  readonly flow: Flow;
  readonly transport: Transport;
  readonly #port: MessagePort;
  constructor(transport: Transport, port: MessagePort, flow: Flow) {
    this.transport = transport;
    this.#port = port;
    this.flow = flow;
  }
  send(bytes: Uint8Array): boolean {
    if (this.transport.linkOf(this.flow) !== this) return false;
    this.#port.send(asMessage(bytes));
    return true;
  }
  toPort(): Link {
    return this;
  }
  close(): void {
    this.#port.close();
  }
}

/** The open WebSockets of one transport. */
export class WsLinks {
  readonly #links = new Map<string, WsLink>();
  receiver: Receiver | undefined;

  add(link: WsLink): void {
    this.#links.set(link.flow.id, link);
  }
  of(flow: Flow): WsLink | undefined {
    return this.#links.get(flow.id);
  }
  named(id: string): Flow | undefined {
    return this.#links.get(id)?.flow;
  }
  message(link: WsLink, data: string | Uint8Array): void {
    this.receiver?.received(typeof data === "string" ? utf8(data) : data, link);
  }
  closed(link: WsLink): void {
    if (this.#links.delete(link.flow.id)) this.receiver?.closed(link);
  }
  closeAll(): void {
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }
}

export interface WsConnectOptions {
  /** Where the host may set them (not in a page): e.g. Cookie, Origin. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The flow may be sent on; its end is told by `onFlowClosed`. */
  readonly opened: (flow: Flow) => void;
  /** It could not be opened. */
  readonly failed: (error?: Error) => void;
}

/** Outgoing WebSockets, of `ws:` or of `wss:` URLs as `name` says. Our sent-by is a name that nobody resolves (RFC 7118 Appendix A). */
export class WsTransport implements Transport {
  readonly name: "ws" | "wss";
  readonly reliable = true;
  readonly sentBy: SentBy;
  readonly #host: BrowserHost;
  readonly #links = new WsLinks();

  constructor(host: BrowserHost, name: "ws" | "wss" = "ws") {
    this.#host = host;
    this.name = name;
    this.sentBy = { host: `${hex(host.random(6))}.invalid` };
  }

  /** Opens a flow. To be called after the driver has this transport. */
  connect(url: string, options: WsConnectOptions): void {
    let link: WsLink | undefined;
    const { headers } = options;
    this.#host.connectMessages(
      url,
      { protocols: [SIP_PROTOCOL], ...(headers && { headers }) },
      {
        opened: (port) => {
          link = new WsLink(this, port, {
            id: `${this.name}:${hex(this.#host.random(8))}`,
            transport: this.name,
            local: NOWHERE,
            remote: port.remote,
          });
          this.#links.add(link);
          options.opened(link.flow);
        },
        message: (data) => link && this.#links.message(link, data),
        closed: (error) => (link === undefined ? options.failed(error) : this.#links.closed(link)),
      },
    );
  }

  start(receiver: Receiver): void {
    this.#links.receiver = receiver;
  }
  linkOf(flow: Flow): Link | undefined {
    return this.#links.of(flow);
  }
  flowNamed(id: string): Flow | undefined {
    return this.#links.named(id);
  }
  /** No flow opens by itself: a URL has a path, an address none. */
  linkTo(): undefined {
    return undefined;
  }
  close(): void {
    this.#links.closeAll();
  }
}

/** A page knows no address of its own. */
const NOWHERE: Address = { host: "0.0.0.0", port: 0 };
