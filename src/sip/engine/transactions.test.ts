/** The four transaction machines as tables: what goes in when, and what comes out (RFC 3261 §17, RFC 4320, RFC 6026). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type InviteClientInput, InviteClientTransaction } from "./invite-client.ts";
import { type InviteServerInput, InviteServerTransaction } from "./invite-server.ts";
import { type NonInviteClientInput, NonInviteClientTransaction } from "./non-invite-client.ts";
import { type NonInviteServerInput, NonInviteServerTransaction } from "./non-invite-server.ts";
import { DEFAULT_TIMERS, TIMER_C_MS, type TransactionSetup } from "./timers.ts";

interface Machine<Input> {
  readonly state: string;
  readonly nextDeadlineMs: number;
  step(input: Input, nowMs: number): readonly { readonly kind: string; readonly cause?: string }[];
}
/** At that time, this goes in, and that comes out. */
type Script<Input> = readonly (readonly [atMs: number, input: Input, wants: string])[];
interface Row<Input> {
  readonly name: string;
  readonly reliable?: boolean;
  readonly script: Script<Input>;
  /** The state at the end. */
  readonly ends: string;
  readonly nextMs?: number;
}

function run<Input>(machineName: string, make: (setup: TransactionSetup) => Machine<Input>, rows: readonly Row<Input>[]): void {
  for (const { name, reliable = false, script, ends, nextMs } of rows)
    test(`${machineName} ${name}`, () => {
      const machine = make({ timers: DEFAULT_TIMERS, reliable, startMs: 0 });
      for (const [atMs, input, wants] of script) {
        const outputs = machine.step(input, atMs).map(({ kind, cause }) => (cause === undefined ? kind : `${kind} ${cause}`));
        assert.equal(outputs.join(", "), wants, `at ${atMs} ms`);
      }
      assert.equal(machine.state, ends);
      if (nextMs !== undefined) assert.equal(machine.nextDeadlineMs, nextMs);
      if (ends === "terminated") assert.equal(machine.nextDeadlineMs, Infinity, "nothing is due any more");
    });
}

const tick = { kind: "tick" } as const;
const cancel = { kind: "cancel" } as const;
const request = { kind: "request" } as const;
const ack = { kind: "ack" } as const;
const broken = { kind: "transport-error" } as const;
const response = (status: number) => ({ kind: "response", status }) as const;
const respond = (status: number) => ({ kind: "respond", status }) as const;

const resends = (atMs: readonly number[]): [number, typeof tick, string][] => atMs.map((at) => [at, tick, "send-request"]);

run<InviteClientInput>("INVITE client", (setup) => new InviteClientTransaction(setup), [
  {
    name: "sends again at 500, 1500, 3500… ms, Timer A doubling, and gives up at 64*T1 (RFC 3261 §17.1.1.2)",
    script: [
      [499, tick, ""],
      ...resends([500, 1_500, 3_500, 7_500, 15_500, 31_500]),
      [32_000, tick, "ended timeout"],
      [32_001, response(200), ""],
    ],
    ends: "terminated",
  },
  {
    name: "sends once on a reliable transport (§17.1.1.2)",
    reliable: true,
    script: [
      [500, tick, ""],
      [31_999, tick, ""],
    ],
    ends: "calling",
    nextMs: 32_000,
  },
  {
    name: "stops sending once a provisional response came (§17.1.1.2)",
    script: [
      [400, response(100), "pass-up"],
      [500, tick, ""],
      [40_000, response(180), "pass-up"],
    ],
    ends: "proceeding",
  },
  {
    name: "acknowledges 300-699, and each copy of it, until Timer D (§17.1.1.3)",
    script: [
      [10, response(486), "send-ack, pass-up"],
      [600, response(486), "send-ack"],
      [700, response(180), ""],
      [32_009, tick, ""],
      [32_010, tick, "ended done"],
    ],
    ends: "terminated",
  },
  {
    name: "ends at once after 300-699 on a reliable transport, Timer D 0 (§17.1.1.2)",
    reliable: true,
    script: [[10, response(603), "send-ack, pass-up, ended done"]],
    ends: "terminated",
  },
  {
    name: "passes every 2xx up until Timer M, and nothing else (RFC 6026 §7.2)",
    script: [
      [10, response(200), "pass-up"],
      [500, response(200), "pass-up"],
      [600, response(486), ""],
      [700, response(180), ""],
      [32_010, tick, "ended done"],
    ],
    ends: "terminated",
  },
  { name: "ends when its transport fails (§17.1.4)", script: [[10, broken, "ended transport"]], ends: "terminated" },
  {
    name: "holds CANCEL back until a provisional response came (§9.1)",
    script: [
      [10, cancel, ""],
      [500, tick, "send-request"],
      [510, response(100), "pass-up, send-cancel"],
      [520, response(180), "pass-up"],
      [530, cancel, ""],
      [600, response(487), "send-ack, pass-up"],
    ],
    ends: "completed",
  },
  {
    name: "sends no CANCEL when the first response is final (§9.1)",
    script: [
      [10, cancel, ""],
      [20, response(200), "pass-up"],
      [30, cancel, ""],
    ],
    ends: "accepted",
  },
  {
    name: "gives up 64*T1 after CANCEL without a final response (§9.1)",
    script: [
      [10, response(180), "pass-up"],
      [20, cancel, "send-cancel"],
      [30, response(180), "pass-up"],
      [32_019, tick, ""],
      [32_020, tick, "ended timeout"],
    ],
    ends: "terminated",
  },
  {
    name: "cancels what rings for longer than Timer C after its last provisional response (§16.8)",
    script: [
      [10, response(180), "pass-up"],
      [1_000, response(180), "pass-up"],
      [TIMER_C_MS + 999, tick, ""],
      [TIMER_C_MS + 1_000, tick, "send-cancel"],
    ],
    ends: "proceeding",
    nextMs: TIMER_C_MS + 33_000,
  },
]);

run<NonInviteClientInput>("non-INVITE client", (setup) => new NonInviteClientTransaction(setup), [
  {
    name: "sends again, Timer E doubling up to T2, and gives up at 64*T1 (RFC 3261 §17.1.2.2)",
    script: [
      ...resends([500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]),
      [32_000, tick, "ended timeout"],
    ],
    ends: "terminated",
  },
  {
    name: "sends again every T2 once a provisional response came (§17.1.2.2)",
    script: [[10, response(100), "pass-up"], ...resends([500, 4_500, 8_500]), [32_000, tick, "ended timeout"]],
    ends: "terminated",
  },
  {
    name: "absorbs copies of the final response until Timer K (§17.1.2.2)",
    script: [
      [20, response(200), "pass-up"],
      [30, response(200), ""],
      [5_019, tick, ""],
      [5_020, tick, "ended done"],
    ],
    ends: "terminated",
  },
  {
    name: "ends with the final response on a reliable transport, Timer K 0 (§17.1.2.2)",
    reliable: true,
    script: [
      [500, tick, ""],
      [600, response(404), "pass-up, ended done"],
    ],
    ends: "terminated",
  },
  {
    name: "gives up on a reliable transport too, Timer F (§17.1.2.2)",
    reliable: true,
    script: [[32_000, tick, "ended timeout"]],
    ends: "terminated",
  },
  { name: "ends when its transport fails (§17.1.4)", script: [[10, broken, "ended transport"]], ends: "terminated" },
]);

run<InviteServerInput>("INVITE server", (setup) => new InviteServerTransaction(setup), [
  {
    name: "says 100 after 200 ms by itself, and again for a copy of the request (RFC 3261 §17.2.1)",
    script: [
      [150, request, ""],
      [199, tick, ""],
      [200, tick, "send-trying"],
      [500, request, "resend"],
    ],
    ends: "proceeding",
    nextMs: Infinity,
  },
  {
    name: "says no 100 when its user was quicker (§17.2.1)",
    script: [
      [100, respond(180), "send-response"],
      [200, tick, ""],
      [500, request, "resend"],
    ],
    ends: "proceeding",
  },
  {
    name: "sends 300-699 again, Timer G doubling up to T2, until ACK, then absorbs until Timer I (§17.2.1)",
    script: [
      ...([
        [0, respond(486), "send-response"],
        [500, tick, "resend"],
        [600, request, "resend"],
        [1_500, tick, "resend"],
      ] as const),
      ...([
        [3_500, tick, "resend"],
        [7_500, tick, "resend"],
        [11_500, tick, "resend"],
        [11_600, ack, ""],
        [15_500, tick, ""],
      ] as const),
      ...([
        [15_600, ack, ""],
        [15_700, request, ""],
        [16_600, tick, "ended done"],
      ] as const),
    ],
    ends: "terminated",
  },
  {
    name: "gives up without ACK, Timer H (§17.2.1)",
    script: [
      [0, respond(404), "send-response"],
      [32_000, tick, "ended timeout"],
      [32_001, request, ""],
    ],
    ends: "terminated",
  },
  {
    name: "sends 300-699 once on a reliable transport, and ends with the ACK (§17.2.1)",
    reliable: true,
    script: [
      [0, respond(404), "send-response"],
      [500, tick, ""],
      [600, ack, "ended done"],
    ],
    ends: "terminated",
  },
  {
    name: "sends every 2xx its user gives, absorbs the request, passes ACK up, until Timer L (RFC 6026 §7.1)",
    script: [
      [0, respond(200), "send-response"],
      [500, tick, ""],
      [510, request, ""],
      [520, respond(200), "send-response"],
      [530, ack, "pass-up-ack"],
      [540, respond(486), ""],
      [550, respond(180), ""],
      [32_000, tick, "ended done"],
    ],
    ends: "terminated",
  },
  {
    name: "takes no second final response after 300-699 (§17.2.1)",
    script: [
      [0, respond(487), "send-response"],
      [10, respond(200), ""],
    ],
    ends: "completed",
  },
]);

run<NonInviteServerInput>("non-INVITE server", (setup) => new NonInviteServerTransaction(setup), [
  {
    name: "says 100 when a client's Timer E has reached T2, not before (RFC 4320 §4.1)",
    script: [
      [500, request, ""],
      [3_499, tick, ""],
      [3_500, tick, "send-trying"],
      [3_600, request, "resend"],
    ],
    ends: "proceeding",
  },
  {
    name: "sends no provisional response of its user (RFC 4320 §4.1)",
    script: [
      [0, respond(100), ""],
      [1, respond(183), ""],
    ],
    ends: "trying",
  },
  { name: "never says 408 (RFC 4320 §4.2)", script: [[0, respond(408), "ended timeout"]], ends: "terminated" },
  {
    name: "is silent once the client has given up (RFC 4320 §4.2)",
    script: [
      [3_500, tick, "send-trying"],
      [32_000, tick, "ended timeout"],
      [32_001, respond(200), ""],
    ],
    ends: "terminated",
  },
  {
    name: "ends with its final response, which is kept for whoever asks again (RFC 3261 §17.2.2)",
    script: [
      [10, respond(200), "send-response, keep-response, ended done"],
      [500, request, ""],
      [600, respond(500), ""],
    ],
    ends: "terminated",
  },
  {
    name: "ends with its final response on a reliable transport, Timer J 0 (§17.2.2)",
    reliable: true,
    script: [[10, respond(200), "send-response, ended done"]],
    ends: "terminated",
  },
]);
