import { hex, utf8 } from "#base/bytes.ts";
import type { Clock, Entropy } from "#host/host.ts";
import type { PasswordHasher } from "#store/index.ts";

/**
 * For the simulator only, where a thread pool has no place in virtual time: one round of SHA-256, answered on a later turn
 * of the clock.
 */
export function quickPasswords(host: Clock & Entropy): PasswordHasher {
  const hashOf = (password: string): string => `quick:${hex(host.digest("SHA-256", utf8(password)))}`;
  const later = (then: () => void): void => void host.timer(host.nowMs(), then);
  return {
    hash: (password, done) => later(() => done(hashOf(password))),
    verify: (password, hash, done) => later(() => done(hashOf(password) === hash)),
  };
}
