import type { Clock } from "#host/host.ts";
import type { MemberId } from "./types.ts";

/**
 * Carries frames between members. It may lose, duplicate and reorder them, and keeps nothing: members find one another by
 * what they send to all, and sequence numbers make loss harmless (DESIGN §5).
 */
export interface Carrier {
  /**
   * Takes the member's place; a member of that id that joined before is no longer heard nor told anything. `receive` is
   * called on a later turn of `clock`, the member's own, so that a machine that is gone hears nothing.
   */
  join(id: MemberId, clock: Clock, receive: (frame: Uint8Array) => void): CarrierPort;
}

export interface CarrierPort {
  /** To one member, which may be the sender itself; lost when nobody of that id is there. The octets are the carrier's from now on. */
  send(to: MemberId, frame: Uint8Array): void;
  /** To every other member. */
  sendAll(frame: Uint8Array): void;
  leave(): void;
}
