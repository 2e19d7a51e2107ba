/** A foreign SIP implementation in a browser: SIP.js in Chromium, to a DS by secure WebSocket, with a device secret. */
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, test } from "node:test";
import fastifyStatic from "@fastify/static";
import fastify from "fastify";
import type { Browser, Page } from "playwright-core";
import { toolOrSkip } from "#host/node/test-tools.ts";
import { openBrowser } from "./test-browser.ts";
import { SPARE_OFFSET, TestOperator } from "./test-operator.ts";
import { signUp } from "./test-people.ts";
import { Bench, HOME } from "./test-program.ts";

const DOMAIN = "sipcast.test"; // the demo's
/** Of secure WebSocket: of the demo's ports, one that it leaves. */
const WSS_OFFSET = 4;

const bench = new Bench();
const phonePage = fastify();
let operator: TestOperator;
after(async () => {
  bench.close();
  await phonePage.close();
});

const phoneOrigin = (): string => `http://${operator.at(SPARE_OFFSET)}`;

/** The demo's first site, with secure WebSocket, for pages of two origins. SIP.js knows MD5 alone, of the last challenge. */
before(async () => {
  operator = await TestOperator.planned(bench, { sites: 1, digest: ["SHA-256", "MD5"] });
  const keys = path.join(bench.folder, "keys");
  assert.equal(await bench.sipcast("init", keys, "--domain", DOMAIN, "--ds", "ds1").exit(), 0);
  const certificate = { cert: path.join(keys, "ds1.pem"), key: path.join(keys, "ds1.key") };
  operator.config["origins"] = [operator.web, phoneOrigin()];
  Object.assign(operator.config.ds[0] ?? {}, { wss: operator.at(WSS_OFFSET), certificate });
  await bench.serve(operator.write());
  await phonePage.register(fastifyStatic, { root: path.join(HOME, "node_modules/sip.js/lib"), prefix: "/sip.js/" });
  phonePage.get("/", async (_request, reply) => reply.type("text/html").send("<!doctype html><title>Phone</title>"));
  await phonePage.listen({ host: "127.0.0.1", port: operator.basePort + SPARE_OFFSET });
});

interface Told {
  readonly library: string;
  readonly server: string;
  readonly domain: string;
  readonly user: string;
  readonly secret: string;
  /** Of hers, off air. */
  readonly channel: string;
}
/** What SIP.js was answered: status, and number of contacts. */
type Heard = Readonly<Record<string, readonly [status: number | undefined, contacts: number]>>;

/** Runs in the page. */
async function speak({ library, server, domain, user, secret, channel }: Told): Promise<Heard> {
  const sip = (await import(library)) as typeof import("sip.js");
  const uriOf = (name?: string) => {
    const uri = sip.UserAgent.makeURI(name === undefined ? `sip:${domain}` : `sip:${name}@${domain}`);
    if (!uri) throw new Error(`No URI of ${name}`);
    return uri;
  };
  const agent = new sip.UserAgent({
    uri: uriOf(user),
    authorizationUsername: user,
    authorizationPassword: secret,
    transportOptions: { server },
    logBuiltinEnabled: false,
  });
  await agent.start();
  type Answer = import("sip.js").Core.IncomingResponse;
  const heard = ({ message }: Answer): Heard[string] => [message.statusCode, message.getHeaders("Contact").length];
  const delegate = (told: (heard: Heard[string]) => void) => ({
    onAccept: (answer: Answer) => told(heard(answer)),
    onReject: (answer: Answer) => told(heard(answer)),
  });
  const options = (): Promise<Heard[string]> =>
    new Promise((told) => {
      const request = agent.userAgentCore.makeOutgoingRequestMessage("OPTIONS", uriOf(), uriOf(user), uriOf(), {});
      agent.userAgentCore.request(request, delegate(told));
    });
  const invite = (to: string): Promise<Heard[string]> =>
    new Promise((told, failed) => {
      const session = new sip.Inviter(agent, uriOf(to), { inviteWithoutSdp: true });
      session.invite({ requestDelegate: delegate(told) }).catch(failed);
    });
  const registerer = new sip.Registerer(agent, { expires: 600 });
  const registration = (verb: "register" | "unregister"): Promise<Heard[string]> =>
    new Promise((told, failed) => {
      registerer[verb]({ requestDelegate: delegate(told) }).catch(failed);
    });
  const answers = {
    register: await registration("register"),
    options: await options(),
    unknown: await invite("nosuch"),
    offAir: await invite(channel),
    unregister: await registration("unregister"),
  };
  await agent.stop();
  return answers;
}

/** SIP.js on a page of that origin; the operator's authority is not the machine's. */
async function phoneAt(browser: Browser, origin: string): Promise<Page> {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  await page.goto(origin);
  return page;
}
const way = (): Pick<Told, "library" | "server" | "domain"> => ({
  library: "/sip.js/index.js",
  server: `wss://${operator.at(WSS_OFFSET)}`,
  domain: DOMAIN,
});

test("SIP.js in Chromium, over secure WebSocket (RFC 7118)", async (t) => {
  if (!toolOrSkip(t, "chromium")) return;
  const browser = await openBrowser();
  t.after(() => browser.close());
  await t.test("registers by digest, is told what a channel cannot do, and leaves", async () => {
    const page = await phoneAt(browser, phoneOrigin());
    assert.deepEqual(await page.evaluate(speak, { ...way(), ...(await signUp(operator.web, "alice")) }), {
      register: [200, 1],
      options: [200, 0],
      unknown: [404, 0],
      offAir: [480, 0],
      unregister: [200, 0],
    });
  });
  await t.test("is not let in from a page of another origin (PROTOCOL §14)", async () => {
    const page = await phoneAt(browser, phoneOrigin().replace("127.0.0.1", "localhost"));
    await assert.rejects(page.evaluate(speak, { ...way(), user: "alice", secret: "", channel: "" }), /WebSocket closed/);
  });
});
