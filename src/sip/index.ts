export type * from "./engine/ports.ts";
export * from "./wire/index.ts";
