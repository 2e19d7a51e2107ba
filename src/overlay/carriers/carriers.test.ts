import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, text, utf8 } from "#base/bytes.ts";
import { LIMITS } from "#base/limits.ts";
import { type SimNetwork, simNetwork, simTest } from "#sim/index.ts";
import { type Channel, ChannelCarrier, ChannelHub } from "./channel.ts";
import { CARRIER_CONFORMANCE } from "./conformance.ts";
import { faulty } from "./faulty.ts";
import { InProcessCarrier } from "./in-process.ts";
import { takeName, withName } from "./names.ts";
import { Assembler, partsOf } from "./parts.ts";

/** Both ends of a channel in virtual time. */
function channelPair(net: SimNetwork) {
  const clock = net.host("channel", "127.0.9.1");
  const end = () => ({ queuedBytes: 0, take: (_bytes: Uint8Array): void => undefined, gone: (): void => undefined });
  const [one, other] = [end(), end()];
  let isOpen = true;
  const channel = (own: typeof one, peer: typeof one): Channel => ({
    get queuedBytes() {
      return own.queuedBytes;
    },
    send: (bytes) => {
      if (isOpen) clock.timer(clock.nowMs(), () => isOpen && peer.take(bytes));
    },
    onMessage: (take) => {
      own.take = take;
    },
    onClose: (gone) => {
      own.gone = gone;
    },
  });
  const cut = (): void => {
    isOpen = false;
    one.gone();
    other.gone();
  };
  return { parent: channel(one, other), child: channel(other, one), ends: { parent: one, child: other }, cut };
}

const carriersOf = {
  "the simulated carrier": () => [new InProcessCarrier(() => [1])],
  "a channel in virtual time": (net: SimNetwork) => {
    const { parent, child } = channelPair(net);
    const own = new InProcessCarrier();
    new ChannelHub(own, net.host("parent", "127.0.9.2")).attach(parent);
    return [own, new ChannelCarrier(child)];
  },
} as const;
for (const [kind, carriers] of Object.entries(carriersOf)) {
  for (const { name, script } of CARRIER_CONFORMANCE) {
    simTest(`${kind}: ${name}`, (net) => {
      const places = carriers(net);
      const known = new Map<string, (typeof places)[number]>();
      const join = (id: string) => {
        const place = known.get(id) ?? places[known.size % places.length] ?? assert.fail();
        const host = known.has(id) ? net.host(`${id} again`, `127.0.2.${known.size}`) : net.host(id, `127.0.1.${known.size + 1}`);
        known.set(id, place);
        const heard: string[] = [];
        return { port: place.join(id, host, (frame) => void heard.push(text(frame))), heard };
      };
      for (const condition of script({ join })) {
        for (let tries = 0; !condition(); tries++) {
          assert.ok(tries < 1_000, `${condition}`);
          net.run(5);
        }
      }
    });
  }
}

test("a channel takes channelQueuedBytes, and joining and leaving above that too", () => {
  const net = simNetwork(1);
  const { parent, child, ends, cut } = channelPair(net);
  const own = new InProcessCarrier();
  const clock = net.host("parent", "127.0.9.2");
  const hub = new ChannelHub(own, clock);
  hub.attach(parent);
  const carrier = new ChannelCarrier(child);
  const heard: string[] = [];
  const hears = (who: string) => (frame: Uint8Array) => void heard.push(`${who} got ${text(frame)}`);
  const parents = own.join("ds1", clock, hears("ds1"));
  ends.child.queuedBytes = LIMITS.channelQueuedBytes - 10;
  const childs = carrier.join("ds2", clock, hears("ds2"));
  childs.send("ds1", utf8("a"));
  childs.send("ds1", utf8("too long"));
  net.run(1);
  ends.parent.queuedBytes = LIMITS.channelQueuedBytes;
  parents.send("ds2", utf8("b"));
  net.run(1);
  ends.parent.queuedBytes = 0;
  parents.send("ds2", utf8("c"));
  net.run(1);
  assert.deepEqual([heard, carrier.counters.dropped, hub.counters.dropped], [["ds1 got a", "ds2 got c"], 1, 1]);
  cut();
  parents.send("ds2", utf8("d"));
  childs.send("ds1", utf8("e"));
  net.run(1);
  assert.equal(heard.length, 2);
});

test("what is no message of the channel is counted on either side, and nobody joins above overlayMembers", () => {
  const net = simNetwork(1);
  const { parent, child } = channelPair(net);
  const clock = net.host("parent", "127.0.9.2");
  const hub = new ChannelHub(new InProcessCarrier(), clock);
  hub.attach(parent);
  const carrier = new ChannelCarrier(child);
  const join = (id: string): void => child.send(concat([Uint8Array.of(1), withName(id, new Uint8Array(0))]));
  const bad = [[], [9, 1, 97], [1], [1, 9, 97], [1, 1, 0x2e], [3, 1, 97, 1, 97], [4, 1, 98], [2, 1, 98], [5, 1, 97]];
  for (const bytes of bad) child.send(Uint8Array.from(bytes));
  parent.send(Uint8Array.of(1, 1, 97));
  net.run(1);
  assert.deepEqual([hub.counters.badMessages, carrier.counters.badMessages], [bad.length, 1]);
  for (let count = 0; count <= LIMITS.overlayMembers; count++) join(`m${count}`);
  join("m0"); // again, in its old place
  net.run(1);
  assert.equal(hub.counters.badMessages, bad.length + 1);
});

test("a faulty carrier loses, delays and repeats what it is told to, of one and of all", () => {
  const net = simNetwork(1);
  const fates: Record<string, readonly number[]> = { "a>b": [], "a>c": [5, 20], "b>a": [0] };
  const carrier = faulty(new InProcessCarrier(), (from, to) => fates[`${from}>${to}`] ?? assert.fail());
  const clock = net.host("host", "127.0.1.1");
  const heard: string[] = [];
  const [a, b, c] = ["a", "b", "c"].map((id) =>
    carrier.join(id, clock, (frame) => void heard.push(`${id} got ${text(frame)} at ${clock.nowMs()}`)),
  );
  a?.sendAll(utf8("x"));
  b?.send("a", utf8("y"));
  net.run(10);
  c?.leave();
  net.run(20);
  assert.deepEqual(heard, ["a got y at 0", "c got x at 5"]);
});

const PARTS: { name: string; bytes: number; partBytes: number; wants: number }[] = [
  { name: "an empty frame", bytes: 0, partBytes: 10, wants: 1 },
  { name: "a frame of one part", bytes: 10, partBytes: 10, wants: 1 },
  { name: "a frame of one octet more", bytes: 11, partBytes: 10, wants: 2 },
  { name: "the largest frame", bytes: LIMITS.overlayFrameBytes, partBytes: LIMITS.natsPartBytes, wants: 16 },
];
for (const { name, bytes, partBytes, wants } of PARTS) {
  test(`parts: ${name}, whole again, and without any one of its parts lost with the next one whole`, () => {
    const frame = Uint8Array.from({ length: bytes }, (_, at) => at * 7);
    const parts = [...partsOf("ds1", 7, frame, partBytes)];
    assert.equal(parts.length, wants);
    const taken = (messages: readonly Uint8Array[]): Uint8Array[] => {
      const assembler = new Assembler();
      return messages.flatMap((message) => assembler.take(message) ?? []);
    };
    assert.deepEqual(taken(parts), [frame]);
    const next = [...partsOf("ds1", 8, frame, partBytes)];
    for (const lost of parts.slice(0, 3)) assert.deepEqual(taken([...parts.filter((part) => part !== lost), ...next]), [frame]);
    assert.deepEqual(
      taken(parts.flatMap((part) => [part, ...partsOf("ds2", 1, frame, bytes || 1)])).length,
      wants + 1,
      "senders side by side",
    );
  });
}

test("parts: the beginning of one frame and the end of the next are no frame", () => {
  const assembler = new Assembler();
  const [one, next] = [7, 8].map((number) => [...partsOf("ds1", number, utf8("frame"), 3)]);
  for (const part of [one?.[0], next?.[1]]) assert.equal(assembler.take(part ?? assert.fail()), undefined);
  assert.deepEqual(assembler.counters, { badParts: 0, incomplete: 1 });
});

test("parts: one that claims another length than the first is not the next", () => {
  const assembler = new Assembler();
  const [first] = partsOf("ds1", 1, utf8("frame"), 3);
  const [, other] = partsOf("ds1", 1, utf8("a longer frame"), 3);
  for (const part of [first, other]) assert.equal(assembler.take(part ?? assert.fail()), undefined);
  assert.equal(assembler.counters.incomplete, 1);
});

test("parts: what is none costs nothing and is counted, a frame that claims 4 GiB too", () => {
  const assembler = new Assembler();
  const [good] = partsOf("ds1", 1, utf8("frame"), 3);
  assert.ok(good);
  const changed = (at: number, ...octets: number[]): Uint8Array => {
    const bytes = good.slice();
    bytes.set(octets, at);
    return bytes;
  };
  const headAt = 5;
  const bad = [
    changed(0, 2),
    changed(1, 0),
    changed(1, 200),
    changed(2, 0x2e),
    changed(headAt + 4, 0xff, 0xff, 0xff, 0xff),
    changed(headAt + 4, 0, 0x40, 0, 1), // overlayFrameBytes + 1
    changed(headAt + 4, 0, 0, 0, 2), // less than there is
    changed(headAt + 8, 0xff, 0xff, 0xff, 0xff),
    ...Array.from({ length: good.length - 3 }, (_, length) => good.subarray(0, length)),
    good.subarray(0, good.length - 3), // a part of nothing
  ];
  for (const message of bad) assert.equal(assembler.take(message), undefined);
  assert.deepEqual(assembler.counters, { badParts: bad.length, incomplete: 0 });
  assert.equal(assembler.take(changed(headAt + 4, 0, 0x40, 0, 0)), undefined);
  assert.equal(assembler.counters.badParts, bad.length, "overlayFrameBytes is taken");
});

test("parts: above natsPartialBytes the oldest frame that is not whole is lost", () => {
  const assembler = new Assembler();
  const frame = new Uint8Array(LIMITS.overlayFrameBytes - 512);
  const senders = LIMITS.natsPartialBytes / LIMITS.overlayFrameBytes + 1;
  const all = Array.from({ length: senders }, (_, at) => [...partsOf(`ds${at}`, 1, frame, frame.length / 2)]);
  for (const parts of all.slice(0, -1)) assembler.take(parts[0] ?? assert.fail());
  assert.equal(assembler.counters.incomplete, 0);
  assembler.take(all.at(-1)?.[0] ?? assert.fail());
  assert.equal(assembler.counters.incomplete, 1);
  const whole = all.map((parts) => assembler.take(parts[1] ?? assert.fail()) !== undefined);
  assert.deepEqual(
    whole,
    all.map((_, at) => at > 0),
  );
});

test("a name is one of a member, or there is none", () => {
  assert.deepEqual(takeName(withName("ds-1_A", utf8("rest"))), { id: "ds-1_A", rest: utf8("rest") });
  for (const bytes of [[], [0], [2, 97], [1, 0x20], [2, 0xc3, 0xbc]])
    assert.equal(takeName(Uint8Array.from(bytes)), undefined, bytes.join());
});
