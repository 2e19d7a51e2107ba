export type { HostCounters } from "./counters.ts";
export { type NodeHost, type NodeHostOptions, nodeHost } from "./node-host.ts";
