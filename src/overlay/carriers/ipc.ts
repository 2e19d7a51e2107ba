import type { ChildProcess } from "node:child_process";
import type { Channel } from "./channel.ts";

/**
 * The channel that `fork` with `serialization: "advanced"` gives: the child's end in the parent, `process` in the child. What
 * else passes there is left alone: the overlay's messages are objects with one field of this name.
 */
export function ipcChannel(end: ChildProcess | NodeJS.Process, name = "overlay"): Channel {
  let queuedBytes = 0;
  return {
    get queuedBytes() {
      return queuedBytes;
    },
    send: (bytes) => {
      if (!end.connected) return;
      queuedBytes += bytes.length;
      end.send?.({ [name]: bytes }, undefined, undefined, () => {
        queuedBytes -= bytes.length; // written, or the other side is gone
      });
    },
    onMessage: (take) => {
      end.on("message", (message: Readonly<Record<string, unknown>>) => {
        const bytes = message[name];
        if (bytes instanceof Uint8Array) take(bytes);
      });
    },
    onClose: (gone) => {
      end.on("disconnect", gone);
    },
  };
}
