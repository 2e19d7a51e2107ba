/** Calls between people through the DSs of a whole operator [B2], PROTOCOL §1, §9, §13. */
import assert from "node:assert/strict";
import { Asker, bareDriver, Phone } from "#sim/phone.ts";
import type { SimNetwork } from "#sim/types.ts";
import { type World, world, worldTest } from "#sim/world.ts";
import { RegistrationClient } from "#sip/engine/registration-client.ts";
import { request } from "#sip/index.ts";
import { parseUri, sipUri } from "#sip/wire/uri.ts";
import { nameAddr } from "#sip/wire/values.ts";

const WS = "ws://10.0.1.1:5061/";
const SETTLE_MS = 100_000; // longer than any transaction lives

interface Line {
  readonly w: World;
  readonly alice: Phone;
  readonly bob: Phone;
}
/** Alice at site 1 and Bob at `site`, registered. */
function line(net: SimNetwork, site = 1, ws: { alice?: boolean; bob?: boolean } = {}): Line {
  const w = world(net, { sites: 2 });
  const phone = (user: string, at: number, overWs = false): Phone =>
    new Phone(net, w.signUp(user, at), overWs ? { ws: WS.replace("1.1", `${at}.1`) } : {});
  const [alice, bob] = [phone("alice", 1, ws.alice), phone("bob", site, ws.bob)];
  w.run(1_000);
  assert.deepEqual(
    [alice.look(), bob.look()].map((told) => told.at(-1)),
    ["registered", "registered"],
  );
  return { w, alice, bob };
}
/** No server remembers anything of any call. */
function assertQuiet({ operator }: World): void {
  for (const { proxy, sip } of operator.servers) {
    assert.deepEqual([proxy.pending, sip.transactions], [0, { client: 0, server: 0 }]);
  }
}

const PLACES: { name: string; site: number; ws: { alice?: boolean; bob?: boolean } }[] = [
  { name: "both over UDP at one DS", site: 1, ws: {} },
  { name: "over UDP at two DSs", site: 2, ws: {} },
  { name: "a page calls a telephone at another DS", site: 2, ws: { alice: true } },
  { name: "a telephone calls a page at another DS", site: 2, ws: { bob: true } },
  { name: "two pages at one DS", site: 1, ws: { alice: true, bob: true } },
  { name: "two pages at two DSs", site: 2, ws: { alice: true, bob: true } },
];
for (const { name, site, ws } of PLACES) {
  for (const leaver of ["alice", "bob"] as const) {
    worldTest(`${name}: ring, answer, talk, ${leaver} hangs up (RFC 3261 §16, RFC 5626 §5.3)`, (net) => {
      const { w, ...phones } = line(net, site, ws);
      const { alice, bob } = phones;
      let answered = 0;
      bob.onRing = (call) => {
        answered = call;
      };
      const call = alice.call("bob");
      w.run(500);
      assert.deepEqual([alice.look(), bob.look()], [["180"], ["invite"]]);
      bob.accept(answered);
      w.run(500);
      assert.deepEqual([alice.look(), bob.look()], [["answered"], ["established"]]);
      phones[leaver].ua.calls.end(leaver === "alice" ? call : answered);
      w.run(500);
      const [local, bye] = [["ended local"], ["ended bye"]];
      assert.deepEqual([alice.look(), bob.look()], leaver === "alice" ? [local, bye] : [bye, local]);
      w.run(SETTLE_MS);
      assertQuiet(w);
    });
  }
}

worldTest("busy, refused everywhere: the caller hears what the called said (RFC 3261 §16.7)", (net) => {
  const { w, alice, bob } = line(net, 2);
  for (const status of [486, 603]) {
    bob.onRing = (call) => bob.ua.calls.reject(call, status);
    alice.call("bob");
    w.run(500);
    assert.equal(alice.look().at(-1), `ended rejected ${status}`);
  }
});

worldTest("nobody of that name: 404; nobody there: 480", (net) => {
  const { w, alice } = line(net);
  w.signUp("carol", 2);
  alice.call("nobody");
  alice.call("carol");
  w.run(500);
  assert.deepEqual([...alice.look()].sort(), ["ended rejected 404", "ended rejected 480"]);
});

for (let atMs = 0; atMs <= 60; atMs += 5) {
  worldTest(
    `the caller gives up ${atMs} ms after calling, whatever crosses: both ends know, nothing is left (RFC 3261 §16.10)`,
    (net) => {
      const { w, alice, bob } = line(net, 2);
      bob.onRing = (call) => bob.host.timer(bob.host.nowMs() + 15, () => bob.accept(call));
      for (const [a, b] of [
        ["alice", "ds1"],
        ["ds1", "bob"],
      ] as const)
        net.setFaults(a, b, { delayMs: 5 });
      const call = alice.call("bob");
      w.run(atMs);
      alice.ua.calls.end(call);
      w.run(SETTLE_MS);
      assert.equal(alice.look().at(-1), "ended local");
      assert.match(bob.look().at(-1) ?? "ended bye", /^ended (?:canceled|bye)$/);
      assertQuiet(w);
    },
    { seeds: 1 },
  );
}

worldTest(
  "two devices ring; who answers first has the call, the other is told that it was taken (RFC 3261 §16.7, RFC 3326)",
  (net) => {
    const { w, alice, bob } = line(net, 2, { bob: true });
    const desk = new Phone(net, { ...w.signUp("bob", 2), ds: { host: "10.0.1.1", port: 5060 } }, { name: "desk" });
    w.run(1_000);
    desk.look();
    desk.onRing = (call) => desk.host.timer(desk.host.nowMs() + 300, () => desk.accept(call));
    alice.call("bob");
    w.run(1_000);
    assert.deepEqual(
      [bob.look(), desk.look()],
      [
        ["invite", "ended canceled"],
        ["invite", "established"],
      ],
    );
    assert.deepEqual(alice.look(), ["180", "180", "answered"]);
    assert.match(net.ladder(), /CANCEL/);
  },
);

worldTest("one device declines for all: the other stops ringing (RFC 3261 §16.7 step 5)", (net) => {
  const { w, alice, bob } = line(net, 2);
  const desk = new Phone(net, w.signUp("bob", 2), { name: "desk" });
  w.run(1_000);
  desk.look();
  desk.onRing = (call) => desk.ua.calls.reject(call, 603);
  alice.call("bob");
  w.run(1_000);
  assert.deepEqual(
    [bob.look(), desk.look()],
    [
      ["invite", "ended canceled"],
      ["invite", "ended local"],
    ],
  );
  assert.equal(alice.look().at(-1), "ended rejected 603");
});

worldTest("over lines that lose a quarter of all datagrams every call ends once at both ends", (net) => {
  const { w, alice, bob } = line(net, 2);
  bob.onRing = (call) => bob.accept(call);
  for (const [a, b] of [
    ["alice", "ds1"],
    ["ds1", "bob"],
    ["ds2", "bob"],
    ["ds1", "ds2"],
  ] as const) {
    net.setFaults(a, b, { loss: 0.25, duplicate: 0.1, delayMs: 10, jitterMs: 30 });
  }
  const calls = Array.from({ length: 6 }, () => alice.call("bob"));
  w.run(15_000);
  for (const call of calls) alice.ua.calls.end(call);
  w.run(200_000);
  assert.equal(alice.ends.length, 6);
  assert.equal(bob.ends.length, bob.told.filter((what) => what === "invite").length);
  assertQuiet(w);
});

worldTest(
  "a telephone behind a NAT is called where it came from, and asked every 25 s so that it stays open (PROTOCOL §13)",
  (net) => {
    const { w, alice } = line(net);
    const carol = new Phone(net, w.signUp("carol", 2), { natAddress: "192.168.1.2" });
    carol.onRing = (call) => carol.accept(call);
    w.run(1_000);
    const call = carol.call("alice"); // her Contact leads nowhere
    w.run(500);
    assert.deepEqual([alice.look(), carol.look().slice(-1)], [["invite"], ["180"]]);
    carol.ua.calls.end(call);
    w.run(75_000);
    assert.deepEqual([alice.look(), carol.look()], [["ended canceled"], ["ended local"]]);
    const asked = net
      .ladder()
      .split("\n")
      .filter((entry) => /OPTIONS/.test(entry));
    assert.equal(asked.length, 6, "three, and their answers");
    const second = alice.call("carol");
    w.run(500);
    assert.deepEqual(
      [alice.look(), carol.look()],
      [
        ["180", "answered"],
        ["invite", "established"],
      ],
    );
    alice.ua.calls.end(second);
    w.run(500);
    assert.deepEqual(carol.look(), ["ended bye"]);
  },
);

worldTest("contacts that lead from server to server and back: 482, and it is over (RFC 5393 §4.2)", (net) => {
  const { w, alice } = line(net);
  diverts(net, w.signUp("carol", 1), "sip:dave@10.0.2.1:5060");
  diverts(net, w.signUp("dave", 2), "sip:carol@10.0.1.1:5060");
  w.run(1_000);
  alice.call("carol");
  w.run(1_000);
  assert.equal(alice.look().at(-1), "ended rejected 482");
});

worldTest("a page that rings somebody and vanishes: the telephone stops ringing", (net) => {
  const { w, alice, bob } = line(net, 2, { alice: true });
  alice.call("bob");
  w.run(500);
  alice.ua.stop();
  w.run(500);
  assert.deepEqual(bob.look(), ["invite", "ended canceled"]);
});

worldTest("the flow of a page is gone though its row is still there: 480 (RFC 5626 §5.3.1)", (net) => {
  const { w, alice } = line(net, 2, { bob: true });
  w.kill("ds2");
  w.restart("ds2");
  alice.call("bob");
  w.run(1_000);
  assert.equal(alice.look().at(-1), "ended rejected 480");
});

const STRANGERS: { name: string; from?: string; to?: string; uri?: string; route?: string; status: number }[] = [
  { name: "one of the domain without credentials is challenged (RFC 3261 §22.3)", status: 407 },
  { name: "one of another domain is refused", from: "<sip:eve@elsewhere.example>", status: 403 },
  { name: "a dialog that nobody has", to: "<sip:bob@sipcast.test>;tag=1", status: 481 },
  { name: "a forged Route of ours (RFC 5626 §5.3.1)", route: "<sip:00112233445566778899@10.0.1.1;lr>", status: 403 },
  {
    name: "a dialog to a victim, by a Route without token",
    to: "<sip:x@y>;tag=1",
    uri: "sip:victim@10.0.9.9",
    route: "<sip:10.0.1.1;lr>",
    status: 481,
  },
  { name: "somebody elsewhere", uri: "sip:victim@10.0.9.9", status: 404 },
  { name: "a Route that cannot be read", route: "no route", status: 400 },
];
for (const {
  name,
  from = "<sip:alice@sipcast.test>",
  to = "<sip:bob@sipcast.test>",
  uri = "sip:bob@sipcast.test",
  route,
  status,
} of STRANGERS) {
  worldTest(`from a stranger: ${name}: ${status}`, (net) => {
    const { w, bob } = line(net);
    const heard: number[] = [];
    const driver = bareDriver(net.host("eve", "10.0.9.1"), "10.0.9.1", (response) => heard.push(response.status));
    const fields: [string, string][] = [
      ["From", `${from};tag=e`],
      ["To", to],
      ["Call-ID", "e"],
      ["CSeq", "1 MESSAGE"],
    ];
    if (route !== undefined) fields.push(["Route", route]);
    driver.request(request("MESSAGE", parseUri(uri) ?? assert.fail(), fields), {
      transport: "udp",
      host: "10.0.1.1",
      port: 5060,
    });
    w.run(500);
    assert.deepEqual([heard, bob.look()], [[status], []]);
  });
}

worldTest("a user who speaks in another's name is refused: 403", (net) => {
  const { w, alice } = line(net);
  const mallory = new Asker(net, w.signUp("mallory", 1));
  mallory.ask("MESSAGE", "alice", [], "bob");
  w.run(500);
  assert.deepEqual([mallory.heard.map(({ status }) => status), alice.look()], [[403], []]);
});

const EXTENSIONS: {
  name: string;
  method: string;
  to: string;
  field: [string, string];
  wants: [status: number, lacks?: string];
}[] = [
  { name: "a DS asked what it can", method: "OPTIONS", to: "", field: ["Require", "path, teleport"], wants: [420, "teleport"] },
  { name: "a DS asked for what it can", method: "OPTIONS", to: "", field: ["Require", "path"], wants: [200] },
  { name: "a channel", method: "INVITE", to: "bob-tv", field: ["Require", "teleport"], wants: [420, "teleport"] },
  { name: "the registrar", method: "REGISTER", to: "carol", field: ["Require", "teleport"], wants: [420, "teleport"] },
  {
    name: "whoever is called, through the proxy",
    method: "MESSAGE",
    to: "bob",
    field: ["Require", "teleport"],
    wants: [420, "teleport"],
  },
  { name: "the proxy", method: "MESSAGE", to: "bob", field: ["Proxy-Require", "teleport"], wants: [420, "teleport"] },
  { name: "no proxy: the DS itself", method: "OPTIONS", to: "", field: ["Proxy-Require", "teleport"], wants: [200] },
];
for (const { name, method, to, field, wants } of EXTENSIONS) {
  worldTest(`${field.join(": ")} is a matter of ${name}: ${wants.join(" ")} (RFC 3261 §8.2.2.3, §16.3 step 5)`, (net) => {
    const { w } = line(net, 2);
    const carol = new Asker(net, w.signUp("carol", 1));
    carol.ask(method, to, [field, ["Contact", "<sip:carol@10.0.1.99>"]]);
    w.run(500);
    assert.deepEqual(
      carol.heard.map(({ status, headers }) => [status, headers.get("unsupported")]),
      [[wants[0], wants[1]]],
    );
  });
}

/** Somebody who has his calls sent elsewhere: the contact that he registers. */
function diverts(
  net: SimNetwork,
  { user, domain, deviceSecret, ds, localHost }: ReturnType<World["signUp"]>,
  contact: string,
): void {
  const host = net.host(user, localHost);
  const driver = bareDriver(host, localHost, (response, id, flow) => registration.onResponse(response, id, flow));
  const registration = new RegistrationClient(
    {
      transactions: driver,
      host,
      told: () => undefined,
      connect: () => registration.onConnected({ transport: "udp", ...ds }),
    },
    {
      aor: sipUri({ user, host: domain }),
      registrar: sipUri({ host: domain }),
      contact: () => nameAddr(parseUri(contact) ?? assert.fail()),
      instance: `urn:uuid:${user}`,
      credentials: { user, password: deviceSecret },
    },
  );
  registration.register();
}
