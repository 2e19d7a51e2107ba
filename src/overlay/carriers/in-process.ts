import type { Clock } from "#host/host.ts";
import type { Carrier, CarrierPort } from "../carrier.ts";
import type { MemberId } from "../types.ts";

/** Decides what becomes of one frame: the delays, in ms, of the copies that arrive; none of them = lost. */
export type Fate = (from: MemberId, to: MemberId) => readonly number[];

const AT_ONCE: readonly number[] = [0];

interface Seat {
  readonly clock: Clock;
  readonly receive: (frame: Uint8Array) => void;
}

/**
 * Between members of one process: the default. Loses nothing and keeps order. With a `fate` it loses, repeats and
 * overtakes on purpose: the simulator's carrier is this one on virtual clocks.
 */
export class InProcessCarrier implements Carrier {
  readonly #seats = new Map<MemberId, Seat>();
  readonly #fate: Fate;

  constructor(fate: Fate = () => AT_ONCE) {
    this.#fate = fate;
  }

  join(id: MemberId, clock: Clock, receive: (frame: Uint8Array) => void): CarrierPort {
    const seat: Seat = { clock, receive };
    this.#seats.set(id, seat);
    const present = (): boolean => this.#seats.get(id) === seat;
    return {
      send: (to, frame) => {
        if (present()) this.#carry(id, to, frame);
      },
      sendAll: (frame) => {
        if (present()) for (const to of this.#seats.keys()) if (to !== id) this.#carry(id, to, frame);
      },
      leave: () => {
        if (present()) this.#seats.delete(id);
      },
    };
  }

  #carry(from: MemberId, to: MemberId, frame: Uint8Array): void {
    const seat = this.#seats.get(to);
    if (seat === undefined) return;
    for (const delayMs of this.#fate(from, to)) {
      seat.clock.timer(seat.clock.nowMs() + delayMs, () => {
        if (this.#seats.get(to) === seat) seat.receive(frame);
      });
    }
  }
}
