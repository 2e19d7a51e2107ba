/** Dialogs as rows of the table "sessions", which outlive their DS (PROTOCOL §10). */
import { LIMITS } from "#base/limits.ts";
import type { Row, Table } from "#overlay/types.ts";
import type { CallKeeper } from "#sip/engine/call-types.ts";
import type { Reserved, Session } from "../types.ts";
import type { Reservation } from "./admission.ts";

/** A row outlives its session by so much: by then whoever has the dialog has ended it. */
const SPARE_SEC = 60;

/** How long the row of a session lives that expires after so long. */
export const lifetimeSec = (leftSec: number): number => Math.min(leftSec + SPARE_SEC, LIMITS.overlayLifetimeSec);
/** How long that session still lasts. */
export const leftMs = ({ expiresAtMs }: Row<Session>, nowMs: number): number => expiresAtMs - nowMs - 1_000 * SPARE_SEC;

/** `about`: the row as it is at each writing, but for the dialog. */
export function keptIn(sessions: Table<Session>, about: () => Omit<Session, "dialog">): CallKeeper {
  const key = (): string => {
    const { role, joinId } = about();
    return role === "viewer" ? joinId : `${joinId} ${role}`;
  };
  return {
    put: (dialog, leftSec) => sessions.put(key(), { ...about(), dialog }, orderOf(dialog), lifetimeSec(leftSec)),
    remove: () => sessions.remove(key()),
  };
}

/** What both sides have sent: whoever heard of more knows the later state (DESIGN §5). */
export const orderOf = ({ localCSeq, remoteCSeq }: Session["dialog"]): number => localCSeq + Math.max(0, remoteCSeq);

export const reservedBy = ({ request, grant }: Reservation): readonly Reserved[] =>
  grant ? [{ request: request.attributes, grant }] : [];
