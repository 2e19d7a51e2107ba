/** What a page is told, against a DS that says yes to everything, on the simulated network. */
import assert from "node:assert/strict";
import { utf8 } from "#base/bytes.ts";
import type { Host } from "#host/host.ts";
import { type SimNetwork, simTest } from "#sim/index.ts";
import { world } from "#sim/world.ts";
import { Party } from "#sip/test-party.ts";
import { WsListener } from "#sip/transport/ws-listener.ts";
import { response } from "#sip/wire/builders.ts";
import type { SipRequest } from "#sip/wire/message.ts";
import { type PageState, type PageViewer, pageViewer } from "./page.ts";

const EXPIRES_SEC = 60;
const STREAM = "/media/edge1.0123";

class Scene {
  readonly net: SimNetwork;
  readonly ds: Party;
  readonly page: PageViewer;
  readonly told: string[] = [];
  readonly #host: Host;
  #listener: WsListener;

  constructor(net: SimNetwork) {
    this.net = net;
    this.#host = net.host("ds1", "10.0.0.1");
    this.ds = new Party(this.#host);
    this.ds.answer = (asked, id) => this.ds.driver.respond(id, answer(asked));
    this.#listener = this.#listen();
    this.page = pageViewer(net.host("alice", "10.0.0.5"), {
      user: "alice",
      domain: "tv.example",
      sipUrls: ["ws://10.0.0.1:80/sip/ds1"],
      onState: (state) => this.told.push(words(state)),
    });
    this.page.start();
    net.run(1_000);
    this.page.watch("news");
    net.run(1_000);
  }

  /** Every WebSocket of the DS breaks; it takes new ones after a while. */
  breakFlows(): void {
    this.#listener.close();
    this.net.run(1_000);
    this.#listener = this.#listen();
    this.net.run(60_000);
  }

  #listen(): WsListener {
    const failed = (error: Error): never => {
      throw error;
    };
    const listener = new WsListener(this.#host, { host: "10.0.0.1", port: 80 }, { accept: () => ({}), failed });
    this.ds.driver.addTransport(listener);
    return listener;
  }
}
const words = (state: PageState): string =>
  [state.kind, state.channel, state.kind === "watching" ? state.url : undefined].filter(Boolean).join(" ");

function answer(asked: SipRequest) {
  const made = response(asked, 200, undefined, "ds");
  const contact = asked.headers.get("contact")?.replace(/expires=\d+/, `expires=${EXPIRES_SEC}`);
  if (asked.method === "REGISTER") made.headers.add("Contact", contact ?? "");
  if (asked.method !== "INVITE") return made;
  made.headers.add("Contact", "<sip:ds1.tv.example;transport=ws>").add("Content-Type", "application/sdp");
  const lines = [
    "v=0",
    "o=- 1 1 IN IP4 10.0.0.1",
    "s=-",
    "c=IN IP4 10.0.0.1",
    "t=0 0",
    "m=video 9 TCP/WS/MP2T 33",
    "a=sendonly",
    "a=setup:passive",
    `a=websocket-uri:${STREAM}`,
  ];
  return { ...made, body: utf8(lines.map((line) => `${line}\r\n`).join("")) };
}
const WATCHING = ["registering", "registered", "calling news", `watching news ${STREAM}`];

simTest("a page that registers again in time goes on watching and is told nothing (RFC 3261 §10.2.4)", (net) => {
  const { ds, told } = new Scene(net);
  assert.deepEqual(told, WATCHING);
  net.run(10 * EXPIRES_SEC * 1_000);
  assert.deepEqual(told, WATCHING);
  assert.ok(ds.told.filter((what) => what === "REGISTER").length >= 10);
});

simTest(
  "a page that lost its flow registers anew; watching again takes the place of the call before (RFC 5626 §4.5, RFC 3891)",
  (net) => {
    const scene = new Scene(net);
    const { ds, told, page } = scene;
    scene.breakFlows();
    assert.deepEqual(told.slice(WATCHING.length), ["registering", "offline", "registering", "registered"]);
    const before = ds.told.length;
    page.watch("news");
    net.run(1_000);
    assert.deepEqual(ds.told.slice(before), ["INVITE", "ACK"]);
    assert.deepEqual(told.slice(-2), WATCHING.slice(-2));
  },
);

simTest("a page that leaves and wants another channel at once calls it after the BYE, in nobody's place (RFC 3891 §3)", (net) => {
  const { ds, page } = new Scene(net);
  const before = ds.told.length;
  page.leave();
  page.watch("sport");
  net.run(1_000);
  assert.deepEqual(ds.told.slice(before), ["BYE", "INVITE", "ACK"]);
  assert.equal(ds.requests.at(-1)?.headers.get("replaces"), undefined);
});

simTest(
  "a page whose picture ends after a change was refused is told the refusal again, without the picture (PROTOCOL §6)",
  (net) => {
    const w = world(net, { sites: 1 });
    const bob = w.broadcaster("bob", 1);
    bob.goLive("bob-tv");
    const alice = w.page("alice", 1);
    alice.watch("bob-tv");
    w.run(2_000);
    alice.watch("carol-tv");
    w.run(2_000);
    assert.deepEqual([alice.state, alice.channel, alice.refusal?.status], ["watching", "bob-tv", 404]);
    bob.end();
    w.run(2_000);
    assert.deepEqual([alice.state, alice.channel, alice.refusal?.status], ["refused", "carol-tv", 404]);
  },
);
