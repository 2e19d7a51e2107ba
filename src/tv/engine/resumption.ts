import type { MemberId, Row } from "#overlay/types.ts";
import type { CallId } from "#sip/engine/call-types.ts";
import { parseNameAddr } from "#sip/wire/values.ts";
import type { ChannelRecord, Session, SessionRole } from "../types.ts";
import type { Audience } from "./audience.ts";
import { Broadcast } from "./broadcast.ts";
import { PeerGuest, PeerSeat } from "./peer-legs.ts";
import { type ChannelCall, type ChannelPorts, type Contact, type Guest, NOBODY, type Place } from "./ports.ts";
import { reasonOf, UNAVAILABLE } from "./refusals.ts";
import { leftMs } from "./session-rows.ts";
import { Viewing } from "./viewing.ts";

/** Pictures first, for whoever watches needs them; then people, and at last the calls that were made for them. */
const ORDER: readonly SessionRole[] = ["broadcaster", "ingest", "viewer", "guest", "summons", "seat"];

/**
 * Goes on with what a server had on the line, by its rows (PROTOCOL §10): dialogs, what is reserved for them under its own
 * names, and who belongs to whom. What cannot go on ends as if it had been interrupted now: BYE, DRQ, and no row.
 */
export class Resumption {
  readonly #ports: ChannelPorts;
  readonly #audience: Audience;
  readonly #place: Place;
  readonly #take: (call: CallId, owner: ChannelCall) => void;
  readonly #viewings = new Map<string, { readonly viewing: Viewing; readonly session: Session }>(); // by join id
  /** What goes on, by the key of its row. */
  readonly #calls = new Map<string, CallId>();

  /** `take`: a call that came to us has that owner. */
  constructor(ports: ChannelPorts, audience: Audience, place: Place, take: (call: CallId, owner: ChannelCall) => void) {
    this.#ports = ports;
    this.#audience = audience;
    this.#place = place;
    this.#take = take;
  }

  run(owner: MemberId, nowMs: number): void {
    const { calls, sessions } = this.#ports;
    const rows = [...sessions.rows()].filter((row) => row.owner === owner);
    for (const row of rows.sort((a, b) => ORDER.indexOf(a.value.role) - ORDER.indexOf(b.value.role))) {
      const call = isKnown(row.value) ? calls.restore(row.value.dialog, leftMs(row, nowMs)) : undefined;
      if (call === undefined) sessions.remove(row.key);
      else {
        this.#calls.set(row.key, call);
        this.#goOn(call, row.value);
      }
    }
    this.#audience.resumed();
    for (const { viewing, session } of this.#viewings.values()) {
      const replaced = session.reserved[0]?.request["replaces"];
      viewing.resumed(session);
      if (replaced !== undefined) this.#viewings.get(String(replaced))?.viewing.giveWay();
    }
    this.#viewings.clear();
  }

  /**
   * A row that came when this run had begun without it. Of a call that goes on by an older one the row is written anew; any
   * other ends, since somebody may have its place by now. Whatever it had reserved its edge frees, as nobody adopts it.
   */
  returned({ key, value }: Row<Session>, isGoingOn: (call: CallId) => boolean): void {
    const { calls, sessions } = this.#ports;
    const known = this.#calls.get(key);
    if (known !== undefined && isGoingOn(known)) return void calls.keepAgain(known);
    const call = isKnown(value) ? calls.restore(value.dialog, 0) : undefined;
    if (call !== undefined) calls.end(call, reasonOf(UNAVAILABLE));
    sessions.remove(key);
  }

  #goOn(call: CallId, session: Session): void {
    const { role, reserved, dialog } = session;
    const guest = this.#guestOf(session);
    switch (role) {
      case "broadcaster":
        return this.#taken(call, new Broadcast(this.#ports, call, guest.joinId, guest.channel)).resume(reserved);
      case "viewer":
        return this.#view(call, session, guest);
      case "guest": {
        const peer = this.#taken(call, new PeerGuest(this.#ports, call, session));
        return peer.resume(this.#audience.rejoin(guest, peer));
      }
      case "ingest":
        return this.#audience.resume(guest, call, reserved, studioOf(dialog));
      case "summons":
        return this.#audience.summoned(guest, call, reserved, studioOf(dialog));
      case "seat":
        return this.#seat(call, guest);
    }
  }

  #view(call: CallId, session: Session, guest: Guest): void {
    const viewing = this.#taken(call, new Viewing(this.#ports, call, session));
    viewing.resume(session.reserved);
    const seat = session.isSeated && this.#audience.rejoin(guest, viewing);
    if (seat) viewing.sit(seat);
    this.#viewings.set(session.joinId, { viewing, session });
  }
  #seat(call: CallId, guest: Guest): void {
    const viewing = this.#viewings.get(guest.joinId)?.viewing;
    const seat = new PeerSeat(this.#ports, this.#place, guest, viewing ?? NOBODY);
    seat.resume(call);
    if (viewing) viewing.sit(seat);
    else seat.leave();
  }
  #taken<C extends ChannelCall>(call: CallId, owner: C): C {
    this.#take(call, owner);
    return owner;
  }

  #guestOf(session: Session): Guest {
    const { user, joinId, dialog } = session;
    return { channel: this.#channelOf(session), user, joinId, sessionId: dialog.sessionId ?? joinId };
  }
  /** As its row has it, until the directory is filled. */
  #channelOf({ channel: name, user }: Session): ChannelRecord {
    const { title, owner } = this.#ports.onAir.get(name)?.value ?? { title: name, owner: user };
    return this.#ports.directory.channel(name) ?? { name, title, owner, mode: "open", kbps: 0 };
  }
}

/** Another version may have written it. */
const isKnown = ({ role, reserved, dialog }: Partial<Session>): boolean =>
  role !== undefined && ORDER.includes(role) && reserved !== undefined && dialog !== undefined;

/** The broadcaster's device that was called. */
function studioOf({ remoteContact, last }: Session["dialog"]): Contact {
  const target = parseNameAddr(remoteContact)?.uri;
  if (!target) throw new Error(`Cannot go on with a call to ${remoteContact}`); // it was read when the call was restored
  return { target, via: last };
}
