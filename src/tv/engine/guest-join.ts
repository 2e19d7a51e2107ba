import { joinRequestAttributes, REFUSAL } from "#cops/engine/iptv.ts";
import { type Attributes, CLIENT_TYPE } from "#cops/engine/types.ts";
import type { CallId } from "#sip/engine/call-types.ts";
import type { SipResponse } from "#sip/wire/message.ts";
import type { OnAir, Reserved } from "../types.ts";
import type { Reservation, ReservationUser } from "./admission.ts";
import type { ChannelPorts, Contact, Guest, Place, Seat, SeatUser } from "./ports.ts";
import { type FinalAnswer, refusalAnswer } from "./refusals.ts";
import { keptIn, reservedBy } from "./session-rows.ts";
import { noMedia } from "./session-sdp.ts";
import { Summons, type SummonsUser } from "./summons.ts";

/**
 * A join of an `ask` channel on air, at the broadcaster's side [B11]: he is asked by an INVITE of zero m= lines, answered
 * alike or declined, and this side's share is reserved (PROTOCOL §5). His dialog lasts as long as the viewer stays.
 */
export class GuestJoin implements Seat, SummonsUser, ReservationUser {
  readonly #ports: ChannelPorts;
  readonly #guest: Guest;
  readonly #user: SeatUser;
  readonly #summons: Summons;
  #onAir: OnAir | undefined;
  #reservation: Reservation | undefined;
  #isTaken = false;

  constructor(ports: ChannelPorts, place: Place, guest: Guest, user: SeatUser) {
    this.#ports = ports;
    this.#guest = guest;
    this.#user = user;
    this.#summons = new Summons(ports, place, guest, this);
  }

  ask(onAir: OnAir, contacts: readonly [Contact, ...Contact[]]): void {
    const { here, wallMs } = this.#ports;
    this.#onAir = onAir;
    this.#summons.ask(contacts, noMedia(here.hostName, wallMs()));
    if (!here.isSequential) this.#reserve();
  }
  /** Goes on with what an earlier run had, whose dialog is up. */
  resume(call: CallId, [held]: readonly Reserved[]): void {
    this.#summons.resume(call);
    this.#keep();
    if (!held) return this.onRefused(REFUSAL.preempted);
    const request = { kind: "admission-source", attributes: held.request } as const;
    this.#reservation = this.#ports.admission.resume(CLIENT_TYPE.admission, request, held.grant, this);
  }
  #keep(): void {
    const { joinId, user, channel } = this.#guest;
    const of = { role: "summons", joinId, user, channel: channel.name } as const;
    this.#summons.keep(keptIn(this.#ports.sessions, of, () => ({ reserved: reservedBy(this.#reservation) })));
  }

  /** RPT: what was granted is in use. */
  confirm(): void {
    if (this.#reservation) this.#ports.admission.report(this.#reservation);
  }
  leave(): void {
    this.#summons.end();
    this.#release();
  }

  onRinging(): void {
    this.#user.onRinging();
  }
  onTaken(_response: SipResponse): void {
    this.#summons.ack();
    this.#isTaken = true;
    if (this.#reservation) this.#settle();
    else this.#reserve();
  }
  onOver(answer: FinalAnswer): void {
    this.#release();
    this.#user.onUnseated(answer);
  }

  onGranted(_attributes: Attributes): void {
    this.#settle();
  }
  onRefused(reason: string): void {
    this.#reservation = undefined;
    this.#summons.end();
    this.#user.onUnseated(refusalAnswer(reason, this.#ports.here.hostName));
  }
  onTakenBack(reason: string): void {
    this.onRefused(reason);
  }

  #settle(): void {
    if (!this.#isTaken || !this.#reservation?.grant) return;
    this.#keep();
    this.#user.onSeated(this.#summons.keepAgain());
  }
  /** The source's side: it adds nothing to what the viewer's own REQ books (PROTOCOL §7), whichever rendition that is. */
  #reserve(): void {
    if (!this.#onAir) return;
    const { joinId, user } = this.#guest;
    const { edge, renditions } = this.#onAir;
    const { stream, kbps, group, source } = renditions[0];
    const attributes = joinRequestAttributes({
      joinId,
      channel: stream,
      user,
      kbps,
      accessKbps: 0,
      sourceEdge: edge,
      coreGroup: group,
      coreSource: source,
      delivery: "multicast",
    });
    this.#reservation = this.#ports.admission.ask(CLIENT_TYPE.admission, { kind: "admission-source", attributes }, this);
  }
  #release(): void {
    if (this.#reservation) this.#ports.admission.release(this.#reservation, "tear");
    this.#reservation = undefined;
  }
}
