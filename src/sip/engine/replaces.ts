/** The Replaces header field (RFC 3891): which dialog a new call is to take the place of. */
import type { SipRequest } from "../wire/message.ts";
import { parameterizedOf, paramText } from "../wire/values.ts";
import type { Fields } from "./call-messages.ts";
import type { Dialog } from "./dialog.ts";
import type { Leg } from "./leg.ts";
import type { Legs } from "./legs.ts";

/** Asks the far end to put a new call in the place of that dialog, or to refuse it (§4). */
export const replacing = ({ callId, localTag, remoteTag }: Dialog): Fields => [
  ["Replaces", `${callId};to-tag=${remoteTag};from-tag=${localTag}`],
  ["Require", "replaces"],
];

/** The call that an INVITE wants to replace, `undefined` = none; or the status that refuses it (§3). */
export function replacedLeg(invite: SipRequest, legs: Legs): Leg | undefined | number {
  const fields = invite.headers.count("replaces");
  if (fields === 0) return undefined;
  const replaces = parameterizedOf(invite, "replaces");
  const tags = replaces && [paramText(replaces.params, "to-tag"), paramText(replaces.params, "from-tag")];
  if (fields > 1 || !tags || tags.includes(undefined)) return 400;
  const [localTag = "", remoteTag = ""] = tags;
  const leg = legs.named(replaces.value, localTag, remoteTag);
  if (!leg) return 481;
  if (leg.phase === "leaving") return 603;
  const isEarly = leg.phase === "calling" || leg.phase === "invited";
  if (isEarly) return leg.weCalled ? leg : 481;
  return replaces.params.has("early-only") ? 486 : leg;
}
