import type { Carrier } from "../carrier.ts";
import type { Fate } from "./in-process.ts";
import { takeName, withName } from "./names.ts";

/**
 * Any carrier, losing, delaying, repeating and cutting off as `fate` says of each frame that reaches a member. All its members
 * must join through `faulty`: a frame then bears its sender's name, and may be that much shorter.
 */
export function faulty(carrier: Carrier, fate: Fate): Carrier {
  return {
    join(id, clock, receive) {
      let joined = true;
      const port = carrier.join(id, clock, (bytes) => {
        const named = takeName(bytes);
        if (named === undefined) throw new Error(`${id} got a frame of a member that did not join through faulty()`);
        for (const delayMs of fate(named.id, id)) {
          clock.timer(clock.nowMs() + delayMs, () => {
            if (joined) receive(named.rest);
          });
        }
      });
      return {
        send: (to, frame) => port.send(to, withName(id, frame)),
        sendAll: (frame) => port.sendAll(withName(id, frame)),
        leave: () => {
          joined = false;
          port.leave();
        },
      };
    },
  };
}
