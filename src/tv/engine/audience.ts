import { LIMITS } from "#base/limits.ts";
import type { Ticket } from "#base/ticket.ts";
import type { CallId } from "#sip/engine/call-types.ts";
import { sameUri } from "#sip/wire/uri.ts";
import type { Reserved } from "../types.ts";
import { GuestJoin } from "./guest-join.ts";
import { Ingest, type IngestUser } from "./ingest.ts";
import { type ChannelPorts, type Contact, type Guest, NOBODY, type Place, type Seat, type SeatUser } from "./ports.ts";
import { type FinalAnswer, OFF_AIR, UNAVAILABLE } from "./refusals.ts";

/** The broadcaster answered for that viewer alone: whoever waits behind him is asked for next. */
const isPersonal = ({ status }: FinalAnswer): boolean => status !== UNAVAILABLE.status;

/** The studio's device may be on another flow by now. */
const presentOf = (studio: Contact, contacts: readonly Contact[]): Contact =>
  contacts.find(({ target }) => sameUri(target, studio.target)) ?? studio;

/** The broadcaster's side of all `ask` channels whose broadcasters are at this DS (PROTOCOL §5). */
export class Audience {
  readonly #ports: ChannelPorts;
  readonly #place: Place;
  readonly #rooms = new Map<string, Room>(); // by channel

  constructor(ports: ChannelPorts, place: Place) {
    this.#ports = ports;
    this.#place = place;
  }

  /** Whether a broadcaster of this DS has been asked for that channel, and it is not over. */
  has(channel: string): boolean {
    return this.#rooms.has(channel);
  }
  /** Asks the broadcaster; `undefined`: he is not registered here. */
  join(guest: Guest, user: SeatUser): Seat | undefined {
    const { name, owner } = guest.channel;
    const [first, ...others] = this.#ports.peers.contacts(owner);
    if (!first) return undefined;
    return this.#roomOf(name).join(guest, user, [first, ...others]);
  }

  /** Goes on with the ingest of an earlier run, which was begun for that guest: then `rejoin` for each who was there. */
  resume(guest: Guest, call: CallId, reserved: readonly Reserved[], studio: Contact): void {
    this.#roomOf(guest.channel.name).resume(guest, call, reserved, studio);
  }
  /** A guest of an earlier run; `undefined`: there is nothing to be at. */
  rejoin(guest: Guest, user: SeatUser): Seat | undefined {
    return this.#rooms.get(guest.channel.name)?.rejoin(guest, user);
  }
  /** The call to the broadcaster that was made for one of them. */
  summoned(guest: Guest, call: CallId, reserved: readonly Reserved[], studio: Contact): void {
    this.#roomOf(guest.channel.name).summoned(guest, call, reserved, studio);
  }
  /** Whoever was there has been told of. */
  resumed(): void {
    for (const room of [...this.#rooms.values()]) room.resumed();
  }

  #roomOf(channel: string): Room {
    const room = this.#rooms.get(channel) ?? new Room(this.#ports, this.#place, channel, () => this.#rooms.delete(channel));
    this.#rooms.set(channel, room);
    return room;
  }
}

/** One channel and its guests: the first brings it on air; who comes meanwhile waits until it is. */
class Room implements IngestUser {
  readonly #ports: ChannelPorts;
  readonly #place: Place;
  readonly #channel: string;
  readonly #closed: () => void;
  readonly #seats = new Set<RoomSeat>();
  /** Whom the ingest was called for. */
  #first: RoomSeat | undefined;
  #ingest: Ingest | undefined;
  #studio: Contact | undefined;
  #silence = (): void => undefined;
  /** Of an ingest that goes on: whom it was called for. */
  #begunFor: string | undefined;

  constructor(ports: ChannelPorts, place: Place, channel: string, closed: () => void) {
    this.#ports = ports;
    this.#place = place;
    this.#channel = channel;
    this.#closed = closed;
  }

  join(guest: Guest, user: SeatUser, contacts: readonly [Contact, ...Contact[]]): Seat {
    const seat = new RoomSeat(this, guest, user, contacts);
    this.#seats.add(seat);
    this.#silence();
    this.#seat(seat);
    return seat;
  }
  confirmed(seat: RoomSeat): void {
    if (seat === this.#first) this.#ingest?.start();
    seat.onAir?.confirm();
  }
  left(seat: RoomSeat): void {
    if (!this.#seats.delete(seat)) return;
    seat.onAir?.leave();
    if (seat === this.#first) this.#firstLeft();
    if (this.#seats.size === 0) this.#empty();
  }

  resume(guest: Guest, call: CallId, reserved: readonly Reserved[], studio: Contact): void {
    this.#begunFor = guest.joinId;
    this.#studio = studio;
    this.#ingest = new Ingest(this.#ports, this.#place, guest, this);
    this.#ingest.resume(call, reserved);
  }
  rejoin(guest: Guest, user: SeatUser): Seat | undefined {
    if (!this.#studio) return undefined;
    const seat = new RoomSeat(this, guest, user, [this.#studio]);
    this.#seats.add(seat);
    if (guest.joinId === this.#begunFor) this.#first = seat;
    return seat;
  }
  /** Whoever it was made for may not have come back: then nobody is to be seated. */
  summoned(guest: Guest, call: CallId, reserved: readonly Reserved[], studio: Contact): void {
    const isHis = (seat: RoomSeat): boolean => seat.guest.joinId === guest.joinId;
    const seat = [...this.#seats].find(isHis) ?? new RoomSeat(this, guest, NOBODY, [studio]);
    this.#seats.add(seat);
    seat.onAir = this.#joinOf(seat);
    seat.onAir.resume(call, reserved);
    if (seat.user === NOBODY) this.left(seat);
  }
  resumed(): void {
    for (const seat of [...this.#seats]) if (seat !== this.#first && !seat.onAir) this.#putOut(seat, UNAVAILABLE);
    if (this.#seats.size === 0) this.#empty();
  }

  onRinging(): void {
    this.#first?.user.onRinging();
  }
  onAir(ticket: Ticket, studio: Contact): void {
    this.#studio = studio;
    this.#first?.user.onSeated(ticket);
    for (const seat of this.#seats) if (seat !== this.#first) this.#seat(seat);
  }
  onOver(answer: FinalAnswer): void {
    const wasOnAir = this.#studio !== undefined;
    const refused = this.#first;
    this.#forgetIngest();
    const toldAll = wasOnAir || !refused || !isPersonal(answer);
    for (const seat of toldAll ? [...this.#seats] : [refused]) this.#putOut(seat, wasOnAir ? OFF_AIR : answer);
    if (this.#seats.size === 0) this.#close();
    else this.#askForNext();
  }

  #seat(seat: RoomSeat): void {
    const onAir = this.#ports.onAir.get(this.#channel)?.value;
    if (onAir) {
      seat.onAir = this.#joinOf(seat);
      seat.onAir.ask(onAir, this.#studio ? [presentOf(this.#studio, seat.contacts)] : seat.contacts);
    } else if (!this.#ingest) {
      this.#first = seat;
      this.#ingest = new Ingest(this.#ports, this.#place, seat.guest, this);
      this.#ingest.ask(seat.contacts);
    }
  }
  #joinOf(seat: RoomSeat): GuestJoin {
    return new GuestJoin(this.#ports, this.#place, seat.guest, {
      onRinging: () => seat.user.onRinging(),
      onSeated: (ticket) => seat.user.onSeated(ticket),
      onUnseated: (answer) => this.#putOut(seat, answer),
    });
  }
  #askForNext(): void {
    const [next] = this.#seats;
    if (next) this.#seat(next);
  }
  #putOut(seat: RoomSeat, answer: FinalAnswer): void {
    if (!this.#seats.has(seat)) return;
    this.left(seat);
    seat.user.onUnseated(answer);
  }

  /** Before the channel was on air it was asked for in his name: the next one is asked for in his own. */
  #firstLeft(): void {
    this.#first = undefined;
    if (!this.#ingest || this.#ingest.isOnAir) return;
    this.#ingest.end();
    this.#forgetIngest();
    this.#askForNext();
  }
  /** The last one left: at once where no picture had begun, else the channel waits a little for another. */
  #empty(): void {
    if (this.#ingest?.hasStarted && !this.#ports.here.isSequential)
      this.#silence = this.#ports.alarm(LIMITS.emptyChannelMs, () => this.#close());
    else this.#close();
  }
  #close(): void {
    this.#silence();
    this.#ingest?.end();
    this.#forgetIngest();
    this.#closed();
  }
  #forgetIngest(): void {
    this.#ingest = undefined;
    this.#first = undefined;
    this.#studio = undefined;
  }
}

class RoomSeat implements Seat {
  readonly guest: Guest;
  readonly user: SeatUser;
  readonly contacts: readonly [Contact, ...Contact[]];
  /** Once the channel is on air, except for the first. */
  onAir: GuestJoin | undefined;
  readonly #room: Room;

  constructor(room: Room, guest: Guest, user: SeatUser, contacts: readonly [Contact, ...Contact[]]) {
    this.#room = room;
    this.guest = guest;
    this.user = user;
    this.contacts = contacts;
  }
  confirm(): void {
    this.#room.confirmed(this);
  }
  leave(): void {
    this.#room.left(this);
  }
}
