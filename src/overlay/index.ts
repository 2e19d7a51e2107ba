export type { Carrier, CarrierPort } from "./carrier.ts";
export { type Fate, InProcessCarrier } from "./carriers/in-process.ts";
export { OverlayNode } from "./node.ts";
export type * from "./types.ts";
