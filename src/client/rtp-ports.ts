import { LIMITS } from "#base/limits.ts";
import type { Address, DatagramPort, Host } from "#host/host.ts";

const DYNAMIC_PORTS = { first: 49_152, count: 16_384 } as const; // RFC 6335 §6

/**
 * A pair of ports for a stream of one's own, RTP at an even one and RTCP at the next (RFC 3550 §11). They are offered before
 * there is a stream: until its sockets take their place the pair is held, and where somebody else has one, it is another pair.
 */
export class RtpPorts {
  readonly #host: Host;
  readonly #localHost: string;
  readonly #failed: (error: Error) => void;
  #held: readonly DatagramPort[] = [];
  #port: number;

  /** Holds a pair at once; `failed` is told when none can be had. */
  constructor(host: Host, localHost: string, failed: (error: Error) => void) {
    this.#host = host;
    this.#localHost = localHost;
    this.#failed = failed;
    this.#port = this.#draw();
    this.hold();
  }

  /** Of RTP. */
  get at(): Address {
    return { host: this.#localHost, port: this.#port };
  }
  hold(triesLeft: number = LIMITS.rtpPortTries): void {
    this.release();
    const next = (error: Error): void => {
      if (this.#held !== held) return; // the other one of the pair was told
      this.release();
      if (triesLeft <= 1) return this.#failed(error);
      this.#port = this.#draw();
      this.hold(triesLeft - 1);
    };
    const held = [this.#port, this.#port + 1].map((port) =>
      this.#host.datagram({ host: this.#localHost, port }, { datagram: () => undefined, failed: next }),
    );
    this.#held = held;
  }
  release(): void {
    for (const port of this.#held) port.close();
    this.#held = [];
  }

  #draw(): number {
    const [high = 0, low = 0] = this.#host.random(2);
    return DYNAMIC_PORTS.first + (((high * 256 + low) & ~1) % DYNAMIC_PORTS.count);
  }
}
