import assert from "node:assert/strict";
import { test } from "node:test";
import { hex, utf8 } from "#base/bytes.ts";
import { digest, HASHES } from "#base/hash.ts";
import { LIMITS } from "#base/limits.ts";
import { SILENT } from "#base/log.ts";
import type { Clock, Entropy } from "#host/host.ts";
import { InProcessCarrier, type Json, OverlayNode, type RoleName } from "#overlay/index.ts";
import { type SimNetwork, simNetwork, simTest } from "#sim/index.ts";
import { openStore, type PasswordHasher } from "#store/index.ts";
import {
  type ChannelRecord,
  FAULTS,
  type Failure,
  Placement,
  quickPasswords,
  Registration,
  type RegistrationTopics,
  registrationPorts,
  type SubscriberRecord,
  serveRegistration,
} from "./index.ts";

const DOMAIN = "sipcast.test";
const DAY_MS = 86_400_000;
const ADDRESS = "10.2.0.9";
type Topic = keyof RegistrationTopics;
type Granted<T extends Topic> = Exclude<RegistrationTopics[T]["reply"], Failure>;

/** A registration server, two DSs that serve, a web server that asks, and what was pushed to whom. */
function stage(net: SimNetwork = simNetwork(1)) {
  const carrier = new InProcessCarrier(() => [1]);
  let count = 0;
  const join = (id: string, role: RoleName) => {
    const host = net.host(id, `127.0.1.${++count}`);
    return { host, overlay: new OverlayNode(carrier, host, { id, role, info: {} }) };
  };
  const { host: machine, overlay } = join("registration", "registration");
  const wall = { aheadMs: 0 };
  const host: Clock & Entropy = {
    nowMs: () => machine.nowMs(),
    wallMs: () => machine.wallMs() + wall.aheadMs,
    timer: (atMs, fire) => machine.timer(atMs, fire),
    random: (octets) => machine.random(octets),
    ...HASHES,
  };
  const placement = new Placement([{ ds: "ds2", prefix: "10.2.0.0/16" }]);
  const quick = quickPasswords(host);
  const counts = { hashes: 0 };
  const hasher: PasswordHasher = {
    hash(password, done) {
      counts.hashes++;
      quick.hash(password, done);
    },
    verify(password, phc, done) {
      counts.hashes++;
      quick.verify(password, phc, done);
    },
  };
  const ports = registrationPorts(overlay, SILENT);
  const means = { domain: DOMAIN, placement, store: openStore(":memory:"), hasher, host, ports };
  const registration = new Registration(means);
  serveRegistration(overlay, registration);

  const pushed: string[] = [];
  const pushedSubscribers = new Map<string, SubscriberRecord>();
  const web = join("web1", "web").overlay;
  const servers = ["ds1", "ds2"].map((id) => join(id, "ds").overlay);
  for (const each of [web, ...servers]) {
    each.handle("push.channel", (body) => pushed.push(`${each.self.id}: channel ${(body as ChannelRecord).name}`));
    each.handle("push.subscriber", (body) => {
      const subscriber = body as SubscriberRecord;
      pushed.push(`${each.self.id}: subscriber ${subscriber.user}, home ${subscriber.home}, ${subscriber.ha1.length} secrets`);
      pushedSubscribers.set(subscriber.user, subscriber);
    });
    each.setPhase("serving");
  }
  net.run(50);

  /** Asks as the web server does, and waits for the answer. */
  function ask<T extends Topic>(topic: T, body: Json): RegistrationTopics[T]["reply"] {
    let answer: RegistrationTopics[T]["reply"] | undefined;
    web.request("registration", topic, body, (reply) => {
      if (reply.ok) answer = reply.body as RegistrationTopics[T]["reply"];
    });
    net.run(20);
    return answer ?? assert.fail(`no answer to ${topic}`);
  }
  function granted<T extends Topic>(topic: T, body: Json): Granted<T> {
    const answer = ask(topic, body);
    if ("error" in answer) assert.fail(`${topic}: ${answer.message}`);
    return answer as Granted<T>;
  }
  function fault<T extends Topic>(topic: T, body: Json): string {
    const answer = ask(topic, body);
    return "error" in answer ? [answer.error, answer.field].filter(Boolean).join(" ") : assert.fail(`${topic} was granted`);
  }
  const signUp = (user: string, more: object = {}) =>
    granted("registration.sign-up", { user, password: "correct horse", address: ADDRESS, ...more });
  return { net, registration, overlay, servers, pushed, pushedSubscribers, counts, ask, granted, fault, signUp, means, wall };
}

simTest("signing up makes an account at the nearest DS, tells every DS, and answers with a session [B10]", (net) => {
  const { signUp, pushed, granted } = stage(net);
  const { session, account } = signUp("alice", { channelTitle: " Alice at home " });
  const channel = { name: "alice-tv", owner: "alice", title: "Alice at home", mode: "open", kbps: 1_000 };
  assert.deepEqual(account, {
    user: "alice",
    domain: DOMAIN,
    aor: "sip:alice@sipcast.test",
    home: "ds2",
    accessKbps: 10_000,
    channels: [channel],
  });
  assert.deepEqual(pushed.sort(), [
    "ds1: channel alice-tv",
    "ds1: subscriber alice, home ds2, 0 secrets",
    "ds2: channel alice-tv",
    "ds2: subscriber alice, home ds2, 0 secrets",
    "web1: channel alice-tv",
  ]);
  assert.match(session, /^[0-9a-f]{64}$/);
  assert.deepEqual(granted("registration.session", { session }), account);
});

simTest("a user whose address nobody claims goes to the DS with the fewest own subscribers that serves [B5]", (net) => {
  const { signUp, servers, fault } = stage(net);
  const elsewhere = { address: "192.0.2.7" };
  assert.deepEqual(
    ["anna", "bert", "carl"].map((user) => signUp(user, elsewhere).account.home),
    ["ds1", "ds2", "ds1"],
  );
  servers[1]?.setPhase("draining");
  net.run(10);
  assert.equal(signUp("dora").account.home, "ds1", "its own DS does not serve");
  servers[0]?.leave();
  net.run(10);
  assert.equal(fault("registration.sign-up", { user: "emil", password: "correct horse", address: ADDRESS }), FAULTS.full);
});

const SIGN_UPS: readonly { name: string; asked: Record<string, Json>; fault: string }[] = [
  { name: "no name", asked: { user: null }, fault: "bad-name user" },
  { name: "a name of one letter", asked: { user: "a" }, fault: "bad-name user" },
  { name: "a name of 32 letters", asked: { user: "a".repeat(32) }, fault: "bad-name user" },
  { name: "a name in capitals", asked: { user: "Alice" }, fault: "bad-name user" },
  { name: "a name that begins with a digit", asked: { user: "4lice" }, fault: "bad-name user" },
  { name: "a name with a line behind it", asked: { user: "alice\n" }, fault: "bad-name user" },
  { name: "a name that is an address", asked: { user: "alice@x" }, fault: "bad-name user" },
  { name: "a name with a tilde: renditions of channels are called so", asked: { user: "news~2" }, fault: "bad-name user" },
  { name: "a reserved name: lists live at rls (PROTOCOL §2)", asked: { user: "rls" }, fault: "bad-name user" },
  { name: "a reserved name: people trust it", asked: { user: "operator" }, fault: "bad-name user" },
  { name: "a name too long for its channel", asked: { user: "a".repeat(29), channelTitle: "x" }, fault: "bad-name user" },
  { name: "a taken name", asked: { user: "taken" }, fault: "name-taken user" },
  { name: "the name of a channel", asked: { user: "taken-tv" }, fault: "name-taken user" },
  { name: "a password of seven characters", asked: { password: "1234567" }, fault: "weak-password password" },
  { name: "a password of 129 characters", asked: { password: "x".repeat(129) }, fault: "weak-password password" },
  { name: "a password that is a number", asked: { password: 12345678 }, fault: "weak-password password" },
  { name: "an access rate of 63 kbit/s", asked: { accessKbps: 63 }, fault: "bad-value accessKbps" },
  { name: "an access rate above 10 Gbit/s", asked: { accessKbps: 10_000_001 }, fault: "bad-value accessKbps" },
  { name: "an access rate with a fraction", asked: { accessKbps: 100.5 }, fault: "bad-value accessKbps" },
  { name: "an access rate in words", asked: { accessKbps: "100" }, fault: "bad-value accessKbps" },
  { name: "a title of spaces", asked: { channelTitle: "  " }, fault: "bad-value channelTitle" },
  { name: "a title of 81 characters", asked: { channelTitle: "x".repeat(81) }, fault: "bad-value channelTitle" },
  { name: "a title of two lines", asked: { channelTitle: "a\nb" }, fault: "bad-value channelTitle" },
];
for (const { name, asked, fault: wanted } of SIGN_UPS) {
  test(`sign-up is refused: ${name}`, () => {
    const { signUp, fault, means } = stage();
    signUp("taken", { channelTitle: "Taken" });
    const names = means.store.accounts("", 10).length;
    assert.equal(fault("registration.sign-up", { user: "alice", password: "correct horse", address: ADDRESS, ...asked }), wanted);
    assert.equal(means.store.accounts("", 10).length, names);
  });
}
for (const asked of [
  { user: "ab", password: "x".repeat(8) },
  { user: "a".repeat(31), password: "ü".repeat(128) },
  { user: "a-1", accessKbps: 64 },
]) {
  test(`sign-up is granted at the bounds: ${JSON.stringify(asked).slice(0, 40)}`, () => void stage().signUp(asked.user, asked));
}

test("two who sign up with one name at the same time: one gets it", () => {
  const { net, registration } = stage();
  const replies: unknown[] = [];
  for (const password of ["one password", "other password"]) {
    registration.signUp({ user: "alice", password, address: ADDRESS }, (reply) =>
      replies.push("error" in reply ? reply.error : "granted"),
    );
  }
  net.run(10);
  assert.deepEqual(replies, ["granted", FAULTS.nameTaken]);
});

test("signing in answers with a new session; a wrong password and an unknown user get the same answer for the same work", () => {
  const { signUp, granted, ask, counts } = stage();
  const first = signUp("alice");
  const signIn = (user: Json, password: Json) => ask("registration.sign-in", { user, password, address: ADDRESS });
  const again = granted("registration.sign-in", { user: "alice", password: "correct horse", address: ADDRESS });
  assert.notEqual(again.session, first.session);
  assert.deepEqual(again.account, first.account);
  const before = counts.hashes;
  const wrong = signIn("alice", "incorrect horse");
  assert.deepEqual(signIn("nobody", "incorrect horse"), wrong);
  assert.equal(counts.hashes, before + 2);
  assert.equal("error" in wrong && wrong.error, FAULTS.wrongPassword);
  for (const [user, password] of [
    [null, "x"],
    ["alice", 5],
    ["alice", "x".repeat(129)],
  ] as const) {
    assert.deepEqual(signIn(user, password), wrong);
  }
  assert.equal(counts.hashes, before + 2, "what cannot be a password costs nothing");
});

test("after signInFailuresPerUser a user is refused, even with the right password, until signInWindowMs is over", () => {
  const { net, signUp, ask, counts } = stage();
  signUp("alice");
  signUp("bob");
  const signIn = (user: string, password: string, address = ADDRESS): string => {
    const answer = ask("registration.sign-in", { user, password, address });
    return "error" in answer ? answer.error : "granted";
  };
  assert.equal(signIn("alice", "correct horse"), "granted");
  for (let tries = 0; tries < LIMITS.signInFailuresPerUser; tries++) assert.equal(signIn("alice", "guess"), FAULTS.wrongPassword);
  const before = counts.hashes;
  assert.equal(signIn("alice", "correct horse", "192.0.2.1"), FAULTS.full);
  assert.equal(counts.hashes, before);
  assert.equal(signIn("bob", "correct horse"), "granted");
  net.run(LIMITS.signInWindowMs);
  assert.equal(signIn("alice", "correct horse"), "granted");
});

test("after signInFailuresPerAddress an address is refused, others are not", () => {
  const { signUp, ask } = stage();
  signUp("alice");
  const signIn = (user: string, address: string): string => {
    const answer = ask("registration.sign-in", { user, password: user === "alice" ? "correct horse" : "guess", address });
    return "error" in answer ? answer.error : "granted";
  };
  for (let tries = 0; tries < LIMITS.signInFailuresPerAddress; tries++)
    assert.equal(signIn(`user${tries}`, ADDRESS), FAULTS.wrongPassword);
  assert.equal(signIn("alice", ADDRESS), FAULTS.full);
  assert.equal(signIn("alice", "192.0.2.1"), "granted");
});

test("above passwordHashesAtOnce sign-ups and sign-ins are refused as busy", () => {
  const { net, registration, counts } = stage();
  const replies: string[] = [];
  for (let at = 0; at <= LIMITS.passwordHashesAtOnce; at++) {
    registration.signIn({ user: `user${at}`, password: "guess", address: ADDRESS }, (reply) =>
      replies.push("error" in reply ? reply.error : "granted"),
    );
  }
  registration.signUp({ user: "alice", password: "correct horse", address: ADDRESS }, (reply) =>
    replies.push("error" in reply ? reply.error : "granted"),
  );
  assert.deepEqual(replies, [FAULTS.full, FAULTS.full]);
  net.run(10);
  assert.equal(counts.hashes, LIMITS.passwordHashesAtOnce);
  assert.equal(registration.counters.busy, 2);
});

test("a session lasts 30 days from its last use, and ends with signing out", () => {
  const { wall, signUp, ask, granted } = stage();
  const { session } = signUp("alice");
  const isHeld = (): boolean => !("error" in ask("registration.session", { session }));
  wall.aheadMs += 29 * DAY_MS;
  assert.ok(isHeld(), "used in time");
  wall.aheadMs += 29 * DAY_MS;
  assert.ok(isHeld(), "and prolonged by that");
  wall.aheadMs += 30 * DAY_MS;
  assert.ok(!isHeld(), "not used for 30 days");
  const { session: next } = granted("registration.sign-in", { user: "alice", password: "correct horse", address: ADDRESS });
  granted("registration.sign-out", { session: next });
  assert.ok("error" in ask("registration.session", { session: next }));
  granted("registration.sign-out", { session: "never was" });
});

test("above sessionsPerUser the session that expires first ends", () => {
  const { wall, signUp, granted, ask } = stage();
  const sessions = [signUp("alice").session];
  while (sessions.length <= LIMITS.sessionsPerUser) {
    wall.aheadMs += 1_000;
    sessions.push(granted("registration.sign-in", { user: "alice", password: "correct horse", address: ADDRESS }).session);
  }
  const held = sessions.map((session) => !("error" in ask("registration.session", { session })));
  assert.deepEqual([held.filter(Boolean).length, held[0], held[1]], [LIMITS.sessionsPerUser, false, true]);
});

const WITH_SESSION: readonly Topic[] = [
  "registration.session",
  "registration.device-secrets",
  "registration.add-device-secret",
  "registration.revoke-device-secret",
  "registration.add-channel",
];
const NO_SESSIONS: readonly Json[] = [{}, null, [], "text", { session: 5 }, { session: "0".repeat(64), label: "phone" }];
for (const topic of WITH_SESSION) {
  for (const body of NO_SESSIONS) {
    test(`${topic} without a session is refused: ${JSON.stringify(body)}`, () => {
      assert.equal(stage().fault(topic, body), FAULTS.noSession);
    });
  }
}

simTest("a device secret is shown once; only its HA1s are kept and pushed (RFC 7616 §3.4.2)", (net) => {
  const { signUp, granted, pushedSubscribers, fault } = stage(net);
  const { session } = signUp("alice");
  const { id, secret } = granted("registration.add-device-secret", { session, label: "kitchen phone" });
  assert.match(secret, /^([0-9a-hjkmnp-tv-z]{4}-){6}[0-9a-hjkmnp-tv-z]{2}$/);
  const ha1 = (algorithm: "MD5" | "SHA-256") => hex(digest(algorithm, utf8(`alice:${DOMAIN}:${secret}`)));
  assert.deepEqual(pushedSubscribers.get("alice")?.ha1, [{ id, md5: ha1("MD5"), sha256: ha1("SHA-256") }]);
  const { secrets } = granted("registration.device-secrets", { session });
  assert.deepEqual(
    secrets.map(({ id, label }) => [id, label]),
    [[id, "kitchen phone"]],
  );
  assert.ok(!JSON.stringify(secrets).includes(secret));
  const { session: bobs } = signUp("bob");
  assert.equal(fault("registration.revoke-device-secret", { session: bobs, id }), FAULTS.unknown);
  granted("registration.revoke-device-secret", { session, id });
  assert.deepEqual(pushedSubscribers.get("alice")?.ha1, []);
  assert.equal(fault("registration.revoke-device-secret", { session, id }), FAULTS.unknown);
});

test("a user has at most deviceSecretsPerUser device secrets, each with a label", () => {
  const { signUp, granted, fault } = stage();
  const { session } = signUp("alice");
  for (const label of ["", " ", "x".repeat(41), null]) {
    assert.equal(fault("registration.add-device-secret", { session, label }), "bad-value label");
  }
  for (let at = 0; at < LIMITS.deviceSecretsPerUser; at++) granted("registration.add-device-secret", { session, label: `${at}` });
  assert.equal(fault("registration.add-device-secret", { session, label: "one more" }), FAULTS.full);
});

const CHANNELS: readonly { name: string; asked: Record<string, Json>; fault: string }[] = [
  { name: "a bad name", asked: { name: "News!" }, fault: "bad-name name" },
  { name: "a reserved name", asked: { name: "admin" }, fault: "bad-name name" },
  { name: "the name of a user", asked: { name: "alice" }, fault: "name-taken name" },
  { name: "no title", asked: { title: "" }, fault: "bad-value title" },
  { name: "63 kbit/s", asked: { kbps: 63 }, fault: "bad-value kbps" },
  { name: "20,001 kbit/s", asked: { kbps: 20_001 }, fault: "bad-value kbps" },
  { name: "no rate", asked: { kbps: null }, fault: "bad-value kbps" },
  { name: "no known mode", asked: { mode: "shut" }, fault: "bad-value mode" },
];
for (const { name, asked, fault: wanted } of CHANNELS) {
  test(`a channel is refused: ${name}`, () => {
    const { signUp, fault } = stage();
    const { session } = signUp("alice");
    assert.equal(fault("registration.add-channel", { session, name: "news", title: "News", kbps: 1_000, ...asked }), wanted);
  });
}

test("a user has at most channelsPerUser channels; everybody sees all of them", () => {
  const { signUp, granted, fault, pushed } = stage();
  const { session } = signUp("alice");
  for (let at = 0; at < LIMITS.channelsPerUser; at++) {
    const mode = at === 0 ? "ask" : "open";
    granted("registration.add-channel", { session, name: `news${at}`, title: "News", kbps: at === 0 ? 64 : 20_000, mode });
  }
  assert.equal(fault("registration.add-channel", { session, name: "more", title: "More", kbps: 1_000 }), FAULTS.full);
  const { channels } = granted("registration.channels", {});
  assert.deepEqual(channels[0], { name: "news0", owner: "alice", title: "News", mode: "ask", kbps: 64 });
  assert.equal(channels[1]?.mode, "open");
  assert.equal(channels.length, LIMITS.channelsPerUser);
  assert.ok(pushed.includes("ds1: channel news9") && pushed.includes("web1: channel news9"));
});

test("a DS that starts catches up in pieces of catchUpSubscribers", () => {
  const { means, granted } = stage();
  const total = LIMITS.catchUpSubscribers + 1;
  for (let at = 0; at < total; at++) {
    const user = `user-${String(at).padStart(5, "0")}`;
    const channel = { name: `${user}-tv`, owner: user, title: user, mode: "open", kbps: 1_000 } as const;
    means.store.addAccount({ user, passwordHash: "x", accessKbps: 64, home: "ds1", createdWallMs: 0 }, [channel]);
  }
  const first = granted("registration.catch-up", {});
  assert.equal(first.subscribers.length, LIMITS.catchUpSubscribers);
  assert.deepEqual(first.subscribers[0], { user: "user-00000", home: "ds1", accessKbps: 64, ha1: [] });
  const second = granted("registration.catch-up", { after: first.next ?? "" });
  assert.deepEqual([second.subscribers.length, second.channels.length, second.next], [1, 1, undefined]);
});

test("a DS that knows the version is told nothing again, until something changes", () => {
  const { means, granted, registration, net } = stage();
  const { version } = granted("registration.catch-up", {});
  assert.deepEqual(granted("registration.catch-up", { unless: version }), { version, subscribers: [], channels: [] });
  const sample = { user: "studio", password: "studio-demo", deviceSecret: "x", home: "ds1", accessKbps: 0, channels: [] };
  registration.ensureAccount(sample, () => undefined);
  net.run(1);
  const again = granted("registration.catch-up", { unless: version });
  assert.notEqual(again.version, version);
  assert.deepEqual(
    again.subscribers.map(({ user }) => user),
    ["studio"],
  );
  assert.notEqual(new Registration(means).catchUp({}).version, again.version, "after a restart");
});

test("sample accounts are made once, with the secret that was chosen, and completed when something is missing", () => {
  const { net, registration, granted, pushedSubscribers } = stage();
  const sample = {
    user: "studio",
    password: "studio-demo",
    deviceSecret: "studio-device",
    home: "ds1",
    accessKbps: 10_000,
    channels: [{ name: "news", title: "News", kbps: 500 }],
  };
  const more = { ...sample, channels: [...sample.channels, { name: "sport", title: "Sport", kbps: 500 }] };
  let made = 0;
  for (const each of [sample, sample, more]) {
    registration.ensureAccount(each, () => made++);
    net.run(10);
  }
  assert.equal(made, 3);
  const { account } = granted("registration.sign-in", { user: "studio", password: "studio-demo", address: ADDRESS });
  assert.deepEqual([account.home, ...account.channels.map(({ name }) => name)], ["ds1", "news", "sport"]);
  const sha256 = hex(digest("SHA-256", utf8(`studio:${DOMAIN}:studio-device`)));
  assert.deepEqual(
    pushedSubscribers.get("studio")?.ha1.map((each) => each.sha256),
    [sha256],
  );
  assert.throws(
    () => registration.ensureAccount({ ...sample, channels: [{ name: "studio", title: "x", kbps: 500 }] }, () => undefined),
    /taken/,
  );
});

test("stopping waits for the passwords that are being hashed", () => {
  const { net, registration } = stage();
  const told: string[] = [];
  registration.signUp({ user: "alice", password: "correct horse", address: ADDRESS }, () => told.push("answered"));
  registration.stop(() => told.push("stopped"));
  net.run(10);
  assert.deepEqual(told, ["answered", "stopped"]);
  registration.stop(() => told.push("at once"));
  assert.equal(told.at(-1), "at once");
});
