/**
 * A child process for tests of the channel. For each lane that it is told of it puts what `driver LANE` says on
 * `overlay LANE`, so that whoever forked it can drive members that live here.
 */
import { nodeHost } from "#host/node/index.ts";
import { ChannelCarrier, ChannelHub } from "./channel.ts";
import { ipcChannel } from "./ipc.ts";

process.setMaxListeners(0); // some for each lane
process.on("message", (message: { readonly lane?: number; readonly blockMs?: number }) => {
  if (message.lane !== undefined) {
    const carrier = new ChannelCarrier(ipcChannel(process, `overlay ${message.lane}`));
    new ChannelHub(carrier, nodeHost()).attach(ipcChannel(process, `driver ${message.lane}`));
  }
  if (message.blockMs !== undefined) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, message.blockMs); // reads nothing
});
