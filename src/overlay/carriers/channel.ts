import { concat, NO_BYTES } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import type { Clock } from "#host/host.ts";
import type { Carrier, CarrierPort } from "../carrier.ts";
import type { MemberId } from "../types.ts";
import { mustBeMemberId, takeName, withName } from "./names.ts";

/** Whole messages between a process and its child, in order. Nothing is told before the method that takes it has returned. */
export interface Channel {
  /** Octets that wait for the other side to read. */
  readonly queuedBytes: number;
  /** Does nothing once the channel is closed. */
  send(bytes: Uint8Array): void;
  onMessage(take: (bytes: Uint8Array) => void): void;
  /** Told once: the other side is gone. */
  onClose(gone: () => void): void;
}

/** First octet of a message; a member's name follows, then, of `send`, that of whom it is for; then the frame. */
const KIND = { join: 1, leave: 2, send: 3, sendAll: 4, deliver: 5 } as const;

const message = (kind: number, id: MemberId, rest: Uint8Array): Uint8Array => concat([Uint8Array.of(kind), withName(id, rest)]);

/** A frame waits in the channel, unless the other side has not read for too long: then it is lost. */
function pass(channel: Channel, bytes: Uint8Array, counters: { dropped: number }): void {
  if (channel.queuedBytes + bytes.length > LIMITS.channelQueuedBytes) counters.dropped++;
  else channel.send(bytes);
}

/**
 * The parent's side of the channels to its children: each child's members join the parent's carrier, whichever that is, and
 * so meet the parent's own members, those of other children, and those of other machines.
 */
export class ChannelHub {
  /** Frames for a child that does not read; messages that are none. */
  readonly counters = { dropped: 0, badMessages: 0 };
  readonly #carrier: Carrier;
  readonly #clock: Clock;

  constructor(carrier: Carrier, clock: Clock) {
    this.#carrier = carrier;
    this.#clock = clock;
  }

  /** Once the channel closes the child's members are silent, and their places are free. */
  attach(channel: Channel): void {
    const ports = new Map<MemberId, CarrierPort>();
    channel.onMessage((bytes) => {
      if (!this.#take(channel, ports, bytes)) this.counters.badMessages++;
    });
    channel.onClose(() => {
      for (const port of ports.values()) port.leave();
    });
  }

  #take(channel: Channel, ports: Map<MemberId, CarrierPort>, bytes: Uint8Array): boolean {
    const named = takeName(bytes.subarray(1));
    if (named === undefined) return false;
    const { id, rest } = named;
    const port = ports.get(id);
    switch (bytes[0]) {
      case KIND.join:
        if (port === undefined && ports.size >= LIMITS.overlayMembers) return false;
        ports.set(id, this.#join(channel, id));
        return true;
      case KIND.leave:
        port?.leave();
        return ports.delete(id);
      case KIND.send: {
        const to = takeName(rest);
        if (to !== undefined) port?.send(to.id, to.rest);
        return port !== undefined && to !== undefined;
      }
      case KIND.sendAll:
        port?.sendAll(rest);
        return port !== undefined;
      default:
        return false;
    }
  }

  #join(channel: Channel, id: MemberId): CarrierPort {
    return this.#carrier.join(id, this.#clock, (frame) => pass(channel, message(KIND.deliver, id, frame), this.counters));
  }
}

/** The child's side: all that its members say goes by the parent, what they say to one another too. */
export class ChannelCarrier implements Carrier {
  /** Frames for a parent that does not read; messages that are none. */
  readonly counters = { dropped: 0, badMessages: 0 };
  readonly #channel: Channel;
  readonly #seats = new Map<MemberId, (frame: Uint8Array) => void>();

  constructor(channel: Channel) {
    this.#channel = channel;
    channel.onMessage((bytes) => {
      const named = bytes[0] === KIND.deliver ? takeName(bytes.subarray(1)) : undefined;
      if (named) this.#seats.get(named.id)?.(named.rest);
      else this.counters.badMessages++;
    });
  }

  /** A message arrives on a turn of its own: `clock` is not needed for that. */
  join(id: MemberId, _clock: Clock, receive: (frame: Uint8Array) => void): CarrierPort {
    mustBeMemberId(id);
    const seat = (frame: Uint8Array): void => receive(frame);
    this.#seats.set(id, seat);
    this.#channel.send(message(KIND.join, id, NO_BYTES));
    const present = (): boolean => this.#seats.get(id) === seat;
    const say = (kind: number, rest: Uint8Array): void => {
      if (present()) pass(this.#channel, message(kind, id, rest), this.counters);
    };
    return {
      send: (to, frame) => say(KIND.send, withName(to, frame)),
      sendAll: (frame) => say(KIND.sendAll, frame),
      leave: () => {
        if (!present()) return;
        this.#seats.delete(id);
        this.#channel.send(message(KIND.leave, id, NO_BYTES));
      },
    };
  }
}
