import { LIMITS } from "#base/limits.ts";
import type { MemberId } from "#overlay/types.ts";
import type { CallEnd, CallId, CallUser } from "#sip/engine/call-types.ts";
import type { Flow } from "#sip/engine/ports.ts";
import type { SipRequest, SipResponse } from "#sip/wire/message.ts";
import { Audience } from "./audience.ts";
import { Broadcast } from "./broadcast.ts";
import { PeerGuest, PeerSeat } from "./peer-legs.ts";
import type { ChannelCall, ChannelInvite, ChannelPorts, Guest, Place, PlacedCall, Seat, SeatUser } from "./ports.ts";
import { NOT_OWNER } from "./refusals.ts";
import { Resumption } from "./resumption.ts";
import { wantsToBroadcast } from "./session-sdp.ts";
import { Viewing } from "./viewing.ts";

/**
 * Calls to channel AORs at a DS: an owner's `sendonly` goes live, everything else watches (PROTOCOL §2). For `ask` channels
 * the DS also calls: the broadcaster's DS, and the broadcaster (PROTOCOL §1, §5).
 */
export class ChannelCalls implements CallUser {
  readonly #ports: ChannelPorts;
  /** Of an authenticated request whose From is that user. */
  readonly #userOf: (request: SipRequest) => string;
  readonly #taken = new Map<CallId, ChannelCall>();
  readonly #placed = new Map<CallId, PlacedCall>();
  readonly #live = new Map<string, Broadcast>(); // by channel, also while it is being set up
  readonly #audience: Audience;
  readonly #resumption: Resumption;

  constructor(ports: ChannelPorts, userOf: (request: SipRequest) => string) {
    this.#ports = ports;
    this.#userOf = userOf;
    this.#audience = new Audience(ports, this.#place);
    this.#resumption = new Resumption(ports, this.#audience, this.#place, (call, taken) => this.#take(call, taken));
    ports.sessions.onReturned((row) => this.#resumption.returned(row, (call) => this.#taken.has(call) || this.#placed.has(call)));
    ports.onAir.onReturned(({ key }) => this.#endUnsent(key));
    ports.onAir.onChange((channel, row, before) => {
      if (before && row?.value.sinceWallMs !== before.value.sinceWallMs)
        this.#eachViewing(channel, (viewing) => viewing.offAir());
      else if (row && before) this.#eachViewing(channel, (viewing) => viewing.left(row.value));
      else if (row) this.#eachViewing(channel, (viewing) => viewing.onAir(row.value));
    });
  }

  /** Calls to channels, from others and of our own, also those being set up. */
  get count(): number {
    return this.#taken.size + this.#placed.size;
  }

  /** Calls of our own: to other DSs and to broadcasters. */
  placed(): readonly CallId[] {
    return [...this.#placed.keys()];
  }

  onInvite(call: CallId, request: SipRequest, flow: Flow, replaces?: CallId): void {
    if (this.count >= LIMITS.dsCalls) return this.#ports.calls.reject(call, 503);
    const joinId = this.#ports.joinId(request);
    const invite: ChannelInvite = { request, flow, joinId, user: this.#userOf(request), channel: request.uri.user };
    const old = replaces === undefined ? undefined : this.#taken.get(replaces);
    const replaced = old instanceof Viewing && old.user === invite.user ? old : undefined;
    if (replaces !== undefined && !replaced) this.#ports.calls.reject(call, 403);
    else if (this.#ports.peers.isPeer(request))
      this.#start(call, new PeerGuest(this.#ports, call, invite), invite, this.#joinHere);
    else if (wantsToBroadcast(request)) this.#goLive(call, invite);
    else this.#start(call, new Viewing(this.#ports, call, invite), invite, replaced, this.#askForSeat);
  }
  /** Goes on with what that server had on the line, by its rows (PROTOCOL §10). */
  resume(owner: MemberId, nowMs: number): void {
    this.#resumption.run(owner, nowMs);
    for (const row of this.#ports.onAir.rows()) if (row.owner === owner) this.#endUnsent(row.key);
  }
  onProvisional(call: CallId, response: SipResponse): void {
    this.#placed.get(call)?.onProvisional(response);
  }
  onAnswered(call: CallId, response: SipResponse): void {
    this.#placed.get(call)?.onAnswered(response);
  }
  onEstablished(call: CallId, ack: SipRequest): void {
    this.#taken.get(call)?.onEstablished(ack);
  }
  onEnded(call: CallId, end: CallEnd): void {
    const ended = this.#taken.get(call) ?? this.#placed.get(call);
    this.#taken.delete(call);
    this.#placed.delete(call);
    if (ended instanceof Broadcast && this.#live.get(ended.channel.name) === ended) this.#live.delete(ended.channel.name);
    ended?.onEnded(end);
  }

  #goLive(call: CallId, invite: ChannelInvite, wasAsked = false): void {
    const channel = this.#ports.directory.channel(invite.channel);
    if (!channel) return this.#ports.calls.reject(call, 404);
    if (channel.owner !== invite.user) return this.#ports.calls.reject(call, NOT_OWNER.status, undefined, NOT_OWNER.headers);
    const live = this.#live.get(channel.name);
    if (live?.isOver === false && !wasAsked) return this.#askFirst(live, call, () => this.#goLive(call, invite, true));
    if (this.#isSent(channel.name) || this.#ports.onAir.get(channel.name)) return this.#ports.calls.reject(call, 486);
    this.#start(call, new Broadcast(this.#ports, call, invite.joinId, channel), invite);
  }
  /** Who is on air may have crashed: he is asked, and whoever wants his place waits a moment for the answer. */
  #askFirst(live: Broadcast, call: CallId, goOn: () => void): void {
    this.#taken.set(call, { onEstablished: () => undefined, onEnded: live.ask(goOn) });
  }
  /** A broadcaster of this DS sends it, or has been asked to. */
  #isSent(channel: string): boolean {
    return this.#live.get(channel)?.isOver === false || this.#audience.has(channel);
  }

  /** Off air is what nobody of this DS sends. */
  #endUnsent(channel: string): void {
    if (!this.#isSent(channel)) this.#ports.onAir.remove(channel);
  }

  #take(call: CallId, taken: ChannelCall): void {
    this.#taken.set(call, taken);
    if (taken instanceof Broadcast) this.#live.set(taken.channel.name, taken);
  }
  #start<A extends readonly unknown[]>(call: CallId, started: ChannelCall & { start(...how: A): void }, ...how: A): void {
    this.#take(call, started);
    started.start(...how);
  }

  readonly #place: Place = (outgoing, owner) => {
    const call = typeof outgoing === "number" ? outgoing : this.#ports.calls.invite(outgoing);
    this.#placed.set(call, owner);
    return call;
  };
  readonly #joinHere = (guest: Guest, user: SeatUser): Seat | undefined => this.#audience.join(guest, user);
  /** At the DS that has the broadcaster: here, or by a call to another. */
  readonly #askForSeat = (guest: Guest, user: SeatUser): Seat | undefined => {
    const side = this.#ports.peers.sideOf(guest.channel);
    if (side === undefined || side === "here") return side && this.#audience.join(guest, user);
    const isFirst = this.#ports.onAir.get(guest.channel.name) === undefined;
    const seat = new PeerSeat(this.#ports, this.#place, guest, user);
    seat.ask(side, isFirst);
    return seat;
  };

  #eachViewing(channel: string, act: (viewing: Viewing) => void): void {
    for (const call of [...this.#taken.values()]) if (call instanceof Viewing && call.channel === channel) act(call);
  }
}
