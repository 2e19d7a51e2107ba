/** A foreign SIP implementation against the real program: SIPp as a phone (scenarios in testdata/sipp). */
import assert from "node:assert/strict";
import dgram from "node:dgram";
import path from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { toolOrSkip } from "#host/node/test-tools.ts";
import { Bench, HOME } from "./test-program.ts";

const bench = new Bench();
let ds = "";
let domain = "";

before(async () => {
  const { ready } = await bench.demo("--digest", "MD5", "--no-samples");
  ds = ready.sites[0]?.ds.udp ?? "";
  domain = ready.domain;
});
after(() => bench.close());

/** Plays one scenario once; throws, with what SIPp saw, unless everything was as the scenario has it. */
async function play(
  scenario: string,
  keys: Readonly<Record<string, string>> = {},
  secret = "alice-device",
  transport: "u1" | "t1" = "u1",
): Promise<void> {
  const all = { domain, user: "alice", ...keys };
  const settings = Object.entries(all).flatMap(([name, value]) => ["-key", name, value]);
  const credentials = ["-au", all.user, "-ap", secret];
  const limits = ["-t", transport, "-m", "1", "-timeout", "10s", "-timeout_error"];
  const quiet = ["-nostdin", "-trace_err", "-error_file", path.join(bench.folder, `${scenario}.log`)];
  const file = path.join(HOME, `testdata/sipp/${scenario}.xml`);
  const sipp = bench.run("sipp", "-sf", file, ds, "-i", "127.0.0.1", ...settings, ...credentials, ...limits, ...quiet);
  assert.equal(await sipp.exit(), 0, `${scenario}: ${sipp.err}`);
}

/** A port that counts what arrives. */
async function rtpPort(t: TestContext) {
  const socket = dgram.createSocket("udp4");
  t.after(() => socket.close());
  const port = { number: 0, packets: 0, types: new Set<number>() };
  socket.on("message", (octets) => {
    port.packets++;
    port.types.add((octets[1] ?? 0) & 0x7f);
  });
  await new Promise<void>((bound) => socket.bind(0, "127.0.0.1", bound));
  port.number = socket.address().port;
  return port;
}

test("SIPp registers by digest with MD5 offered alone (RFC 3261 §10, RFC 8760)", async (t) => {
  if (toolOrSkip(t, "sipp")) await play("register");
});

test("SIPp's OPTIONS is answered 200 (RFC 3261 §11)", async (t) => {
  if (toolOrSkip(t, "sipp")) await play("options");
});

for (const scenario of ["register", "options"])
  test(`SIPp over TCP: ${scenario} (RFC 3261 §18)`, async (t) => {
    if (toolOrSkip(t, "sipp")) await play(scenario, {}, "alice-device", "t1");
  });

test("SIPp with a wrong secret is challenged again (RFC 3261 §22.1)", async (t) => {
  if (toolOrSkip(t, "sipp")) await play("wrong-secret", {}, "not-the-secret");
});

test("SIPp watches a channel by unicast: RTP arrives from the 200 to the BYE, and not after (PROTOCOL §3 form 3)", async (t) => {
  if (!toolOrSkip(t, "sipp")) return;
  const broadcast = bench.sipcast("broadcast", "bob-tv", "testdata/clips/news.ts");
  await broadcast.says(/bob-tv is on air/);
  await sleep(200); // the directory of channels has gone round the sites
  const port = await rtpPort(t);
  await play("watch", { channel: "bob-tv", rtp_port: String(port.number) });
  assert.ok(port.packets > 20, `${port.packets} packets in 1.5 s`);
  assert.deepEqual([...port.types], [33], "MPEG-TS (RFC 3551 §6)");
  const atBye = port.packets;
  await sleep(500);
  assert.equal(port.packets, atBye);
  assert.equal(await broadcast.stop(), 0);
});
