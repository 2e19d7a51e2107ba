import type { Json, Overlay } from "#overlay/types.ts";
import { FAULTS, type Failure, type Fault, type RegistrationTopics } from "#registration/types.ts";
import type { ApiFailure } from "./api.ts";

/** What the page is told instead of what it asked for. */
export interface Refusal {
  readonly ok: false;
  readonly status: number;
  readonly failure: ApiFailure;
}
export type Answer<T> = { readonly ok: true; readonly value: T } | Refusal;

type Topic = keyof RegistrationTopics;
/** A topic's reply when nothing went wrong. */
export type Granted<T extends Topic> = Exclude<RegistrationTopics[T]["reply"], Failure>;

const STATUS: Readonly<Record<Fault, number>> = {
  [FAULTS.nameTaken]: 409,
  [FAULTS.badName]: 400,
  [FAULTS.weakPassword]: 400,
  [FAULTS.badValue]: 400,
  [FAULTS.wrongPassword]: 401,
  [FAULTS.noSession]: 401,
  [FAULTS.notYours]: 403,
  [FAULTS.unknown]: 404,
  [FAULTS.full]: 429,
  [FAULTS.unavailable]: 503,
};

export function refusal(status: number, error: string, message: string): Refusal {
  return { ok: false, status, failure: { error, message } };
}
export const NOT_SIGNED_IN = refusal(401, FAULTS.noSession, "Please sign in.");
const UNAVAILABLE = refusal(503, FAULTS.unavailable, "Accounts cannot be reached right now. Please try again in a moment.");

/** Asks the member with role "registration" over the overlay; answers 503 while there is none or it is silent. */
export class Registration {
  readonly #overlay: Overlay;

  constructor(overlay: Overlay) {
    this.#overlay = overlay;
  }

  ask<T extends Topic>(topic: T, body: RegistrationTopics[T]["ask"]): Promise<Answer<Granted<T>>> {
    const members = this.#overlay.members("registration");
    const member = members.find((each) => each.phase === "serving") ?? members[0];
    if (member === undefined) return Promise.resolve(UNAVAILABLE);
    return new Promise((resolve) => {
      this.#overlay.request(member.id, topic, body as Json, (reply) => resolve(reply.ok ? read<T>(reply.body) : UNAVAILABLE));
    });
  }
}

function read<T extends Topic>(body: Json): Answer<Granted<T>> {
  const reply = body as RegistrationTopics[T]["reply"];
  if (!isFailure(reply)) return { ok: true, value: reply as Granted<T> };
  const { error, message, field } = reply;
  return {
    ok: false,
    status: STATUS[error] ?? 503,
    failure: field === undefined ? { error, message } : { error, message, field },
  };
}

const isFailure = (reply: object): reply is Failure => "error" in reply && "message" in reply;
