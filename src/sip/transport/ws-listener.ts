import { hex } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import type { Address, Handshake, Host, Listener, MessageHandlers, Refusal, TlsServer } from "#host/host.ts";
import type { Flow } from "../engine/ports.ts";
import { hostInUri, type Link, type Receiver, type SentBy, type Transport } from "./transport.ts";
import { SIP_PROTOCOL, WsLink, WsLinks } from "./ws.ts";

/** For whom a WebSocket speaks (PROTOCOL §14): becomes part of its `Flow`. */
export interface WsPeer {
  readonly user?: string;
  readonly origin?: string;
}

export interface WsListenOptions {
  /** `wss` with `tls`, or behind something that ends TLS; default `ws`. */
  readonly name?: "ws" | "wss";
  readonly tls?: TlsServer;
  /** How peers reach us; default the bound address. */
  readonly sentBy?: SentBy;
  /** Checks Origin and who it is. */
  readonly accept: (handshake: Handshake) => WsPeer | Refusal;
  readonly listening?: (at: Address) => void;
  readonly failed: (error: Error) => void;
}

/** Server side of SIP over WebSocket (RFC 7118): a flow for each connection, none opened from here. */
export class WsListener implements Transport {
  readonly name: "ws" | "wss";
  readonly reliable = true;
  readonly #host: Host;
  readonly #options: WsListenOptions;
  readonly #links = new WsLinks();
  #local: Address;
  #listener: Listener | undefined;

  constructor(host: Host, bind: Address, options: WsListenOptions) {
    this.#host = host;
    this.#options = options;
    this.name = options.name ?? "ws";
    this.#local = bind;
  }

  get sentBy(): SentBy {
    return this.#options.sentBy ?? { host: hostInUri(this.#local.host), port: this.#local.port };
  }

  start(receiver: Receiver): void {
    this.#links.receiver = receiver;
    const { tls } = this.#options;
    this.#listener = this.#host.listenMessages(
      this.#local,
      { protocols: [SIP_PROTOCOL], maxMessageBytes: LIMITS.sipFrameBytes, ...(tls && { tls }) },
      {
        listening: (at) => {
          this.#local = at;
          this.#options.listening?.(at);
        },
        accept: (handshake) => this.#accept(handshake),
        failed: (error) => this.#options.failed(error),
      },
    );
  }

  #accept(handshake: Handshake): MessageHandlers | Refusal {
    const peer = this.#options.accept(handshake);
    if ("refuse" in peer) return peer;
    let link: WsLink | undefined;
    return {
      opened: (port) => {
        link = new WsLink(this, port, {
          id: `${this.name}:${hex(this.#host.random(8))}`,
          transport: this.name,
          local: this.#local,
          remote: handshake.remote,
          ...peer,
        });
        this.#links.add(link);
      },
      message: (data) => link && this.#links.message(link, data),
      closed: () => link && this.#links.closed(link),
    };
  }

  linkOf(flow: Flow): Link | undefined {
    return this.#links.of(flow);
  }
  flowNamed(id: string): Flow | undefined {
    return this.#links.named(id);
  }
  linkTo(): undefined {
    return undefined;
  }
  close(): void {
    this.#listener?.close();
    this.#links.closeAll();
  }
}
