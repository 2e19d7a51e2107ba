import { LIMITS } from "#base/limits.ts";
import type { CallEnd, CallId, CallUser } from "#sip/engine/call-types.ts";
import type { Flow } from "#sip/engine/ports.ts";
import type { SipRequest } from "#sip/wire/message.ts";
import { Broadcast } from "./broadcast.ts";
import type { ChannelCall, ChannelInvite, ChannelPorts } from "./ports.ts";
import { wantsToBroadcast } from "./session-sdp.ts";
import { Viewing } from "./viewing.ts";

const NOT_OWNER = ["Reason", 'SIP;cause=403;text="not-owner"'] as const;

/** Calls to channel AORs at a DS: an owner's `sendonly` goes live, everything else watches (PROTOCOL §2). */
export class ChannelCalls implements CallUser {
  readonly #ports: ChannelPorts;
  /** Of an authenticated request whose From is that user. */
  readonly #userOf: (request: SipRequest) => string;
  readonly #calls = new Map<CallId, ChannelCall>();
  readonly #live = new Map<string, CallId>(); // channel → its broadcast, also while it is being set up

  constructor(ports: ChannelPorts, userOf: (request: SipRequest) => string) {
    this.#ports = ports;
    this.#userOf = userOf;
    ports.onAir.onChange((channel, row, before) => {
      if (before && row?.value.sinceWallMs !== before.value.sinceWallMs) this.#offAir(channel);
    });
  }

  /** Viewings and broadcasts, also those being set up. */
  get count(): number {
    return this.#calls.size;
  }

  onInvite(call: CallId, request: SipRequest, flow: Flow): void {
    if (this.#calls.size >= LIMITS.dsCalls) return this.#ports.calls.reject(call, 503);
    const invite: ChannelInvite = { request, flow, user: this.#userOf(request), channel: request.uri.user };
    if (wantsToBroadcast(request)) this.#goLive(call, invite);
    else this.#start(call, new Viewing(this.#ports, call, invite));
  }
  onProvisional(): void {
    throw new Error("A DS makes no calls of its own to channels");
  }
  onAnswered(): void {
    throw new Error("A DS makes no calls of its own to channels");
  }
  onEstablished(call: CallId, ack: SipRequest): void {
    this.#calls.get(call)?.onEstablished(ack);
  }
  onEnded(call: CallId, end: CallEnd): void {
    const ended = this.#calls.get(call);
    this.#calls.delete(call);
    if (ended instanceof Broadcast && this.#live.get(ended.channel.name) === call) this.#live.delete(ended.channel.name);
    ended?.onEnded(end);
  }

  #goLive(call: CallId, invite: ChannelInvite): void {
    const channel = this.#ports.directory.channel(invite.channel);
    if (!channel) return this.#ports.calls.reject(call, 404);
    if (channel.owner !== invite.user) return this.#ports.calls.reject(call, 403, undefined, [NOT_OWNER]);
    if (this.#live.has(channel.name) || this.#ports.onAir.get(channel.name)) return this.#ports.calls.reject(call, 486);
    this.#live.set(channel.name, call);
    this.#start(call, new Broadcast(this.#ports, call, invite, channel));
  }
  #start(call: CallId, started: Broadcast | Viewing): void {
    this.#calls.set(call, started);
    started.start();
  }
  #offAir(channel: string): void {
    for (const call of [...this.#calls.values()]) if (call instanceof Viewing && call.channel === channel) call.offAir();
  }
}
