import { LIMITS } from "#base/limits.ts";
import type { Address, MessagePort } from "#host/host.ts";
import { RTP_HEADER_BYTES, translateRtp } from "../wire/rtp.ts";
import { GopCache } from "./gop.ts";
import { Intake, type IntakeRules, type IntakeStats } from "./intake.ts";
import { MessageSink } from "./message-sink.ts";

/** What a stream makes happen. */
export interface RelayPorts {
  /** One RTP datagram out; its octets stay as they are. */
  send(datagram: Uint8Array, to: Address): void;
}

/** One viewer's own; the octets stay as they are. */
export interface UnicastPort {
  send(datagram: Uint8Array): void;
}

/** Random beginnings of a stream's own numbers (RFC 3550 §5.1). */
export interface RtpStart {
  readonly ssrc: number; // 32 bits
  readonly sequence: number; // 16 bits
  readonly timestamp: number; // 32 bits
}

export interface RelayStats extends IntakeStats {
  readonly sent: number; // RTP packets, to the group
  readonly unicastSinks: number;
  readonly messageSinks: number;
  /** How often slow WebSockets were skipped to a key frame, and TS octets not sent to them. */
  readonly skips: number;
  readonly skippedBytes: number;
  readonly gopBytes: number;
}

/**
 * One stream in an edge: one source in, its group, unicast viewers and WebSockets out. A translator (RFC 3550 §7.1) with an
 * SSRC, sequence and timestamp offset of its own: viewers see one sender, whoever broadcasts. The octets of a packet are
 * copied once and shared by all sinks. To be called at `nextDeadlineMs`.
 */
export class RelayStream {
  readonly #ports: RelayPorts;
  readonly #group: Address;
  readonly #start: RtpStart;
  readonly #intake: Intake;
  readonly #gop = new GopCache();
  readonly #unicast = new Map<string, UnicastPort>();
  readonly #messages = new Map<string, MessageSink>();
  #sent = 0;
  #restartsSeen = 0;
  #goneSkips = 0;
  #goneSkippedBytes = 0;

  constructor(ports: RelayPorts, group: Address, rules: IntakeRules, start: RtpStart) {
    this.#ports = ports;
    this.#group = group;
    this.#start = start;
    this.#intake = new Intake(rules);
  }

  get nextDeadlineMs(): number {
    return this.#intake.nextDeadlineMs;
  }
  get lastMs(): number {
    return this.#intake.lastMs;
  }
  get stats(): RelayStats {
    let [skips, skippedBytes] = [this.#goneSkips, this.#goneSkippedBytes];
    for (const sink of this.#messages.values()) {
      skips += sink.skips;
      skippedBytes += sink.skippedBytes;
    }
    return {
      ...this.#intake.stats,
      sent: this.#sent,
      unicastSinks: this.#unicast.size,
      messageSinks: this.#messages.size,
      skips,
      skippedBytes,
      gopBytes: this.#gop.cachedBytes,
    };
  }

  datagram(bytes: Uint8Array, from: Address, nowMs: number): void {
    this.#forward(this.#intake.datagram(bytes, from, nowMs), nowMs);
  }

  step(nowMs: number): void {
    this.#forward(this.#intake.step(nowMs), nowMs);
  }

  addUnicast(sink: string, port: UnicastPort): void {
    this.#unicast.set(sink, port);
  }

  addMessages(sink: string, port: Pick<MessagePort, "queuedBytes" | "send">): void {
    this.removeSink(sink);
    this.#messages.set(sink, new MessageSink(port, this.#gop));
  }

  removeSink(sink: string): void {
    this.#unicast.delete(sink);
    const gone = this.#messages.get(sink);
    if (!gone) return;
    this.#goneSkips += gone.skips;
    this.#goneSkippedBytes += gone.skippedBytes;
    this.#messages.delete(sink);
  }

  #forward(datagrams: readonly Uint8Array[], nowMs: number): void {
    for (const datagram of datagrams) {
      const jumped = this.#restartsSeen !== this.#intake.restarts;
      this.#restartsSeen = this.#intake.restarts;
      const { sequence, ssrc, timestamp } = this.#start;
      translateRtp(datagram, (sequence + this.#sent) & 0xffff, ssrc, timestamp, jumped);
      this.#sent++;
      this.#ports.send(datagram, this.#group);
      for (const port of this.#unicast.values()) port.send(datagram);
      const packets = datagram.subarray(RTP_HEADER_BYTES);
      const keyFrameAt = this.#gop.add(packets, nowMs);
      for (const sink of this.#messages.values()) sink.packets(packets, keyFrameAt, nowMs);
    }
  }
}

/** What a WebSocket may have queued: the largest opening, and what a slow viewer is allowed beside it, with room to spare. */
export const MAX_QUEUED_BYTES = LIMITS.gopCacheBytes + 2 * LIMITS.slowSinkBytes;
