import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "#base/bytes.ts";
import { HASHES } from "#base/hash.ts";
import { LIMITS } from "#base/limits.ts";
import type { DigestAlgorithm } from "#host/host.ts";
import { Headers } from "../wire/headers.ts";
import type { SipRequest, SipResponse } from "../wire/message.ts";
import { sipUri } from "../wire/uri.ts";
import {
  Challenger,
  type ChallengerConfig,
  DigestClient,
  type DigestOutcome,
  digestResponse,
  ha1,
  parseDigest,
} from "./digest.ts";

const hasher = HASHES;
const REALM = "tv.example";
const KEY = utf8("0123456789abcdef0123456789abcdef");

const MUFASA = {
  method: "GET",
  uri: "/dir/index.html",
  nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
  counted: { nc: "00000001", cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ" },
};
const KNOWN: { algorithm: DigestAlgorithm; response: string }[] = [
  { algorithm: "MD5", response: "8ca523f5e9506fed4657c9700eebdbec" },
  { algorithm: "SHA-256", response: "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1" },
];
for (const { algorithm, response } of KNOWN) {
  test(`digestResponse gives the known answer for ${algorithm} (RFC 7616 §3.9.1)`, () => {
    const a1 = ha1(hasher, algorithm, "Mufasa", "http-auth@example.org", "Circle of Life");
    assert.equal(digestResponse(hasher, algorithm, a1, MUFASA), response);
  });
}
test("digestResponse without qop is RFC 2069's H(A1):nonce:H(A2) (RFC 7616 §3.4.1, RFC 2617 §3.2.2.1)", () => {
  const a1 = ha1(hasher, "MD5", "Mufasa", "testrealm@host.com", "CircleOfLife");
  const input = { method: "GET", uri: "/dir/index.html", nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093" };
  assert.equal(digestResponse(hasher, "MD5", a1, input), "1949323746fe6a43ef61f9606e7febea"); // RFC 2069 §2.4, as corrected
});

const PARSED: { name: string; value: string; wants: Record<string, string> | undefined }[] = [
  { name: "quoted and bare values", value: 'Digest realm="a", algorithm=MD5', wants: { realm: "a", algorithm: "MD5" } },
  { name: "escapes and commas in quotes", value: 'digest realm="a\\"b, c"', wants: { realm: 'a"b, c' } },
  { name: "spaces around =", value: "Digest  NC = 00000001 ,qop= auth", wants: { nc: "00000001", qop: "auth" } },
  { name: "another scheme", value: 'Basic realm="a"', wants: undefined },
  { name: "an open quote", value: 'Digest realm="a', wants: undefined },
  { name: "no value", value: "Digest realm", wants: undefined },
];
for (const { name, value, wants } of PARSED) {
  test(`parseDigest reads ${name} (RFC 3261 §25.1)`, () => {
    const params = parseDigest(value);
    assert.deepEqual(params && Object.fromEntries(params), wants);
  });
}

/** A server and a client that share nothing but messages. */
function pair(config: Partial<ChallengerConfig> = {}, password = "secret", secrets: readonly string[] = ["secret"]) {
  let wallMs = 1_800_000_000_000;
  let drawn = 0;
  const host = {
    wallMs: () => wallMs,
    random: (octets: number) =>
      new Uint8Array(octets)
        .fill(++drawn & 0xff)
        .fill(drawn >> 8, 0, 1)
        .fill(drawn >> 16, 1, 2),
    ...HASHES,
  };
  const ha1s = secrets.map((secret, at) => ({
    id: `device${at}`,
    md5: ha1(host, "MD5", "alice", REALM, secret),
    sha256: ha1(host, "SHA-256", "alice", REALM, secret),
  }));
  const ports = { host, credentials: { ha1s: (user: string) => (user === "alice" ? ha1s : []) } };
  const server = () => new Challenger(ports, KEY, { realm: REALM, ...config });
  return {
    server,
    challenger: server(),
    client: new DigestClient(host, { user: "alice", password }),
    passMs: (ms: number) => {
      wallMs += ms;
    },
  };
}
const request = (method = "REGISTER"): SipRequest => ({
  kind: "request",
  method,
  uri: sipUri({ host: REALM }),
  headers: Headers.of([["Call-ID", "1"]]),
  body: new Uint8Array(),
});
function refusal(outcome: DigestOutcome): SipResponse & { why: string; stale: boolean } {
  assert.ok(!outcome.ok);
  const { status, reason: why, stale } = outcome;
  return { kind: "response", status, reason: "", headers: Headers.of(outcome.headers), body: new Uint8Array(), why, stale };
}

for (const as of ["server", "proxy"] as const) {
  test(`a ${as}'s challenge is answered with SHA-256 and accepted (RFC 3261 §22.2, §22.3)`, () => {
    const { challenger, client } = pair();
    const first = refusal(challenger.check(request(), as));
    assert.deepEqual([first.status, first.why, first.stale], [as === "server" ? 401 : 407, "missing", false]);
    assert.ok(client.challenged(request(), first, 0));
    const signed = client.sign(request());
    const field = as === "server" ? "authorization" : "proxy-authorization";
    assert.match(signed.headers.get(field) ?? "", /algorithm=SHA-256.*nc=00000001/);
    assert.deepEqual(challenger.check(signed, as), { ok: true, user: "alice", secretId: "device0" });
    assert.equal(challenger.check(signed, as === "server" ? "proxy" : "server").ok, false);
  });
}

test("challenges come in the configured order, each algorithm once (RFC 8760 §2.3)", () => {
  const algorithms = (config: Partial<ChallengerConfig>) =>
    refusal(pair(config).challenger.check(request(), "server"))
      .headers.fields()
      .map(({ value }) => parseDigest(value)?.get("algorithm"));
  assert.deepEqual(algorithms({}), ["SHA-256", "MD5"]);
  assert.deepEqual(algorithms({ algorithms: ["MD5"] }), ["MD5"]);
});

const CHOICES: { name: string; challenges: string[]; wants: string | undefined }[] = [
  { name: "the strongest, wherever it stands", challenges: ["algorithm=MD5", "algorithm=SHA-256"], wants: "SHA-256" },
  { name: "MD5 where nothing is said", challenges: ["qop=auth"], wants: "MD5" },
  { name: "what it supports", challenges: ["algorithm=SHA-512-256", "algorithm=md5"], wants: "MD5" },
  { name: "nothing where all are unknown", challenges: ["algorithm=SHA-256-sess", "algorithm=MD5-sess"], wants: undefined },
  { name: "nothing where only auth-int is offered", challenges: ['qop="auth-int"'], wants: undefined },
];
for (const { name, challenges, wants } of CHOICES) {
  test(`a client chooses ${name} (RFC 8760 §2.4)`, () => {
    const { client } = pair();
    const headers = Headers.of(challenges.map((more) => ["WWW-Authenticate", `Digest realm="r", nonce="n", ${more}`] as const));
    const response: SipResponse = { kind: "response", status: 401, reason: "", headers, body: new Uint8Array() };
    assert.equal(client.challenged(request(), response, 0), wants !== undefined);
    assert.equal(parseDigest(client.sign(request()).headers.get("authorization") ?? "")?.get("algorithm"), wants);
  });
}
test("a client repeats opaque, and leaves nc out where no qop was offered (RFC 7616 §3.4)", () => {
  const { client } = pair();
  const headers = Headers.of([["WWW-Authenticate", 'Digest realm="r", nonce="n", opaque="o"']]);
  client.challenged(request(), { kind: "response", status: 401, reason: "", headers, body: new Uint8Array() }, 0);
  const sent = parseDigest(client.sign(request()).headers.get("authorization") ?? "");
  assert.deepEqual([sent?.get("opaque"), sent?.has("nc"), sent?.has("qop")], ["o", false, false]);
});

test("any of a user's device secrets will do, and the answer says which (DESIGN §6)", () => {
  const { challenger, client } = pair({}, "second", ["first", "second"]);
  client.challenged(request(), refusal(challenger.check(request(), "server")), 0);
  assert.deepEqual(challenger.check(client.sign(request()), "server"), { ok: true, user: "alice", secretId: "device1" });
});
test("a wrong secret is refused, and the client gives up (RFC 3261 §22.2)", () => {
  const { challenger, client } = pair({}, "guess");
  client.challenged(request(), refusal(challenger.check(request(), "server")), 0);
  const signed = client.sign(request());
  const again = refusal(challenger.check(signed, "server"));
  assert.deepEqual([again.why, again.stale], ["wrong", false]);
  assert.equal(client.challenged(signed, again, 1), false);
});
test("later requests count the nonce up and need no new challenge (RFC 7616 §3.4)", () => {
  const { challenger, client } = pair();
  client.challenged(request(), refusal(challenger.check(request(), "server")), 0);
  for (const nc of ["00000001", "00000002", "00000003"]) {
    const signed = client.sign(request("INVITE"));
    assert.equal(parseDigest(signed.headers.get("authorization") ?? "")?.get("nc"), nc);
    assert.ok(challenger.check(signed, "server").ok);
  }
});
test("a nonce older than its lifetime is stale, and its successor is answered (RFC 7616 §3.3)", () => {
  const { challenger, client, passMs } = pair({ nonceLifetimeSec: 60 });
  client.challenged(request(), refusal(challenger.check(request(), "server")), 0);
  passMs(60_000);
  assert.ok(challenger.check(client.sign(request()), "server").ok);
  passMs(1);
  const signed = client.sign(request());
  const again = refusal(challenger.check(signed, "server"));
  assert.deepEqual([again.why, again.stale], ["stale", true]);
  assert.match(again.headers.get("www-authenticate") ?? "", /stale=true/);
  assert.ok(client.challenged(signed, again, 0));
  assert.ok(challenger.check(client.sign(request()), "server").ok);
});
test("a nonce is taken by every server with the operator's key, and a forged one by none (DESIGN §6)", () => {
  const { challenger, server, client } = pair();
  client.challenged(request(), refusal(challenger.check(request(), "server")), 0);
  assert.ok(server().check(client.sign(request()), "server").ok);
  const forged = refusal(challenger.check(request(), "server"));
  const other = Headers.of([
    ["WWW-Authenticate", (forged.headers.get("www-authenticate") ?? "").replace(/nonce="./, 'nonce="z')],
  ]);
  client.challenged(request(), { ...forged, headers: other }, 0);
  assert.equal(refusal(challenger.check(client.sign(request()), "server")).why, "stale");
});
test("credentials are taken once: a replay is challenged anew (RFC 7616 §3.4.5)", () => {
  const { challenger, client } = pair();
  client.challenged(request(), refusal(challenger.check(request(), "server")), 0);
  const signed = client.sign(request());
  assert.ok(challenger.check(signed, "server").ok);
  assert.equal(refusal(challenger.check(signed, "server")).why, "replayed");
});
test(`after ${LIMITS.sipNonces} nonces the oldest is forgotten, and is then stale, not taken again (sipNonces)`, () => {
  const { challenger, client, passMs } = pair({ algorithms: ["MD5"] });
  client.challenged(request(), refusal(challenger.check(request(), "server")), 0);
  const oldest = client.sign(request());
  assert.ok(challenger.check(oldest, "server").ok);
  const missing = request();
  for (let count = 0; count < LIMITS.sipNonces; count++) {
    if (count === 0) passMs(1);
    client.challenged(missing, refusal(challenger.check(missing, "server")), 0);
    assert.ok(challenger.check(client.sign(missing), "server").ok);
  }
  assert.equal(refusal(challenger.check(oldest, "server")).why, "replayed");
  passMs(1);
  client.challenged(missing, refusal(challenger.check(missing, "server")), 0);
  assert.ok(challenger.check(client.sign(missing), "server").ok, "a younger nonce is taken");
});
const UNUSABLE: { name: string; change: [string | RegExp, string] }[] = [
  { name: "no qop", change: [/qop=auth, /, ""] },
  { name: "an algorithm that was not offered", change: ["algorithm=SHA-256", "algorithm=MD5"] },
  { name: "a count of nothing", change: ["nc=00000001", "nc=00000000"] },
  { name: "no user", change: [/username="alice", /, ""] },
];
for (const { name, change } of UNUSABLE) {
  test(`credentials with ${name} are challenged again (RFC 8760 §2.6)`, () => {
    const { challenger, client } = pair({ algorithms: ["SHA-256"] });
    client.challenged(request(), refusal(challenger.check(request(), "server")), 0);
    const signed = client.sign(request());
    const value = signed.headers.get("authorization") ?? "";
    signed.headers.set("authorization", value.replace(...change));
    assert.equal(refusal(challenger.check(signed, "server")).why, "unusable");
  });
}
test(`a server that is never content is left after ${LIMITS.sipDigestRepeats} repeats (sipDigestRepeats)`, () => {
  const { client } = pair();
  let sent = request();
  let repeats = 0;
  const never = (): SipResponse => {
    const headers = Headers.of([["WWW-Authenticate", `Digest realm="r", nonce="n${repeats}", qop="auth", stale=true`]]);
    return { kind: "response", status: 401, reason: "", headers, body: new Uint8Array() };
  };
  while (client.challenged(sent, never(), repeats)) {
    sent = client.sign(request());
    repeats++;
  }
  assert.equal(repeats, LIMITS.sipDigestRepeats);
});
