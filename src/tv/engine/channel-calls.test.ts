import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import { SAFE } from "#base/ticket.ts";
import type { Flow } from "#sip/engine/ports.ts";
import { request } from "#sip/wire/builders.ts";
import { sipUri } from "#sip/wire/uri.ts";
import { ChannelCalls } from "./channel-calls.ts";
import type { ChannelPorts } from "./ports.ts";
import { Viewing } from "./viewing.ts";

/** A DS that knows no channel, and what it answers; `alarms`: after how long, and what then. */
class Bench {
  readonly answers: (readonly [call: number, status: number])[] = [];
  readonly alarms: (readonly [afterMs: number, ring: () => void])[] = [];
  readonly ports = {
    calls: { keep: () => undefined, reject: (call: number, status: number) => this.answers.push([call, status]) },
    directory: { channel: () => undefined },
    onAir: { get: () => undefined, onChange: () => undefined, onReturned: () => undefined },
    sessions: { onReturned: () => undefined },
    peers: { isPeer: () => false },
    joinId: () => "00112233445566778899aabbccddeeff",
    alarm: (afterMs: number, ring: () => void) => {
      this.alarms.push([afterMs, ring]);
      return () => undefined;
    },
  } as unknown as ChannelPorts;
}
const INVITE = request("INVITE", sipUri({ user: "nosuch", host: "tv.example" }), []);

test("above dsCalls a call to a channel gets 503, until one has ended (PROTOCOL §17)", () => {
  const bench = new Bench();
  const channels = new ChannelCalls(bench.ports, () => "alice");
  for (let call = 1; call <= LIMITS.dsCalls + 1; call++) channels.onInvite(call, INVITE, {} as Flow);
  assert.deepEqual(bench.answers.at(-2), [LIMITS.dsCalls, 404]);
  assert.deepEqual(bench.answers.at(-1), [LIMITS.dsCalls + 1, 503]);
  channels.onEnded(1, { kind: "local" });
  channels.onInvite(LIMITS.dsCalls + 2, INVITE, {} as Flow);
  assert.deepEqual(bench.answers.at(-1), [LIMITS.dsCalls + 2, 404]);
});

test("a broadcaster has agreed, and his channel's row does not come for onAirRowMs: 504 (PROTOCOL §5)", () => {
  const bench = new Bench();
  const viewing = new Viewing(bench.ports, 1, { joinId: "j", user: "alice", channel: "bob-ask" });
  viewing.onSeated(SAFE);
  const [alarm] = bench.alarms;
  assert.deepEqual([alarm?.[0], bench.answers], [LIMITS.onAirRowMs, []]);
  alarm?.[1]();
  assert.deepEqual(bench.answers, [[1, 504]]);
});
