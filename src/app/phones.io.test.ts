/** People call one another through the real program with SIPp: every message as its scenario has it (PROTOCOL §1). */
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, test } from "node:test";
import { toolOrSkip } from "#host/node/test-tools.ts";
import { Bench, HOME, type Program } from "./test-program.ts";

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
