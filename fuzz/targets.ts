import { LINK_TARGETS } from "./links.ts";
import { MEDIA_TARGETS } from "./media.ts";
import { SIP_TARGETS } from "./sip.ts";
import type { Target } from "./target.ts";

/** To add a target, add it to the list of its area. */
export const TARGETS: readonly Target[] = [...SIP_TARGETS, ...LINK_TARGETS, ...MEDIA_TARGETS];
