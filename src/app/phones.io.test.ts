/** People call one another through the real program, with telephones that nobody here wrote (PROTOCOL §1). */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { toolOrSkip } from "#host/node/test-tools.ts";
import { Bench, HOME, type Program } from "./test-program.ts";

const BARESIP_MODULES = "/usr/lib/baresip/modules";
const bench = new Bench();
let domain = "";
let basePort = 0;
let web = "";
const servers = { alice: "", bob: "" }; // each at a site of its own

before(async () => {
  const demo = await bench.demo("--digest", "MD5", "--no-samples");
  domain = demo.ready.domain;
  basePort = demo.basePort;
  web = demo.ready.web;
  [servers.alice = "", servers.bob = ""] = demo.ready.sites.map(({ ds }) => ds.udp);
});
after(() => bench.close());

type User = keyof typeof servers;

/** SIPp plays one scenario once, on that port. */
function sipp(scenario: string, user: User, port: number, keys: Readonly<Record<string, string>> = {}): Program {
  const settings = Object.entries({ domain, user, ...keys }).flatMap(([name, value]) => ["-key", name, value]);
  const file = path.join(HOME, `testdata/sipp/${scenario}.xml`);
  const limits = ["-m", "1", "-timeout", "10s", "-timeout_error", "-nostdin"];
  const place = [servers[user], "-i", "127.0.0.1", "-p", `${port}`];
  return bench.run("sipp", "-sf", file, ...place, ...settings, "-au", user, "-ap", `${user}-device`, ...limits);
}

for (const [caller, callee] of [
  ["people-call", "people-answer"],
  ["people-cancel", "people-ring"],
] as const) {
  test(`SIPp calls SIPp at another DS: ${caller} (RFC 3261 §16)`, async (t) => {
    if (!toolOrSkip(t, "sipp")) return;
    const port = basePort + 70;
    const registered = sipp("register", "bob", port);
    assert.equal(await registered.exit(), 0, registered.err);
    const [called, calling] = [sipp(callee, "bob", port), sipp(caller, "alice", port + 1, { callee: "bob" })];
    assert.equal(await calling.exit(), 0, calling.err);
    assert.equal(await called.exit(), 0, called.err);
  });
}

/** A channel of Bob's that asks him, made as his page makes it. */
async function makeAskChannel(name: string): Promise<void> {
  const post = (path: string, body: object, headers: Record<string, string> = {}) =>
    fetch(`${web}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", origin: web, ...headers },
      body: JSON.stringify(body),
    });
  const signedIn = await post("/api/sign-in", { user: "bob", password: "bob-demo" });
  const cookie = signedIn.headers.getSetCookie().map((field) => field.split(";")[0] ?? "");
  const made = await post("/api/channels", { name, title: "Ask Bob", kbps: 800, mode: "ask" }, { cookie: cookie.join("; ") });
  assert.equal(made.status, 201, await made.text());
}

test("SIPp is asked for a viewer, says where its stream comes from, and hangs up (PROTOCOL §5)", async (t) => {
  if (!toolOrSkip(t, "sipp")) return;
  const port = basePort + 74;
  await makeAskChannel("bob-ask");
  const registered = sipp("register", "bob", port);
  assert.equal(await registered.exit(), 0, registered.err);
  const bob = sipp("ask-broadcaster", "bob", port, { channel: "bob-ask" });
  const alice = bench.sipcast("watch", "bob-ask", "-o", path.join(bench.folder, "asked.ts"), "--user", "alice");
  await alice.says(/Watching bob-ask/);
  assert.equal(await bob.exit(), 0, bob.err);
  await alice.says(/The channel has ended|off air/);
});

/** Bob's telephone takes the call by itself; what Alice plays is shorter, and at its end she hangs up. */
function baresip(user: User, port: number, transport: string, seconds: number, ...commands: string[]): Program {
  const folder = path.join(bench.folder, `baresip-${user}-${transport}`);
  mkdirSync(folder);
  const clip = path.join(folder, "silence.wav");
  writeFileSync(clip, silence(seconds));
  const modules = ["g711", "aufile", "account", "menu"].map((name) => `module ${name}.so`);
  const settings = [`module_path ${BARESIP_MODULES}`, `sip_listen 127.0.0.1:${port}`, `audio_source aufile,${clip}`, ...modules];
  const account = `<sip:${user}@${domain};transport=${transport}>;auth_user=${user};auth_pass=${user}-device;regint=60`;
  const outbound = `outbound="sip:${servers[user]};transport=${transport}";answermode=${user === "bob" ? "auto" : "manual"}`;
  writeFileSync(path.join(folder, "config"), `${settings.join("\n")}\n`);
  writeFileSync(path.join(folder, "accounts"), `${account};${outbound}\n`);
  writeFileSync(path.join(folder, "contacts"), "");
  return bench.run("baresip", "-f", folder, "-t", "8", ...commands.flatMap((command) => ["-e", command]));
}

/** A WAV file: 8 kHz, 16 bits, one channel. */
function silence(seconds: number): Buffer {
  const wav = Buffer.alloc(44 + seconds * 16_000);
  wav.write("RIFF", 0);
  wav.writeUInt32LE(wav.length - 8, 4);
  wav.write("WAVEfmt ", 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(8_000, 24);
  wav.writeUInt32LE(16_000, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write("data", 36);
  wav.writeUInt32LE(wav.length - 44, 40);
  return wav;
}

for (const [at, transport] of ["udp", "tcp"].entries()) {
  test(`baresip calls baresip at another DS over ${transport}: answer, hang up`, async (t) => {
    if (!toolOrSkip(t, "baresip")) return;
    const bob = baresip("bob", basePort + 80 + 2 * at, transport, 5);
    await bob.prints(/200 OK/);
    const alice = baresip("alice", basePort + 84 + 2 * at, transport, 1, `/dial sip:bob@${domain}`);
    await alice.prints(/Call established: sip:bob@/);
    await bob.prints(/Call established: sip:alice@/);
    await alice.prints(/Call with sip:bob@.* terminated/);
    await bob.prints(/sip:bob@.*(?:session closed|terminated)/);
    await Promise.all([alice.stop(), bob.stop()]);
  });
}
