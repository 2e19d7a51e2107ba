/** COPS and COPS-PR (RFC 2748, RFC 3084; PROTOCOL §7): a PEP and a PDP on a host, and their messages. */
export type { CopsCounters } from "./engine/counters.ts";
export { type CopsKey, copsKey } from "./engine/integrity.ts";
export * from "./engine/iptv.ts";
export * from "./engine/types.ts";
export { CopsPdp, type CopsPdpConfig } from "./pdp.ts";
export { CopsPep, type CopsPepConfig } from "./pep.ts";
export { CopsFramer, type CopsMessage, decode, encodeMessage, OP_CODES, type OpName, objectOf } from "./wire/message.ts";
export type { CopsObject, CopsObjectKind } from "./wire/objects.ts";
