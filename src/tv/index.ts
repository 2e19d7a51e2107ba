export { Admission, type Reservation } from "./engine/admission.ts";
export { CallRecords } from "./engine/call-records.ts";
export { ChannelCalls } from "./engine/channel-calls.ts";
export { Directory } from "./engine/directory.ts";
export { DsServer } from "./engine/ds-server.ts";
export type { ChannelPorts } from "./engine/ports.ts";
export type * from "./types.ts";
