export type { Carrier, CarrierPort } from "./carrier.ts";
export { type Channel, ChannelCarrier, ChannelHub } from "./carriers/channel.ts";
export { type Fate, InProcessCarrier } from "./carriers/in-process.ts";
export { ipcChannel } from "./carriers/ipc.ts";
export { type MemberHost, OverlayNode } from "./node.ts";
export * from "./types.ts";
