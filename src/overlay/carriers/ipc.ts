import type { ChildProcess } from "node:child_process";
import type { Channel } from "./channel.ts";

/**
 * The channel that `fork` with `serialization: "advanced"` gives: the child's end in the parent, `process` in the child. What
 * else passes there is left alone: the overlay's messages are lists under this name, all of one turn together, since half of
 * what a message costs Node is for each, however small.
 */
export function ipcChannel(end: ChildProcess | NodeJS.Process, name = "overlay"): Channel {
  let queuedBytes = 0;
  let waiting: Uint8Array[] = [];
  const flush = (): void => {
    const messages = waiting;
    waiting = [];
    if (!end.connected) return;
    end.send?.({ [name]: messages }, undefined, undefined, () => {
      for (const { length } of messages) queuedBytes -= length; // written, or the other side is gone
    });
  };
  return {
    get queuedBytes() {
      return queuedBytes;
    },
    send: (bytes) => {
      if (waiting.push(bytes) === 1) setImmediate(flush);
      queuedBytes += bytes.length;
    },
    onMessage: (take) => {
      end.on("message", (message: Readonly<Record<string, unknown>>) => {
        const messages = message[name];
        if (Array.isArray(messages)) for (const bytes of messages) if (bytes instanceof Uint8Array) take(bytes);
      });
    },
    onClose: (gone) => {
      end.on("disconnect", gone);
    },
  };
}
