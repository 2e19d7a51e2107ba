import type { Address, Clock, DatagramBind, DatagramPort, Host, Timer } from "#host/host.ts";
import { CleanStart } from "./engine/clean-start.ts";
import type { Clip } from "./engine/clip.ts";
import { LiveSource } from "./engine/live-source.ts";
import { LoopedSource } from "./engine/looped-source.ts";
import { Receiver, type ReceiverStats } from "./engine/receiver.ts";
import { openSource, randomRtpStart } from "./sockets.ts";
import type { StreamSource } from "./types.ts";

/** One timer of the host for one machine. Deadlines of packets are finer than a wheel's slots. */
class Alarm {
  readonly #clock: Clock;
  readonly #fire: () => void;
  #timer: Timer | undefined;
  #atMs = Infinity;
  constructor(clock: Clock, fire: () => void) {
    this.#clock = clock;
    this.#fire = () => {
      this.#atMs = Infinity;
      fire();
    };
  }
  /** Fires no later than `atMs`; earlier than asked does no harm. */
  set(atMs: number): void {
    if (atMs >= this.#atMs) return;
    this.#timer?.cancel();
    this.#atMs = atMs;
    this.#timer = this.#clock.timer(atMs, this.#fire);
  }
  cancel(): void {
    this.#timer?.cancel();
  }
}

/** A broadcaster's sender: plays a clip round and round to one address, from the moment it is made. */
export class RtpSender {
  readonly #host: Host;
  readonly #source: LoopedSource;
  readonly #to: Address;
  readonly #port: DatagramPort;
  readonly #alarm: Alarm;

  /** `bind` is the socket that it sends from; `failed` is told when that cannot be had or broke. */
  constructor(host: Host, bind: DatagramBind, to: Address, clip: Clip, failed: (error: Error) => void) {
    this.#host = host;
    this.#to = to;
    this.#source = new LoopedSource(clip, randomRtpStart(host), host.nowMs());
    this.#alarm = new Alarm(host, () => this.#due());
    this.#port = host.datagram(bind, {
      datagram: () => undefined,
      failed: (error) => {
        this.stop();
        failed(error);
      },
    });
    this.#alarm.set(this.#source.nextDeadlineMs);
  }

  /** RTP packets so far. */
  get sent(): number {
    return this.#source.sent;
  }

  stop(): void {
    this.#alarm.cancel();
    this.#port.close();
  }

  #due(): void {
    for (const datagram of this.#source.step(this.#host.nowMs())) this.#port.send(datagram, this.#to);
    this.#alarm.set(this.#source.nextDeadlineMs);
  }
}

/** A broadcaster's sender of a stream that comes as it comes: `write` sends what it is given. */
export class RtpLiveSender {
  readonly #host: Host;
  readonly #source: LiveSource;
  readonly #to: Address;
  readonly #port: DatagramPort;
  readonly #alarm: Alarm;

  /** `bind` is the socket that it sends from; `failed` is told when that cannot be had or broke. */
  constructor(host: Host, bind: DatagramBind, to: Address, failed: (error: Error) => void) {
    this.#host = host;
    this.#to = to;
    this.#source = new LiveSource(randomRtpStart(host), host.nowMs());
    this.#alarm = new Alarm(host, () => this.#send(this.#source.step(host.nowMs())));
    this.#port = host.datagram(bind, {
      datagram: () => undefined,
      failed: (error) => {
        this.stop();
        failed(error);
      },
    });
  }

  /** RTP packets so far. */
  get sent(): number {
    return this.#source.sent;
  }
  /** Octets of a transport stream, cut anywhere. */
  write(octets: Uint8Array): void {
    this.#send(this.#source.octets(octets, this.#host.nowMs()));
  }
  stop(): void {
    this.#alarm.cancel();
    this.#port.close();
  }

  #send(datagrams: readonly Uint8Array[]): void {
    for (const datagram of datagrams) this.#port.send(datagram, this.#to);
    this.#alarm.set(this.#source.nextDeadlineMs);
  }
}

/** A viewer's receiver: a group with its only source (RFC 4607), or a unicast port; TS octets in order out. */
export class RtpReceiver {
  readonly #host: Host;
  readonly #receiver: Receiver;
  readonly #start = new CleanStart();
  readonly #packets: (packets: Uint8Array) => void;
  readonly #port: DatagramPort;
  readonly #alarm: Alarm;

  /**
   * `packets` is handed whole TS packets in order, from PAT, PMT and a key frame on, which are its to keep. `multicastInterface` is the local address of the
   * interface on which the group is joined. `failed` is told when the socket cannot be had or broke.
   */
  constructor(
    host: Host,
    source: StreamSource,
    multicastInterface: string,
    packets: (packets: Uint8Array) => void,
    failed: (error: Error) => void,
  ) {
    this.#host = host;
    this.#packets = packets;
    const senderHost = source.kind === "group" ? source.source : source.senderHost;
    this.#receiver = new Receiver({ senderHost, lockSsrc: false });
    this.#alarm = new Alarm(host, () => this.#deliver(this.#receiver.step(host.nowMs())));
    this.#port = openSource(host, source, multicastInterface, {
      datagram: (bytes, from) => this.#deliver(this.#receiver.datagram(bytes, from, host.nowMs())),
      failed,
    });
  }

  get stats(): ReceiverStats {
    return this.#receiver.stats;
  }

  /** Leaves the group and closes the socket. */
  stop(): void {
    this.#alarm.cancel();
    this.#port.close();
  }

  #deliver(inOrder: readonly Uint8Array[]): void {
    for (const octets of inOrder) {
      const packets = this.#start.packets(octets, this.#host.nowMs());
      if (packets.length > 0) this.#packets(packets);
    }
    this.#alarm.set(this.#receiver.nextDeadlineMs);
  }
}
