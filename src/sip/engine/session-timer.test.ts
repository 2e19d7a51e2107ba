import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "#base/limits.ts";
import { request, response } from "../wire/builders.ts";
import { sipUri } from "../wire/uri.ts";
import { type Agreed, agreedByAnswer, SessionTimer, timerAnswer, timerRequest } from "./session-timer.ts";

const invite = (fields: Readonly<Record<string, string>>) => request("INVITE", sipUri({ host: "x" }), Object.entries(fields));

const REQUESTS: { name: string; minSec: number; agreed?: Agreed; wants: [string, string] }[] = [
  { name: "the first leaves the refresher open (§7.1)", minSec: 0, wants: ["300", "90"] },
  { name: "after a 422 nothing below its Min-SE (§7.4)", minSec: 400, wants: ["400", "400"] },
  {
    name: "a refresh keeps interval and refresher (§7.4)",
    minSec: 0,
    agreed: { intervalSec: 120, refresher: "us" },
    wants: ["120;refresher=uac", "90"],
  },
  {
    name: "a probe of the side that does not refresh (§7.4)",
    minSec: 100,
    agreed: { intervalSec: 300, refresher: "them" },
    wants: ["300;refresher=uas", "100"],
  },
];
for (const { name, minSec, agreed, wants } of REQUESTS) {
  test(`session timer, asking: ${name} (RFC 4028)`, () => {
    assert.deepEqual(
      timerRequest(minSec, agreed).map(([, value]) => value),
      wants,
    );
  });
}

const ANSWERS: { name: string; asks: Record<string, string>; wants: string }[] = [
  { name: "Table 2: UAC does not know timers, none asked: uas", asks: {}, wants: "300;refresher=uas" },
  { name: "Table 2: a proxy asked for such a UAC: uas", asks: { "Session-Expires": "200" }, wants: "200;refresher=uas" },
  { name: "Table 2: UAC knows timers, no choice: uac", asks: { Supported: "timer" }, wants: "300;refresher=uac Require" },
  {
    name: "Table 2: UAC chose uac",
    asks: { Supported: "timer", "Session-Expires": "90;refresher=uac" },
    wants: "90;refresher=uac Require",
  },
  {
    name: "Table 2: UAC chose uas",
    asks: { Supported: "timer", "Session-Expires": "1800;refresher=uas" },
    wants: "300;refresher=uas Require",
  },
  {
    name: "never below the request's Min-SE",
    asks: { Supported: "timer", "Session-Expires": "1800", "Min-SE": "600" },
    wants: "600;refresher=uac Require",
  },
  { name: "too small an interval: 422", asks: { Supported: "timer", "Session-Expires": "89" }, wants: "422 90" },
  { name: "too small for a UAC that knows no 422: taken", asks: { "Session-Expires": "60" }, wants: "60;refresher=uas" },
  { name: "the compact form", asks: { k: "timer", x: "100" }, wants: "100;refresher=uac Require" },
];
for (const { name, asks, wants } of ANSWERS) {
  test(`session timer, answering: ${name} (RFC 4028 §9)`, () => {
    const { status, fields } = timerAnswer(invite(asks));
    const required = fields.some(([field, value]) => field === "Require" && value === "timer") ? " Require" : "";
    assert.equal(`${status === "ok" ? "" : "422 "}${fields[0]?.[1]}${required}`, wants);
  });
}

const AGREEMENTS: { name: string; answer?: string; wants: Agreed }[] = [
  { name: "they refresh", answer: "200;refresher=uas", wants: { intervalSec: 200, refresher: "them" } },
  { name: "we refresh", answer: "200;refresher=uac", wants: { intervalSec: 200, refresher: "us" } },
  { name: "they know no timers: we do, as we asked", wants: { intervalSec: 300, refresher: "us" } },
];
for (const { name, answer, wants } of AGREEMENTS) {
  test(`session timer, answered: ${name} (RFC 4028 §7.2)`, () => {
    const asked = invite({ "Session-Expires": "300" });
    const made = response(asked, 200);
    if (answer !== undefined) made.headers.add("Session-Expires", answer);
    assert.deepEqual(agreedByAnswer(asked, made), wants);
  });
}

type Due = ReturnType<SessionTimer["step"]>;
const RUNS: { name: string; agreed: Agreed; script: [atSec: number, due: Due][] }[] = [
  {
    name: "whoever refreshes does at half the interval, and again until it ends (§7.2)",
    agreed: { intervalSec: 300, refresher: "us" },
    script: [
      [149, "wait"],
      [150, "refresh"],
      [224, "wait"],
      [225, "refresh"],
      [299, "wait"],
      [300, "expired"],
    ],
  },
  {
    name: "whoever waits hangs up 32 s before the end (§10)",
    agreed: { intervalSec: 300, refresher: "them" },
    script: [
      [267, "wait"],
      [268, "expired"],
    ],
  },
  {
    name: "or a third of a short interval before it (§10)",
    agreed: { intervalSec: 90, refresher: "them" },
    script: [
      [59, "wait"],
      [60, "expired"],
    ],
  },
];
for (const { name, agreed, script } of RUNS) {
  test(`session timer, running: ${name} (RFC 4028)`, () => {
    const timer = new SessionTimer(agreed, 1_000);
    for (const [atSec, due] of script) assert.equal(timer.step(1_000 + 1_000 * atSec), due, `at ${atSec} s`);
    assert.ok(timer.nextDeadlineMs <= 1_000 + 1_000 * agreed.intervalSec);
  });
}

test("the limits of session timers are what PROTOCOL §12 says", () => {
  assert.deepEqual([LIMITS.sessionExpiresSec, LIMITS.sessionMinSec], [300, 90]);
});
