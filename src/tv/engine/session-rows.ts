/** Dialogs as rows of the table "sessions", which outlive their DS (PROTOCOL §10). */
import { LIMITS } from "#base/limits.ts";
import type { Row, Table } from "#overlay/types.ts";
import type { CallKeeper } from "#sip/engine/call-types.ts";
import type { Reserved, Session, SessionName } from "../types.ts";
import type { Reservation } from "./admission.ts";

/** A row outlives its session by so much: by then whoever has the dialog has ended it. */
const SPARE_SEC = 60;

/** How long the row of a session lives that expires after so long. */
export const lifetimeSec = (leftSec: number): number => Math.min(leftSec + SPARE_SEC, LIMITS.overlayLifetimeSec);
/** How long that session still lasts. */
export const leftMs = ({ expiresAtMs }: Row<Session>, nowMs: number): number => expiresAtMs - nowMs - 1_000 * SPARE_SEC;

/** `also`: what else is in the row, at each writing. */
export function keptIn(
  sessions: Table<Session>,
  of: SessionName & Pick<Session, "role">,
  also: () => Also = nothing,
): CallKeeper {
  const { role, joinId, user, channel } = of;
  const key = role === "viewer" ? joinId : `${joinId} ${role}`;
  return {
    put: (dialog, leftSec) =>
      sessions.put(key, { role, joinId, user, channel, ...also(), dialog }, orderOf(dialog), lifetimeSec(leftSec)),
    remove: () => sessions.remove(key),
  };
}
export type Also = Pick<Session, "reserved" | "isSeated">;
const nothing = (): Also => ({ reserved: [] });

/** What both sides have sent: whoever heard of more knows the later state (DESIGN §5). */
export const orderOf = ({ localCSeq, remoteCSeq }: Session["dialog"]): number => localCSeq + Math.max(0, remoteCSeq);

export const reservedBy = (reservation: Reservation | undefined): readonly Reserved[] =>
  reservation?.grant ? [{ request: reservation.request.attributes, grant: reservation.grant }] : [];
