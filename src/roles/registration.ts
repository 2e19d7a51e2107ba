import { Placement, Registration, registrationPorts, serveRegistration } from "#registration/index.ts";
import { argon2id, openStore, type PasswordHasher } from "#store/index.ts";
import type { RegistrationConfig, RoleContext, RunningRole } from "./types.ts";

export interface RunningRegistration extends RunningRole {
  /** For accounts that are known beforehand: `ensureAccount`. */
  readonly registration: Registration;
}

/** The registration server [B5] on the overlay. Throws for a placement that is no prefix or a database it cannot serve. */
export function startRegistration(
  { host, overlay, log }: RoleContext,
  { domain, database, placement }: RegistrationConfig,
  hasher: PasswordHasher = argon2id,
): RunningRegistration {
  const nearest = new Placement(placement);
  const store = openStore(database);
  const ports = registrationPorts(overlay, log);
  const registration = new Registration({ domain, placement: nearest, store, hasher, host, ports });
  serveRegistration(overlay, registration);
  overlay.setPhase("serving");
  log.info("registration serves", { domain, database });
  return {
    registration,
    stop(stopped) {
      overlay.leave();
      registration.stop(() => {
        store.close();
        stopped();
      });
    },
  };
}
