/** The user agent against a registrar with digest, on the simulated network. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import type { Host } from "#host/host.ts";
import { type SimNetwork, simTest } from "#sim/index.ts";
import { SipDriver } from "./driver.ts";
import { Challenger, type ChallengerConfig, ha1 } from "./engine/digest.ts";
import type { Flow, TransactionUser } from "./engine/ports.ts";
import { Registrar } from "./engine/registrar.ts";
import type { RegistrationState } from "./engine/registration-client.ts";
import { Rows } from "./test-rows.ts";
import { UdpTransport } from "./transport/udp.ts";
import { WsListener } from "./transport/ws-listener.ts";
import {
  type CallEnd,
  type CallId,
  UdpUplink,
  type Uplink,
  UserAgent,
  type UserAgentConfig,
  type UserAgentUser,
  WsUplink,
} from "./ua.ts";
import { request, response } from "./wire/builders.ts";
import type { SipRequest, SipResponse } from "./wire/message.ts";
import { sipUri } from "./wire/uri.ts";

const DOMAIN = "tv.example";
type Fields = readonly (readonly [string, string])[];

class Server implements TransactionUser {
  readonly driver: SipDriver;
  readonly registrar: Registrar;
  readonly challenger: Challenger;
  readonly rows: Rows;
  /** Methods that came, and the final responses that came back to ours. */
  readonly seen: string[] = [];
  /** Answers of this kind come before anything else. */
  readonly first: [status: number, fields: Fields][] = [];
  flow: Flow | undefined;
  silent = false;

  constructor(net: SimNetwork, name: string, address: string, config: Partial<ChallengerConfig> = {}) {
    const host = net.host(name, address);
    this.rows = new Rows(host);
    this.driver = new SipDriver(host, {}, this);
    this.registrar = new Registrar({ table: this.rows, host }, { domain: DOMAIN });
    const hashes = {
      id: "1",
      md5: ha1(host, "MD5", "alice", DOMAIN, "secret"),
      sha256: ha1(host, "SHA-256", "alice", DOMAIN, "secret"),
    };
    const credentials = { ha1s: (user: string) => (user === "alice" ? [hashes] : []) };
    this.challenger = new Challenger({ host, credentials }, utf8("key"), { realm: DOMAIN, ...config });
    const failed = (error: Error): never => {
      throw error;
    };
    this.driver.addTransport(new UdpTransport(host, { host: address, port: 5060 }, { failed }));
    this.driver.addTransport(new WsListener(host, { host: address, port: 80 }, { accept: () => ({}), failed }));
  }
  get contacts(): number {
    return this.rows.under(`sip:alice@${DOMAIN}`).length;
  }
  onRequest(request: SipRequest, id: string, flow: Flow): void {
    this.seen.push(request.method);
    this.flow = flow;
    const [status, fields] = this.first.shift() ?? [];
    if (this.silent) return;
    if (status !== undefined) return this.#answer(request, id, status, fields);
    const outcome = this.challenger.check(request, "server");
    if (!outcome.ok) return this.#answer(request, id, outcome.status, outcome.headers);
    if (request.method !== "REGISTER") return this.#answer(request, id, 486);
    const { response: made, ticket } = this.registrar.onRegister(request, flow, outcome.user);
    this.driver.respond(id, made, ticket);
  }
  onAck(): void {}
  onCancel(): void {}
  onResponse(response: SipResponse): void {
    this.seen.push(`${response.status} ${response.headers.get("allow")} ${response.headers.get("accept")}`);
  }
  onFailure(_id: string, cause: string): void {
    this.seen.push(cause);
  }
  onFlowClosed(flow: Flow): void {
    this.registrar.onFlowClosed(flow);
  }
  #answer(request: SipRequest, id: string, status: number, fields: Fields = []): void {
    const made = response(request, status, undefined, "srv");
    for (const [name, value] of fields) made.headers.add(name, value);
    this.driver.respond(id, made);
  }
}

class App implements UserAgentUser {
  readonly told: string[] = [];
  readonly host: Host;
  readonly ua: UserAgent;
  last: RegistrationState | undefined;

  constructor(net: SimNetwork, uplink: (host: Host) => Uplink, config: Partial<UserAgentConfig> = {}) {
    this.host = net.host("alice", "10.0.0.5");
    const credentials = { user: "alice", password: "secret" };
    this.ua = new UserAgent(this.host, uplink(this.host), { user: "alice", domain: DOMAIN, credentials, ...config }, this);
  }
  onRegistration(state: RegistrationState): void {
    this.last = state;
    const more =
      state.kind === "registered" ? ` ${state.expiresSec}` : state.kind === "refused" ? ` ${state.response.status}` : "";
    this.told.push(`${state.kind}${more}`);
  }
  onInvite(call: CallId): void {
    this.ua.calls.reject(call, 486);
  }
  onProvisional(): void {}
  onAnswered(): void {}
  onEstablished(): void {}
  onEnded(_call: CallId, end: CallEnd): void {
    this.told.push(end.kind === "rejected" ? `rejected ${end.response.status}` : `ended ${end.kind}`);
  }
  get retryInMs(): number {
    assert.equal(this.last?.kind, "waiting");
    return this.last?.kind === "waiting" ? this.last.retryInMs : 0;
  }
}
const udp =
  (...servers: [string, ...string[]]) =>
  (host: Host): Uplink => {
    const [first, ...others] = servers.map((server) => ({ host: server, port: 5060 }));
    assert.ok(first);
    return new UdpUplink(host, { host: "10.0.0.5", port: 0 }, [first, ...others]);
  };
const ws =
  (...servers: [string, ...string[]]) =>
  (host: Host): Uplink => {
    const [first, ...others] = servers.map((server) => `ws://${server}:80/sip`);
    assert.ok(first);
    return new WsUplink(host, [first, ...others]);
  };

for (const algorithms of [["SHA-256", "MD5"], ["MD5"], ["SHA-256"]] as const) {
  for (const [name, uplink] of [
    ["UDP", udp],
    ["WebSocket", ws],
  ] as const) {
    simTest(
      `registers with ${algorithms} over ${name}, refreshes at half its lifetime, and takes it back (RFC 3261 §10, §22)`,
      (net) => {
        const server = new Server(net, "ds1", "10.0.0.1", { algorithms });
        const app = new App(net, uplink("10.0.0.1"));
        app.ua.register();
        net.run(1_000);
        assert.deepEqual([app.told, server.contacts, server.seen.length], [["trying", "registered 3600"], 1, 2]);
        net.run(1_800_000);
        assert.deepEqual([app.told.at(-1), server.contacts], ["registered 3600", 1]);
        const refreshed = server.seen.length;
        assert.equal(refreshed, 4); // its nonce had become stale
        app.ua.unregister();
        net.run(1_000);
        assert.deepEqual([app.told.at(-1), server.contacts, server.seen.length], ["off", 0, refreshed + 1]);
        net.run(4_000_000);
        assert.equal(server.seen.length, refreshed + 1);
      },
    );
  }
}
simTest(
  "registers over a line that loses a third of all datagrams (RFC 3261 §17.1.2)",
  (net) => {
    const server = new Server(net, "ds1", "10.0.0.1");
    net.setFaults("ds1", "alice", { loss: 0.33, duplicate: 0.1, jitterMs: 30 });
    const app = new App(net, udp("10.0.0.1"));
    app.ua.register();
    net.run(60_000);
    assert.deepEqual([app.told.at(-1), server.contacts], ["registered 3600", 1]);
  },
  { seeds: 5 },
);
simTest("a wrong password is told, and not tried again by itself (RFC 3261 §22.2)", (net) => {
  const server = new Server(net, "ds1", "10.0.0.1");
  const app = new App(net, udp("10.0.0.1"), { credentials: { user: "alice", password: "guess" } });
  app.ua.register();
  net.run(4_000_000);
  assert.deepEqual([app.told, server.seen.length], [["trying", "refused 401"], 2]);
  app.ua.register();
  net.run(1_000);
  assert.equal(app.told.filter((told) => told === "refused 401").length, 2);
});
simTest("a stale nonce is answered without asking the user (RFC 7616 §3.3)", (net) => {
  const server = new Server(net, "ds1", "10.0.0.1", { nonceLifetimeSec: 10 });
  const app = new App(net, udp("10.0.0.1"), { expiresSec: 60 });
  app.ua.register();
  net.run(35_000);
  assert.deepEqual(app.told, ["trying", "registered 60", "registered 60"]);
  assert.equal(server.seen.length, 4);
});

simTest(
  "nonces that are stale each time are no wrong password: it is tried again later (RFC 7616 §3.3, RFC 5626 §4.5)",
  (net) => {
    const server = new Server(net, "ds1", "10.0.0.1");
    for (let time = 0; time <= LIMITS.sipDigestRepeats; time++) {
      const stale = `Digest realm="${DOMAIN}", nonce="n${time}", algorithm=MD5, qop="auth", stale=true`;
      server.first.push([401, [["WWW-Authenticate", stale]]]);
    }
    const app = new App(net, udp("10.0.0.1"));
    app.ua.register();
    net.run(1_000);
    assert.deepEqual(app.told, ["trying", "waiting"]);
    net.run(60_000);
    assert.deepEqual(app.told.slice(2), ["trying", "registered 3600"]);
  },
);
simTest("a server that is silent at first is asked again by itself (RFC 5626 §4.5)", (net) => {
  const server = new Server(net, "ds1", "10.0.0.1");
  server.silent = true;
  const app = new App(net, udp("10.0.0.1"));
  app.ua.register();
  net.run(32_100);
  assert.deepEqual(app.told, ["trying", "waiting"]);
  server.silent = false;
  net.run(60_000);
  assert.deepEqual(app.told.slice(2), ["trying", "registered 3600"]);
});

const BRIEF: { name: string; minSec: number; told: string }[] = [
  { name: "is followed", minSec: 120, told: "registered 120" },
  { name: "that asks no more than we did is a refusal", minSec: 60, told: "refused 423" },
  { name: "up to the limit is followed (sipMinExpiresSec)", minSec: LIMITS.sipMinExpiresSec, told: "registered 7200" },
  { name: "above the limit is a refusal (sipMinExpiresSec)", minSec: LIMITS.sipMinExpiresSec + 1, told: "refused 423" },
];
for (const { name, minSec, told } of BRIEF) {
  simTest(`a Min-Expires ${name} (RFC 3261 §10.2.8)`, (net) => {
    const server = new Server(net, "ds1", "10.0.0.1");
    server.first.push([423, [["Min-Expires", String(minSec)]]]);
    const app = new App(net, udp("10.0.0.1"), { expiresSec: 60 });
    app.ua.register();
    net.run(1_000);
    assert.equal(app.told.at(-1), told);
  });
}
const FAILURES: { name: string; status: number; fields?: Fields; fromMs: number; toMs: number }[] = [
  { name: "a 500 is tried again after 30 to 60 s", status: 500, fromMs: 30_000, toMs: 60_000 },
  { name: "a 503 not before its Retry-After", status: 503, fields: [["Retry-After", "300"]], fromMs: 300_000, toMs: 300_000 },
  {
    name: "and not later than the limit (sipRetryAfterSec)",
    status: 503,
    fields: [["Retry-After", "99999999"]],
    fromMs: 1_000 * LIMITS.sipRetryAfterSec,
    toMs: 1_000 * LIMITS.sipRetryAfterSec,
  },
];
for (const { name, status, fields = [], fromMs, toMs } of FAILURES) {
  simTest(`${name} (RFC 5626 §4.5)`, (net) => {
    const server = new Server(net, "ds1", "10.0.0.1");
    server.first.push([status, fields]);
    const app = new App(net, udp("10.0.0.1"));
    app.ua.register();
    net.run(1_000);
    assert.ok(app.retryInMs >= fromMs && app.retryInMs <= toMs, `${app.retryInMs}`);
    net.run(toMs);
    assert.equal(app.told.at(-1), "registered 3600");
  });
}
simTest("a WebSocket on which a refresh was answered 500 is kept, one that is silent is not (RFC 5626 §4.5)", (net) => {
  const server = new Server(net, "ds1", "10.0.0.1");
  const app = new App(net, ws("10.0.0.1"));
  app.ua.register();
  net.run(1_000);
  const { flow } = server;
  server.first.push([500, []]);
  net.run(1_900_000);
  assert.deepEqual(app.told.slice(2), ["waiting", "trying", "registered 3600"]);
  assert.equal(server.flow?.id, flow?.id);
  server.silent = true;
  net.run(1_850_000);
  server.silent = false;
  net.run(300_000);
  assert.equal(app.told.at(-1), "registered 3600");
  assert.notEqual(server.flow?.id, flow?.id);
});
simTest("waits double up to half an hour (RFC 5626 §4.5)", (net) => {
  const app = new App(net, ws("10.0.0.99"));
  app.ua.register();
  for (const longestMs of [60_000, 120_000, 240_000, 480_000, 960_000, 1_800_000, 1_800_000]) {
    net.run(LIMITS.connectMs + 100);
    assert.ok(app.retryInMs >= longestMs / 2 && app.retryInMs <= longestMs, `${app.retryInMs} of ${longestMs}`);
    net.run(app.retryInMs - 100);
  }
});
simTest("a server that says nothing for 1.5 s is left for the next one (PROTOCOL §9)", (net) => {
  const [dead, alive] = [new Server(net, "ds1", "10.0.0.1"), new Server(net, "ds2", "10.0.0.2")];
  dead.silent = true;
  const app = new App(net, udp("10.0.0.1", "10.0.0.2"));
  app.ua.register();
  net.run(1_400);
  assert.deepEqual(app.told, ["trying"]);
  net.run(600);
  assert.deepEqual(app.told, ["trying", "waiting", "trying", "registered 3600"]);
  assert.equal(alive.contacts, 1);
});
simTest(
  "a lost WebSocket is replaced at once, by the next server's where its own is gone (RFC 5626 §4.5, PROTOCOL §14)",
  (net) => {
    const servers = [new Server(net, "ds1", "10.0.0.1"), new Server(net, "ds2", "10.0.0.2")];
    const app = new App(net, ws("10.0.0.1", "10.0.0.2"));
    app.ua.register();
    net.run(1_000);
    assert.deepEqual(
      servers.map(({ contacts }) => contacts),
      [1, 0],
    );
    net.kill("ds1");
    net.run(LIMITS.connectMs + 2_000);
    assert.equal(app.told.at(-1), "registered 3600");
    assert.equal(servers[1]?.contacts, 1);
  },
);
for (const afterMs of [25, 75, 125, 175]) {
  simTest(`given up ${afterMs} ms into a REGISTER, it is taken back when that is answered (RFC 3261 §10.2)`, (net) => {
    const server = new Server(net, "ds1", "10.0.0.1");
    const app = new App(net, udp("10.0.0.1"));
    net.setFaults("ds1", "alice", { delayMs: 50 });
    app.ua.register();
    net.run(afterMs);
    app.ua.unregister();
    net.run(2_000);
    assert.deepEqual([app.told, server.contacts], [["trying", "off"], 0]);
  });
}
simTest("wanted again while it is being taken back, it is made again (RFC 3261 §10.2)", (net) => {
  const server = new Server(net, "ds1", "10.0.0.1");
  const app = new App(net, udp("10.0.0.1"));
  net.setFaults("ds1", "alice", { delayMs: 50 });
  app.ua.register();
  net.run(1_000);
  app.ua.unregister();
  net.run(75);
  app.ua.register();
  net.run(2_000);
  assert.deepEqual([app.told.at(-1), server.contacts], ["registered 3600", 1]);
});

simTest("answers OPTIONS with what it can, and other methods with 405 (RFC 3261 §11.2, §8.2.1)", (net) => {
  const server = new Server(net, "ds1", "10.0.0.1");
  const app = new App(net, ws("10.0.0.1"));
  app.ua.register();
  net.run(1_000);
  const { flow } = server;
  assert.ok(flow);
  server.seen.length = 0;
  for (const method of ["OPTIONS", "MESSAGE"]) {
    const fields: Fields = [
      ["From", "<sip:x@y>;tag=1"],
      ["To", "<sip:alice@y>"],
      ["Call-ID", method],
      ["CSeq", `1 ${method}`],
    ];
    server.driver.request(request(method, sipUri({ user: "alice", host: "y" }), fields), flow);
  }
  net.run(1_000);
  const allow = "INVITE, ACK, CANCEL, BYE, UPDATE, OPTIONS";
  assert.deepEqual(server.seen, [`200 ${allow} application/sdp`, `405 ${allow} undefined`]);
});
simTest("a call is signed as a registration is; without a server it fails at once (RFC 3261 §22.2, §8.1.3.1)", (net) => {
  const server = new Server(net, "ds1", "10.0.0.1");
  const app = new App(net, ws("10.0.0.1"));
  app.ua.invite({ to: "bob-tv" });
  net.run(1_000);
  assert.deepEqual(app.told, ["ended failed"]);
  app.ua.register();
  net.run(1_000);
  app.ua.invite({ to: "bob-tv" });
  net.run(1_000);
  assert.equal(app.told.at(-1), "rejected 486");
  assert.deepEqual(server.seen.slice(-2), ["INVITE", "INVITE"]);
});

test("nothing behind #sip/ua is Node's: it runs in a page (DESIGN §4)", () => {
  const src = path.resolve(import.meta.dirname, "..");
  const seen = new Set<string>();
  const walk = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    assert.ok(existsSync(file), file);
    const imports = readFileSync(file, "utf8").matchAll(/^(?:import|export)\s(?!type\b)[^;]*?from "([^"]+)"/gm);
    for (const [, from = ""] of imports) {
      assert.ok(from.startsWith("#") || from.startsWith("."), `${file} imports ${from}`);
      walk(from.startsWith("#") ? path.join(src, from.slice(1)) : path.join(path.dirname(file), from));
    }
  };
  walk(path.join(src, "sip/ua.ts"));
  assert.ok(seen.size > 20);
});
