export * from "./host.ts";
export type { TapEvent } from "./tap.ts";
