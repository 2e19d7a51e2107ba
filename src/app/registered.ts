import type { Identity } from "#client/agents.ts";
import { showAddress } from "#host/host.ts";
import type { RegistrationState } from "#sip/ua.ts";
import { say, UsageError, untilStopped } from "./console.ts";

/** A client command's agent, what it does once it is registered, and how it hangs up. */
export interface Registrant {
  readonly agent: { register(): void; unregister(): void; stop(): void };
  begin(): void;
  hangUp(): void;
}
/** For the agent's user. */
export interface Registration {
  onRegistration(state: RegistrationState): void;
  /** The call is over, or there was none: says goodbye. The first error is what the command ends with. */
  end(error?: Error): void;
  /** Hangs up, then `end`. */
  leave(error?: Error): void;
}

/** Without any answer by then there is no DS there: SIP's own patience is 32 s. ms. */
const REGISTERED_WITHIN_MS = 4_000;
/** For each of the goodbyes, BYE and the registrar's. ms. */
const GOODBYE_MS = 2_000;

/** Registers, begins, and resolves after `end` or Ctrl-C, when the registrar has let us go. Rejects with the error of `end`. */
export function whileRegistered(identity: Identity, setUp: (registration: Registration) => Registrant): Promise<void> {
  return new Promise((resolve, reject) => {
    let phase: "registering" | "registered" | "leaving" = "registering";
    let fault: Error | undefined;
    const finish = (): void => {
      registrant.agent.stop();
      if (fault) reject(fault);
      else resolve();
    };
    const end = (error?: Error): void => {
      fault ??= error;
      if (phase === "registering") return finish();
      if (phase === "leaving") return;
      phase = "leaving";
      registrant.agent.unregister();
      setTimeout(finish, GOODBYE_MS).unref();
    };
    const leave = (error?: Error): void => {
      fault ??= error;
      if (phase === "registering") return end();
      registrant.hangUp();
      setTimeout(end, GOODBYE_MS).unref();
    };
    const onRegistration = (state: RegistrationState): void => {
      if (phase === "leaving" && state.kind === "off") finish();
      if (phase !== "registering") return;
      const sentence = faultOf(state, identity);
      if (sentence !== undefined) return end(new UsageError(sentence));
      if (state.kind === "waiting") {
        clearTimeout(silence);
        say(`The DS cannot register ${identity.user} now (${state.status}). ${again(state.retryInMs)}`);
      }
      if (state.kind !== "registered") return;
      phase = "registered";
      registrant.begin();
    };
    const silence = setTimeout(
      () => phase === "registering" && end(new UsageError(noAnswer(identity))),
      REGISTERED_WITHIN_MS,
    ).unref();
    const registrant = setUp({ onRegistration, end, leave });
    registrant.agent.register();
    void untilStopped().then(() => leave());
  });
}

/** Why somebody cannot be registered, in a sentence; `undefined` while he may still be. */
function faultOf(state: RegistrationState, identity: Identity): string | undefined {
  if (state.kind === "refused") {
    const { status, reason } = state.response;
    if (status === 401 || status === 407) return `The device secret of ${identity.user} was not accepted.`;
    return `The DS does not register ${identity.user}: ${status} ${reason}.`;
  }
  return state.kind === "waiting" && state.status === undefined ? noAnswer(identity) : undefined;
}
const again = (inMs: number): string => `Trying again in ${Math.ceil(inMs / 1_000)} s; Ctrl-C ends it.`;
const noAnswer = ({ ds }: Identity): string => `No answer from a DS at ${showAddress(ds)}.`;
