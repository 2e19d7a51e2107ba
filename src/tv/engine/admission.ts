import { Deadlines, type Timed } from "#base/deadlines.ts";
import { LIMITS } from "#base/limits.ts";
import { provisionGrant, REFUSAL } from "#cops/engine/iptv.ts";
import type {
  Attributes,
  ClientType,
  CopsRequest,
  Decision,
  DeleteReason,
  Handle,
  PepPort,
  PepUser,
} from "#cops/engine/types.ts";
import type { Clock } from "#host/host.ts";

/** Whoever holds a reservation is told its fate: `onGranted` or `onRefused` once, then at most one `onTakenBack`. */
export interface ReservationUser {
  onGranted(grant: Attributes): void;
  /** `reason` of the Remove decision, or `edge-silent`. Nothing is reserved. */
  onRefused(reason: string): void;
  /** The edge or the broker changed its mind (RFC 2748 §3.3). Nothing is reserved any more. */
  onTakenBack(reason: string): void;
}

/** A request state at the edge (RFC 2748 §2.4), kept over a lost connection by asking again with the same join id. */
export interface Reservation {
  readonly clientType: ClientType;
  readonly request: CopsRequest;
  /** `undefined` while asked for. */
  readonly grant: Attributes | undefined;
}
interface Held extends Reservation, Timed {
  readonly user: ReservationUser;
  handle: Handle;
  grant: Attributes | undefined;
  /** The connection that the handle was a name on is gone. */
  isVoid: boolean;
  reported: boolean;
  readonly askedAtMs: number;
}

/**
 * A DS's side of COPS: asks its edge for channels and joins, gives up after 2 s of silence (PROTOCOL §4), reports, returns,
 * and asks again for what it holds when the edge comes back (PROTOCOL §7, "Names and take-over").
 */
export class Admission implements PepUser {
  readonly #cops: PepPort;
  readonly #clock: Clock;
  readonly #held = new Map<Handle, Held>();
  readonly #deadlines: Deadlines<Held>;
  #resumed = 0;

  constructor(clock: Clock, cops: PepPort) {
    this.#clock = clock;
    this.#cops = cops;
    this.#deadlines = new Deadlines(clock, (held) => this.#onSilence(held));
  }

  ask(clientType: ClientType, request: CopsRequest, user: ReservationUser): Reservation {
    const held: Held = {
      clientType,
      request,
      user,
      handle: this.#cops.request(clientType, request),
      grant: undefined,
      isVoid: false,
      reported: false,
      askedAtMs: this.#clock.nowMs(),
      wheelAtMs: Infinity,
    };
    this.#held.set(held.handle, held);
    this.#deadlines.set(held, held.askedAtMs + LIMITS.edgeSilenceMs);
    return held;
  }

  /** What an earlier run was granted, in use: asked for under its own name once the edge is there. */
  resume(clientType: ClientType, request: CopsRequest, grant: Attributes, user: ReservationUser): Reservation {
    const handle = `resumed ${++this.#resumed}`;
    const askedAtMs = this.#clock.nowMs();
    const held: Held = { clientType, request, user, handle, grant, isVoid: true, reported: true, askedAtMs, wheelAtMs: Infinity };
    this.#held.set(handle, held);
    if (this.#cops.isOpen(clientType)) this.#askAgain(held);
    return held;
  }

  /** RPT Success: what was granted is in use (PROTOCOL §7: on the viewer's ACK). */
  report(reservation: Reservation): void {
    const held = this.#find(reservation);
    if (!held?.grant) return;
    held.reported = true;
    if (!held.isVoid) this.#cops.report(held.clientType, held.handle, "success");
  }

  /** DRQ: nothing stays reserved, whatever the state. Harmless after the end. */
  release(reservation: Reservation, reason: DeleteReason): void {
    const held = this.#find(reservation);
    if (held) this.#drop(held, reason);
  }

  /** Reservations asked for or held, for the console and for tests. */
  reservations(): readonly Reservation[] {
    return [...this.#held.values()];
  }

  stop(): void {
    this.#deadlines.clear();
  }

  onOpened(clientType: ClientType): void {
    for (const held of [...this.#held.values()]) {
      if (held.clientType === clientType && held.isVoid) this.#askAgain(held);
    }
  }
  #askAgain(held: Held): void {
    this.#held.delete(held.handle);
    held.handle = this.#cops.request(held.clientType, repeated(held));
    held.isVoid = false;
    this.#held.set(held.handle, held);
  }
  /** What is held is what was asked: there is nothing to wait for. */
  onSynchronize(clientType: ClientType, handle: Handle | undefined): void {
    this.#cops.synchronized(clientType, handle);
  }
  onLost(): void {
    for (const held of this.#held.values()) held.isVoid = true;
  }

  onDecision(handle: Handle, decision: Decision): void {
    const held = this.#held.get(handle);
    if (!held || held.isVoid || decision.command === "null") return;
    if (decision.command === "remove") this.#refused(held, String(decision.attributes["reason"] ?? "unspecified"));
    else if (!held.grant) {
      held.grant = decision.attributes;
      this.#deadlines.delete(held);
      held.user.onGranted(decision.attributes);
    } else if (!leadsToTheSame(held.grant, decision.attributes)) this.#refused(held, REFUSAL.mediaGone);
    else if (held.reported) this.#cops.report(held.clientType, held.handle, "success"); // adopted after a reconnection
  }

  #refused(held: Held, reason: string): void {
    this.#drop(held, held.grant ? "pdp-directive" : "insufficient-resources");
    if (held.grant) held.user.onTakenBack(reason);
    else held.user.onRefused(reason);
  }
  #onSilence(held: Held): void {
    const atMs = held.askedAtMs + LIMITS.edgeSilenceMs;
    if (held.grant) return;
    if (this.#clock.nowMs() < atMs) return this.#deadlines.set(held, atMs);
    this.#drop(held, "timeout");
    held.user.onRefused("edge-silent");
  }
  #drop(held: Held, reason: DeleteReason): void {
    this.#deadlines.delete(held);
    this.#held.delete(held.handle);
    if (!held.isVoid) this.#cops.delete(held.clientType, held.handle, reason);
  }
  #find(reservation: Reservation): Held | undefined {
    const held = reservation as Held;
    return this.#held.get(held.handle) === held ? held : undefined;
  }
}

/** With what was granted: an edge that was restarted gives the same again (RFC 2748 §2.2.7; PROTOCOL §7). */
function repeated({ request, grant }: Held): CopsRequest {
  if (!grant) return request;
  if (request.kind !== "configuration") return { ...request, localDecision: { command: "install", attributes: grant } };
  const granted = provisionGrant(grant); // a configuration has no room for decisions (RFC 3084 §3.1), its rows have
  return granted ? { ...request, attributes: { ...request.attributes, group: granted.group, ingest: granted.ingest } } : request;
}
/** A session whose description leads elsewhere than the new grant would show and send nothing. */
const leadsToTheSame = (before: Attributes, now: Attributes): boolean =>
  ["group", "source", "ingest", "token"].every((where) => before[where] === now[where]);
