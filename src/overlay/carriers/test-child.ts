/**
 * A child process for tests of the channel. For each lane that it is told of it puts what `driver LANE` says on
 * `overlay LANE`, so that whoever forked it can drive members that live here.
 */
import { nodeHost } from "#host/node/index.ts";
import { ChannelCarrier, ChannelHub } from "./channel.ts";
import { ipcChannel } from "./ipc.ts";

process.setMaxListeners(0); // some for each lane
process.on("message", ({ lane }: { readonly lane?: number }) => {
  if (lane === undefined) return;
  const carrier = new ChannelCarrier(ipcChannel(process, `overlay ${lane}`));
  new ChannelHub(carrier, nodeHost()).attach(ipcChannel(process, `driver ${lane}`));
});
