import { hex, NO_BYTES } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import type { Address, Clock, DatagramBind, DatagramHandlers, DatagramPort, Host, Timer } from "#host/host.ts";
import { CleanStart } from "./engine/clean-start.ts";
import type { Clip } from "./engine/clip.ts";
import { LiveSource } from "./engine/live-source.ts";
import { LoopedSource } from "./engine/looped-source.ts";
import { Receiver, type ReceiverStats } from "./engine/receiver.ts";
import { openSource, randomRtpStart } from "./sockets.ts";
import type { StreamSource } from "./types.ts";
import { rtcpOf } from "./unicast-sink.ts";
import { type ReportBlock, writeReceiverReport } from "./wire/rtcp.ts";

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

/** Where a viewer's stream comes from: a group, or `from` the sender of a stream of his own to his port `at`, an even one. */
export type ViewerSource =
  | Extract<StreamSource, { readonly kind: "group" }>
  | { readonly kind: "unicast"; readonly at: Address; readonly from: Address };

/** Tells the sender of a unicast stream now and then that it is received, and how (RFC 3550 §6.4.2). */
class ReportSender {
  readonly #host: Host;
  readonly #to: Address;
  readonly #report: () => ReportBlock | undefined;
  readonly #ssrc: number;
  readonly #cname: string;
  readonly #port: DatagramPort;
  readonly #alarm: Alarm;

  /** Between the RTCP ports that belong to RTP's `at` and `to`. */
  constructor(host: Host, at: Address, to: Address, report: () => ReportBlock | undefined, failed: (error: Error) => void) {
    this.#host = host;
    this.#to = rtcpOf(to);
    this.#report = report;
    this.#ssrc = randomRtpStart(host).ssrc;
    this.#cname = hex(host.random(12)); // one a session (RFC 7022 §4.2)
    this.#alarm = new Alarm(host, () => this.#due());
    this.#port = host.datagram(rtcpOf(at), { datagram: () => undefined, failed });
    this.#wait();
  }
  stop(): void {
    this.#alarm.cancel();
    this.#port.close();
  }

  #due(): void {
    this.#port.send(writeReceiverReport(this.#ssrc, this.#cname, this.#report()), this.#to);
    this.#wait();
  }
  /** By chance, so that many receivers do not fall into step (RFC 3550 §6.3.1). */
  #wait(): void {
    const [octet = 0] = this.#host.random(1);
    const share = (0.5 + octet / 255) / (Math.E - 1.5);
    this.#alarm.set(this.#host.nowMs() + LIMITS.rtcpEveryMs * share);
  }
}

/** A viewer's receiver: a group with its only source (RFC 4607), or a unicast stream; TS octets in order out. */
export class RtpReceiver {
  readonly #host: Host;
  readonly #receiver: Receiver;
  readonly #start = new CleanStart();
  readonly #packets: (packets: Uint8Array) => void;
  readonly #port: DatagramPort;
  readonly #reports: ReportSender | undefined;
  readonly #alarm: Alarm;

  /**
   * `packets` is handed whole TS packets in order, from PAT, PMT and a key frame on, which are its to keep. `multicastInterface` is the local address of the
   * interface on which the group is joined. `failed` is told when the socket cannot be had or broke.
   */
  constructor(
    host: Host,
    source: ViewerSource,
    multicastInterface: string,
    packets: (packets: Uint8Array) => void,
    failed: (error: Error) => void,
  ) {
    this.#host = host;
    this.#packets = packets;
    const senderHost = source.kind === "group" ? source.source : source.from.host;
    this.#receiver = new Receiver({ senderHost, lockSsrc: false });
    this.#alarm = new Alarm(host, () => this.#deliver(this.#receiver.step(host.nowMs())));
    const handlers = {
      datagram: (bytes, from) => this.#deliver(this.#receiver.datagram(bytes, from, host.nowMs())),
      failed,
    } satisfies DatagramHandlers;
    if (source.kind === "group") this.#port = openSource(host, source, multicastInterface, handlers);
    else {
      const { at, from } = source;
      this.#port = host.datagram(at, { ...handlers, bound: () => this.#greet(from) });
      this.#reports = new ReportSender(host, at, from, () => this.#receiver.report(), failed);
    }
  }

  get stats(): ReceiverStats {
    return this.#receiver.stats;
  }

  /** Leaves the group and closes the sockets. */
  stop(): void {
    this.#alarm.cancel();
    this.#reports?.stop();
    this.#port.close();
  }

  /** Hears the sender alone; an empty datagram opens the way through a NAT (RFC 6263 §4.1) and shows where to send (PROTOCOL §13). */
  #greet(from: Address): void {
    this.#port.connect(from);
    this.#port.send(NO_BYTES, from);
  }

  #deliver(inOrder: readonly Uint8Array[]): void {
    for (const octets of inOrder) {
      const packets = this.#start.packets(octets, this.#host.nowMs());
      if (packets.length > 0) this.#packets(packets);
    }
    this.#alarm.set(this.#receiver.nextDeadlineMs);
  }
}
