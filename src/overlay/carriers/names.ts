import { concat, text, utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import type { MemberId } from "../types.ts";

const MEMBER_ID = /^[\w-]+$/;

/** Letters, digits, "_" and "-": what may stand in a subject of NATS. */
export const isMemberId = (id: string): boolean => id.length <= LIMITS.overlayMemberIdChars && MEMBER_ID.test(id);

export function mustBeMemberId(id: MemberId): void {
  if (!isMemberId(id))
    throw new RangeError(`Cannot join as ${JSON.stringify(id)}: not 1 to ${LIMITS.overlayMemberIdChars} of A-Z a-z 0-9 _ -`);
}

/** One octet of length, then the id, then the rest. */
export const withName = (id: MemberId, rest: Uint8Array): Uint8Array => concat([Uint8Array.of(id.length), utf8(id), rest]);

/** What `withName` made; nothing where no member's id stands in front. */
export function takeName(bytes: Uint8Array): { readonly id: MemberId; readonly rest: Uint8Array } | undefined {
  const end = 1 + (bytes[0] ?? 0);
  const id = text(bytes.subarray(1, end));
  return end <= bytes.length && isMemberId(id) ? { id, rest: bytes.subarray(end) } : undefined;
}
