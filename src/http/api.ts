/**
 * The page's API: JSON over HTTP under /api, session in the HttpOnly cookie `sipcast`. Types only: shared with `web/`.
 * Failures: 4xx with `ApiFailure`. Changing requests need header `Content-Type: application/json` and the page's Origin.
 */
import type { Account } from "#registration/types.ts";

export interface ApiFailure {
  readonly error: string;
  readonly message: string; // a sentence for a person
  readonly field?: string;
}
/** GET /api/session → ApiSession or 401. POST /api/sign-up, /api/sign-in → ApiSession. POST /api/sign-out → 204. */
export interface ApiSession extends Account {
  /** WebSocket paths of the DSs, home first, others in the order to try (PROTOCOL §14), e.g. "/sip/ds1". */
  readonly sip: readonly string[];
}
export interface ApiSignUp {
  readonly user: string;
  readonly password: string;
  readonly accessKbps?: number;
  readonly channelTitle?: string;
}
export interface ApiSignIn {
  readonly user: string;
  readonly password: string;
}
/** GET /api/channels → ApiChannel[]; GET /api/events is a server-sent event stream: `channels` with ApiChannel[] at once and after each change. */
export interface ApiChannel {
  readonly name: string;
  readonly title: string;
  readonly owner: string;
  readonly aor: string; // sip:name@domain
  readonly onAir: boolean;
  /** `ask`: its broadcaster is asked for each viewer, and can be asked while off air. */
  readonly mode: "open" | "ask";
  readonly site?: string;
  readonly kbps: number;
  readonly sinceWallMs?: number;
}
/** GET /api/device-secrets → ApiDeviceSecret[]; POST {label} → ApiNewDeviceSecret; DELETE /api/device-secrets/ID → 204. */
export interface ApiDeviceSecret {
  readonly id: string;
  readonly label: string;
  readonly createdWallMs: number;
}
export interface ApiNewDeviceSecret {
  readonly id: string;
  readonly secret: string;
}
/** POST /api/channels → ApiChannel. */
export interface ApiNewChannel {
  readonly name: string;
  readonly title: string;
  readonly kbps: number;
  /** Default `open`. */
  readonly mode?: ApiChannel["mode"];
}
