export * from "./attributes.ts";
export type * from "./description.ts";
export { parseSdp } from "./parse.ts";
export { serializeSdp } from "./serialize.ts";
