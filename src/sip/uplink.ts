/** How a user agent gets a flow to one of its servers. */
import type { Address, BrowserHost, DatagramBind, Host } from "#host/host.ts";
import type { SipDriver } from "./driver.ts";
import type { Destination, TransportName } from "./engine/ports.ts";
import { StreamTransport } from "./transport/streams.ts";
import { hostInUri, type NextHop } from "./transport/transport.ts";
import { UdpTransport } from "./transport/udp.ts";
import { WsTransport } from "./transport/ws.ts";

export interface Uplink {
  readonly transport: TransportName;
  /** How many servers there are to choose from. */
  readonly servers: number;
  /** Called once, before `connect`. */
  attach(driver: SipDriver): void;
  /** A flow to that server: `opened` or `failed` is called once, not before this returns. Earlier flows are closed. */
  connect(server: number, opened: (to: Destination) => void, failed: () => void): void;
}

/** WebSockets, from a page or not (RFC 7118). All URLs of one scheme, first choice first. */
export class WsUplink implements Uplink {
  readonly #urls: readonly string[];
  readonly #sockets: WsTransport;
  readonly #headers: Readonly<Record<string, string>> | undefined;

  constructor(host: BrowserHost, urls: readonly [string, ...string[]], headers?: Readonly<Record<string, string>>) {
    this.#urls = urls;
    this.#headers = headers;
    this.#sockets = new WsTransport(host, urls[0].startsWith("wss:") ? "wss" : "ws");
  }
  get transport(): TransportName {
    return this.#sockets.name;
  }
  get servers(): number {
    return this.#urls.length;
  }
  attach(driver: SipDriver): void {
    driver.addTransport(this.#sockets);
  }
  connect(server: number, opened: (to: Destination) => void, failed: () => void): void {
    this.#sockets.close();
    this.#sockets.connect(this.#urls[server] ?? "", { opened, failed, ...(this.#headers && { headers: this.#headers }) });
  }
}

/** One UDP socket, to servers by address. */
export class UdpUplink implements Uplink {
  readonly transport = "udp";
  readonly #host: Host;
  readonly #servers: readonly Address[];
  readonly #socket: UdpTransport;
  #state: "binding" | "bound" | "failed" = "binding";
  #waiting: (() => void)[] = [];

  constructor(host: Host, bind: DatagramBind, servers: readonly [Address, ...Address[]]) {
    this.#host = host;
    this.#servers = servers;
    const settle = (state: "bound" | "failed"): void => {
      this.#state = state;
      for (const told of this.#waiting.splice(0)) told();
    };
    this.#socket = new UdpTransport(host, bind, { listening: () => settle("bound"), failed: () => settle("failed") });
  }
  get servers(): number {
    return this.#servers.length;
  }
  attach(driver: SipDriver): void {
    driver.addTransport(this.#socket);
  }
  connect(server: number, opened: (to: Destination) => void, failed: () => void): void {
    const { host, port } = this.#servers[server] ?? { host: "", port: 0 };
    const tell = (): void => (this.#state === "bound" ? opened({ transport: "udp", host, port }) : failed());
    if (this.#state === "binding") this.#waiting.push(tell);
    else this.#host.timer(this.#host.nowMs(), tell);
  }
}

/** One connection at a time, over TCP or TLS, to servers by address; it is asked now and then whether it stands. */
export class StreamUplink implements Uplink {
  readonly #servers: readonly NextHop[];
  readonly #streams: StreamTransport;

  /**
   * `localHost`: our address. Nobody is to connect there: we are reached by the flow that we registered (RFC 5626 §4.2).
   * `tls`: each server must show a certificate of `domain` (RFC 5922 §7.3) by the authorities of `ca`, default the machine's.
   */
  constructor(
    host: Host,
    localHost: string,
    servers: readonly [Address, ...Address[]],
    tls?: { readonly domain: string; readonly ca?: string },
  ) {
    this.#servers = tls ? servers.map((server) => ({ ...server, domain: tls.domain })) : servers;
    const sentBy = { host: hostInUri(localHost) };
    this.#streams = new StreamTransport(host, { sentBy, pings: true, ...(tls && { tls }) });
  }
  get transport(): TransportName {
    return this.#streams.name;
  }
  get servers(): number {
    return this.#servers.length;
  }
  attach(driver: SipDriver): void {
    driver.addTransport(this.#streams);
  }
  connect(server: number, opened: (to: Destination) => void, failed: () => void): void {
    this.#streams.closeAll();
    this.#streams.open(this.#servers[server] ?? { host: "", port: 0 }, { opened, failed });
  }
}
