import type { Deadlines, Timed } from "#base/deadlines.ts";
import type { Address, DatagramPort, Host } from "#host/host.ts";
import { UnicastViewer } from "./engine/unicast-viewer.ts";
import { isCompoundRtcp } from "./wire/rtcp.ts";

export interface UnicastSinkUser {
  /** Told once, at the end. Ports that cannot be had are one too. */
  gone(): void;
  /** A datagram was dropped: of another host, or no RTCP where that belongs. */
  stray(): void;
}

/** RTCP has the next port above RTP's, which is even (RFC 3550 §11). */
export const rtcpOf = ({ host, port }: Address): Address => ({ host, port: port + 1 });

/** A viewer's own pair of ports: his stream leaves by the even one, his reports come to the other. Nobody else's host is heard. */
export class UnicastSink implements Timed {
  wheelAtMs = Infinity;
  readonly #host: Host;
  readonly #wheel: Deadlines<UnicastSink>;
  readonly #viewer: UnicastViewer;
  readonly #user: UnicastSinkUser;
  readonly #rtp: DatagramPort;
  readonly #rtcp: DatagramPort;
  #hasBegun = false;
  #isConnected = false;
  #isOver = false;

  /** `wheel` is to call `step`. */
  constructor(host: Host, wheel: Deadlines<UnicastSink>, at: Address, to: Address, user: UnicastSinkUser) {
    this.#host = host;
    this.#wheel = wheel;
    this.#viewer = new UnicastViewer(to);
    this.#user = user;
    const failed = (): void => this.#end();
    this.#rtp = host.datagram(at, {
      datagram: (_, from) => {
        if (from.host !== to.host) return user.stray();
        this.#viewer.packet(from);
        this.step(host.nowMs());
      },
      unreachable: () => {
        this.#viewer.refused(host.nowMs());
        this.step(host.nowMs());
      },
      failed,
    });
    this.#rtcp = host.datagram(rtcpOf(at), {
      datagram: (bytes, from) => {
        if (from.host !== to.host || !isCompoundRtcp(bytes)) return user.stray();
        this.#viewer.report(host.nowMs());
        this.step(host.nowMs());
      },
      failed,
    });
  }

  /** From now on he is sent what `send` is given. */
  begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#viewer.begin(this.#host.nowMs());
    this.step(this.#host.nowMs());
  }
  send(datagram: Uint8Array): void {
    if (this.#hasBegun) this.#rtp.send(datagram, this.#viewer.to);
  }
  step(nowMs: number): void {
    this.#viewer.step(nowMs);
    if (this.#viewer.isGone(nowMs)) return this.#end();
    if (this.#viewer.isSettled && !this.#isConnected) {
      this.#isConnected = true;
      this.#rtp.connect(this.#viewer.to);
    }
    this.#wheel.set(this, this.#viewer.nextDeadlineMs);
  }
  stop(): void {
    this.#isOver = true;
    this.#wheel.delete(this);
    this.#rtp.close();
    this.#rtcp.close();
  }

  #end(): void {
    if (this.#isOver) return;
    this.stop();
    this.#user.gone();
  }
}
