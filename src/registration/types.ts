/**
 * What registration says over the overlay. Topics are answered by the member with role "registration"; bodies are these
 * types as JSON. A failure answers `{ error, message }` with `error` one of `FAULTS`.
 */
import type { ChannelRecord, SubscriberRecord } from "#tv/types.ts";

export type { ChannelRecord, SubscriberRecord };

export const FAULTS = {
  nameTaken: "name-taken",
  badName: "bad-name",
  weakPassword: "weak-password",
  badValue: "bad-value",
  wrongPassword: "wrong-password",
  noSession: "no-session",
  notYours: "not-yours",
  unknown: "unknown",
  full: "full",
  unavailable: "unavailable",
} as const;
export type Fault = (typeof FAULTS)[keyof typeof FAULTS];
export type Failure = { readonly error: Fault; readonly message: string; readonly field?: string };

/** The signed-in person, as the page needs it. */
export type Account = {
  readonly user: string;
  readonly domain: string;
  readonly aor: string; // sip:user@domain
  readonly home: string; // member id of his DS [B10]
  readonly accessKbps: number;
  readonly channels: readonly ChannelRecord[];
};
export type SignUp = {
  readonly user: string;
  readonly password: string;
  /** Access rate, kbit/s; default 10,000. */
  readonly accessKbps?: number;
  /** Where the browser is: what the nearest DS is found by. */
  readonly address: string;
  /** A first channel's title; its name is then the same as the user's with "-tv". */
  readonly channelTitle?: string;
};

/** topic → request body and reply body. */
export interface RegistrationTopics {
  "registration.sign-up": { ask: SignUp; reply: { session: string; account: Account } | Failure };
  "registration.sign-in": {
    ask: { user: string; password: string; address: string };
    reply: { session: string; account: Account } | Failure;
  };
  "registration.sign-out": { ask: { session: string }; reply: { ok: true } | Failure };
  /** Who is this? `session` is the secret from the cookie. */
  "registration.session": { ask: { session: string }; reply: Account | Failure };
  "registration.device-secrets": {
    ask: { session: string };
    reply: { secrets: { id: string; label: string; createdWallMs: number }[] } | Failure;
  };
  /** The secret is shown this once. */
  "registration.add-device-secret": { ask: { session: string; label: string }; reply: { id: string; secret: string } | Failure };
  "registration.revoke-device-secret": { ask: { session: string; id: string }; reply: { ok: true } | Failure };
  "registration.add-channel": {
    ask: { session: string; name: string; title: string; kbps: number; mode?: ChannelRecord["mode"] };
    reply: ChannelRecord | Failure;
  };
  /** All channels, on air or not. */
  "registration.channels": { ask: Record<string, never>; reply: { channels: ChannelRecord[] } | Failure };
  /**
   * A DS that starts asks for everything; later changes are pushed. A reply holds subscribers in order of their names, those
   * after `after`, and their channels; with `next` there are more: to be asked for with `after: next`. Pushes may be lost: who
   * asks again with `unless`, the version of what it knows, is told all once more if there is another by now.
   */
  "registration.catch-up": {
    ask: { after?: string; unless?: string };
    reply: { version: string; subscribers: SubscriberRecord[]; channels: ChannelRecord[]; next?: string } | Failure;
  };
}
/** topic → body, cast to role "ds" (and channels to "web") after each change. */
export interface RegistrationPushes {
  "push.subscriber": SubscriberRecord;
  "push.channel": ChannelRecord;
}
