/**
 * Calls between telephones that nobody here wrote, through the real program, over UDP, TCP and TLS: in a network of their own,
 * whose DNS says where the servers are (RFC 3263). Linphone checks certificates by name (RFC 5922); baresip 1.0 does not.
 */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { stringify } from "yaml";
import { toolOrSkip } from "#host/node/test-tools.ts";
import { runInit } from "./init.ts";
import { Network } from "./test-network.ts";
import { SIGN_UP, type SignedUp } from "./test-people.ts";
import { Bench, HOME, SERVING } from "./test-program.ts";
import { baresip, linphone, type Telephone, type Transport } from "./test-telephones.ts";

const DOMAIN = "tv.example";
const WEB = "http://192.0.2.1:8080";
const SEEN_WITHIN_MS = 8_000;
/**
 * Who has which telephone, on one machine with his DS; addresses for documentation (RFC 5737). Baresip 1.0 gives up where
 * SHA-256 is offered, though MD5 is too; Linphone takes SHA-256.
 */
const PEOPLE = {
  alice: { start: baresip, ds: "ds1", address: "192.0.2.1", digest: ["MD5"] },
  bob: { start: baresip, ds: "ds2", address: "192.0.2.2", digest: ["MD5"] },
  carol: { start: linphone, ds: "ds3", address: "192.0.2.3", digest: ["SHA-256", "MD5"] },
} as const;
type Person = keyof typeof PEOPLE;
const NAMES = Object.keys(PEOPLE) as Person[];
const SITES = Object.values(PEOPLE);
const TRANSPORTS = ["udp", "tcp", "tls"] as const;
/** Everybody has a telephone for each transport, and a name for each. */
const userOf = (person: Person, transport: Transport): string => `${person}-${transport}`;
const USERS = TRANSPORTS.flatMap((transport) => NAMES.map((person) => userOf(person, transport)));

/** Where each DS is, by transport (RFC 3263 §4). */
const RECORDS = SITES.flatMap(({ ds, address }) => {
  const name = `${ds}.${DOMAIN}`;
  const services = { "_sip._udp": 5_060, "_sip._tcp": 5_060, "_sips._tcp": 5_061 };
  const srv = Object.entries(services).map(([service, port]) => `--srv-host=${service}.${name},${name},${port}`);
  return [`--host-record=${name},${address}`, ...srv];
});

function configuration(keys: string): string {
  const key = (file: string): string => path.join(keys, file);
  return stringify({
    domain: DOMAIN,
    origins: [WEB],
    ds: SITES.map(({ ds, address, digest }) => ({
      id: ds,
      site: ds,
      udp: `${address}:5060`,
      tcp: `${address}:5060`,
      tls: `${address}:5061`,
      ws: `${address}:5062`,
      edge: `edge-${ds}`,
      digest,
      certificate: { cert: key(`${ds}.pem`), key: key(`${ds}.key`), ca: key("ca.pem") },
    })),
    edge: SITES.map(({ ds, address }) => ({
      id: `edge-${ds}`,
      site: ds,
      cops: `${address}:3288`,
      media: { address, ws: `${address}:5063`, ingestFirst: 6_000 },
    })),
    broker: [{ cops: "127.0.0.1:3288", edges: SITES.map(({ ds }) => ({ id: `edge-${ds}`, site: ds, accessKbps: 100_000 })) }],
    registration: { database: ":memory:" },
    web: [{ listen: new URL(WEB).host }],
  });
}

interface Operator {
  /** `authority`: whom the telephone trusts; absent, the operator's own. */
  start(person: Person, transport: Transport, authority?: string): Telephone;
  /** An authority that did not sign for the operator. */
  readonly stranger: string;
}

async function operatorOrSkip(t: TestContext): Promise<Operator | undefined> {
  const bench = new Bench();
  t.after(() => bench.close());
  const addresses = SITES.map(({ address }) => address);
  const network = await Network.orSkip(t, bench, addresses, RECORDS);
  if (!network) return undefined;
  const [keys, others] = [path.join(bench.folder, "keys"), path.join(bench.folder, "others")];
  for (const folder of [keys, others]) await runInit(folder, { domain: DOMAIN, ds: SITES.map(({ ds }) => ds) });
  const file = path.join(bench.folder, "operator.yaml");
  writeFileSync(file, configuration(keys));
  const operator = bench.run(...network.on(path.join(HOME, "bin/sipcast"), "serve", "--config", file, "--log", "json"));
  await operator.says(SERVING);
  const signUp = bench.run(...network.on(process.execPath, SIGN_UP, WEB, ...USERS));
  const people = JSON.parse(await signUp.firstLine()) as SignedUp[];
  return {
    stranger: path.join(others, "ca.pem"),
    start(person, transport, authority = path.join(keys, "ca.pem")) {
      const { start, ds, address } = PEOPLE[person];
      const user = userOf(person, transport);
      const line = {
        user,
        domain: DOMAIN,
        secret: people.find((one) => one.user === user)?.secret ?? "",
        server: `${ds}.${DOMAIN}`,
        transport,
        authority,
        address,
      };
      return start(bench, (...command) => network.on(...command), line);
    },
  };
}

/** One does something, and whoever sees what comes of it. */
async function act(by: Telephone, typed: string, ...seen: readonly (readonly [Telephone, RegExp])[]): Promise<void> {
  for (const [{ program }] of seen) program.out = "";
  by.program.type(typed);
  await Promise.all(seen.map(([{ program }, pattern]) => program.prints(pattern, SEEN_WITHIN_MS)));
}
const ring = (caller: Telephone, callee: Telephone): Promise<void> =>
  act(caller, caller.dial(`sip:${callee.user}@${DOMAIN}`), [callee, callee.says.rings]);
const hangUp = (by: Telephone, other: Telephone): Promise<void> =>
  act(by, by.keys.hangUp, [by, by.says.hangsUp], [other, other.says.ended]);

/** Two calls: in each one of them holds, takes up again (RFC 3264 §8.4) and hangs up. Then one that is given up. */
async function talk(caller: Telephone, callee: Telephone): Promise<void> {
  for (const [by, other] of [
    [caller, callee],
    [callee, caller],
  ] as const) {
    await ring(caller, callee);
    await act(callee, callee.keys.answer, [callee, callee.says.talks], [caller, caller.says.talks]);
    await act(by, by.keys.hold, [by, by.says.holds], [other, other.says.isHeld]);
    await act(by, by.keys.resume, [by, by.says.resumes], [other, other.says.isResumed]);
    await hangUp(by, other);
  }
  await ring(caller, callee);
  await hangUp(caller, callee);
}

test("telephones call one another through the servers that DNS names", async (t) => {
  if (!["baresip", "linphonec"].every((name) => toolOrSkip(t, name))) return;
  const operator = await operatorOrSkip(t);
  if (!operator) return;
  const { start, stranger } = operator;
  const sets = TRANSPORTS.map((transport) => {
    const [alice, bob, carol] = [start("alice", transport), start("bob", transport), start("carol", transport)];
    return { transport, alice, bob, carol };
  });
  await Promise.all(sets.flatMap(({ alice, bob, carol }) => [alice.registered(), bob.registered(), carol.registered()]));
  for (const { transport, alice, bob, carol } of sets) {
    const does = `over ${transport}: hold, resume and hang-up by either, CANCEL`;
    await t.test(`baresip calls baresip ${does}`, () => talk(alice, bob));
    await t.test(`linphone calls baresip ${does}`, () => talk(carol, bob));
    await t.test(`baresip calls linphone ${does}`, () => talk(bob, carol));
  }
  await t.test("linphone hangs up on a DS whose certificate a stranger signed (RFC 5922 §7.1)", async () => {
    await start("carol", "tls", stranger).program.says(/SSL handshake failed : X509/);
  });
});
