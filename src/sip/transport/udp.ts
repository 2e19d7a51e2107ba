import { readAddress } from "#host/addresses.ts";
import { type Address, type DatagramBind, type DatagramPort, type Host, showAddress } from "#host/host.ts";
import type { Flow } from "../engine/ports.ts";
import { hostInUri, type Link, type Receiver, type SentBy, type Transport } from "./transport.ts";

export interface UdpOptions {
  /** How peers reach us; default the bound address. To be given where that is a wildcard. */
  readonly sentBy?: SentBy;
  /** Bound; before that, `sentBy` has the port of `bind`. */
  readonly listening?: (at: Address) => void;
  readonly failed: (error: Error) => void;
}

/**
 * SIP over UDP from one socket (RFC 3261 §18, RFC 3581). Departs from RFC 3261 §18.2.2: `maddr` of a Via is not obeyed,
 * which would let a stranger aim our answers.
 */
export class UdpTransport implements Transport {
  readonly name = "udp";
  readonly reliable = false;
  readonly #host: Host;
  readonly #bind: DatagramBind;
  readonly #options: UdpOptions;
  #local: Address;
  #sentBy: SentBy;
  #port: DatagramPort | undefined;

  constructor(host: Host, bind: DatagramBind, options: UdpOptions) {
    this.#host = host;
    this.#bind = bind;
    this.#options = options;
    this.#local = { host: bind.host, port: bind.port };
    this.#sentBy = options.sentBy ?? sentByOf(this.#local);
  }

  get sentBy(): SentBy {
    return this.#sentBy;
  }

  start(receiver: Receiver): void {
    this.#port = this.#host.datagram(this.#bind, {
      bound: (at) => {
        this.#local = at;
        this.#sentBy = this.#options.sentBy ?? sentByOf(at);
        this.#options.listening?.(at);
      },
      datagram: (bytes, from) => receiver.received(bytes, this.linkTo(from)),
      failed: (error) => {
        this.#port = undefined;
        this.#options.failed(error);
      },
    });
  }

  linkOf(flow: Flow): Link | undefined {
    const isOurs = flow.local.port === this.#local.port && flow.local.host === this.#local.host;
    return isOurs && flow.transport === "udp" ? this.linkTo(flow.remote) : undefined;
  }

  flowNamed(id: string): Flow | undefined {
    const [here, there = ""] = id.split(">");
    const remote = here === `udp:${showAddress(this.#local)}` ? readAddress(there) : undefined;
    return remote && this.linkTo(remote).flow;
  }

  linkTo(to: Address): Link {
    return new UdpLink(this, this.#local, to);
  }

  sendTo(bytes: Uint8Array, to: Address): boolean {
    this.#port?.send(bytes, to);
    return this.#port !== undefined;
  }

  close(): void {
    this.#port?.close();
    this.#port = undefined;
  }
}

const sentByOf = ({ host, port }: Address): SentBy => ({ host: hostInUri(host), port });

class UdpFlow implements Flow {
  readonly transport = "udp";
  readonly local: Address;
  readonly remote: Address;

  constructor(local: Address, remote: Address) {
    this.local = local;
    this.remote = remote;
  }

  get id(): string {
    return `udp:${showAddress(this.local)}>${showAddress(this.remote)}`;
  }
}

class UdpLink implements Link {
  readonly transport: UdpTransport;
  readonly flow: Flow;

  constructor(transport: UdpTransport, local: Address, remote: Address) {
    this.transport = transport;
    this.flow = new UdpFlow(local, remote);
  }

  send(bytes: Uint8Array): boolean {
    return this.transport.sendTo(bytes, this.flow.remote);
  }

  toPort(port: number): Link {
    return port === this.flow.remote.port ? this : this.transport.linkTo({ host: this.flow.remote.host, port });
  }
}
