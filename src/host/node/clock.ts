import { platformClock } from "../browser/clock.ts";
import type { Clock } from "../host.ts";

/** Node's clock. What is due at once comes with the next turn of the event loop: a timeout would take a whole ms. */
export const nodeClock: Clock = {
  ...platformClock,
  timer(atMs, fire) {
    if (!(atMs <= performance.now())) return platformClock.timer(atMs, fire);
    const turn = setImmediate(fire);
    return { cancel: () => clearImmediate(turn) };
  },
};
